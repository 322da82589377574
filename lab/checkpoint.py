"""Saves a whole lab at one moment and brings it back: for tests that kill a run many times."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stsfix.lab.esx.machine import ON

if TYPE_CHECKING:
    from stsfix.lab.esx.machine import Snapshot, VirtualMachine


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedVm:
    """One VM: power, disk and snapshots share nothing with the live VM. It was registered on
    *host* as *moref*.
    """

    vm: VirtualMachine
    host: str
    moref: str
    power: str
    disk: Any
    annotation: str
    roots: list[Snapshot]
    current: Snapshot | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Every VM of a lab. It can be restored any number of times."""

    vms: tuple[SavedVm, ...]
    free: dict[str, int]


def save_vm(vm: VirtualMachine, host: str) -> SavedVm:
    """Return a copy of all that a revert, a crash or a move from *host* could change."""
    roots, current = copy.deepcopy((vm.root_snapshots, vm.current_snapshot))
    return SavedVm(
        vm=vm,
        host=host,
        moref=vm.moref,
        power=vm.power,
        disk=copy.deepcopy(vm.guest.disk),
        annotation=vm.annotation,
        roots=roots,
        current=current,
    )


def restore_vm(saved: SavedVm) -> None:
    """Bring a VM back; one that was on boots again unless nothing of it had changed."""
    vm = saved.vm
    if vm.power == ON:
        vm.power_off()
    vm.guest.disk = copy.deepcopy(saved.disk)
    vm.annotation = saved.annotation
    vm.root_snapshots, vm.current_snapshot = copy.deepcopy((saved.roots, saved.current))
    vm.question = None
    if saved.power == ON:
        vm.power = "poweredOff"
        vm.power_on()
    else:
        vm.power = saved.power
    vm.changed()
