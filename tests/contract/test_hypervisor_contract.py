"""What every Hypervisor does: the fake in memory, the adapter on the lab and on vcsim."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta

import pytest

from hypervisor_worlds import HOST, MINUTE, WORLDS
from stsfix.snapshot.coordinator import Coordinator, Limits
from stsfix.snapshot.errors import (
    NoSpaceError,
    SnapshotGoneError,
    TaskOverdueError,
    ToolsUnavailableError,
    VmBusyError,
    VmNotFoundError,
)
from stsfix.snapshot.model import PowerState, TaskKey


@pytest.fixture(
    params=[
        "memory",
        pytest.param("lab", marks=pytest.mark.lab),
        pytest.param("vcsim", marks=pytest.mark.peer),
    ]
)
def world(request, tmp_path):
    """One host with vc1 and vc2, both on."""
    with WORLDS[request.param](tmp_path) as made:
        yield made


def test_a_host_shows_its_vms(world):
    """Every VM is listed with its power, identity and a live registration."""
    facts = world.hypervisor.observe_host()

    assert facts.host == HOST == world.hypervisor.host
    assert {s.vm for s in facts.vms} == {world.vc1, world.vc2}
    assert {s.power for s in facts.vms} == {PowerState.ON}
    assert {s.connection for s in facts.vms} == {"connected"}
    assert all(s.vm.instance_uuid and s.bios_uuid for s in facts.vms)
    assert facts.datastores[0].free_bytes > 0
    assert not facts.maintenance


def test_a_host_tells_its_time(world):
    """The skew of a host on the same machine is next to nothing."""
    world.needs("clock")

    assert abs(world.hypervisor.observe_host().clock_skew) < timedelta(seconds=2)


def test_facts_come_in_the_order_asked_for(world):
    """Facts of several VMs are in the caller's order."""
    for wanted in ([world.vc2, world.vc1], [world.vc1], []):
        assert [facts.vm for facts in world.hypervisor.observe_vms(wanted)] == wanted


def test_a_sound_vm_shows_nothing_alarming(world):
    """Disks, datastores and adapters are read; nothing is made up."""
    facts = world.hypervisor.observe_vms([world.vc1])[0]

    assert [disk.mode for disk in facts.disks] == ["persistent"]
    assert facts.disks[0].datastore in facts.datastores
    assert len(facts.nics) == 1
    assert facts.nics[0].dvs_port is None
    assert facts.snapshots == ()
    assert facts.current_snapshot is None
    assert (facts.fault_tolerance, facts.encrypted, facts.bus_sharing) == (False, False, ())


@pytest.mark.parametrize("change", [{"moref": "4711"}, {"instance_uuid": "somebody else's"}])
def test_a_vm_that_is_not_there_is_not_found(world, change):
    """An unknown MoRef is not found, and neither is one that names another VM by now."""
    gone = replace(world.vc1, **change)

    with pytest.raises(VmNotFoundError):
        world.hypervisor.observe_vms([world.vc2, gone])


def test_a_guest_shuts_down(world):
    """The request returns, the VM goes off, and asking again has no effect."""
    world.switch_off(world.vc1)
    world.hypervisor.start_guest_shutdown(world.vc1)

    assert world.power(world.vc1) is PowerState.OFF
    assert world.power(world.vc2) is PowerState.ON


def test_a_guest_without_tools_is_not_shut_down(world):
    """Without Tools the request is refused and the VM stays on."""
    world.needs("tools")
    world.take_tools_away()

    with pytest.raises(ToolsUnavailableError):
        world.hypervisor.start_guest_shutdown(world.vc1)

    assert world.power(world.vc1) is PowerState.ON


def test_a_vm_powers_on(world):
    """The task ends well, the VM is on, and powering on again is nothing to do."""
    world.switch_off(world.vc1)

    key = world.hypervisor.start_power_on(world.vc1)
    result = world.hypervisor.await_task(key, limit=MINUTE)

    assert result.key == key
    assert world.power(world.vc1) is PowerState.ON
    assert world.hypervisor.start_power_on(world.vc1) is None


