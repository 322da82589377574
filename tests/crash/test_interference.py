"""What people and machines do to a run while it is under way: it stops, says so, and goes on or
back as if nothing had been; what it cannot mend it leaves alone and names.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from fault_bench import FaultBench
from lab_keys import shared_keys
from run_judge import stored_run
from stsfix.lab import judge
from stsfix.lab.esx.machine import Question
from stsfix.lab.faults import Effect, Rule
from stsfix.lab.lab import Lab
from stsfix.remediation.errors import (
    DirectoryLoginError,
    NodeNotReadyError,
    ReplicationOverdueError,
    ServiceRestartError,
    SsoLoginError,
)
from stsfix.remediation.errors_run import InterruptedRunError, UndoFailedError
from stsfix.remediation.records import Phase
from stsfix.snapshot.errors import (
    GuestUnavailableError,
    HostUnreachableError,
    HypervisorFaultError,
    NoSpaceError,
    ShutdownOverdueError,
    SnapshotSetIncompleteError,
    TaskOverdueError,
    ToolsUnavailableError,
    VmBusyError,
    VmNotFoundError,
    VmNotOffError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.crash, pytest.mark.lab, pytest.mark.reliability("interference")]

VC1, VC2 = "vc1.lab.example", "vc2.lab.example"
ESX3 = "esx3.lab.example"
QUIESCED, SNAPSHOTTED, STARTED, EXPORTED, REPLACED, REPLICATED, RESTARTED = 1, 2, 3, 4, 5, 6, 7
"""How many steps are done."""


@dataclass(kw_only=True)
class Deed(Rule):
    """Somebody does *deed* at the very moment of a call; the call itself goes on."""

    deed: Callable[[], object]
    done: list[object] = field(default_factory=list)

    def fires(self, protocol: str, call: str, target: str) -> bool:
        """Do it once, in a thread: the book of faults is locked now."""
        if super().fires(protocol, call, target) and not self.done:
            thread = threading.Thread(target=self.deed)
            self.done.append(thread)
            thread.start()
        return False


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """One lab for the whole module."""
    with Lab.build("elm", "expired", speed=2000, seed=5, keys=shared_keys()) as lab:
        bench = FaultBench(lab, tmp_path_factory.mktemp("lab"))
        bench(tmp_path_factory.mktemp("first"), "run", steps=0)
        yield bench


@pytest.fixture(scope="module")
def expected(built, tmp_path_factory):
    """What an undisturbed run leaves behind."""
    built.lab.restore(built.saved)
    state = tmp_path_factory.mktemp("undisturbed")
    assert built(state, "run") is None
    return built.judge.after_run(state)


@dataclass(frozen=True)
class Case:
    """One run in its own state folder, and how it must end."""

    bench: Any
    state: Any
    expected: Any

    @property
    def lab(self):
        return self.bench.lab

    def begin(self, steps):
        """Do the first *steps* of a run."""
        error = self.bench(self.state, "run", steps=steps)
        assert isinstance(error, InterruptedRunError)

    def go(self, command="resume"):
        return self.bench(self.state, command)

    def resumes(self):
        """Go on, and compare with an undisturbed run."""
        assert self.go() is None
        assert self.bench.judge.after_run(self.state) == self.expected

    def goes_back(self):
        """Take the run back, and compare with what was before it."""
        assert self.go("rollback") is None
        assert self.bench.judge.after_rollback(self.state) == {}

    def ends(self, end):
        (self.resumes if end == "resume" else self.goes_back)()

    def power_on(self, fqdn):
        self.lab.set_power(fqdn, "on")

    def shut_down(self, fqdn):
        """Shut a node down as a person would, and wait until it is off."""
        self.lab.wait_settled()
        self.lab.set_power(fqdn, "off")
        while self.lab.machines[fqdn].running:
            self.lab.clock.sleep(5)

    def ours(self, fqdn):
        """Return the run's snapshot of a node."""
        return next(s for s in self.lab.machines[fqdn].snapshots() if s.name.startswith("stsfix-"))


@pytest.fixture
def case(built, expected, tmp_path):
    """A lab as it was in the beginning."""
    built.lab.restore(built.saved)
    yield Case(built, tmp_path, expected)
    built.lab.faults.clear()
    for host in built.lab.hosts.values():
        host.start()


both_ends = pytest.mark.parametrize("end", ["resume", "rollback"])


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


@both_ends
def test_a_node_that_somebody_powers_on_too_early_is_not_snapshotted(case, end):
    """No snapshot is taken of anybody; off again, all are."""
    case.begin(QUIESCED)
    case.power_on(VC1)

    error = case.go()

    assert isinstance(error, VmNotOffError)
    assert set(judge.node_snapshots(case.lab).values()) == {()}
    case.shut_down(VC1)
    case.ends(end)


@both_ends
def test_a_set_during_which_a_node_was_powered_on_is_never_used(case, end):
    """A resume removes it and takes another one; a rollback reverts to none."""
    case.begin(QUIESCED)
    case.lab.faults.add(
        Rule(protocol="task", call="CreateSnapshot_Task", effect=Effect.DELAY, delay_s=0.3)
    )
    case.lab.faults.add(
        Deed(
            protocol="task",
            call="CreateSnapshot_Task",
            target="vc2",
            deed=lambda: case.power_on(VC1),
        )
    )

    error = case.go()
    case.lab.faults.clear()
    case.shut_down(VC1)
    spoilt = {fqdn: tuple(case.lab.machines[fqdn].snapshots()) for fqdn in (VC1, VC2)}

    assert isinstance(error, VmNotOffError)
    case.ends(end)
    kept = {fqdn: tuple(case.lab.machines[fqdn].snapshots()) for fqdn in (VC1, VC2)}
    assert (kept == spoilt) is (end == "rollback")


