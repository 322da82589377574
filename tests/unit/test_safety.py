"""Every risk is found from its fact alone, with its severity, and sound facts have none."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from memory_hypervisor import MemoryClock, MemoryHost
from memory_vm import datastore, nic
from stsfix.snapshot.model import DiskState, HostRef, LockdownMode, PowerState
from stsfix.snapshot.safety import assess, assess_host, assess_space, assess_vm

ESX = MemoryHost("esx1.lab.example", MemoryClock())
VC1 = ESX.add_vm("vc1")
VC2 = ESX.add_vm("vc2")
HOST = ESX.observe_host()
VM, OTHER = ESX.observe_vms([VC1, VC2])
OFF = replace(VM.summary, power=PowerState.OFF)


def snapshots(count):
    """Return *count* snapshots of vc1."""
    host = MemoryHost("esx1.lab.example", MemoryClock(), task_s=0)
    vm = host.add_vm("vc1", power=PowerState.OFF)
    for number in range(count):
        host.start_snapshot(vm, name=f"before-{number}", description="")
    return host.observe_vms([vm])[0].snapshots


def disk(**changes):
    """Return vc1's disk, changed."""
    return (replace(VM.disks[0], **changes),)


def dvs(label):
    """Return an adapter on a distributed switch."""
    return replace(nic(label), dvs_port="12")


def outcome(risks):
    """Return what matters of *risks*."""
    return [(risk.id, risk.severity) for risk in risks]


