"""A node that answers while its VM is off is another machine: nobody is snapshotted or reverted."""

from __future__ import annotations

import pytest

from machines_bench import PSC, VC, Bench, powering_on
from memory_node import Fault
from stsfix.plugin.diagnostics import RunContext, explain
from stsfix.remediation.errors import NodeTlsError, NodeUnreachableError, ProofError
from stsfix.remediation.errors_run import WrongVmError
from stsfix.remediation.steps.credential import ReplaceSts
from stsfix.remediation.steps.machines import Quiesce, TakeSnapshots
from stsfix.remediation.steps.strangers import require_silence
from stsfix.snapshot.errors import AnswerTooLargeError
from stsfix.snapshot.model import PowerState

DIGEST = "ab" * 32


@pytest.fixture
def bench():
    """A domain whose nodes are all off."""
    bench = Bench()
    bench.do(Quiesce(bench.context))
    return bench


def disks(bench):
    """Return what the nodes' disks hold."""
    return [bench.hosts[0].vm(bench.psc).disk, bench.hosts[1].vm(bench.vc).disk]


@pytest.mark.parametrize("fqdn", [PSC, VC])
def test_a_clone_that_was_taken_for_the_node_is_not_snapshotted(bench, fqdn):
    """It was shut down, and the node goes on answering: writing to that one had no way back."""
    bench.elsewhere.add(fqdn)

    with pytest.raises(WrongVmError, match=f"{fqdn} answers although .* is off") as caught:
        bench.do(TakeSnapshots(bench.context))

    assert caught.value.nodes == (fqdn,)
    assert not bench.hosts[0].vm(bench.psc).snapshots
    assert not bench.hosts[1].vm(bench.vc).snapshots


@pytest.mark.parametrize("fqdn", [PSC, VC])
def test_nobody_is_reverted_while_another_machine_has_a_nodes_name(bench, fqdn):
    """It would be left behind in the others' future."""
    bench.do(TakeSnapshots(bench.context))
    bench.do(powering_on(bench.context))
    for disk in disks(bench):
        disk["written"] = True
    bench.elsewhere.add(fqdn)

    with pytest.raises(WrongVmError, match=fqdn):
        bench.undo(ReplaceSts(bench.context))

    assert all("written" in disk for disk in disks(bench))
    assert set(bench.power().values()) == {PowerState.OFF, PowerState.ON}  # web01 is on


def test_all_of_them_are_named(bench):
    """One look is enough to mend everything."""
    bench.elsewhere.update((PSC, VC))

    with pytest.raises(WrongVmError) as caught:
        require_silence(bench.context)

    assert set(caught.value.nodes) == {PSC, VC}


def test_whoever_is_powered_on_meanwhile_is_no_stranger(bench):
    """It answers because it is on."""
    seen = []

    def before(call, _):
        seen.append(call)
        if seen.count("observe_vms") == 2:
            bench.hosts[0].vm(bench.psc).power = PowerState.ON

    bench.hosts[0].before = before
    bench.elsewhere.add(PSC)

    require_silence(bench.context)

    assert bench.power()["psc"] is PowerState.ON


def test_nodes_that_are_on_are_not_asked(bench):
    """Whether such a one is its VM, nobody can tell."""
    bench.context.coordinator.power_on((bench.context.vms,), {})
    bench.domain.calls.clear()

    require_silence(bench.context)

    assert not bench.domain.calls


@pytest.mark.parametrize(
    ("error", "answers"),
    [
        (NodeTlsError(VC, "another pin", DIGEST), True),
        (NodeTlsError(VC, "self-signed", answered=True), True),
        (NodeTlsError(VC, "the CA file cannot be read"), False),
        (ProofError(VC, "metadata", "HTTP 404"), True),
        (AnswerTooLargeError(VC, "more than 4 MiB"), True),
        (NodeUnreachableError(VC, "503 Service Unavailable", answered=True), True),
        (NodeUnreachableError(VC, "timed out"), False),
    ],
    ids=[
        "another pin",
        "another authority",
        "our CA file",
        "another page",
        "a flood",
        "no service",
        "silence",
    ],
)
def test_whatever_answers_is_an_answer(bench, error, answers):
    """A machine that is not trusted, or has no such service, is there all the same; one that was
    not asked is not.
    """
    bench.logins.fail("metadata", VC, error)
    found: tuple[str, ...] = ()

    try:
        require_silence(bench.context)
    except WrongVmError as caught:
        found = caught.nodes

    assert found == ((VC,) if answers else ())


def test_a_directory_that_refuses_is_an_answer(bench):
    """Its machine is on."""
    bench.elsewhere.add(PSC)
    bench.domain.faults.append(Fault(call="read_root_dse"))

    with pytest.raises(WrongVmError, match=PSC):
        require_silence(bench.context)


def test_closing_a_run_is_said_to_power_the_other_machine_on():
    """It would meet the node that answers; an earlier attempt may have left snapshots."""
    error = WrongVmError([VC], ["vc1 on esx1"])

    told = explain(error, RunContext(run="stsfix-1", phase="stopped", off=True))

    closing = next(line for line in told.next_actions if line.endswith("stsfix rollback stsfix-1"))
    assert closing.startswith("If nothing was written yet")
    assert "connect each of them to a network without the node first" in closing
    assert told.state.startswith("After that no snapshot was taken or reverted to")
