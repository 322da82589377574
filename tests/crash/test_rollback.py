"""Rollbacks of a finished run: what breaks them, what they refuse, and that the domain lives on."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

import ldap3
import pytest
from ldap3.core.exceptions import LDAPNoSuchObjectResult

from fault_bench import FaultBench, copy_journal
from interfered import busy
from lab_clients import eventually, ldap
from lab_keys import shared_keys
from run_judge import stored_run
from stsfix.lab import judge
from stsfix.lab.faults import Effect, Rule, When
from stsfix.lab.lab import Lab
from stsfix.remediation.errors_run import NodesJoinedError, RunStateError, UndoFailedError
from stsfix.remediation.records import Phase
from stsfix.snapshot.errors import NoSpaceError, OperationError, RevertUnverifiedError

pytestmark = [pytest.mark.crash, pytest.mark.lab, pytest.mark.reliability("rollback")]

VC1, VC2 = "vc1.lab.example", "vc2.lab.example"
CHAINS = (
    "cn=TrustedCertificateChains,cn=vsphere.local,cn=Tenants,cn=IdentityManager,cn=Services,"
    "dc=vsphere,dc=local"
)


@pytest.fixture(scope="module")
def repaired(tmp_path_factory):
    """A lab after a run, its checkpoint then, and the state folder."""
    with Lab.build("elm", "expired", speed=2000, seed=5, keys=shared_keys()) as lab:
        bench = FaultBench(lab, tmp_path_factory.mktemp("lab"))
        state = tmp_path_factory.mktemp("run")
        assert bench(state, "run") is None
        yield bench, lab.checkpoint(), state


@pytest.fixture
def case(repaired, tmp_path):
    """The lab right after the run, with a copy of its journal."""
    bench, checkpoint, state = repaired
    bench.lab.restore(checkpoint)
    copy_journal(state, tmp_path)
    yield bench, tmp_path
    bench.lab.faults.clear()
    for host in bench.lab.hosts.values():
        host.start()


def calls_that_change(bench, before):
    """Return the names of the tasks and shutdowns since *before*."""
    made = bench.lab.faults.calls - before
    return {call for protocol, call, _ in made if call.endswith("_Task") or "Shutdown" in call}


def test_a_host_that_dies_between_two_reverts_keeps_everybody_off(case):
    """One node is at its snapshot, the other not: nobody is powered on until both are."""
    bench, state = case
    lab = bench.lab
    dying = lab.hosts[lab.host_of(VC2)]
    before = lab.faults.calls.copy()
    lab.faults.add(
        Rule(
            protocol="soap",
            call="RevertToSnapshot_Task",
            target="vc1",
            effect=Effect.MEANWHILE,
            others=dying.stop,
        )
    )

    error = bench(state, "rollback")
    lab.faults.clear()
    changed = calls_that_change(bench, before)
    dying.start()

    assert isinstance(error, UndoFailedError)
    assert str(dying.name) in str(error)
    assert "RevertToSnapshot_Task" in changed
    assert "PowerOnVM_Task" not in changed
    assert set(judge.power(lab).values()) == {"poweredOff"}
    assert bench(state, "rollback") is None
    assert bench.judge.after_rollback(state) == {}


def test_a_node_that_is_powered_on_between_reverts_keeps_everybody_else_off(case):
    """Its own revert ended well; it runs all the same, and must not meet a partner."""
    bench, state = case
    lab = bench.lab
    lab.faults.add(
        Rule(
            protocol="task",
            call="RevertToSnapshot_Task",
            target="vc1",
            when=When.AFTER,
            effect=Effect.MEANWHILE,
            others=lambda: lab.set_power(VC1, "on"),
        )
    )
    before = lab.faults.calls.copy()

    error = bench(state, "rollback")
    lab.faults.clear()
    changed = calls_that_change(bench, before)
    power = judge.power(lab)

    assert isinstance(error, UndoFailedError)
    assert isinstance(error.__cause__, RevertUnverifiedError)
    assert "PowerOnVM_Task" not in changed
    assert power == {VC1: "poweredOn", VC2: "poweredOff"}
    assert bench(state, "rollback") is None
    assert bench.judge.after_rollback(state) == {}


def test_a_datastore_that_is_full_at_a_revert_powers_nobody_on(case):
    """The error names it; with room made, everybody goes back."""
    bench, state = case
    bench.lab.faults.add(full("RevertToSnapshot_Task"))

    error = bench(state, "rollback")
    bench.lab.faults.clear()

    assert isinstance(error, UndoFailedError)
    assert isinstance(error.__cause__, NoSpaceError)
    assert set(judge.power(bench.lab).values()) == {"poweredOff"}
    assert bench(state, "rollback") is None
    assert bench.judge.after_rollback(state) == {}


def test_a_datastore_that_is_full_at_a_release_keeps_one_snapshot(case):
    """To remove one takes room. The other's goes, all stay on, and the next release goes on."""
    bench, state = case
    bench.lab.faults.add(full("RemoveSnapshot_Task"))

    error = bench(state, "release")
    bench.lab.faults.clear()
    left = {fqdn: len(names) for fqdn, names in judge.node_snapshots(bench.lab).items()}

    assert isinstance(error, NoSpaceError)
    assert left == {VC1: 0, VC2: 1}
    assert stored_run(state).phase is Phase.RELEASING
    assert set(judge.power(bench.lab).values()) == {"poweredOn"}
    assert bench(state, "release") is None
    assert judge.node_snapshots(bench.lab) == {VC1: (), VC2: ()}