def test_sound_facts_have_no_risk():
    """Nothing is made up."""
    assert assess([HOST], [VM, OTHER]) == ()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"disks": disk(mode="independent_persistent")}, [("SNAP-INDEPENDENT-DISK", "blocks")]),
        ({"disks": disk(mode="independent_nonpersistent")}, [("SNAP-INDEPENDENT-DISK", "blocks")]),
        ({"disks": disk(physical_rdm=True)}, [("SNAP-RDM", "blocks")]),
        ({"disks": disk(sharing="sharingMultiWriter")}, [("SNAP-MULTI-WRITER", "blocks")]),
        ({"disks": disk(sharing="sharingNone")}, []),
        ({"fault_tolerance": True}, [("SNAP-FT", "blocks")]),
        ({"bus_sharing": ("SCSI controller 0",)}, [("SNAP-BUS-SHARING", "blocks")]),
        ({"passthrough": ("PCI device 0",)}, [("SNAP-PASSTHROUGH", "blocks")]),
        ({"consolidation_needed": True}, [("SNAP-CONSOLIDATION", "blocks")]),
        ({"chain_broken": True}, [("SNAP-CHAIN-BROKEN", "blocks")]),
        ({"snapshots": snapshots(1)}, [("SNAP-EXISTING", "warns")]),
        ({"snapshots": snapshots(31)}, [("SNAP-EXISTING", "warns")]),
        ({"snapshots": snapshots(32)}, [("SNAP-CHAIN-TOO-DEEP", "blocks")]),
        ({"snapshots": snapshots(32), "chain_depth": 31}, [("SNAP-EXISTING", "warns")]),
        ({"snapshots": snapshots(32), "chain_depth": 32}, [("SNAP-CHAIN-TOO-DEEP", "blocks")]),
        ({"question": "moved or copied?"}, [("SNAP-QUESTION", "blocks")]),
        ({"encrypted": True}, [("SNAP-ENCRYPTED", "warns")]),
        ({"disabled_methods": ("CreateSnapshot_Task",)}, [("SNAP-METHOD-DISABLED", "blocks")]),
        ({"disabled_methods": ("CreateSnapshotEx_Task",)}, [("SNAP-METHOD-DISABLED", "blocks")]),
        ({"disabled_methods": ("PowerOnVM_Task", "RevertToCurrentSnapshot_Task")}, []),
        ({"managed_by": "com.vmware.vim.eam"}, [("SNAP-MANAGED-BY", "warns")]),
        ({"change_tracking": True}, [("SNAP-CBT", "warns")]),
        (
            {"tools_running": False, "guest_operations_ready": False},
            [("TOOLS-NOT-RUNNING", "blocks")],
        ),
        ({"guest_operations_ready": False}, [("GUEST-OPERATIONS-OFF", "warns")]),
        (
            {"summary": OFF, "tools_running": False, "guest_operations_ready": False},
            [("VM-OFF", "blocks")],
        ),
        (
            {"summary": replace(VM.summary, power=PowerState.SUSPENDED)},
            [("VM-SUSPENDED", "blocks")],
        ),
        ({"summary": replace(VM.summary, connection="inaccessible")}, [("VM-STALE", "blocks")]),
        ({"nics": (dvs("a"), dvs("b"))}, [("NIC-DVS", "warns")]),
        ({"nics": (dvs("a"), nic("b"))}, []),
        ({"nics": ()}, []),
        ({"nics": (nic(connected=False),)}, [("NIC-DISCONNECTED", "warns")]),
        ({"nics": (replace(nic(), start_connected=False),)}, [("NIC-NOT-AT-START", "blocks")]),
        ({"nics": (nic(connected=False),), "summary": OFF}, [("VM-OFF", "blocks")]),
        ({"disabled_methods": ("ShutdownGuest",)}, [("SNAP-METHOD-DISABLED", "blocks")]),
        ({"snapshots_supported": False}, [("SNAP-UNSUPPORTED", "blocks")]),
        ({"snapshot_limit": 0}, [("SNAP-LIMIT", "blocks")]),
        ({"snapshot_limit": 1}, []),
        ({"replicated": True}, [("SNAP-REPLICATED", "warns")]),
        ({"in_vapp": True}, [("VM-VAPP", "warns")]),
        ({"administrator": False}, [("VM-RIGHTS", "blocks")]),
        ({"administrator": None}, [("VM-NOT-CHECKED", "warns")]),
        ({"nics": (replace(nic(connected=False), start_connected=False),)}, []),
    ],
    ids=[
        "independent disk",
        "independent nonpersistent disk",
        "physical RDM",
        "multi-writer",
        "no sharing",
        "FT",
        "bus sharing",
        "passthrough",
        "consolidation",
        "broken chain",
        "one snapshot",
        "31 snapshots",
        "32 snapshots",
        "32 snapshots in branches",
        "32 snapshots in one chain",
        "question",
        "encrypted",
        "snapshots disabled",
        "newer snapshots disabled",
        "disabled by power state",
        "managed by",
        "CBT",
        "no tools",
        "no guest operations",
        "off, so no tools",
        "suspended",
        "stale",
        "all on a DVS",
        "one not on a DVS",
        "no NIC",
        "disconnected",
        "connected by hand",
        "disconnected while off",
        "shutdown disabled",
        "snapshots not supported",
        "no snapshot allowed",
        "one snapshot allowed",
        "replicated",
        "vApp",
        "no administrator",
        "rights unknown",
        "disconnected on purpose",
    ],
)
def test_risks_of_a_vm(change, expected):
    """Each fact of a VM gives exactly its own risk."""
    risks = assess_vm(replace(VM, **change))

    assert outcome(risks) == expected
    assert all(risk.subject == "vc1 on esx1.lab.example" for risk in risks)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"clock_skew": timedelta(seconds=5)}, []),
        ({"clock_skew": timedelta(seconds=6)}, [("HOST-CLOCK", "warns")]),
        ({"clock_skew": timedelta(seconds=-60)}, [("HOST-CLOCK", "warns")]),
        ({"clock_skew": timedelta(seconds=-61)}, [("HOST-CLOCK", "blocks")]),
        ({"clock_skew": timedelta(days=900)}, [("HOST-CLOCK", "blocks")]),
        ({"clock_skew": None}, [("HOST-NOT-CHECKED", "warns")]),
        ({"lockdown": LockdownMode.NORMAL}, [("HOST-LOCKDOWN", "warns")]),
        ({"lockdown": LockdownMode.STRICT}, [("HOST-LOCKDOWN", "blocks")]),
        ({"lockdown": LockdownMode.UNKNOWN}, [("HOST-NOT-CHECKED", "warns")]),
        ({"maintenance": True}, [("HOST-MAINTENANCE", "blocks")]),
        ({"licence_edition": "esxBasic"}, [("HOST-LICENCE", "blocks")]),
        ({"licence_edition": "eval"}, [("HOST-LICENCE", "warns")]),
        ({"licence_edition": ""}, [("HOST-NOT-CHECKED", "warns")]),
        (
            {"licence_edition": "eval", "licence_left": timedelta(hours=5)},
            [("HOST-LICENCE", "warns")],
        ),
        ({"licence_edition": "eval", "licence_left": timedelta(days=30)}, []),
        ({"licence_left": timedelta(0)}, [("HOST-LICENCE", "blocks")]),
        ({"version": "6.0.0"}, [("HOST-OLD", "warns")]),
        ({"version": "6.5.0"}, []),
        ({"version": ""}, [("HOST-NOT-CHECKED", "warns")]),
        ({"ntp_running": False}, [("HOST-NTP", "informs")]),
        ({"ntp_servers": ()}, [("HOST-NTP", "informs")]),
        ({"ntp_running": None}, [("HOST-NOT-CHECKED", "warns")]),
        ({"round_trip": timedelta(seconds=6)}, [("HOST-SLOW", "warns")]),
        ({"round_trip": timedelta(seconds=5)}, []),
        ({"clock_skew": timedelta(seconds=7), "round_trip": timedelta(seconds=4)}, []),
        (
            {"clock_skew": timedelta(seconds=-62), "round_trip": timedelta(seconds=4)},
            [("HOST-CLOCK", "warns")],
        ),
        ({"managed_by": "10.0.0.5"}, [("HOST-MANAGED", "informs")]),
    ],
    ids=[
        "5 s",
        "6 s",
        "60 s behind",
        "61 s behind",
        "years",
        "unknown clock",
        "normal lockdown",
        "strict lockdown",
        "unknown lockdown",
        "maintenance",
        "free licence",
        "evaluation",
        "unknown licence",
        "evaluation ends",
        "evaluation lasts",
        "licence ended",
        "old",
        "oldest supported",
        "unknown version",
        "no NTP service",
        "no NTP server",
        "unknown NTP",
        "slow",
        "not so slow",
        "a skew that is no proof",
        "proof of a small skew only",
        "managed",
    ],
)
def test_risks_of_a_host(change, expected):
    """Each fact of a host gives exactly its own risk."""
    assert outcome(assess_host(replace(HOST, **change))) == expected


