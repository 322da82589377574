"""SnapshotSet knows whether it covers the nodes; VmIds compare by what is stable."""

from __future__ import annotations

from dataclasses import replace

import pytest

from memory_hypervisor import EPOCH, MemoryClock, MemoryHost
from stsfix.snapshot.esxi_summary import listed_vm
from stsfix.snapshot.model import PowerState, SnapshotRef, SnapshotSet, VmId, VmListing

HOST = MemoryHost("esx1.lab.example", MemoryClock())
VC1, VC2, VC3 = (HOST.add_vm(name) for name in ("vc1", "vc2", "vc3"))


def ref(vm: VmId, moref: str = "", *, taken_off: bool = True) -> SnapshotRef:
    """Return a snapshot of *vm*."""
    return SnapshotRef(
        vm=vm,
        moref=moref or f"{vm.moref}-snapshot-1",
        name="run-1",
        description="",
        created=EPOCH,
        taken_off=taken_off,
    )


@pytest.mark.parametrize(
    ("members", "covers"),
    [
        ([ref(VC1), ref(VC2)], True),
        ([ref(VC1)], False),
        ([ref(VC1), ref(VC2), ref(VC3)], False),
        ([ref(VC1), ref(VC1, "other")], False),
        ([ref(VC1), ref(VC2), ref(VC2, "other")], False),
        ([], False),
    ],
    ids=["exact", "one missing", "a stranger", "one twice", "one doubled", "none"],
)
def test_a_set_covers_only_exactly_its_nodes(members, covers):
    """A set covers the nodes if each has one member and nothing else has any."""
    snapshots = SnapshotSet(members=frozenset(members))

    assert snapshots.covers(frozenset({VC1, VC2})) is covers


def test_a_set_refuses_a_snapshot_of_a_running_vm():
    """A member that was taken while its VM ran makes the set impossible."""
    running = ref(VC1, taken_off=False)

    with pytest.raises(ValueError, match="vc1"):
        SnapshotSet(members=frozenset({running}))


def test_of_finds_the_one_member_of_a_vm():
    """`of` returns the member of the VM that was asked for."""
    snapshots = SnapshotSet(members=frozenset({ref(VC1), ref(VC2)}))

    assert snapshots.of(VC2) == ref(VC2)


@pytest.mark.parametrize(
    "members", [[ref(VC2)], [ref(VC1), ref(VC1, "other")]], ids=["none", "two"]
)
def test_of_refuses_to_choose(members):
    """`of` raises when there is no member of the VM, or more than one."""
    snapshots = SnapshotSet(members=frozenset(members))

    with pytest.raises(LookupError):
        snapshots.of(VC1)


def test_a_renamed_vm_is_the_same_vm():
    """A VmId does not compare by name, which may change during a run."""
    renamed = replace(VC1, name="vc1 (old)")

    assert renamed == VC1
    assert hash(renamed) == hash(VC1)


ROWS = (
    ("1", "uuid-1", "bios-1", "VC1.lab.example", "192.0.2.1", "vc1", "connected", "poweredOn"),
    ("2", None, None, None, None, "other", "connected", "poweredOff"),
    ("3", *[None] * 7),
)


def listing():
    """Return the listing of `ROWS`."""
    return VmListing(ROWS, lambda row: listed_vm(HOST.host, row))


def test_a_listing_is_the_vms_of_its_rows():
    """Length, order, places and slices are those of a tuple, and so is equality."""
    made = listing()
    whole = tuple(listed_vm(HOST.host, row) for row in ROWS)

    assert (len(made), tuple(made), made[1], made[-2:]) == (3, whole, whole[1], whole[1:])
    assert made == whole == listing()
    assert made != whole[:2]
    assert hash(made) == hash(listing())


def test_a_listed_vm_has_honest_defaults():
    """What the host did not tell is not made up; without a name the MoRef stands for it."""
    first, other, silent = listing()

    assert (first.vm.instance_uuid, first.bios_uuid) == ("uuid-1", "bios-1")
    assert (first.hostname, first.addresses) == ("VC1.lab.example", ("192.0.2.1",))
    assert (other.power, other.addresses) == (PowerState.OFF, ())
    assert (silent.vm.name, silent.connection, silent.power) == ("3", "unknown", PowerState.ON)


@pytest.mark.parametrize(
    ("texts", "morefs"),
    [
        ({"vc1.lab.example"}, ["1"]),
        ({"192.0.2.1", "other"}, ["1", "2"]),
        ({"uuid-1"}, ["1"]),
        ({"vc1.lab"}, []),
        ({""}, []),
        (set(), []),
    ],
    ids=["host name", "address or name", "uuid", "part of a text", "empty text", "nothing"],
)
def test_vms_are_found_by_any_whole_text_in_any_case(texts, morefs):
    """Only whole texts count; what is not told is found by nothing."""
    assert [vm.vm.moref for vm in listing().with_any_of(frozenset(texts))] == morefs