def full(call):
    """Return a rule by which that task of vc2 finds no space."""
    return Rule(protocol="task", call=call, target="vc2", detail="NoDiskSpace")


def test_tasks_of_others_are_waited_for_by_a_rollback(case):
    """A VM on which a task works is asked again once it has ended, and nothing is done twice."""
    bench, state = case
    calls = ("RevertToSnapshot_Task", "PowerOnVM_Task")
    before = bench.lab.faults.calls.copy()
    rules = [bench.lab.faults.add(busy(bench.lab, call)) for call in calls]

    error = bench(state, "rollback")
    made = bench.lab.faults.calls - before

    assert error is None
    assert min(rule.seen for rule in rules) > 1
    assert [made["task", call, "vc2"] for call in calls] == [1, 1]
    assert bench.judge.after_rollback(state) == {}


def test_a_run_that_was_released_is_not_taken_back(case):
    """There is nothing to go back to: refused without one call."""
    bench, state = case
    assert bench(state, "release") is None
    before = bench.lab.faults.calls.copy()

    with pytest.raises(RunStateError, match="cannot be rolled back"):
        raise bench(state, "rollback") or AssertionError("it was taken back")

    assert calls_that_change(bench, before) == set()
    assert stored_run(state).phase is Phase.RELEASED


def test_a_rollback_is_done_once_and_for_all(case):
    """Again it does nothing; a resume does not take the rollback back; a release ends it."""
    bench, state = case
    assert bench(state, "rollback") is None
    before = bench.lab.faults.calls.copy()

    again = bench(state, "rollback")
    forwards = bench(state, "resume")
    changed = calls_that_change(bench, before)

    assert again is None
    assert forwards is None or isinstance(forwards, OperationError)
    assert changed == set()
    assert stored_run(state).phase is Phase.ROLLED_BACK
    assert bench.judge.after_rollback(state) == {}
    assert bench(state, "release") is None
    assert judge.node_snapshots(bench.lab) == {VC1: (), VC2: ()}


def test_a_domain_that_has_a_new_node_is_not_taken_back(case):
    """It would have seen the others' future: refused before anything is marked or changed."""
    bench, state = case
    with ldap(bench.lab, VC2) as connection:
        connection.search("dc=vsphere,dc=local", f"(cn={VC2})", attributes=["objectClass", "*"])
        (like, *_) = [e for e in connection.response or () if "Domain Controllers" in e["dn"]]
        attributes = {**like["raw_attributes"], "cn": [b"vc9.lab.example"]}
        dn = like["dn"].replace(VC2, "vc9.lab.example")
        assert connection.add(dn, attributes=attributes)
    before = bench.lab.faults.calls.copy()

    error = bench(state, "rollback")

    assert isinstance(error, NodesJoinedError)
    assert error.nodes == ("vc9.lab.example",)
    assert calls_that_change(bench, before) == set()
    assert stored_run(state).phase is Phase.REPAIRED


def test_a_domain_that_was_taken_back_replicates_in_both_directions(case):
    """What is written on either node arrives on the other: nobody was reverted alone."""
    bench, state = case
    assert bench(state, "rollback") is None

    with ExitStack() as stack:
        to = {node: stack.enter_context(ldap(bench.lab, node)) for node in (VC1, VC2)}
        for number, connection in enumerate(to.values(), start=70):
            connection.add(
                f"cn=TrustedCertChain-{number},{CHAINS}",
                "vmwSTSTenantTrustedCertificateChain",
                {"cn": f"TrustedCertChain-{number}", "userCertificate": [b"probe"]},
            )

        for number, partner in ((70, VC2), (71, VC1)):
            dn = f"cn=TrustedCertChain-{number},{CHAINS}"
            assert eventually(partial(has, to[partner], dn))

    assert judge.out_of_sync(bench.lab) == []


def has(connection, dn):
    """Tell whether an entry is there."""
    try:
        return connection.search(dn, "(objectClass=*)", ldap3.BASE)
    except LDAPNoSuchObjectResult:
        return False
