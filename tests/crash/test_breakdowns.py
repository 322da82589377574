"""Hosts, guests, services, tasks and replication that fail while a run is under way: it stops, says
so, and goes on or back as if nothing had been; what it cannot mend it names.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from early_claims import early_claims
from interfered import (
    QUIESCED,
    REPLICATED,
    SNAPSHOTTED,
    STARTED,
    VC1,
    VC2,
    Deed,
    both_ends,
    busy,
)
from run_judge import stored_run
from stsfix.lab import judge
from stsfix.lab.esx.machine import Question
from stsfix.lab.faults import Effect, Rule
from stsfix.remediation.errors import (
    NodeNotReadyError,
    ReplicationOverdueError,
    ServiceRestartError,
)
from stsfix.remediation.errors_run import UndoFailedError
from stsfix.remediation.records import RETIRE_OLD, Phase, StepRecord, StepState
from stsfix.remediation.steps.credential import AwaitReplication
from stsfix.snapshot.errors import (
    GuestUnavailableError,
    HostUnreachableError,
    HypervisorFaultError,
    NoSpaceError,
    ShutdownOverdueError,
    TaskOverdueError,
    ToolsUnavailableError,
    VmBusyError,
)

pytestmark = [pytest.mark.crash, pytest.mark.lab, pytest.mark.reliability("interference")]


@both_ends
def test_a_full_datastore_stops_before_any_node_is_changed(case, end):
    """The error names the datastore; with room made, all snapshots are taken."""
    store = case.lab.hosts[case.lab.host_of(VC2)].datastore("datastore1")
    free, store.free = store.free, 0

    error = case.go("run")
    store.free = free

    assert isinstance(error, NoSpaceError)
    case.ends(end)


@pytest.mark.parametrize(
    ("steps", "end"),
    [
        (0, "resume"),
        (QUIESCED, "rollback"),
        (SNAPSHOTTED, "resume"),
        (SNAPSHOTTED, "rollback"),
        (STARTED, "resume"),
        (REPLICATED, "resume"),
        (REPLICATED, "rollback"),
    ],
)
def test_a_dead_host_is_waited_for_and_then_named(case, steps, end):
    """Nothing is guessed about a host that is silent; with it back, the run ends as it should."""
    case.begin(steps)
    host = case.lab.hosts[case.lab.host_of(VC2)]
    host.stop()

    error = case.go()
    host.start()

    assert isinstance(error, HostUnreachableError)
    case.ends(end)


def test_a_host_that_is_silent_for_a_moment_is_no_trouble(case):
    """Reads outlast the silence; the run does not even stop."""
    host = case.lab.hosts[case.lab.host_of(VC2)]

    def restart():
        host.stop()
        host.start()

    rule = Deed(protocol="soap", call="RetrievePropertiesEx", nth=5, deed=restart)
    case.lab.faults.add(rule)

    error = case.go("run")

    assert rule.done
    assert error is None
    assert case.bench.judge.after_run(case.state) == case.expected


@pytest.mark.parametrize("host_of", [VC1, VC2])
def test_a_host_that_is_dead_at_rollback_reverts_nobody(case, host_of):
    """The other node keeps what it has until all can go back."""
    assert case.go("run") is None
    host = case.lab.hosts[case.lab.host_of(host_of)]
    host.stop()
    before = judge.all_sts_entries(case.lab)

    error = case.go("rollback")
    untouched = judge.all_sts_entries(case.lab) == before
    host.start()

    assert isinstance(error, HostUnreachableError)
    assert untouched
    assert stored_run(case.state).phase is Phase.REPAIRED
    case.goes_back()


@both_ends
def test_a_guest_that_does_not_shut_down_is_never_forced(case, end):
    """It stays on, is named, and is asked again by the next command."""
    case.lab.faults.add(Rule(protocol="guest", call="shut_down", target=VC2))

    error = case.go("run")

    assert isinstance(error, ShutdownOverdueError)
    assert "vc2 on" in str(error)
    assert "vc1 on" not in str(error)
    assert judge.power(case.lab)[VC2] == "poweredOn"
    case.ends(end)


@both_ends
def test_tools_that_are_gone_after_the_boot_stop_the_restart(case, end):
    """Nothing can be run in the guest, nor can it be asked to stop, until Tools is back."""
    case.begin(REPLICATED)
    node = case.lab.nodes[VC2]
    node._run.tools.running = False

    error = case.go()
    back = case.go("rollback") if end == "rollback" else None
    node._run.tools.running = True

    assert isinstance(error, GuestUnavailableError)
    assert back is None or isinstance(back, UndoFailedError)
    case.ends(end)


def test_without_tools_a_rollback_waits_for_a_person(case):
    """Shut down on its console, the node is reverted with the others."""
    assert case.go("run") is None
    node = case.lab.nodes[VC2]
    node._run.tools.running = False
    error = case.go("rollback")
    node._run.tools.running = True
    case.shut_down(VC2)

    assert isinstance(error, UndoFailedError)
    assert isinstance(error.__cause__, ToolsUnavailableError)
    case.goes_back()


@pytest.mark.parametrize(
    ("steps", "waits", "end"),
    [
        (STARTED, AwaitReplication.name, "resume"),
        (REPLICATED, RETIRE_OLD, "rollback"),
    ],
)
def test_replication_that_stops_is_waited_for(case, steps, waits, end):
    """The nodes that lag are named, and no step that has to wait for them is done; with replication
    back, the run goes on, or back.
    """
    case.begin(steps)
    case.lab.faults.add(Rule(protocol="replication", call="PULL", times=10**9))

    error = case.go()
    stored = stored_run(case.state)
    untrue = (*stored.records, StepRecord(step=waits, state=StepState.DONE))
    claims = [early_claims(case.lab, s) for s in (stored, replace(stored, records=untrue))]
    case.lab.faults.clear()

    assert isinstance(error, ReplicationOverdueError)
    assert VC2 in str(error)
    assert claims[0] == []
    assert claims[1]  # what would be seen if it did not wait
    case.ends(end)


@both_ends
def test_a_service_that_comes_up_late_is_waited_for_by_the_next_command(case, end):
    """service-control said that it failed; vMon brought it up by itself."""
    case.begin(REPLICATED)
    case.lab.faults.add(Rule(protocol="guest", call="start vmware-vpxd", target=VC2, times=10**9))

    error = case.go()
    case.lab.faults.clear()

    assert isinstance(error, ServiceRestartError)
    assert "vpxd" in str(error)
    case.ends(end)


@both_ends
def test_an_sts_that_keeps_its_cache_is_restarted(case, end):
    """It signs with the old leaf until then; the proof of logins sees the new one."""
    case.begin(STARTED)
    case.lab.faults.add(Rule(protocol="https", call="GET /websso", target=VC2, times=20))

    assert case.go() is None
    case.lab.faults.clear()
    case.ends(end)


@both_ends
@pytest.mark.parametrize(
    ("steps", "call"),
    [(QUIESCED, "CreateSnapshot_Task"), (SNAPSHOTTED, "PowerOnVM_Task")],
)
def test_a_task_that_ends_after_we_gave_up_counts_once(case, steps, call, end):
    """The next command finds what it did, or waits for it; nothing is done twice."""
    case.begin(steps)
    case.lab.faults.add(
        Rule(protocol="task", call=call, target="vc2", effect=Effect.DELAY, delay_s=4.6)
    )

    error = case.go()

    assert isinstance(error, TaskOverdueError)
    case.ends(end)


def test_tasks_of_others_are_waited_for_by_a_run(case):
    """A VM on which a task works is asked again once it has ended, and nothing is done twice."""
    calls = ("CreateSnapshot_Task", "PowerOnVM_Task")
    before = case.lab.faults.calls.copy()
    rules = [case.lab.faults.add(busy(case.lab, call)) for call in calls]

    case.begin(STARTED)
    made = case.lab.faults.calls - before

    assert min(rule.seen for rule in rules) > 1
    assert [made["task", call, "vc2"] for call in calls] == [1, 1]
    assert [len(names) for names in judge.node_snapshots(case.lab).values()] == [1, 1]
    assert set(judge.power(case.lab).values()) == {"poweredOn"}


@pytest.mark.parametrize("call", ["RevertToSnapshot_Task", "PowerOnVM_Task"])
def test_a_slow_task_of_a_rollback_is_waited_for_by_the_next(case, call):
    """All are reverted before anybody is on."""
    assert case.go("run") is None
    case.lab.faults.add(
        Rule(protocol="task", call=call, target="vc2", effect=Effect.DELAY, delay_s=4.6)
    )

    error = case.go("rollback")

    assert isinstance(error, UndoFailedError)
    case.goes_back()


@both_ends
def test_a_node_that_does_not_come_up_stops_the_run(case, end):
    """It is left running for a person to look at."""
    case.begin(SNAPSHOTTED)
    case.lab.faults.add(Rule(protocol="guest", call="start vmdird", target=VC2, times=10**9))

    error = case.go()
    case.lab.faults.clear()
    board = case.lab.nodes[VC2].board
    board.boot_all()

    assert isinstance(error, NodeNotReadyError)
    assert judge.power(case.lab)[VC2] == "poweredOn"
    case.ends(end)


def test_a_question_of_the_host_waits_for_a_person(case):
    """A power-on that waits for an answer is named with the question, by each command that meets
    it; nobody answers for the operator. Once a person did, the run goes on.
    """
    case.begin(SNAPSHOTTED)
    vm = case.lab.machines[VC1]
    vm.asks_at_power_on = Question()

    overdue, busy = case.go(), case.go()
    power = judge.power(case.lab)
    asked = vm.question
    vm.answer(asked.id, "1")

    assert isinstance(overdue, TaskOverdueError)
    assert isinstance(busy, VmBusyError)
    assert overdue.task in str(busy)
    for error in (overdue, busy):
        assert any(asked.text in note for note in error.__notes__)
    assert power[VC1] == "poweredOff"
    case.resumes()


def test_a_file_that_another_host_has_locked_is_told(case):
    """The host's own word for it comes out; once it is unlocked, the run goes on."""
    case.begin(SNAPSHOTTED)
    case.lab.faults.add(
        Rule(protocol="task", call="PowerOnVM_Task", target="vc1", detail="FileLocked")
    )

    error = case.go()

    assert isinstance(error, HypervisorFaultError)
    assert error.fault == "FileLocked"
    case.resumes()
