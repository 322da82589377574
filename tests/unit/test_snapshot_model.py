"""SnapshotSet knows whether it covers the nodes; VmIds compare by what is stable."""

from __future__ import annotations

from dataclasses import replace

import pytest

from memory_hypervisor import EPOCH, MemoryClock, MemoryHost
from stsfix.snapshot.model import SnapshotRef, SnapshotSet, VmId

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
