"""Snapshots of several hosts in memory: all or nothing, and converging."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from coordinated import RUN, World
from stsfix.snapshot.coordinator import IncompleteSet, task_note_key
from stsfix.snapshot.errors import (
    AnswerLostError,
    HostUnreachableError,
    HypervisorFaultError,
    NoSpaceError,
    RevertUnverifiedError,
    SnapshotGoneError,
    SnapshotSetIncompleteError,
    TaskOverdueError,
    VmBusyError,
    VmNotOffError,
)
from stsfix.snapshot.model import PowerState, SnapshotSet

LOST = AnswerLostError("esx1", "CreateSnapshot")
SILENT = HostUnreachableError("esx1", "timed out")


# --- taking


@pytest.mark.parametrize("threads", [0, 4])
def test_take_snapshots_every_vm_at_the_same_time(threads):
    """The set covers the nodes, was taken while off, tasks overlap, foreign VMs are untouched."""
    world = World().off()
    pool = ThreadPoolExecutor(threads) if threads else None

    taken = world.coordinator(pool).take(RUN, lambda vm: "x", world.vms, world.noted.__setitem__)

    assert taken.covers(frozenset(world.vms))
    assert {member.name for member in taken.members} == {RUN}
    assert world.clock.slept == world.esx1.task_s
    assert world.names(world.foreign) == []
    assert world.violations == []
    if pool:
        pool.shutdown()


def test_take_notes_every_task_before_it_waits():
    """When the first wait begins, every task's key is durable already."""
    world = World().off()
    waited_with = []

    def before(call, _):
        if call == "await_task":
            waited_with.append(dict(world.noted))

    world.esx1.before = before

    world.take()

    assert set(waited_with[0]) == {task_note_key(vm) for vm in world.vms}


def test_take_wants_everybody_off():
    """With one VM on, nothing is started."""
    world = World().off()
    world.vm(world.vc2).power = PowerState.ON

    with pytest.raises(VmNotOffError) as caught:
        world.take()

    assert caught.value.vms == (world.vc2,)
    assert world.starts() == 0


def test_take_again_takes_nothing_again():
    """A whole set is found, not doubled."""
    world = World().off()
    first = world.take()

    assert world.take() == first
    assert world.starts() == 2


class Killed(BaseException):
    """The process died."""


def test_a_killed_take_awaits_its_noted_task():
    """A task noted by a process that died is awaited before its snapshot is removed, so that none
    appears later.
    """
    world = World().off()

    def note(key, value):
        world.noted[key] = value
        if len(world.noted) == 2:
            raise Killed

    with pytest.raises(Killed):
        world.coordinator().take(RUN, lambda vm: "x", world.vms, note)
    released = world.coordinator().discard(RUN, world.vms, world.noted)
    world.clock.sleep(999)

    assert {snapshot.vm for snapshot in released.removed} == set(world.vms)
    assert [world.names(vm) for vm in world.vms] == [[], []]
    assert world.violations == []


def test_nothing_is_discarded_while_a_noted_task_hangs():
    """It may make its snapshot at any time: that is in doubt, and nothing is removed."""
    world = World().off()
    world.esx1.task_s = 9999
    with pytest.raises(TaskOverdueError):
        world.take()

    with pytest.raises(TaskOverdueError):
        world.take_anew()

    assert world.names(world.vc2) == [RUN]
    assert world.starts() == 2


@pytest.mark.parametrize("host_forgets", [False, True])
def test_a_take_killed_before_it_noted_converges(host_forgets):
    """A task that was started and never noted is found busy, then by its snapshot."""
    world = World().off()
    world.esx1.forgets_tasks = host_forgets

    def note(key, value):
        raise Killed

    with pytest.raises(Killed):
        world.coordinator().take(RUN, lambda vm: "x", world.vms, note)
    taken = world.take()

    assert taken.covers(frozenset(world.vms))
    assert world.names(world.vc1) == [RUN]
    assert world.violations == []


def test_a_noted_task_that_failed_is_no_obstacle():
    """It made nothing; what the others made goes, and all are taken anew."""
    world = World().off()
    world.esx1.fail_task(NoSpaceError("esx1", "datastore1"))
    with pytest.raises(NoSpaceError):
        world.take()
    first = world.vm(world.vc2).current

    taken = world.take_anew()

    assert taken.covers(frozenset(world.vms))
    assert taken.of(world.vc2).moref != first
    assert world.violations == []


