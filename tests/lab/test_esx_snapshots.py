"""Snapshots on the lab's ESXi host: what they keep, what a revert restores, the tree."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from pyVmomi import vim, vmodl

from esx_lab import ScriptedGuest, finished, running_host, vm_of
from stsfix.lab.esx.machine import Disk, VirtualMachine

pytestmark = pytest.mark.lab


def snapshot(vm, name="s1"):
    """Take a snapshot of *vm*; return its reference."""
    info = finished(vm.CreateSnapshot(name, "text", memory=False, quiesce=False))
    assert info.state == "success", info.error
    return info.result


def test_revert_restores_the_disk():
    """What the guest wrote after the snapshot is gone after the revert; the VM is off."""
    with running_host() as lab, lab.client() as instance:
        vm = vm_of(instance)
        taken = snapshot(vm)
        finished(vm.PowerOn())
        lab.guest.disk["/etc/state"] = b"broken"

        info = finished(taken.RevertToSnapshot_Task(suppressPowerOn=True))

        assert (info.state, info.entity) == ("success", vm)
        assert lab.guest.disk == {"/etc/state": b"original"}
        assert vm.runtime.powerState == "poweredOff"
        assert lab.guest.events == ["boot", "cut"]


def test_revert_twice_gives_the_same_disk():
    """A reverted disk is a copy: writing to it does not spoil the snapshot."""
    with running_host() as lab, lab.client() as instance:
        vm = vm_of(instance)
        taken = snapshot(vm)
        for _ in range(2):
            lab.guest.disk["/etc/state"] = b"broken"

            finished(taken.RevertToSnapshot_Task(suppressPowerOn=True))

            assert lab.guest.disk["/etc/state"] == b"original"


def test_snapshot_tree_tells_name_state_and_time():
    """The tree shows what was asked for and that the VM was off."""
    with running_host() as lab, lab.client() as instance:
        vm = vm_of(instance)

        taken = snapshot(vm, "before-repair")

        tree = vm.snapshot.rootSnapshotList[0]
        assert (tree.snapshot, tree.vm, tree.name) == (taken, vm, "before-repair")
        assert (tree.description, tree.state, tree.quiesced) == ("text", "poweredOff", False)
        assert vm.snapshot.currentSnapshot == taken
        assert abs((tree.createTime - lab.host.now()).total_seconds()) < 5


def test_removing_the_parent_re_parents_the_child():
    """Two snapshots: the child moves up and stays current when its parent goes."""
    with running_host() as lab, lab.client() as instance:
        vm = vm_of(instance)
        parent, child = snapshot(vm, "parent"), snapshot(vm, "child")
        assert vm.snapshot.rootSnapshotList[0].childSnapshotList[0].snapshot == child

        info = finished(parent.RemoveSnapshot_Task(removeChildren=False))

        assert (info.state, info.entity) == ("success", vm)
        assert [t.snapshot for t in vm.snapshot.rootSnapshotList] == [child]
        assert vm.snapshot.currentSnapshot == child
        with pytest.raises(vmodl.fault.ManagedObjectNotFound):
            parent.RemoveSnapshot_Task(removeChildren=False)


def test_removing_with_children_removes_all():
    """With removeChildren the whole branch goes and the snapshot property is unset."""
    with running_host() as lab, lab.client() as instance:
        vm = vm_of(instance)
        parent = snapshot(vm, "parent")
        snapshot(vm, "child")

        finished(parent.RemoveSnapshot_Task(removeChildren=True))

        assert vm.snapshot is None


def test_revert_makes_the_snapshot_current():
    """After a revert to the parent it is current; the next snapshot is its second child."""
    with running_host() as lab, lab.client() as instance:
        vm = vm_of(instance)
        parent, child = snapshot(vm, "parent"), snapshot(vm, "child")

        finished(parent.RevertToSnapshot_Task(suppressPowerOn=True))
        sibling = snapshot(vm, "sibling")

        children = vm.snapshot.rootSnapshotList[0].childSnapshotList
        assert [t.snapshot for t in children] == [child, sibling]


def test_remove_all_and_revert_to_current():
    """RevertToCurrentSnapshot restores; RemoveAllSnapshots empties; then revert does nothing."""
    with running_host() as lab, lab.client() as instance:
        vm = vm_of(instance)
        snapshot(vm)
        lab.guest.disk["/etc/state"] = b"broken"

        finished(vm.RevertToCurrentSnapshot(suppressPowerOn=True))
        assert lab.guest.disk["/etc/state"] == b"original"
        finished(vm.RemoveAllSnapshots())
        lab.guest.disk["/etc/state"] = b"new"

        assert finished(vm.RevertToCurrentSnapshot()).state == "success"
        assert lab.guest.disk["/etc/state"] == b"new"


@pytest.mark.parametrize("suppressed", [True, False])
def test_suppress_power_on(suppressed):
    """A snapshot with memory powers on at revert unless that is suppressed."""
    with running_host() as lab, lab.client() as instance:
        vm = vm_of(instance)
        finished(vm.PowerOn())
        taken = finished(vm.CreateSnapshot("live", "", memory=True, quiesce=False)).result

        finished(taken.RevertToSnapshot_Task(suppressPowerOn=suppressed))

        assert vm.runtime.powerState == ("poweredOff" if suppressed else "poweredOn")


@pytest.mark.parametrize("shown", ["poweredOn", "poweredOff"])
def test_snapshot_of_a_running_vm_is_allowed(shown):
    """Nobody stops a client from it; what the tree shows depends on the host's age."""
    with running_host() as lab, lab.client() as instance:
        lab.vm.running_snapshot_state = shown
        vm = vm_of(instance)
        finished(vm.PowerOn())

        taken = snapshot(vm)

        assert vm.snapshot.rootSnapshotList[0].state == shown
        finished(taken.RevertToSnapshot_Task())
        assert vm.runtime.powerState == "poweredOff"


