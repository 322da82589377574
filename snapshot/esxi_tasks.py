"""Waiting for a task: a property collector of our own, in short rounds.

pyVim.task.WaitForTask is not used: it blocks without limit and reads ``task.info`` several
times a round (pyvmomi #548). Only leaf paths are asked for, because simulators and some
releases send a ``TaskInfo`` that pyVmomi cannot read as a whole (govmomi #2281).
"""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any

from pyVmomi import vim, vmodl

from stsfix.snapshot.errors import TaskOverdueError
from stsfix.snapshot.esxi_faults import BROKEN, moref
from stsfix.snapshot.esxi_properties import properties_of
from stsfix.snapshot.ports import TaskResult

if TYPE_CHECKING:
    from datetime import timedelta

    from stsfix.snapshot.esxi_session import EsxiSession
    from stsfix.snapshot.model import TaskKey
    from stsfix.snapshot.ports import Clock

ROUND_S = 20
"""Longest round; ESXi answers an empty one with nothing, so that we can look at the clock."""

PATHS = ("info.state", "info.error", "info.result")

Collector = vmodl.query.PropertyCollector


class TaskFailed(Exception):  # noqa: N818 - never leaves the adapter
    """The task ended with *fault*."""

    def __init__(self, fault: vmodl.MethodFault) -> None:
        super().__init__(fault)
        self.fault = fault


def await_task(
    session: EsxiSession, key: TaskKey, *, limit: timedelta, clock: Clock
) -> TaskResult | None:
    """Wait for *key*; None if the host does not know it.

    Raises:
        TaskFailed: It ended with a fault.
        TaskOverdueError: It still runs after *limit*.
        OperationError: See `EsxiSession.read`.
    """
    deadline = clock.monotonic() + limit.total_seconds()
    longest = max(1, min(ROUND_S, int(session.endpoint.read_timeout_s / 2)))

    def wait(content: vim.ServiceInstanceContent) -> dict[str, Any] | None:
        collector = content.propertyCollector.CreatePropertyCollector()
        task = session.make(vim.Task, key)
        try:
            collector.CreateFilter(_spec(task), partialUpdates=False)
            return _follow(collector, task, longest, clock, deadline)
        except vmodl.fault.ManagedObjectNotFound:
            return None
        finally:
            with contextlib.suppress(vmodl.MethodFault, *BROKEN):
                collector.Destroy()

    seen = session.read(wait, where=f"task {key} on {session.host}")
    if seen is None:
        return None
    state = str(seen.get("info.state"))
    if state == "success":
        created = seen.get("info.result")
        return TaskResult(key=key, created=moref(created) or None)
    if state == "error":
        raise TaskFailed(seen.get("info.error") or vmodl.MethodFault())
    raise TaskOverdueError(key, limit.total_seconds())


def _spec(task: vim.Task) -> Collector.FilterSpec:
    return Collector.FilterSpec(
        objectSet=[Collector.ObjectSpec(obj=task, skip=False)],
        propSet=[Collector.PropertySpec(type=vim.Task, all=False, pathSet=list(PATHS))],
    )


def _follow(
    collector: Any, task: vim.Task, longest: int, clock: Clock, deadline: float
) -> dict[str, Any] | None:
    """Return the task's properties when it ended or time is over; None if it vanished."""
    seen: dict[str, Any] = {}
    version = ""
    while True:
        left = deadline - clock.monotonic()
        options = Collector.WaitOptions(maxWaitSeconds=max(0, min(longest, math.ceil(left))))
        update = collector.WaitForUpdatesEx(version, options)
        if update is not None:
            version = update.version
            for change in (c for f in update.filterSet for c in f.objectSet):
                if str(change.kind) == "leave":
                    return None
                seen |= properties_of(task, change.changeSet)
        if str(seen.get("info.state")) in {"success", "error"} or clock.monotonic() >= deadline:
            return seen