def test_one_failure_does_not_leave_others_running():
    """When one task fails, the other is awaited before the error comes out."""
    world = World().off()
    world.esx2.task_s = 50
    world.esx1.fail_task(NoSpaceError("esx1", "datastore1"))

    with pytest.raises(NoSpaceError):
        world.take()

    assert world.vm(world.vc2).busy is None
    assert world.names(world.vc2) == [RUN]


def test_a_lost_answer_that_was_done_is_found():
    """The request was carried out: its snapshot appears, and no second one is made."""
    world = World().off()
    world.esx1.fail("start_snapshot", LOST, after=True)

    taken = world.take()

    assert taken.covers(frozenset(world.vms))
    assert world.esx1.count("start_snapshot") == 1


def test_a_lost_answer_that_was_not_done_stays_in_doubt():
    """Nothing appears: the doubt is reported and no second snapshot is started blindly."""
    world = World().off()
    world.esx1.fail("start_snapshot", LOST)

    with pytest.raises(AnswerLostError):
        world.take()
    starts = world.esx1.count("start_snapshot")
    taken = world.take()

    assert starts == 1
    assert taken.covers(frozenset(world.vms))


def test_a_busy_vm_is_waited_for():
    """A refusal as busy started nothing, so it is tried again when the VM is free."""
    world = World().off()
    world.esx1.fail("start_snapshot", VmBusyError(world.vc1, "haTask-9"), nth=1)
    world.esx1.fail("start_snapshot", VmBusyError(world.vc1, "haTask-9"), nth=2)

    taken = world.take()

    assert taken.covers(frozenset(world.vms))


def test_a_vm_that_stays_busy_is_reported():
    """The waiting for a busy VM is bounded."""
    world = World().off()
    for nth in range(1, 100):
        world.esx1.fail("start_snapshot", VmBusyError(world.vc1, "haTask-9"), nth=nth)

    with pytest.raises(VmBusyError):
        world.take(busy=30)

    assert world.esx2.count("start_snapshot") == 0


def test_a_task_that_does_not_end_is_in_doubt():
    """A task over its limit is reported; resuming later finds its snapshot."""
    world = World().off()
    world.esx1.task_s = 1000

    with pytest.raises(TaskOverdueError):
        world.take(snapshot=60)
    world.clock.sleep(1000)

    assert world.take().covers(frozenset(world.vms))
    assert world.starts() == 2


def test_a_host_that_goes_silent_while_a_task_runs_is_asked_again():
    """The task goes on without us, and its end is seen."""
    world = World().off()
    world.esx1.fail("await_task", SILENT)

    assert world.take().covers(frozenset(world.vms))
    assert world.starts() == 2


def test_take_refuses_a_snapshot_of_our_name_taken_while_on():
    """A snapshot of our name that is not offline makes the set unsound; nothing is started."""
    world = World().off()
    world.esx1.task_s = 0
    world.esx1.start_snapshot(world.vc1, name=RUN, description="")
    state = world.vm(world.vc1)
    state.snapshots = [replace(state.snapshots[0], taken_off=False)]

    with pytest.raises(SnapshotSetIncompleteError, match="while it was running"):
        world.take()

    assert world.starts() == 1


def test_a_vm_that_somebody_powers_on_meanwhile_spoils_the_set():
    """A snapshot taken while a VM ran may look offline; that all stayed off is checked."""
    world = World().off()

    def before(call, _):
        if call == "await_task":
            world.vm(world.vc2).power = PowerState.ON

    world.esx1.before = before

    with pytest.raises(VmNotOffError) as caught:
        world.take()

    assert caught.value.vms == (world.vc2,)


def test_a_snapshot_that_is_not_seen_is_not_believed():
    """A host that knows neither task nor snapshot leaves the set incomplete."""
    world = World().off()
    world.esx1.start_snapshot = lambda vm, **_: "haTask-unknown"

    with pytest.raises(SnapshotSetIncompleteError, match="vc1"):
        world.take()