def test_adapters_are_connected_while_on(world):
    """Adapters show the link: gone while off, back when on."""
    world.needs("connected NICs")
    if world.hypervisor.observe_vms([world.vc1])[0].nics[0].connected:
        world.switch_off(world.vc1)
    off = world.hypervisor.observe_vms([world.vc1])[0].nics[0]
    world.hypervisor.await_task(world.hypervisor.start_power_on(world.vc1), limit=MINUTE)
    on = world.hypervisor.observe_vms([world.vc1])[0].nics[0]

    assert (off.connected, on.connected) == (False, True)
    assert on.start_connected


def test_a_snapshot_taken_while_off_says_so(world):
    """The task names what it made; the tree shows name, text, UTC time and that it was off."""
    world.switch_off(world.vc1)

    key = world.hypervisor.start_snapshot(world.vc1, name="run-1", description="for a test")
    result = world.hypervisor.await_task(key, limit=MINUTE)
    facts = world.hypervisor.observe_vms([world.vc1])[0]

    assert len(facts.snapshots) == 1
    taken = facts.snapshots[0]
    assert taken.moref == result.created == facts.current_snapshot
    assert (taken.vm, taken.name, taken.description) == (world.vc1, "run-1", "for a test")
    assert taken.taken_off
    assert taken.created.tzinfo is UTC
    assert abs(taken.created - world.clock.now()) < timedelta(minutes=1)


def test_a_revert_goes_to_exactly_that_snapshot(world):
    """The older of two becomes current again, the newer stays, and the VM stays off."""
    world.switch_off(world.vc1)
    older = world.snapshot(world.vc1, "older")
    world.snapshot(world.vc1, "newer")

    world.hypervisor.await_task(world.hypervisor.start_revert(older), limit=MINUTE)
    facts = world.hypervisor.observe_vms([world.vc1])[0]

    assert facts.current_snapshot == older.moref
    assert {s.name for s in facts.snapshots} == {"older", "newer"}
    assert facts.summary.power is PowerState.OFF


def test_a_revert_brings_the_disk_back(world):
    """What was written after the snapshot is gone."""
    world.needs("disks")
    world.switch_off(world.vc1)
    before = world.read()
    taken = world.snapshot(world.vc1, "run-1")
    world.write(b"changed")

    world.hypervisor.await_task(world.hypervisor.start_revert(taken), limit=MINUTE)

    assert world.read() == before != b"changed"


def test_a_removal_removes_one_snapshot(world):
    """The middle one of a chain goes, parent and child stay; removing it again is nothing."""
    world.switch_off(world.vc1)
    taken = [world.snapshot(world.vc1, name) for name in ("first", "second", "third")]

    world.hypervisor.await_task(world.hypervisor.start_removal(taken[1]), limit=MINUTE)
    facts = world.hypervisor.observe_vms([world.vc1])[0]

    assert {s.moref for s in facts.snapshots} == {taken[0].moref, taken[2].moref}
    assert facts.current_snapshot == taken[2].moref
    assert world.hypervisor.start_removal(taken[1]) is None


def test_the_last_snapshot_leaves_none(world):
    """After the last removal the VM shows no snapshot and no current one."""
    world.switch_off(world.vc1)
    taken = world.snapshot(world.vc1, "run-1")

    world.hypervisor.await_task(world.hypervisor.start_removal(taken), limit=MINUTE)
    facts = world.hypervisor.observe_vms([world.vc1])[0]

    assert (facts.snapshots, facts.current_snapshot) == ((), None)


def test_nothing_reverts_to_a_snapshot_that_is_gone(world):
    """A removed snapshot is gone for a revert, and nothing is started."""
    world.switch_off(world.vc1)
    taken = world.snapshot(world.vc1, "run-1")
    world.hypervisor.await_task(world.hypervisor.start_removal(taken), limit=MINUTE)

    with pytest.raises(SnapshotGoneError):
        world.hypervisor.start_revert(taken)