def test_independent_disk_is_not_protected():
    """A revert leaves an independent disk as it is."""
    with running_host() as lab, lab.client() as instance:
        lab.vm.disks = [Disk(mode="independent_persistent")]
        vm = vm_of(instance)
        taken = snapshot(vm)
        lab.guest.disk["/etc/state"] = b"broken"

        finished(taken.RevertToSnapshot_Task(suppressPowerOn=True))

        assert lab.guest.disk["/etc/state"] == b"broken"


def test_full_datastore_ends_the_task():
    """Without space the task fails with NoDiskSpace(datastore); there is no snapshot."""
    with running_host() as lab, lab.client() as instance:
        lab.host.datastore("datastore1").free = 1000
        vm = vm_of(instance)

        info = finished(vm.CreateSnapshot("s", "", memory=False, quiesce=False))

        assert isinstance(info.error, vim.fault.NoDiskSpace)
        assert info.error.datastore == "datastore1"
        assert vm.snapshot is None


@pytest.mark.parametrize(
    ("setting", "on", "fault"),
    [
        (
            {"disks": [Disk(mode="independent_persistent")]},
            True,
            vim.fault.MemorySnapshotOnIndependentDisk,
        ),
        ({"disks": [Disk(rdm="physicalMode")]}, False, vim.fault.SnapshotIncompatibleDeviceInVm),
        ({"bus_sharing": "physicalSharing"}, False, vim.fault.SnapshotIncompatibleDeviceInVm),
        ({"passthrough": True}, False, vim.fault.SnapshotIncompatibleDeviceInVm),
        ({"fault_tolerance": "running"}, False, vmodl.fault.NotSupported),
    ],
    ids=["independent-with-memory", "rdm", "bus-sharing", "passthrough", "ft"],
)
def test_vm_that_cannot_be_snapshotted(setting, on, fault):
    """The task fails with the reason."""
    with running_host() as lab, lab.client() as instance:
        for name, value in setting.items():
            setattr(lab.vm, name, value)
        vm = vm_of(instance)
        if on:
            finished(vm.PowerOn())

        info = finished(vm.CreateSnapshot("s", "", memory=True, quiesce=False))

        assert isinstance(info.error, fault)


def test_create_snapshot_ex():
    """CreateSnapshotEx_Task takes the same snapshot."""
    with running_host() as lab, lab.client() as instance:
        vm = vm_of(instance)

        info = finished(vm.CreateSnapshotEx("ex", "", memory=False, quiesceSpec=None))

        assert vm.snapshot.currentSnapshot == info.result


def test_blockers_are_readable():
    """Everything preflight looks for can be read from the VM."""
    with running_host() as lab, lab.client() as instance:
        lab.vm.disks = [Disk(mode="independent_persistent", sharing="sharingMultiWriter")]
        lab.vm.bus_sharing = "physicalSharing"
        lab.vm.consolidation_needed = True
        lab.vm.change_tracking = True
        lab.vm.managed_by = ("com.example.backup", "proxy")
        lab.vm.encryption_key_id = "key-1"
        vm = vm_of(instance)

        controller, disk, _ = vm.config.hardware.device

        assert controller.sharedBus == "physicalSharing"
        assert disk.backing.diskMode == "independent_persistent"
        assert disk.backing.sharing == "sharingMultiWriter"
        assert vm.runtime.consolidationNeeded is True
        assert vm.config.changeTrackingEnabled is True
        assert vm.config.managedBy.extensionKey == "com.example.backup"
        assert vm.config.keyId.keyId == "key-1"
        assert vm.capability.snapshotOperationsSupported is True


def test_tasks_of_different_vms_run_at_once():
    """Eight VMs are snapshotted by eight threads over one client; every task succeeds."""
    with running_host(speed=20.0) as lab, lab.client() as instance:
        for number in range(8):
            lab.host.add_vm(VirtualMachine(name=f"node-{number}", guest=ScriptedGuest()))
        vms = [vm_of(instance, f"node-{number}") for number in range(8)]

        with ThreadPoolExecutor(8) as pool:
            taken = list(pool.map(snapshot, vms))

        assert len(set(taken)) == 8
        assert [vm.snapshot.currentSnapshot for vm in vms] == taken
