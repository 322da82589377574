"""Rollbacks of a finished run: what breaks them, what they refuse, and that the domain lives on."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

import ldap3
import pytest
from ldap3.core.exceptions import LDAPNoSuchObjectResult

from fault_bench import FaultBench, copy_journal
from lab_clients import eventually, ldap
from lab_keys import shared_keys
from run_judge import stored_run
from stsfix.lab import judge
from stsfix.lab.faults import Effect, Rule
from stsfix.lab.lab import Lab
from stsfix.remediation.errors_run import NodesJoinedError, RunStateError, UndoFailedError
from stsfix.remediation.records import Phase
from stsfix.snapshot.errors import OperationError

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