def test_an_unknown_task_is_none(world):
    """A task that the host does not know any more is no error and no success."""
    assert world.hypervisor.await_task(TaskKey("task-4711"), limit=MINUTE) is None


def test_a_task_can_be_awaited_again(world):
    """A second wait for a task that ended gives the same answer."""
    world.switch_off(world.vc1)
    key = world.hypervisor.start_snapshot(world.vc1, name="run-1", description="")

    first = world.hypervisor.await_task(key, limit=MINUTE)

    assert world.hypervisor.await_task(key, limit=timedelta(0)) == first


def test_a_task_that_runs_is_overdue_not_failed(world):
    """At the limit the task goes on, and ends well later."""
    world.needs("slow tasks")
    world.switch_off(world.vc1)
    key = world.hypervisor.start_snapshot(world.vc1, name="run-1", description="")

    with pytest.raises(TaskOverdueError):
        world.hypervisor.await_task(key, limit=timedelta(0))

    assert world.hypervisor.await_task(key, limit=MINUTE).created


def test_a_vm_with_a_task_is_busy(world):
    """A second task on the VM is refused and not started; another VM is free."""
    world.needs("slow tasks")
    world.switch_off(world.vc1, world.vc2)
    key = world.hypervisor.start_snapshot(world.vc1, name="run-1", description="")

    with pytest.raises(VmBusyError) as caught:
        world.hypervisor.start_snapshot(world.vc1, name="run-2", description="")
    other = world.hypervisor.start_snapshot(world.vc2, name="run-1", description="")
    for task in (key, other):
        world.hypervisor.await_task(task, limit=MINUTE)

    assert caught.value.vm == world.vc1
    assert [s.name for s in world.hypervisor.observe_vms([world.vc1])[0].snapshots] == ["run-1"]


def test_a_full_datastore_is_no_space(world):
    """The task fails with the datastore's name, and there is no snapshot."""
    world.needs("full datastore")
    world.switch_off(world.vc1)
    world.fill_datastore()
    key = world.hypervisor.start_snapshot(world.vc1, name="run-1", description="")

    with pytest.raises(NoSpaceError, match="datastore1"):
        world.hypervisor.await_task(key, limit=MINUTE)

    assert world.hypervisor.observe_vms([world.vc1])[0].snapshots == ()


def test_an_expired_session_is_not_noticed(world):
    """Reads and starts go on after the host ended the session."""
    world.needs("sessions")
    world.switch_off(world.vc1)
    world.end_sessions()
    facts = world.hypervisor.observe_vms([world.vc1])
    world.end_sessions()

    key = world.hypervisor.start_power_on(world.vc1)
    world.end_sessions()

    assert facts[0].summary.power is PowerState.OFF
    assert world.hypervisor.await_task(key, limit=MINUTE).key == key


def test_closing_twice_is_fine(world):
    """Close never raises."""
    world.hypervisor.observe_host()

    world.hypervisor.close()
    world.hypervisor.close()


def test_a_whole_round_of_the_coordinator(world):
    """Off, snapshot, revert, on, release: the set comes and goes, a foreign snapshot stays."""
    vms = (world.vc1, world.vc2)
    world.switch_off(world.vc1)
    world.snapshot(world.vc1, "somebody else's")
    noted: dict[str, str] = {}
    coordinator = Coordinator({HOST: world.hypervisor}, world.clock, Limits(poll=world.poll))

    coordinator.shut_down((vms,))
    taken = coordinator.take("run-1", lambda vm: "a round", vms, noted.__setitem__)
    again = coordinator.take("run-1", lambda vm: "a round", vms, noted.__setitem__)
    coordinator.revert(taken, vms)
    coordinator.power_on((vms,), {})
    on = [world.power(vm) for vm in vms]
    released = coordinator.release("run-1", vms)

    assert again == taken
    assert len(noted) == 2
    assert on == [PowerState.ON, PowerState.ON]
    assert {s.vm for s in released.removed} == set(vms)
    left = [[s.name for s in facts.snapshots] for facts in world.hypervisor.observe_vms(vms)]
    assert left == [["somebody else's"], []]