def test_the_most_careful_error_wins():
    """With a fault on one VM and a doubt on another, the doubt is raised and the fault noted."""
    world = World().off()
    world.esx1.fail_task(NoSpaceError("esx1", "datastore1"))
    world.esx2.task_s = 1000

    with pytest.raises(TaskOverdueError) as caught:
        world.take()

    assert any("datastore1" in note for note in caught.value.__notes__)


# --- finding


def test_find_names_what_is_missing():
    """A set that is not whole says which VM lacks what."""
    world = World().off()
    world.esx1.start_snapshot(world.vc1, name=RUN, description="")
    world.clock.sleep(10)

    found = world.coordinator().find(RUN, world.vms)

    assert isinstance(found, IncompleteSet)
    assert found.missing == (world.vc2,)
    assert found.reasons == ("vc2 on esx2: no snapshots of that name",)
    assert {member.vm for member in found.found} == {world.vc1}


def test_two_snapshots_of_the_runs_name_on_one_vm_are_no_set():
    """A request of a process that died was carried out late: nobody knows which of both counts."""
    world = World().off()
    world.take()
    world.esx1.start_snapshot(world.vc1, name=RUN, description="")
    world.clock.sleep(10)

    found = world.coordinator().find(RUN, world.vms)

    assert isinstance(found, IncompleteSet)
    assert found.missing == (world.vc1,)
    assert found.reasons == ("vc1 on esx1: 2 snapshots of that name",)
    assert {member.vm for member in found.found} == {world.vc2}


def test_find_returns_the_whole_set():
    """What was taken is found again, by name alone."""
    world = World().off()
    taken = world.take()

    assert world.coordinator().find(RUN, world.vms) == taken


# --- reverting


def test_revert_brings_every_disk_back_and_leaves_all_off():
    """Both nodes are at their snapshot and off, also after doing it twice."""
    world = World().off()
    taken = world.take()
    world.write("new")

    world.coordinator().revert(taken, world.vms)
    world.write("newer")
    world.coordinator().revert(taken, world.vms)

    assert world.read() == ["old", "old"]
    assert world.power() == [PowerState.OFF, PowerState.OFF]
    assert world.esx1.count("start_power_on") == 0
    assert world.violations == []


def test_revert_takes_nobody_back_when_one_snapshot_is_gone():
    """A set that lost a member reverts nobody."""
    world = World().off()
    taken = world.take()
    world.write("new")
    world.vm(world.vc2).snapshots.clear()

    with pytest.raises(SnapshotSetIncompleteError, match="vc2"):
        world.coordinator().revert(taken, world.vms)

    assert world.read() == ["new", "new"]
    assert world.esx1.count("start_revert") == 0


def test_no_more_nodes_are_reverted_once_a_snapshot_has_gone():
    """That one can never follow; a revert that only failed is another matter."""
    world = World().off()
    taken = world.take()
    world.write("new")
    world.esx1.fail("start_revert", SnapshotGoneError(world.vc1, RUN))

    with pytest.raises(SnapshotGoneError):
        world.coordinator().revert(taken, world.vms)

    assert world.read() == ["new", "new"]


def test_revert_wants_every_node_in_the_set():
    """A set that lacks a node reverts nobody."""
    world = World().off()
    taken = world.take()
    some = SnapshotSet(members=frozenset({taken.of(world.vc1)}))

    with pytest.raises(SnapshotSetIncompleteError):
        world.coordinator().revert(some, world.vms)

    assert world.esx1.count("start_revert") == 0


def test_revert_wants_every_member_of_the_set():
    """A whole set is never reverted in part."""
    world = World().off()
    taken = world.take()

    with pytest.raises(SnapshotSetIncompleteError):
        world.coordinator().revert(taken, world.vms[:1])

    assert world.esx1.count("start_revert") == 0


def test_revert_wants_everybody_off():
    """With one node on, nobody is reverted."""
    world = World().off()
    taken = world.take()
    world.vm(world.vc2).power = PowerState.ON

    with pytest.raises(VmNotOffError):
        world.coordinator().revert(taken, world.vms)

    assert world.esx1.count("start_revert") == 0
    assert world.violations == []


def test_a_revert_that_failed_on_one_node_is_repeated_as_a_whole():
    """A failure leaves all off; repeating it brings everybody back."""
    world = World().off()
    taken = world.take()
    world.write("new")
    world.esx1.fail_task(HypervisorFaultError("vc1", "FileLocked", ""))

    with pytest.raises(HypervisorFaultError):
        world.coordinator().revert(taken, world.vms)
    assert world.power() == [PowerState.OFF, PowerState.OFF]
    world.coordinator().revert(taken, world.vms)

    assert world.read() == ["old", "old"]