@pytest.mark.parametrize(
    ("free_gib", "vms", "expected"),
    [
        (10, [VM], []),
        (9, [VM], [("SNAP-LITTLE-SPACE", "blocks")]),
        (1, [VM], [("SNAP-LITTLE-SPACE", "blocks")]),
        (0, [VM], [("SNAP-NO-SPACE", "blocks")]),
        (1, [VM, OTHER], [("SNAP-NO-SPACE", "blocks")]),
        (19, [VM, OTHER], [("SNAP-LITTLE-SPACE", "blocks")]),
        (20, [VM, OTHER], []),
    ],
)
def test_every_node_needs_its_own_room(free_gib, vms, expected):
    """A datastore must hold the growth of all nodes on it together."""
    host = replace(HOST, datastores=(datastore(free_gib=free_gib),))

    assert outcome(assess_space([host], vms)) == expected


def test_a_datastore_that_two_hosts_share_is_counted_once():
    """Nodes on two hosts share the room of one datastore."""
    esx2 = MemoryHost("esx2.lab.example", MemoryClock())
    there = esx2.observe_vms([esx2.add_vm("vc3")])[0]
    stores = (datastore(free_gib=15),)
    hosts = [replace(HOST, datastores=stores), replace(esx2.observe_host(), datastores=stores)]

    risks = assess_space(hosts, [VM, there])

    assert outcome(risks) == [("SNAP-LITTLE-SPACE", "blocks")]
    assert "vc1, vc3" in risks[0].evidence


def test_local_datastores_of_one_name_do_not_add_up_to_no_room():
    """Each host has the room to begin with: what looks shared can be accepted as a risk."""
    esx2 = MemoryHost("esx2.lab.example", MemoryClock())
    there = esx2.observe_vms([esx2.add_vm("vc3")])[0]
    stores = (datastore(free_gib=1),)
    hosts = [replace(HOST, datastores=stores), replace(esx2.observe_host(), datastores=stores)]

    assert outcome(assess_space(hosts, [VM, there])) == [("SNAP-LITTLE-SPACE", "blocks")]


def test_how_much_a_snapshot_grows_can_be_said():
    """Whoever knows the nodes asks for more or less room."""
    host = replace(HOST, datastores=(datastore(free_gib=15),))

    assert assess_space([host], [VM], growth_bytes=15 * 2**30) == ()
    (risk,) = assess_space([host], [VM], growth_bytes=16 * 2**30)
    assert risk.evidence == "15.0 GiB free, 16.0 GiB wanted for vc1."


@pytest.mark.parametrize("stores", [(), (datastore(accessible=False),)], ids=["absent", "down"])
def test_an_inaccessible_datastore_blocks(stores):
    """A datastore that the host does not list, or cannot reach, blocks."""
    host = replace(HOST, datastores=stores)

    assert outcome(assess_space([host], [VM])) == [("SNAP-DATASTORE-INACCESSIBLE", "blocks")]


def test_a_datastore_in_maintenance_blocks():
    """Nothing on it can be powered on."""
    host = replace(HOST, datastores=(replace(datastore(), maintenance=True),))

    assert outcome(assess_space([host], [VM])) == [("SNAP-DATASTORE-INACCESSIBLE", "blocks")]


def test_vsan_is_told_of_once():
    """Its health cannot be seen from a host."""
    host = replace(HOST, datastores=(replace(datastore(), kind="vsan"),))

    assert outcome(assess_space([host], [VM, OTHER])) == [("SNAP-VSAN", "informs")]


def test_a_disk_on_an_unknown_datastore_is_not_made_up():
    """A disk whose backing tells no datastore adds none."""
    facts = replace(VM, disks=(DiskState(label="Hard disk 1", datastore="", mode="persistent"),))

    assert assess_space([HOST], [facts]) == ()


def test_hosts_without_nodes_do_not_block():
    """A host in maintenance that runs no node is no risk for the run."""
    idle = replace(HOST, host=HostRef("esx9.lab.example"), maintenance=True)

    assert assess([HOST, idle], [VM]) == ()
    assert outcome(assess([idle], [])) == [("HOST-MAINTENANCE", "blocks")]
