"""Tasks: operations on a VM that last, one at a time a VM, readable for ever.

Fault rules of protocol ``task`` (call: the WSDL name, target: the VM's name) act inside a task
that was accepted: REFUSE ends it with the fault named in ``detail``, DELAY makes it last
longer, DROP stalls it until the host stops.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stsfix.lab.esx.machine import VirtualMachine, VmRefusedError
from stsfix.lab.faults import Dropped, FaultBook, Refused
from stsfix.lab.servant import Servant, leaf, operation
from stsfix.lab.soap import named_fault
from stsfix.lab.soap_wire import localized
from stsfix.lab.vmomi import VmomiSupport, vim, vmodl

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from stsfix.lab.clock import LabClock
    from stsfix.lab.esx.collector import ChangeBell
    from stsfix.lab.soap import SoapService

_STEPS = 10
_RECENT = 20


@dataclass(frozen=True, kw_only=True)
class Durations:
    """How long tasks last, in field seconds. Source: facts of field runs and guesses; a
    removal depends on the delta's size in reality.
    """

    power_on: float = 3.0
    power_off: float = 2.0
    snapshot: float = 8.0
    revert: float = 6.0
    removal: float = 20.0


class StoppedError(Exception):
    """The host stops; the task ends without effect."""


class Task(Servant):
    """One task. Fields are written before `state`, so that a reader who sees success also
    sees the result.
    """

    def __init__(self, ref: Any, vm: VirtualMachine, method: str, user: str, now: datetime) -> None:
        super().__init__(ref, target=vm.name)
        self.vm = vm
        self.method = method
        self.state = "queued"
        self.progress: int | None = None
        self.error: Any = None
        self.result: Any = None
        self._user = user
        self._queued = now
        self.started: datetime | None = None
        self.completed: datetime | None = None

    @leaf("info.key")
    def _key(self) -> object:
        return self.key

    @leaf("info.task")
    def _task(self) -> object:
        return self.ref

    @leaf("info.name")
    def _name(self) -> object:
        return VmomiSupport.GetWsdlMethod("urn:vim25", self.method)

    @leaf("info.descriptionId")
    def _description_id(self) -> object:
        owner = "vm.Snapshot" if self.method in _SNAPSHOT_METHODS else "VirtualMachine"
        name = VmomiSupport.GetWsdlMethod("urn:vim25", self.method).info.name
        return f"{owner}.{name[0].lower()}{name[1:]}"

    @leaf("info.entity")
    def _entity(self) -> object:
        # The VM also for tasks of a snapshot: the type allows nothing else.
        return vim.VirtualMachine(self.vm.moref)

    @leaf("info.entityName")
    def _entity_name(self) -> object:
        return self.vm.name

    @leaf("info.state")
    def _state(self) -> object:
        return self.state

    @leaf("info.progress")
    def _progress(self) -> object:
        return self.progress if self.state == "running" else None

    @leaf("info.error")
    def _error(self) -> object:
        return self.error

    @leaf("info.result")
    def _result(self) -> object:
        return self.result

    @leaf("info.reason")
    def _reason(self) -> object:
        return vim.TaskReasonUser(userName=self._user)

    @leaf("info.queueTime")
    def _queue_time(self) -> object:
        return self._queued

    @leaf("info.startTime")
    def _start_time(self) -> object:
        return self.started

    @leaf("info.completeTime")
    def _complete_time(self) -> object:
        return self.completed

    @operation("CancelTask")
    def cancel(self, _call: object) -> None:
        """Refuse: none of these tasks can be cancelled."""
        raise vmodl.fault.NotSupported


_SNAPSHOT_METHODS = frozenset({"RevertToSnapshot_Task", "RemoveSnapshot_Task"})


class TaskBoard:
    """Runs the tasks of one host and remembers them."""

    def __init__(
        self,
        service: SoapService,
        *,
        bell: ChangeBell,
        clock: LabClock,
        faults: FaultBook,
        now: Callable[[], datetime],
    ) -> None:
        self._service = service
        self._bell = bell
        self._clock = clock
        self._faults = faults
        self._now = now
        self._lock = threading.Lock()
        self._busy: dict[str, Task] = {}
        self._threads: list[threading.Thread] = []
        self.all: list[Task] = []

    def start(
        self, vm: VirtualMachine, method: str, user: str, *, lasts: float, work: Callable[[], Any]
    ) -> Any:
        """Run *work* after *lasts* field seconds as a task of *vm*; return its reference.

        Raises:
            vim.fault.TaskInProgress: Another task works on the VM; nothing was started.
        """
        with self._lock:
            running = self._busy.get(vm.moref)
            if running is not None:
                raise vim.fault.TaskInProgress(task=running.ref)
            ref = vim.Task(f"haTask-{vm.moref}-{self._service.new_key(method)}")
            task = Task(ref, vm, method, user, self._now())
            self._busy[vm.moref] = task
            self.all.append(task)
            self._service.add(task)
        thread = threading.Thread(
            target=self._run, args=(task, lasts, work), name=f"task-{method}", daemon=True
        )
        self._threads = [*(t for t in self._threads if t.is_alive()), thread]
        thread.start()
        return ref

    def works_on(self, vm: VirtualMachine) -> bool:
        """Tell whether a task of *vm* has not ended."""
        with self._lock:
            return vm.moref in self._busy

    def recent(self, vm: VirtualMachine | None = None) -> list[Any]:
        """Return references of the newest tasks, of one VM or of all."""
        tasks = [t for t in self.all if vm is None or t.vm is vm]
        return [t.ref for t in tasks[-_RECENT:]]

    def join(self, seconds: float) -> None:
        """Wait until no task runs any more, each at most *seconds*."""
        for thread in self._threads:
            thread.join(seconds)

    def _run(self, task: Task, lasts: float, work: Callable[[], Any]) -> None:
        try:
            with self._faults.around("task", task.method, task.vm.name):
                self._last(task, lasts)
                result = work()
            self._end(task, "success", result=result)
        except VmRefusedError as refused:
            self._end(task, "error", error=named_fault(refused.fault, **refused.fields))
        except Refused as refused:
            self._end(task, "error", error=named_fault(refused.rule.detail or "HostConnectFault"))
        except Dropped:
            task.state = "running"
            self._service.closing.wait()
            self._end(task, "error", error=vim.fault.Timedout())
        except StoppedError:
            self._end(task, "error", error=vmodl.fault.RequestCanceled())
        except vmodl.MethodFault as fault:
            self._end(task, "error", error=fault)
        except Exception as error:  # noqa: BLE001 - a broken guest must end the task, not hang its client
            self._end(task, "error", error=vmodl.fault.SystemError(reason=repr(error)))

    def _last(self, task: Task, lasts: float) -> None:
        task.started = self._now()
        task.progress = 0
        task.state = "running"
        self._bell.ring()
        for step in range(1, _STEPS):
            if self._clock.wait(self._service.closing, lasts / _STEPS):
                raise StoppedError
            task.progress = step * 100 // _STEPS
            self._bell.ring()
        if self._clock.wait(self._service.closing, lasts / _STEPS):
            raise StoppedError

    def _end(self, task: Task, state: str, *, result: Any = None, error: Any = None) -> None:
        task.result = result
        task.error = localized(error)
        task.completed = self._now()
        with self._lock:
            del self._busy[task.vm.moref]
            task.state = state
        self._bell.ring()


class TaskManager(Servant):
    """Knows the recent tasks of the host."""

    def __init__(self, ref: Any, board: TaskBoard) -> None:
        super().__init__(ref)
        self._board = board

    @leaf("recentTask")
    def _recent(self) -> object:
        return self._board.recent()

    @leaf("maxCollector")
    def _max_collector(self) -> object:
        return 32
