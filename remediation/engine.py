"""What comes next (pure) and doing it (dull). The journal is the only memory between them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from stsfix.remediation.errors_run import (
    InterruptedRunError,
    JournalUnwritableError,
    PlanChangedError,
    RestartByHandError,
    StepUnclearError,
    UndoFailedError,
)
from stsfix.remediation.ports import Observed, Progress, ProgressHook
from stsfix.remediation.records import (
    Mark,
    MarkRecord,
    NoteRecord,
    Phase,
    StepRecord,
    StepState,
    marks,
    noted,
    phase,
    step_states,
)
from stsfix.snapshot.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stsfix.remediation.journal import Journal
    from stsfix.remediation.ports import Step
    from stsfix.remediation.records import Record

logger = logging.getLogger(__name__)

StopRequested = Callable[[], bool]

WAITS = "waits for a person"
"""What is told of a step that is recorded as failed although nothing failed."""


@dataclass(frozen=True, slots=True)
class Do:
    """Do step number *index*, which nobody has begun."""

    index: int


@dataclass(frozen=True, slots=True)
class Settle:
    """Step *index* is in doubt or failed: look first, then decide."""

    index: int


@dataclass(frozen=True, slots=True)
class Undo:
    """Take step *index* back."""

    index: int


@dataclass(frozen=True, slots=True)
class Finish:
    """Nothing is left to do; *phase* is what the run has become."""

    phase: Phase


Action = Do | Settle | Undo | Finish


def next_action(plan: Sequence[str], records: Sequence[Record]) -> Action:
    """Decide what to do now from the journal alone.

    Pure: equal journals give equal answers, so that a resumed run is the same run.

    Raises:
        PlanChangedError: The journal names a step that *plan* does not have.
    """
    for record in records:
        if isinstance(record, StepRecord | NoteRecord) and record.step not in plan:
            raise PlanChangedError(f"a step {record.step}")
    states = step_states(plan, records)
    if Mark.ROLLBACK in marks(records):
        for index in reversed(range(len(plan))):
            if states[plan[index]] not in {StepState.PENDING, StepState.UNDONE}:
                return Undo(index)
        return Finish(Phase.ROLLED_BACK)
    for index, name in enumerate(plan):
        if states[name] in {StepState.STARTED, StepState.FAILED}:
            return Settle(index)
        if states[name] is StepState.PENDING:
            return Do(index)
    return Finish(phase(plan, records))


def run(
    steps: Sequence[Step],
    journal: Journal,
    *,
    progress: ProgressHook,
    stop_requested: StopRequested,
) -> Phase:
    """Carry the run on until it is finished, in whichever direction the journal says.

    Raises:
        InterruptedRunError: Stopped on request; the last record is complete.
        StepUnclearError: A step in doubt could not be settled; it is recorded as failed.
        UndoFailedError: An undo failed and is recorded; a further rollback goes on with it.
        JournalUnwritableError: Nothing further was done.
        OperationError: A step failed and is recorded as failed; nothing further was done.
    """
    plan = [step.name for step in steps]
    while True:
        action = next_action(plan, journal.records)
        if isinstance(action, Finish):
            return action.phase
        if stop_requested():
            raise InterruptedRunError(journal.run)
        step = steps[action.index]
        match action:
            case Do():
                _attempt(step, journal, progress)
            case Settle():
                _settle(step, journal, progress)
            case Undo():
                _undo(step, journal, progress)
            case _:
                assert_never(action)


def _settle(step: Step, journal: Journal, progress: ProgressHook) -> None:
    progress(Progress(step=step.name, subject="", text="in doubt: looking at the world"))
    match step.probe(noted(step.name, journal.records)):
        case Observed.COMPLETE:
            _record(journal, progress, step.name, StepState.DONE)
        case Observed.REPEATABLE:
            _attempt(step, journal, progress)
        case Observed.UNCLEAR:
            _record(journal, progress, step.name, StepState.FAILED, error="StepUnclearError")
            raise StepUnclearError(step.name)


def _attempt(step: Step, journal: Journal, progress: ProgressHook) -> None:
    _record(journal, progress, step.name, StepState.STARTED)
    try:
        step.do(noted(step.name, journal.records), _note(step, journal))
    except (InterruptedRunError, JournalUnwritableError):
        raise  # stays "started": in doubt, and a resume looks first
    except OperationError as error:
        _record(journal, progress, step.name, StepState.FAILED, error=type(error).__name__)
        raise
    _record(journal, progress, step.name, StepState.DONE)


def _undo(step: Step, journal: Journal, progress: ProgressHook) -> None:
    _record(journal, progress, step.name, StepState.UNDOING)
    try:
        step.undo(noted(step.name, journal.records), _note(step, journal))
    except (InterruptedRunError, JournalUnwritableError):
        raise
    except OperationError as error:
        _record(journal, progress, step.name, StepState.UNDO_FAILED, error=type(error).__name__)
        raise UndoFailedError(step.name, str(error)) from error
    _record(journal, progress, step.name, StepState.UNDONE)


def _note(step: Step, journal: Journal) -> Callable[[str, str], None]:
    def note(key: str, value: str) -> None:
        journal.append(NoteRecord(step=step.name, key=key, value=value))

    return note


def _record(
    journal: Journal, progress: ProgressHook, step: str, state: StepState, **facts: str
) -> None:
    journal.append(StepRecord(step=step, state=state, facts=facts))
    logger.info("run %s: step %s %s %s", journal.run, step, state, facts or "")
    waits = facts.get("error") == RestartByHandError.__name__
    progress(Progress(step=step, subject="", text=WAITS if waits else state.value))


def turn_back(journal: Journal) -> None:
    """Record that the run is to be taken back; from now on `run` only undoes.

    Repeating it does nothing. Whether a run may be taken back is the caller's question.
    """
    if Mark.ROLLBACK not in marks(journal.records):
        journal.append(MarkRecord(mark=Mark.ROLLBACK))
