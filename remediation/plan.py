"""A run's plan: which steps, in which order. Pure; building it contacts nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.remediation.errors import PlanChangedError
from stsfix.remediation.records import REPLACE_STS, noted
from stsfix.remediation.steps.credential import (
    AwaitReplication,
    ReplaceSts,
    RetireOld,
    written_leaves,
)
from stsfix.remediation.steps.export import ExportSts
from stsfix.remediation.steps.machines import PowerOn, Quiesce, TakeSnapshots
from stsfix.remediation.steps.services import RestartServices, VerifyLogins

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stsfix.remediation.ports import Step
    from stsfix.remediation.records import Record
    from stsfix.remediation.steps.context import StepContext


def build_steps(
    context: StepContext, plan: Sequence[str], records: Callable[[], Sequence[Record]]
) -> tuple[Step, ...]:
    """Return the steps of the run that *context* is about.

    Args:
        context: What the steps work with.
        plan: The names that the run was begun with: a run of an earlier version has no step
            that came later, and gets none.
        records: The run's records now; later steps recognise by them what was written.

    Raises:
        PlanChangedError: The plan names a step that this version does not have.
    """

    def leaves() -> frozenset[str]:
        return written_leaves(noted(REPLACE_STS, records()))

    steps: tuple[Step, ...] = (
        Quiesce(context),
        TakeSnapshots(context),
        PowerOn(context),
        ExportSts(context),
        ReplaceSts(context),
        AwaitReplication(context, leaves),
        RestartServices(context),
        VerifyLogins(context, leaves),
    )
    known = {step.name: step for step in (*steps, RetireOld(context, leaves))}
    for name in plan:
        if name not in known:
            raise PlanChangedError(name)
    return tuple(known[name] for name in plan)


def step_names(*, retire: bool) -> tuple[str, ...]:
    """Return the names of a plan's steps, in order."""
    names = (
        Quiesce.name,
        TakeSnapshots.name,
        PowerOn.name,
        ExportSts.name,
        ReplaceSts.name,
        AwaitReplication.name,
        RestartServices.name,
        VerifyLogins.name,
    )
    return (*names, RetireOld.name) if retire else names
