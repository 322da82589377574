"""Rules of power and snapshots of the lab's VM, without a wire."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from esx_lab import ScriptedGuest
from stsfix.lab.esx.machine import Disk, Question, VirtualMachine, VmRefusedError

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def vm():
    """A VM that is off, with a scripted guest."""
    return VirtualMachine(name="vc1", moref="1", guest=ScriptedGuest())


def take(vm, name="s", *, memory=False):
    """Take a snapshot at NOW."""
    return vm.take_snapshot(name, "", now=NOW, memory=memory, quiesce=False)


def test_snapshot_keeps_a_copy(vm):
    """Later writes to the guest's disk do not reach the snapshot."""
    made = take(vm)

    vm.guest.disk["/etc/state"] = b"broken"

    assert made.disk == {"/etc/state": b"original"}


def test_each_snapshot_is_below_the_current_one(vm):
    """Three snapshots in a row form a chain; ids are never used twice."""
    first, second = take(vm), take(vm)
    vm.remove_snapshot(second, with_children=False)
    third = take(vm)

    assert [s.key for s in vm.snapshots()] == [first.key, third.key]
    assert third.parent is first
    assert third.key != second.key


def test_removed_middle_hands_its_children_up(vm):
    """Children of a removed snapshot belong to its parent."""
    first, second, third = take(vm), take(vm), take(vm)

    vm.remove_snapshot(second, with_children=False)

    assert first.children == [third]
    assert third.parent is first
    assert vm.current_snapshot is third


def test_current_moves_to_the_parent_when_it_is_removed(vm):
    """Removing the current snapshot makes its parent current; the last one leaves none."""
    first, second = take(vm), take(vm)

    vm.remove_snapshot(second, with_children=False)
    assert vm.current_snapshot is first
    vm.remove_snapshot(first, with_children=False)

    assert vm.current_snapshot is None
    assert vm.root_snapshots == []


def test_revert_restores_annotation_too(vm):
    """The configuration goes back with the disk."""
    vm.annotation = "before"
    made = take(vm)
    vm.annotation = "after"

    vm.revert(made, suppress_power_on=True)

    assert vm.annotation == "before"


def test_chain_has_a_limit(vm):
    """The thirty-third level is refused."""
    for _ in range(32):
        take(vm)

    with pytest.raises(VmRefusedError, match="TooManySnapshotLevels"):
        take(vm)


def test_a_second_shutdown_request_reaches_the_guest_and_power_goes_once(vm):
    """A guest that missed the first request is asked again; what it does twice counts once."""
    vm.guest.shutdown_s = 60.0
    vm.power_on(NOW)

    vm.shut_down_guest()
    vm.shut_down_guest()
    vm.power_off()

    assert vm.guest.events == ["boot", "shut_down", "shut_down", "cut"]
    assert vm.power == "poweredOff"


@pytest.mark.parametrize(
    ("question", "choice"), [("9", "1"), ("4", "7")], ids=["no-question", "no-choice"]
)
def test_wrong_answer_is_refused(vm, question, choice):
    """An answer to no question, or with no choice of it, leaves the question open."""
    vm.question = Question(id="4")

    with pytest.raises(VmRefusedError, match="InvalidArgument"):
        vm.answer(question, choice)

    assert vm.question is not None


def test_only_the_first_disk_decides_what_a_snapshot_keeps(vm):
    """A second, independent disk does not leave the guest's disk unprotected."""
    vm.disks = [Disk(), Disk(mode="independent_persistent")]
    made = take(vm)
    vm.guest.disk["/etc/state"] = b"broken"

    vm.revert(made, suppress_power_on=True)

    assert vm.guest.disk["/etc/state"] == b"original"
