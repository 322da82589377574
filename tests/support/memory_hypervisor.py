"""ESXi hosts in memory: a fake of `stsfix.snapshot.ports.Hypervisor` for unit and crash tests.

    clock = MemoryClock()
    esx1 = MemoryHost("esx1.lab.example", clock)
    vc1 = esx1.add_vm("vc1", disk={"certificate": "old"})     # a VmId; it is on
    coordinator = Coordinator({esx1.host: esx1}, clock, Limits())
    esx1.vm(vc1).disk["certificate"] = "new"
    esx1.fail("start_snapshot", NoSpaceError(...), nth=1)      # before the call: nothing happens
    esx1.fail("start_snapshot", AnswerLostError(...), after=True)  # it happens, the answer is lost
    assert esx1.violations == []

A snapshot copies the VM's `disk`, a revert puts a copy back. Time only passes in
`MemoryClock.sleep`; tasks end and guests shut down when their time has come. The fake never
asserts: what no correct program does (snapshot or revert of a running VM,
a second snapshot of one name) is collected in
`violations`, because an exception would be eaten by the code under test.
"""

from __future__ import annotations

import copy
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any
from zlib import crc32

from memory_vm import MemoryVm, datastore, facts_of, nic, summary_of
from stsfix.snapshot.errors import (
    SnapshotGoneError,
    TaskOverdueError,
    ToolsUnavailableError,
    VmBusyError,
    VmNotFoundError,
)
from stsfix.snapshot.model import (
    HostFacts,
    HostRef,
    LockdownMode,
    PowerState,
    SnapshotRef,
    TaskKey,
    VmFacts,
    VmId,
)
from stsfix.snapshot.ports import TaskResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stsfix.snapshot.errors import OperationError

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class MemoryClock:
    """A `Clock` in which time passes only in `sleep`; *slept* sums it up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.slept = 0.0

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.slept)

    def monotonic(self) -> float:
        return self.slept

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept += max(seconds, 0.0)


@dataclass(kw_only=True)
class _Task:
    key: TaskKey
    vm: MemoryVm
    ends: float
    effect: Callable[[], str | None]
    error: OperationError | None
    done: bool = False
    created: str | None = None


@dataclass(kw_only=True)
class _Fault:
    call: str
    error: BaseException
    nth: int
    after: bool
    vm: str | None


class MemoryHost:
    """One ESXi host in memory; a `Hypervisor`. Every call is appended to *calls*.

    *task_s* is how long tasks take; *violations* lists what must never happen; *before* is
    called with call and VM name before every call; *forgets_tasks* is a host whose services
    restarted.
    """

    def __init__(self, name: str, clock: MemoryClock, *, task_s: float = 3.0) -> None:
        self._host = HostRef(name)
        self.clock = clock
        self.task_s = task_s
        self.violations: list[str] = []
        self.calls: list[tuple[str, str]] = []
        self.vms: dict[str, MemoryVm] = {}
        self.forgets_tasks = False
        self.before: Callable[[str, str], None] | None = None
        self._faults: list[_Fault] = []
        self._task_faults: list[OperationError] = []
        self._tasks: dict[TaskKey, _Task] = {}
        self._numbers = count(1)
        self._lock = threading.RLock()

    # --- what tests use

    @property
    def host(self) -> HostRef:
        return self._host

    def add_vm(self, name: str, **state: Any) -> VmId:
        """Register a VM (on, unless power= says otherwise) and return its id."""
        number = next(self._numbers)
        vm = VmId(
            host=self._host,
            moref=str(number),
            instance_uuid=f"{crc32(self._host.encode()):08x}-0000-4000-8000-{number:012d}",
            name=name,
        )
        state.setdefault("nics", (nic(),))
        self.vms[vm.moref] = MemoryVm(id=vm, **state)
        return vm

    def vm(self, vm: VmId) -> MemoryVm:
        """Return the state of *vm*, after everything that was due has happened."""
        with self._lock:
            self._settle()
            found = self.vms.get(vm.moref)
            if found is None or found.id != vm:
                raise VmNotFoundError(self._host, vm.name)
            return found

    def fail(
        self,
        call: str,
        error: BaseException,
        *,
        nth: int = 1,
        after: bool = False,
        vm: str | None = None,
    ) -> None:
        """Let the *nth* *call* from now on (on the VM called *vm*) raise *error*, before it has
        any effect, or with *after* when it had all of it.
        """
        self._faults.append(_Fault(call=call, error=error, nth=nth, after=after, vm=vm))

    def fail_task(self, error: OperationError) -> None:
        """Let the next task that is started end with *error*, without effect."""
        self._task_faults.append(error)

    def count(self, call: str) -> int:
        """Return how often *call* was made."""
        return sum(1 for made, _ in self.calls if made == call)

    # --- the port

    def observe_host(self) -> HostFacts:
        with self._lock:
            self._enter("observe_host", None)
            return HostFacts(
                host=self._host,
                version="7.0.3",
                build="1",
                licence_edition="esx.enterprisePlus",
                lockdown=LockdownMode.DISABLED,
                maintenance=False,
                clock_skew=timedelta(0),
                managed_by=None,
                datastores=(datastore(),),
                vms=tuple(summary_of(vm) for vm in self.vms.values()),
                ntp_servers=("ntp.lab.example",),
                ntp_running=True,
            )

    def observe_vms(self, vms: Sequence[VmId]) -> tuple[VmFacts, ...]:
        with self._lock:
            self._enter("observe_vms", None)
            return tuple(facts_of(self.vm(vm)) for vm in vms)

    def start_guest_shutdown(self, vm: VmId) -> None:
        with self._lock:
            after = self._enter("start_guest_shutdown", vm)
            state = self.vm(vm)
            if state.power is PowerState.OFF:
                return
            if not state.tools:
                raise ToolsUnavailableError(vm)
            if state.shutdown_s is not None and state.off_at is None:
                state.off_at = self.clock.monotonic() + state.shutdown_s
            _raise(after)

    def start_power_on(self, vm: VmId) -> TaskKey | None:
        def effect(state: MemoryVm) -> None:
            state.power = PowerState.ON
            state.tools = True
            state.nics = tuple(
                replace(n, connected=n.start_connected and n.label not in state.nics_lost_at_boot)
                for n in state.nics
            )

        with self._lock:
            after = self._enter("start_power_on", vm)
            if self.vm(vm).power is PowerState.ON:
                return None
            return self._start(vm, effect, after)

    def start_snapshot(self, vm: VmId, *, name: str, description: str) -> TaskKey:
        def effect(state: MemoryVm) -> str:
            moref = f"{state.id.moref}-snapshot-{next(self._numbers)}"
            off = state.power is PowerState.OFF
            state.snapshots.append(
                SnapshotRef(
                    vm=state.id,
                    moref=moref,
                    name=name,
                    description=description,
                    created=self.clock.now(),
                    taken_off=off,
                )
            )
            state.disks[moref] = copy.deepcopy(state.disk)
            state.current = moref
            return moref

        with self._lock:
            after = self._enter("start_snapshot", vm)
            state = self.vm(vm)
            if state.power is not PowerState.OFF:
                self.violations.append(f"snapshot of {vm} while {state.power}")
            if any(s.name == name for s in state.snapshots):
                self.violations.append(f"second snapshot {name} of {vm}")
            return self._start(vm, effect, after)

    def start_revert(self, snapshot: SnapshotRef) -> TaskKey:
        def effect(state: MemoryVm) -> None:
            state.disk = copy.deepcopy(state.disks[snapshot.moref])
            state.current = snapshot.moref
            state.power = PowerState.OFF

        with self._lock:
            after = self._enter("start_revert", snapshot.vm)
            state = self.vm(snapshot.vm)
            if snapshot.moref not in state.disks:
                raise SnapshotGoneError(snapshot.vm, snapshot.name)
            if state.power is not PowerState.OFF:
                self.violations.append(f"revert of {snapshot.vm} while {state.power}")
            return self._start(snapshot.vm, effect, after)

    def start_removal(self, snapshot: SnapshotRef) -> TaskKey | None:
        def effect(state: MemoryVm) -> None:
            state.snapshots = [s for s in state.snapshots if s.moref != snapshot.moref]
            state.disks.pop(snapshot.moref, None)
            if state.current == snapshot.moref:
                state.current = state.snapshots[-1].moref if state.snapshots else None

        with self._lock:
            after = self._enter("start_removal", snapshot.vm)
            if snapshot.moref not in self.vm(snapshot.vm).disks:
                return None
            return self._start(snapshot.vm, effect, after)

    def await_task(self, key: TaskKey, *, limit: timedelta) -> TaskResult | None:
        with self._lock:
            after = self._enter("await_task", None)
            task = self._tasks.get(key)
            left = 0.0 if task is None else task.ends - self.clock.monotonic()
        if task is None or self.forgets_tasks:
            return None
        self.clock.sleep(min(max(left, 0.0), limit.total_seconds()))
        with self._lock:
            self._settle()
            _raise(after)
            if not task.done:
                raise TaskOverdueError(key, limit.total_seconds())
            if task.error is not None:
                raise task.error
            return TaskResult(key=key, created=task.created)

    def close(self) -> None:
        self.calls.append(("close", ""))

    # --- machinery

    def _enter(self, call: str, vm: VmId | None) -> list[BaseException]:
        """Record a call and let time do its work; return what to raise when it is over."""
        name = "" if vm is None else vm.name
        self.calls.append((call, name))
        if self.before is not None:
            self.before(call, name)
        self._settle()
        due: list[_Fault] = []
        for fault in self._faults:
            if fault.call == call and fault.vm in {None, name}:
                fault.nth -= 1
                if fault.nth == 0:
                    due.append(fault)
        _raise([fault.error for fault in due if not fault.after])
        return [fault.error for fault in due if fault.after]

    def _start(
        self, vm: VmId, effect: Callable[[MemoryVm], str | None], after: list[BaseException]
    ) -> TaskKey:
        state = self.vm(vm)
        if state.busy is not None:
            raise VmBusyError(vm, state.busy)
        key = TaskKey(f"haTask-{vm.moref}-{next(self._numbers)}")
        self._tasks[key] = _Task(
            key=key,
            vm=state,
            ends=self.clock.monotonic() + self.task_s,
            effect=lambda: effect(state),
            error=self._task_faults.pop(0) if self._task_faults else None,
        )
        state.busy = key
        _raise(after)
        return key

    def _settle(self) -> None:
        """Let everything happen whose time has come."""
        now = self.clock.monotonic()
        for task in self._tasks.values():
            if not task.done and task.ends <= now:
                task.done = True
                task.vm.busy = None
                if task.error is None:
                    task.created = task.effect()
        for vm in self.vms.values():
            if vm.off_at is not None and vm.off_at <= now:
                vm.off_at = None
                vm.power = PowerState.OFF
                vm.nics = tuple(replace(n, connected=False) for n in vm.nics)


def _raise(errors: list[BaseException]) -> None:
    for error in errors:
        raise error
