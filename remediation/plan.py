"""A run's plan: which steps, in which order. Pure; building it contacts nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.remediation.errors_run import PlanChangedError
from stsfix.remediation.newcomers import WRITERS, reverts
from stsfix.remediation.records import REPLACE_STS, StepState, noted, step_states, turn
from stsfix.remediation.relocation import bears_snapshots
from stsfix.remediation.renewal.notes import shown_leaves
from stsfix.remediation.restarts import STEP as RESTART_SERVICES
from stsfix.remediation.steps.credential import (
    AwaitReplication,
    ReplaceSts,
    RetireOld,
    written_leaves,
)
from stsfix.remediation.steps.export import ExportSts
from stsfix.remediation.steps.machines import PowerOn, Quiesce, TakeSnapshots
from stsfix.remediation.steps.renewal import RenewCertificates
from stsfix.remediation.steps.services import RestartServices, VerifyLogins
from stsfix.remediation.steps.strangers import require_silence
from stsfix.remediation.steps.vmca_root import NewVmcaRoot
from stsfix.remediation.steps.way_back import get_way_back, require_snapshots

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stsfix.remediation.model import RunSpec
    from stsfix.remediation.ports import Step
    from stsfix.remediation.records import Record
    from stsfix.remediation.steps.context import StepContext


def build_steps(
    context: StepContext,
    plan: Sequence[str],
    records: Callable[[], Sequence[Record]],
    *,
    known: frozenset[str],
) -> tuple[Step, ...]:
    """Return the steps of the run that *context* is about.

    Args:
        context: What the steps work with.
        plan: The names that the run was begun with: a run of an earlier version has no step
            that came later, and gets none.
        records: The run's records now; later steps recognise by them what was written.
        known: All nodes that the domain had when the run began, as `newcomers.known_nodes` has it.

    Raises:
        PlanChangedError: The plan names a step that this version does not have.
    """

    def leaves() -> frozenset[str]:
        return written_leaves(noted(REPLACE_STS, records()))

    def restarts() -> dict[str, str]:
        return noted(RESTART_SERVICES, records())

    def shown(node: str) -> tuple[bytes, ...]:
        return shown_leaves(records(), node)

    def reverted() -> bool:
        states = step_states(plan, records())
        return any(states.get(name) is StepState.UNDONE for name in WRITERS)

    steps: tuple[Step, ...] = (
        Quiesce(context, reverted),
        TakeSnapshots(context),
        PowerOn(context, known, lambda: noted(Quiesce.name, records())),
        ExportSts(context),
        NewVmcaRoot(context),
        ReplaceSts(context),
        AwaitReplication(context, leaves),
        RenewCertificates(context),
        RestartServices(context, leaves),
        VerifyLogins(context, leaves, shown),
    )
    steps_by_name = {step.name: step for step in (*steps, RetireOld(context, leaves, restarts))}
    for name in plan:
        if name not in steps_by_name:
            raise PlanChangedError(f"a step {name}")
    return tuple(steps_by_name[name] for name in plan)


def require_way_back(context: StepContext, plan: Sequence[str], records: Sequence[Record]) -> None:
    """Return if what is to be undone of the run can be: every VM is found, and if nodes are to be
    reverted, every snapshot. Reads only; a run that has begun nothing needs nothing.

    Raises:
        SnapshotSetIncompleteError: The snapshots are not whole, or would not hold everything.
        WrongVmError: Another machine has the name of a node by now.
        OperationError: A host or a VM cannot be read.
    """
    over = {StepState.PENDING, StepState.UNDONE}
    if reverts(records):
        get_way_back(context)
        require_silence(context)
    elif any(state not in over for state in step_states(plan, records).values()):
        context.coordinator.observe(context.vms)


def require_undoable(context: StepContext, records: Sequence[Record]) -> None:
    """Return unless *records* are of a run that is about to write what nothing would take back: all
    its snapshots were taken, nothing is written yet, and they are not there any more. Reads only.

    Raises:
        NoWayBackError: It would; a rollback of it needs no snapshot.
        OperationError: A host or a VM cannot be read.
    """
    if bears_snapshots(records) and not reverts(records) and turn(records) is None:
        require_snapshots(context)


def step_names(*, retire: bool, renews: bool = False, new_root: bool = False) -> tuple[str, ...]:
    """Return the names of a plan's steps, in order.

    A new root of VMCA comes before the signing credential, which VMCA may sign, and before all
    certificates; these come before the restart that lets services load them.
    """
    return (
        Quiesce.name,
        TakeSnapshots.name,
        PowerOn.name,
        ExportSts.name,
        *((NewVmcaRoot.name,) if new_root else ()),
        ReplaceSts.name,
        AwaitReplication.name,
        *((RenewCertificates.name,) if renews else ()),
        RestartServices.name,
        VerifyLogins.name,
        *((RetireOld.name,) if retire else ()),
    )


def steps_of(spec: RunSpec) -> tuple[str, ...]:
    """Return the names of the steps of the run *spec*."""
    return step_names(retire=spec.retire, renews=bool(spec.renewals), new_root=bool(spec.new_roots))
