"""The snapshots that every node can go back to, and going back to them: all nodes or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.remediation.errors_run import NoWayBackError
from stsfix.remediation.steps.clocks import SLEPT, Moment
from stsfix.remediation.steps.strangers import require_silence
from stsfix.snapshot.errors import SnapshotSetIncompleteError
from stsfix.snapshot.model import SnapshotSet

if TYPE_CHECKING:
    from stsfix.remediation.steps.context import StepContext


def revert_all(context: StepContext, step: str) -> None:
    """Put every node back to its snapshot of the run; all are off afterwards.

    The set is checked to be whole before anybody is stopped, everybody is off before anybody
    is reverted, and nobody is powered on here: a node that meets a partner from the future
    breaks replication for good (vmdird measured, 8; KB 313886). If this workstation slept in the
    middle of it, nobody saw who was on and off again meanwhile: all are reverted once more.

    Raises:
        SnapshotSetIncompleteError: Nothing was changed.
        WrongVmError: All nodes are off; nobody was reverted.
        OperationError: Some nodes may be reverted and all are off; repeating it goes on.
    """
    found = get_way_back(context)
    while True:
        context.tell(step, "", "shutting down every node")
        context.coordinator.shut_down(context.shutdown_waves())
        require_silence(context)
        context.tell(step, "", "reverting every node")
        begun = Moment.of(context.clock)
        context.coordinator.revert(found, context.vms)
        slept = begun.slept(context.clock)
        if slept < SLEPT:
            return
        told = f"this workstation slept for {slept.total_seconds():.0f} s in between"
        context.tell(step, "", f"{told}: all nodes are reverted once more")


def get_way_back(context: StepContext) -> SnapshotSet:
    """Return the snapshots that every node can go back to; reads only.

    A disk that takes no part in snapshots stays as it is at a revert (vSphere VM administration
    guide, Snapshot Limitations): its node would stay ahead of all others, so nobody is reverted.

    Raises:
        SnapshotSetIncompleteError: There is no such set.
    """
    found = context.coordinator.find(context.spec.run, context.vms)
    if not isinstance(found, SnapshotSet):
        raise SnapshotSetIncompleteError(found.name, found.reasons)
    left_out = _left_out(context)
    if left_out:
        raise SnapshotSetIncompleteError(context.spec.run, left_out)
    return found


def require_snapshots(context: StepContext) -> None:
    """Return if every node can go back to its snapshot; for a run that has written nothing yet.

    Raises:
        NoWayBackError: It cannot.
    """
    try:
        get_way_back(context)
    except SnapshotSetIncompleteError as error:
        raise NoWayBackError(context.spec.run, error.missing) from error


def _left_out(context: StepContext) -> tuple[str, ...]:
    """Return what no snapshot of the nodes holds, one sentence each."""
    facts = context.coordinator.observe(context.vms)
    return tuple(
        f"{vm}: {disk.label} is independent, a revert would leave it as it is"
        for vm in context.vms
        for disk in facts[vm].disks
        if disk.is_independent
    )
