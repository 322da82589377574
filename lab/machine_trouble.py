"""Does to hosts and to the first node's VM what a scenario says."""

from __future__ import annotations

import copy
import sys
from dataclasses import fields
from datetime import timedelta
from typing import TYPE_CHECKING

from stsfix.lab.esx.machine import VirtualMachine
from stsfix.lab.faults import Effect, Rule, When

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stsfix.lab.clock import LabClock
    from stsfix.lab.esx.host import EsxHost
    from stsfix.lab.esx.host_objects import Datastore
    from stsfix.lab.faults import FaultBook
    from stsfix.lab.machine_plan import HostPlan, MachinePlan
    from stsfix.lab.topology import NodePlan

_FULL = 200 * 1024 * 1024
_AGE = timedelta(days=40)


def spoil_datastore(store: Datastore, plan: HostPlan) -> None:
    """Make datastore1 of a host what *plan* says."""
    if plan.full_datastore:
        store.free = _FULL
    if plan.free_gib is not None:
        store.free = plan.free_gib * 2**30
    store.kind = plan.datastore_kind
    store.accessible = plan.datastore_accessible
    store.maintenance_mode = plan.datastore_mode


def spoil_host(host: EsxHost, plan: HostPlan) -> None:
    """Make a host what *plan* says, besides what it was made with."""
    host.maintenance = plan.maintenance
    host.managed_by = plan.managed_by
    host.licence_hours = plan.licence_hours
    host.ntp_running = plan.ntp
    host.chains_broken = plan.chains_broken
    host.version = plan.version or host.version
    if plan.silent:
        host.edition = ""


def slow_down(faults: FaultBook, plans: Iterable[HostPlan]) -> None:
    """Let every slow host take its time when it is asked for its clock."""
    for plan in plans:
        if plan.slow_s:
            rule = Rule(
                protocol="soap",
                call="QueryDateTime",
                target=plan.host,
                times=sys.maxsize,
                effect=Effect.DELAY,
                delay_s=plan.slow_s,
            )
            faults.add(rule)


def haunt(faults: FaultBook, vm: VirtualMachine, node: NodePlan, plan: MachinePlan) -> None:
    """Let happen to the VM, while somebody looks at it, what *plan* says."""
    if plan.fades:
        vm.connection_state = "connected"
        faults.add(
            Rule(
                protocol="soap",
                call="RetrievePropertiesEx",
                target=node.host,
                when=When.AFTER,
                effect=Effect.MEANWHILE,
                others=lambda: setattr(vm, "connection_state", "inaccessible"),
            )
        )
    if plan.guest_fault:
        faults.add(
            Rule(
                protocol="guest",
                call="make_temporary_file",
                target=node.fqdn,
                times=sys.maxsize,
                detail=plan.guest_fault,
            )
        )


def spoil_machine(vm: VirtualMachine, plan: MachinePlan, clock: LabClock) -> None:
    """Make the VM, which is off, what *plan* says.

    Raises:
        AttributeError: A VM has no such field.
    """
    if plan.disk is not None:
        vm.disks.append(copy.copy(plan.disk))
    for name in plan.snapshots:
        moment = clock.now() - _AGE
        vm.take_snapshot(name, "somebody's own", now=moment, memory=False, quiesce=False)
    _set(vm, plan.fields)


def unsettle(vm: VirtualMachine, plan: MachinePlan) -> None:
    """Make the VM, which runs and has booted, what *plan* says.

    Raises:
        AttributeError: A VM has no such field.
    """
    _set(vm, plan.later)
    for nic in vm.nics:
        nic.connected = nic.connected and not plan.unplugged
        nic.start_connected = nic.start_connected and not plan.plugged_by_hand
    if plan.power and vm.running:
        vm.power_off()
        vm.power = "suspended" if plan.power == "suspended" else vm.power
    vm.changed()


def stale_copy(vm: VirtualMachine) -> VirtualMachine:
    """Return a registration of *vm* that no host holds."""
    return VirtualMachine(
        name=vm.name,
        guest=vm.guest,
        instance_uuid=vm.instance_uuid,
        bios_uuid=vm.bios_uuid,
        connection_state="inaccessible",
    )


def _set(vm: VirtualMachine, values: Mapping[str, object]) -> None:
    known = {field.name for field in fields(VirtualMachine)}
    for name, value in values.items():
        if name not in known:
            raise AttributeError(name)
        setattr(vm, name, copy.copy(value))