def test_a_revert_that_is_refused_on_one_node_still_reverts_the_other():
    """Every node that can go back does; the error says that repeating it is needed."""
    world = World().off()
    taken = world.take()
    world.write("new")
    world.esx1.fail("start_revert", HypervisorFaultError("vc1", "InvalidState", ""))

    with pytest.raises(HypervisorFaultError):
        world.coordinator().revert(taken, world.vms)

    assert world.read() == ["new", "old"]
    assert world.power() == [PowerState.OFF, PowerState.OFF]


def elsewhere(facts):
    """Return the facts of a VM that is at another snapshot."""
    return replace(facts, current_snapshot="somebody else's")


def on(facts):
    """Return the facts of a VM that somebody powered on."""
    return replace(facts, summary=replace(facts.summary, power=PowerState.ON))


@pytest.mark.parametrize("seen", [elsewhere, on])
def test_a_revert_that_is_not_seen_is_not_believed(seen):
    """A task that ended well is not proof: power and current snapshot are read back."""
    world = World().off()
    taken = world.take()
    observe = world.esx2.observe_vms
    world.esx2.observe_vms = lambda vms: tuple(
        seen(facts) if world.esx2.count("start_revert") else facts for facts in observe(vms)
    )

    with pytest.raises(RevertUnverifiedError) as caught:
        world.coordinator().revert(taken, world.vms)

    assert caught.value.vms == (world.vc2,)


# --- releasing


def test_release_removes_ours_and_nothing_else():
    """Earlier and later snapshots of other people stay, also on other VMs."""
    world = World().off()
    world.esx1.task_s = 0
    world.esx1.start_snapshot(world.vc1, name="before", description="")
    world.esx1.start_snapshot(world.foreign, name=RUN, description="")
    world.take()
    world.esx1.start_snapshot(world.vc1, name="after", description="")

    released = world.coordinator().release(RUN, world.vms)

    assert world.names(world.vc1) == ["before", "after"]
    assert world.names(world.vc2) == []
    assert world.names(world.foreign) == [RUN]
    assert {s.vm for s in released.removed} == set(world.vms)
    assert released.consolidation_needed == ()


def test_release_again_does_nothing():
    """Releasing what is released is fine."""
    world = World().off()
    world.take()
    world.coordinator().release(RUN, world.vms)

    released = world.coordinator().release(RUN, world.vms)

    assert released.removed == ()
    assert world.esx1.count("start_removal") == 1


def test_release_reports_disks_that_need_consolidation():
    """A removal that left disks behind is not silent."""
    world = World().off()
    world.take()
    world.vm(world.vc2).consolidation_needed = True

    released = world.coordinator().release(RUN, world.vms)

    assert released.consolidation_needed == (world.vc2,)


def test_a_release_that_failed_on_one_node_goes_on():
    """The other removal is made; a second call removes the rest."""
    world = World().off()
    world.take()
    world.esx1.fail_task(NoSpaceError("esx1", "datastore1"))

    with pytest.raises(NoSpaceError):
        world.coordinator().release(RUN, world.vms)
    left = [world.names(vm) for vm in world.vms]
    world.coordinator().release(RUN, world.vms)

    assert left == [[RUN], []]
    assert [world.names(vm) for vm in world.vms] == [[], []]


def test_a_removal_that_is_refused_on_one_node_still_removes_the_other():
    """One refusal does not keep the other snapshot."""
    world = World().off()
    world.take()
    world.esx1.fail("start_removal", HypervisorFaultError("vc1", "InvalidState", ""))

    with pytest.raises(HypervisorFaultError):
        world.coordinator().release(RUN, world.vms)

    assert [world.names(vm) for vm in world.vms] == [[RUN], []]


def test_a_removal_that_is_not_seen_is_not_believed():
    """A host that says done and still shows the snapshot ends the release with a fault."""
    world = World().off()
    world.take()
    world.esx1.start_removal = lambda snapshot: None

    with pytest.raises(HypervisorFaultError, match="SnapshotStillThere"):
        world.coordinator().release(RUN, world.vms)
