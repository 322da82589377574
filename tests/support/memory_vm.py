"""The state of one VM of `memory_hypervisor`, and what its host tells of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from stsfix.snapshot.model import (
    DatastoreFacts,
    DiskState,
    NicState,
    PowerState,
    SnapshotRef,
    TaskKey,
    VmFacts,
    VmId,
    VmSummary,
)


@dataclass(kw_only=True)
class MemoryVm:
    """The state of one VM; tests may change everything at any time."""

    id: VmId
    power: PowerState = PowerState.ON
    disk: Any = None
    disk_mode: str = "persistent"
    encrypted: bool = False
    tools: bool = True
    guest_operations: bool = True
    nics: tuple[NicState, ...] = ()
    nics_lost_at_boot: tuple[str, ...] = ()
    shutdown_s: float | None = 10.0
    question: str | None = None
    snapshots: list[SnapshotRef] = field(default_factory=list)
    disks: dict[str, Any] = field(default_factory=dict)
    current: str | None = None
    consolidation_needed: bool = False
    off_at: float | None = None
    busy: TaskKey | None = None


def nic(label: str = "Network adapter 1", *, connected: bool = True) -> NicState:
    """Return an adapter on a standard switch."""
    return NicState(label=label, backing="VM Network", connected=connected, start_connected=True)


def datastore(
    name: str = "datastore1", *, free_gib: int = 500, accessible: bool = True
) -> DatastoreFacts:
    """Return a datastore of 1000 GiB."""
    return DatastoreFacts(
        name=name,
        free_bytes=free_gib * 2**30,
        capacity_bytes=1000 * 2**30,
        accessible=accessible,
    )


def summary_of(vm: MemoryVm) -> VmSummary:
    """Return what a look at all VMs tells of *vm*."""
    on = vm.power is PowerState.ON
    return VmSummary(
        vm=vm.id,
        bios_uuid=vm.id.instance_uuid,
        power=vm.power,
        connection="connected",
        hostname=f"{vm.id.name}.lab.example" if on and vm.tools else "",
        addresses=(),
    )


def facts_of(vm: MemoryVm) -> VmFacts:
    """Return what a look at *vm* alone tells."""
    on = vm.power is PowerState.ON
    return VmFacts(
        summary=summary_of(vm),
        tools_running=on and vm.tools,
        guest_operations_ready=on and vm.tools and vm.guest_operations,
        disks=(DiskState(label="Hard disk 1", datastore="datastore1", mode=vm.disk_mode),),
        nics=vm.nics,
        snapshots=tuple(vm.snapshots),
        current_snapshot=vm.current,
        fault_tolerance=False,
        encrypted=vm.encrypted,
        bus_sharing=(),
        passthrough=(),
        consolidation_needed=vm.consolidation_needed,
        question=vm.question,
        disabled_methods=(),
        managed_by=None,
        change_tracking=False,
        datastores=("datastore1",),
        administrator=True,
    )