def test_a_deleted_snapshot_forbids_to_revert_anybody(case):
    """Half a set is none: every node stays on as it is, the error says which is missing, and the
    run is still what it was.
    """
    assert case.go("run") is None
    vm = case.lab.machines[VC2]
    vm.remove_snapshot(case.ours(VC2), with_children=False)
    before = judge.all_sts_entries(case.lab)

    error = case.go("rollback")

    assert isinstance(error, SnapshotSetIncompleteError)
    assert "vc2" in str(error)
    assert stored_run(case.state).phase is Phase.REPAIRED
    assert judge.all_sts_entries(case.lab) == before
    assert set(judge.power(case.lab).values()) == {"poweredOn"}
    assert judge.out_of_sync(case.lab) == []


@both_ends
@pytest.mark.parametrize("steps", [SNAPSHOTTED, REPLACED])
def test_a_foreign_snapshot_on_top_of_ours_is_left_alone(case, steps, end):
    """Neither rollback nor release touches it."""
    case.begin(steps)
    vm = case.lab.machines[VC1]
    vm.take_snapshot("nightly", "backup", now=case.lab.clock.now(), memory=False, quiesce=False)

    assert case.go("resume" if end == "resume" else "rollback") is None

    assert "nightly" in judge.node_snapshots(case.lab)[VC1]
    assert judge.out_of_sync(case.lab) == []
    if end == "rollback":
        assert case.bench.judge.after_rollback(case.state) == {}
    assert case.go("release") is None
    assert judge.node_snapshots(case.lab) == {VC1: ("nightly",), VC2: ()}


@both_ends
def test_a_renamed_vm_is_still_the_same(case, end):
    """Names are for people."""
    case.begin(QUIESCED)
    vm = case.lab.machines[VC1]
    name, vm.name = vm.name, "do not touch"

    try:
        case.ends(end)
    finally:
        vm.name = name


@both_ends
@pytest.mark.parametrize("steps", [QUIESCED, SNAPSHOTTED])
def test_a_vm_that_somebody_moved_is_found_again(case, steps, end):
    """It has another number on a host without nodes; release finds it there, too."""
    case.begin(steps)
    case.lab.move(VC1, ESX3)

    case.ends(end)

    assert case.lab.host_of(VC1) == ESX3
    (node,) = [n for n in stored_run(case.state).spec.nodes if n.fqdn == VC1]
    assert node.vm.host == ESX3
    assert case.go("release") is None
    assert judge.node_snapshots(case.lab) == {VC1: (), VC2: ()}


@both_ends
def test_a_vm_that_ha_registered_elsewhere_is_found_by_its_snapshot(case, end):
    """Its own host is dead; that the VM bears the run's snapshot tells it from any copy."""
    case.begin(SNAPSHOTTED)
    home = case.lab.host_of(VC1)
    case.lab.hosts[home].stop()
    case.lab.move(VC1, ESX3)

    try:
        case.ends(end)
    finally:
        case.lab.hosts[home].start()


def test_a_vm_that_moved_away_is_not_mistaken(case):
    """Its number given to another VM does not make that one ours: nobody is touched."""
    case.begin(STARTED)
    vm = case.lab.machines[VC1]
    uuid, vm.instance_uuid = vm.instance_uuid, "00000000-0000-0000-0000-00000000dead"

    error = case.go("rollback")
    vm.instance_uuid = uuid

    assert isinstance(error, VmNotFoundError)
    assert set(judge.power(case.lab).values()) == {"poweredOn"}
    case.goes_back()


@both_ends
def test_replication_that_stops_is_waited_for(case, end):
    """The nodes that lag are named; with replication back, the run goes on."""
    case.begin(STARTED)
    case.lab.faults.add(Rule(protocol="replication", call="PULL", times=10**9))

    error = case.go()
    case.lab.faults.clear()

    assert isinstance(error, ReplicationOverdueError)
    assert VC2 in str(error)
    case.ends(end)


@pytest.mark.parametrize(
    ("steps", "kind"),
    [(STARTED, DirectoryLoginError), (RESTARTED, (DirectoryLoginError, SsoLoginError))],
)
@both_ends
def test_a_password_that_changed_is_tried_once(case, steps, kind, end):
    """One attempt a command, on one node; with the right one, the run goes on."""
    case.begin(steps)
    secrets = case.bench.config.with_name("secrets.toml")
    good = secrets.read_text("utf-8")
    secrets.write_text(re.sub("(?m)^sso = .*$", 'sso = "Not-The-One-1!"', good), "utf-8")
    before = case.lab.faults.calls.copy()

    error = case.go()
    made = case.lab.faults.calls - before
    secrets.write_text(good, "utf-8")

    assert isinstance(error, kind)
    assert sum(n for key, n in made.items() if key[1] in {"BIND", "issue", "create"}) == 1
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
