"""`Hypervisor` over pyVmomi: one ESXi host, reached directly."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

from pyVmomi import vim, vmodl

from stsfix.snapshot.errors import (
    HypervisorFaultError,
    OperationError,
    SnapshotGoneError,
    ToolsUnavailableError,
    VmNotFoundError,
)
from stsfix.snapshot.esxi_facts import as_utc, host_facts, vm_facts
from stsfix.snapshot.esxi_faults import moref, translate
from stsfix.snapshot.esxi_properties import (
    CHAIN_BROKEN,
    CHAIN_BROKEN_SINCE,
    DETAIL_PATHS,
    read_everything,
    read_objects,
)
from stsfix.snapshot.esxi_session import EsxiSession
from stsfix.snapshot.esxi_summary import power_state
from stsfix.snapshot.esxi_tasks import TaskFailed, await_task
from stsfix.snapshot.model import PowerState, TaskKey
from stsfix.snapshot.ports import TaskResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stsfix.snapshot.model import HostFacts, HostRef, SnapshotRef, VmFacts, VmId
    from stsfix.snapshot.ports import Clock
    from stsfix.snapshot.secret import Secret
    from stsfix.snapshot.tls import Endpoint


class EsxiHost:
    """One ESXi host. Connects and logs in when it is first asked something.

    *host* is the name in the configuration, *endpoint* where and with which certificate it
    answers. Works with ESXi 6.5 and later by version negotiation (older hosts unverified, and
    so are real hosts altogether: checked against the lab and vcsim).
    """

    def __init__(
        self, host: HostRef, endpoint: Endpoint, user: str, password: Secret[str], clock: Clock
    ) -> None:
        self.session = EsxiSession(host, endpoint, user, password)
        self._clock = clock
        self._lock = threading.Lock()
        self._started: dict[TaskKey, VmId] = {}

    @property
    def host(self) -> HostRef:
        """The host's name as in the configuration."""
        return self.session.host

    def observe_host(self) -> HostFacts:
        """See `Hypervisor.observe_host`: a view, its properties, the clock."""

        def read(content: vim.ServiceInstanceContent) -> HostFacts:
            found = read_everything(content)
            dates = next(
                (
                    properties.get("configManager.dateTimeSystem")
                    for thing, properties in found.objects
                    if isinstance(thing, vim.HostSystem)
                ),
                None,
            )
            began = self._clock.monotonic()
            skew = None if dates is None else self._clock_skew(dates)
            took = None if skew is None else timedelta(seconds=self._clock.monotonic() - began)
            return host_facts(
                self.host, content.about, found.objects, skew, round_trip=took, vms=found.vms
            )

        return self.session.read(read)

    def _clock_skew(self, dates: vim.host.DateTimeSystem) -> timedelta | None:
        """Compare clocks at the middle of the call; None if the host does not tell."""
        before = self._clock.now()
        try:
            theirs = dates.QueryDateTime()
        except vim.fault.NotAuthenticated:
            raise
        except vmodl.MethodFault:
            return None
        after = self._clock.now()
        return as_utc(theirs) - (before + (after - before) / 2)

    def observe_vms(self, vms: Sequence[VmId]) -> tuple[VmFacts, ...]:
        """See `Hypervisor.observe_vms`: one call."""
        if not vms:
            return ()

        def read(content: vim.ServiceInstanceContent) -> tuple[VmFacts, ...]:
            things = [self.session.make(vim.VirtualMachine, vm.moref) for vm in vms]
            try:
                found = read_objects(content, things, self._detail_paths())
            except vmodl.fault.ManagedObjectNotFound as fault:
                gone = next((vm for vm in vms if vm.moref == moref(fault.obj)), vms[0])
                raise VmNotFoundError(self.host, gone.name) from fault
            return tuple(self._facts(vm, found.get(vm.moref)) for vm in vms)

        return self.session.read(read)

    def _detail_paths(self) -> tuple[str, ...]:
        tells = self.session.speaks(CHAIN_BROKEN_SINCE)
        return (*DETAIL_PATHS, CHAIN_BROKEN) if tells else DETAIL_PATHS

    def _facts(self, vm: VmId, found: object) -> VmFacts:
        if not isinstance(found, dict):
            raise VmNotFoundError(self.host, vm.name)
        facts = vm_facts(self.host, vm.moref, found)
        if facts.vm != vm:
            # MoRefs are given again after a VM was unregistered: this is another VM.
            raise VmNotFoundError(self.host, vm.name)
        return facts

    def start_guest_shutdown(self, vm: VmId) -> None:
        """See `Hypervisor.start_guest_shutdown`."""
        try:
            self._change(vm, "ShutdownGuest", lambda machine: machine.ShutdownGuest())
        except ToolsUnavailableError:
            # A host may complain of Tools before it looks at the power.
            if self._power(vm) is not PowerState.OFF:
                raise
        except _AlreadyThere:
            return

    def start_power_on(self, vm: VmId) -> TaskKey | None:
        """See `Hypervisor.start_power_on`."""
        if self._power(vm) is PowerState.ON:
            return None
        return self._start(vm, "PowerOnVM_Task", lambda machine: machine.PowerOn(host=None))

    def start_snapshot(self, vm: VmId, *, name: str, description: str) -> TaskKey:
        """See `Hypervisor.start_snapshot`; the plain call, which every release has."""
        key = self._start(
            vm,
            "CreateSnapshot_Task",
            lambda machine: machine.CreateSnapshot(
                name=name, description=description, memory=False, quiesce=False
            ),
        )
        if key is None:
            raise HypervisorFaultError(str(vm), "InvalidPowerState", "of a snapshot")
        return key

    def start_revert(self, snapshot: SnapshotRef) -> TaskKey:
        """See `Hypervisor.start_revert`."""
        key = self._start_on_snapshot(
            snapshot,
            "RevertToSnapshot_Task",
            lambda thing: thing.Revert(host=None, suppressPowerOn=True),
        )
        if key is None:
            raise SnapshotGoneError(snapshot.vm, snapshot.name)
        return key

    def start_removal(self, snapshot: SnapshotRef) -> TaskKey | None:
        """See `Hypervisor.start_removal`."""
        return self._start_on_snapshot(
            snapshot,
            "RemoveSnapshot_Task",
            lambda thing: thing.Remove(removeChildren=False, consolidate=True),
        )

    def await_task(self, key: TaskKey, *, limit: timedelta) -> TaskResult | None:
        """See `Hypervisor.await_task`."""
        try:
            return await_task(self.session, key, limit=limit, clock=self._clock)
        except TaskFailed as failed:
            if _is_already_there(failed.fault):
                return TaskResult(key=key, created=None)
            raise self._failure(key, failed.fault) from failed.fault

    def close(self) -> None:
        """See `Hypervisor.close`."""
        self.session.close()

    # --- small things

    def _failure(self, key: TaskKey, fault: vmodl.MethodFault) -> OperationError:
        with self._lock:
            vm = self._started.get(key)
        where = f"task {key} on {self.host}" if vm is None else str(vm)
        return translate(fault, host=self.host, where=where, vm=vm)

    def _power(self, vm: VmId) -> PowerState:
        def read(content: vim.ServiceInstanceContent) -> PowerState:
            thing = self.session.make(vim.VirtualMachine, vm.moref)
            found = read_objects(content, [thing], ["runtime.powerState"])
            return power_state(found.get(vm.moref, {}).get("runtime.powerState"))

        return self.session.read(read, vm=vm)

    def _change(
        self, vm: VmId, name: str, call: Callable[[vim.VirtualMachine], vim.Task | None]
    ) -> vim.Task | None:
        def change(_: vim.ServiceInstanceContent) -> vim.Task | None:
            try:
                return call(self.session.make(vim.VirtualMachine, vm.moref))
            except vim.fault.InvalidPowerState as fault:
                if _is_already_there(fault) or (name == "ShutdownGuest" and _is_off(fault)):
                    raise _AlreadyThere from fault
                raise

        return self.session.write(name, change, vm=vm)

    def _start(
        self, vm: VmId, name: str, call: Callable[[vim.VirtualMachine], vim.Task | None]
    ) -> TaskKey | None:
        try:
            task = self._change(vm, name, call)
        except _AlreadyThere:
            return None
        return self._remember(vm, task)

    def _start_on_snapshot(
        self, snapshot: SnapshotRef, name: str, call: Callable[[vim.vm.Snapshot], vim.Task]
    ) -> TaskKey | None:
        def change(_: vim.ServiceInstanceContent) -> vim.Task | None:
            try:
                return call(self.session.make(vim.vm.Snapshot, snapshot.moref))
            except vmodl.fault.ManagedObjectNotFound:
                return None

        task = self.session.write(name, change, vm=snapshot.vm)
        return None if task is None else self._remember(snapshot.vm, task)

    def _remember(self, vm: VmId, task: vim.Task | None) -> TaskKey:
        key = TaskKey(moref(task))
        with self._lock:
            self._started[key] = vm
        return key


class _AlreadyThere(Exception):  # noqa: N818 - never leaves this module
    """InvalidPowerState, because the VM is where it should go."""


def _is_already_there(fault: vmodl.MethodFault) -> bool:
    return (
        isinstance(fault, vim.fault.InvalidPowerState)
        and fault.requestedState is not None
        and str(fault.requestedState) == str(fault.existingState)
    )


def _is_off(fault: vim.fault.InvalidPowerState) -> bool:
    return str(fault.existingState) == PowerState.OFF
