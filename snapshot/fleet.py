"""Several hosts as one: reads that outlast a short silence, starts that wait for a busy VM, and
tasks that are awaited together.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Generic, TypeVar

from stsfix.snapshot.errors import (
    FaultError,
    HostUnreachableError,
    InDoubtError,
    OperationError,
    StoppedError,
    TaskOverdueError,
    VmBusyError,
)
from stsfix.snapshot.polling import poll_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Executor

    from stsfix.snapshot.model import HostRef, TaskKey, VmFacts, VmId
    from stsfix.snapshot.ports import Clock, Hypervisor, TaskResult

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long to wait for what.

    The defaults of *shutdown* and *power_on* follow VMware's VCF PowerManagement module (600 s
    each), doubled for the shutdown of large appliances; a removal takes as long as its delta is
    large. *silence* is how long a host may not answer, *busy* how long another task may hold a
    VM, *tools* how long VMware Tools may be missing (it is, right after power-on), *doubt* how
    long to look for what a lost answer may have started, *nics* how long adapters may take.
    """

    shutdown: timedelta = timedelta(seconds=1200)
    power_on: timedelta = timedelta(seconds=600)
    snapshot: timedelta = timedelta(seconds=900)
    revert: timedelta = timedelta(seconds=900)
    removal: timedelta = timedelta(seconds=14400)
    silence: timedelta = timedelta(seconds=120)
    busy: timedelta = timedelta(seconds=300)
    tools: timedelta = timedelta(seconds=300)
    doubt: timedelta = timedelta(seconds=120)
    nics: timedelta = timedelta(seconds=60)
    poll: timedelta = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class _Answer(Generic[T]):
    """Tells an answer of None from no answer yet."""

    value: T


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """How several tasks ended. A VM is in *ended* (None: its host forgot the task) or its error
    is in *errors*.
    """

    ended: Mapping[VmId, TaskResult | None]
    errors: tuple[OperationError, ...]


class Fleet:
    """The hosts of a run. A *pool* makes reads and waits parallel; starts never are, so that
    a task's key can be noted before anything else happens. Work that runs in the pool itself
    must concern one host only: it would wait for threads that wait for it.
    """

    def __init__(
        self,
        hypervisors: Mapping[HostRef, Hypervisor],
        clock: Clock,
        limits: Limits,
        pool: Executor | None = None,
    ) -> None:
        self._hypervisors = hypervisors
        self._clock = clock
        self._limits = limits
        self._pool = pool

    def host_of(self, vm: VmId) -> Hypervisor:
        """Return the host of *vm*.

        Raises:
            LookupError: It is on no host of this fleet (a mistake of the caller).
        """
        return self._hypervisors[vm.host]

    def observe(self, vms: Iterable[VmId]) -> dict[VmId, VmFacts]:
        """Read all facts of *vms*, one call a host; tries a silent host for a while.

        Raises:
            HostUnreachableError: A host was silent for `Limits.silence`.
            VmNotFoundError: One of them is not registered on its host (any more).
        """
        by_host: defaultdict[HostRef, list[VmId]] = defaultdict(list)
        for vm in vms:
            by_host[vm.host].append(vm)
        found = self._each(self._observe_host, list(by_host.values()))
        return {facts.vm: facts for several in found for facts in several}

    def _observe_host(self, vms: Sequence[VmId]) -> tuple[VmFacts, ...]:
        host = self.host_of(vms[0])
        found = poll_until(
            lambda: host.observe_vms(vms),
            clock=self._clock,
            limit=self._limits.silence,
            every=self._limits.poll,
            transient=(HostUnreachableError,),
        )
        return () if found is None else found

    def when_free(self, start: Callable[[], T]) -> T:
        """Call *start* until the VM is not busy; a refusal as busy started nothing.

        Raises:
            VmBusyError: It was busy for all of `Limits.busy`.
        """
        answer = poll_until(
            lambda: _Answer(start()),
            clock=self._clock,
            limit=self._limits.busy,
            every=self._limits.poll,
            transient=(VmBusyError,),
        )
        if answer is None:
            raise AssertionError("start() answered, so there is an answer")
        return answer.value

    def await_tasks(self, tasks: Mapping[VmId, TaskKey], *, limit: timedelta) -> Awaited:
        """Wait until every task ended; one failure does not end the waiting for the others.

        The *limit* is one deadline for all. A host that stops answering is asked again until
        then: its task goes on without us.
        """
        deadline = self._clock.monotonic() + limit.total_seconds()
        outcomes = self._each(
            lambda item: self._await_one(item[0], item[1], deadline, limit), list(tasks.items())
        )
        return Awaited(
            ended={
                vm: outcome.value
                for vm, outcome in zip(tasks, outcomes, strict=True)
                if isinstance(outcome, _Answer)
            },
            errors=tuple(o for o in outcomes if isinstance(o, OperationError)),
        )

    def _await_one(
        self, vm: VmId, key: TaskKey, deadline: float, limit: timedelta
    ) -> _Answer[TaskResult | None] | OperationError:
        host = self.host_of(vm)

        def left() -> timedelta:
            return timedelta(seconds=max(0.0, deadline - self._clock.monotonic()))

        try:
            answer = poll_until(
                lambda: _Answer(host.await_task(key, limit=left())),
                clock=self._clock,
                limit=left(),
                every=self._limits.poll,
                transient=(HostUnreachableError,),
            )
        except OperationError as error:
            return error
        return TaskOverdueError(key, limit.total_seconds()) if answer is None else answer

    def _each(self, call: Callable[[T], R], items: Sequence[T]) -> list[R]:
        if self._pool is None or len(items) <= 1:
            return [call(item) for item in items]
        return list(self._pool.map(call, items))


_GRAVITY = (InDoubtError, StoppedError, FaultError, OperationError)


def raise_worst(errors: Sequence[OperationError]) -> None:
    """Raise the error that asks for the most care, with the others as notes; none, nothing."""
    if not errors:
        return
    ordered = sorted(
        errors, key=lambda e: next(i for i, kind in enumerate(_GRAVITY) if isinstance(e, kind))
    )
    for other in ordered[1:]:
        ordered[0].add_note(f"also: {other}")
    raise ordered[0]
