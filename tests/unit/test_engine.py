"""Deciding what comes next is a pure function of plan and records."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stsfix.remediation.engine import Do, Finish, Settle, Undo, next_action
from stsfix.remediation.errors_run import PlanChangedError
from stsfix.remediation.records import (
    ALLOWED,
    Mark,
    MarkRecord,
    NoteRecord,
    Phase,
    Record,
    StepRecord,
    StepState,
    phase,
)

PLAN = ("quiesce", "take-snapshots", "replace-sts")
S = StepState
BACK, RESTORING, RESTORED, RELEASING, RELEASED = (
    MarkRecord(mark=mark)
    for mark in (Mark.ROLLBACK, Mark.RESTORING, Mark.RESTORED, Mark.RELEASING, Mark.RELEASED)
)


def records(*states, back=False):
    """Return one record per step of PLAN for each state given, in plan order."""
    found = [
        StepRecord(step=name, state=state)
        for name, state in zip(PLAN, states, strict=False)
        if state is not S.PENDING
    ]
    return [*found, *([MarkRecord(mark=Mark.ROLLBACK)] if back else [])]


@pytest.mark.parametrize(
    ("history", "action"),
    [
        pytest.param(records(), Do(0), id="new run"),
        pytest.param(records(S.DONE), Do(1), id="one done"),
        pytest.param(records(S.STARTED), Settle(0), id="in doubt"),
        pytest.param(records(S.DONE, S.FAILED), Settle(1), id="failed"),
        pytest.param(records(S.DONE, S.DONE, S.DONE), Finish(Phase.REPAIRED), id="all done"),
        pytest.param(records(S.DONE, S.STARTED, back=True), Undo(1), id="back from doubt"),
        pytest.param(records(S.DONE, S.UNDONE, back=True), Undo(0), id="back second"),
        pytest.param(records(S.UNDO_FAILED, S.UNDONE, back=True), Undo(0), id="undo failed"),
        pytest.param(records(S.DONE, S.UNDOING, back=True), Undo(1), id="undo in doubt"),
        pytest.param(records(S.DONE, S.DONE, S.DONE, back=True), Undo(2), id="back from the end"),
        pytest.param(
            records(S.UNDONE, S.UNDONE, S.UNDONE, back=True),
            Finish(Phase.ROLLED_BACK),
            id="all undone",
        ),
        pytest.param(records(back=True), Finish(Phase.ROLLED_BACK), id="nothing to undo"),
    ],
)
def test_next_action(history, action):
    """Forward in plan order, what is in doubt first; backward last step first."""
    found = next_action(PLAN, history)

    assert found == action


def test_a_step_that_the_plan_does_not_have_is_refused():
    """A journal of another version is never guessed at."""
    history = [StepRecord(step="format-disk", state=S.DONE)]

    with pytest.raises(PlanChangedError, match="format-disk"):
        next_action(PLAN, history)


def test_notes_do_not_change_what_comes_next():
    """A note is for probe and undo; the order of work rests on states alone."""
    history = records(S.DONE)

    with_note = [*history, NoteRecord(step="quiesce", key="k", value="v")]

    assert next_action(PLAN, with_note) == next_action(PLAN, history)


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        pytest.param(records(), Phase.OPEN, id="new"),
        pytest.param(records(S.DONE, S.STARTED), Phase.OPEN, id="in doubt"),
        pytest.param(records(S.DONE, S.FAILED), Phase.STOPPED, id="failed"),
        pytest.param(records(S.DONE, S.DONE, S.DONE), Phase.REPAIRED, id="done"),
        pytest.param(records(S.DONE, S.UNDONE, back=True), Phase.ROLLING_BACK, id="half back"),
        pytest.param(records(S.UNDONE, S.UNDONE, back=True), Phase.ROLLED_BACK, id="back"),
        pytest.param(
            [*records(S.DONE), MarkRecord(mark=Mark.RELEASING)], Phase.RELEASING, id="releasing"
        ),
        pytest.param(
            [MarkRecord(mark=Mark.RELEASING), MarkRecord(mark=Mark.RELEASED)],
            Phase.RELEASED,
            id="released",
        ),
        pytest.param([*records(S.DONE, S.FAILED), RESTORING], Phase.RESTORING, id="restoring"),
        pytest.param([*records(S.DONE), RESTORING, RESTORED], Phase.RESTORED, id="restored"),
        pytest.param([*records(S.DONE), RESTORED, BACK], Phase.ROLLING_BACK, id="then back"),
        pytest.param(
            [*records(S.DONE, S.DONE, S.DONE), RESTORED, BACK, *records(S.DONE, S.UNDO_FAILED)],
            Phase.ROLLING_BACK,
            id="restored, then half reverted",
        ),
        pytest.param(
            [BACK, *records(S.UNDO_FAILED), RESTORED, *records(S.UNDOING)],
            Phase.ROLLING_BACK,
            id="half reverted again after a restore",
        ),
        pytest.param(
            [RESTORED, BACK, *records(S.UNDONE, S.UNDONE, S.UNDONE)],
            Phase.ROLLED_BACK,
            id="restored, then back",
        ),
        pytest.param(
            [BACK, *records(S.UNDO_FAILED), RESTORING, RESTORED],
            Phase.RESTORED,
            id="restored because the way back was gone",
        ),
        pytest.param([RELEASING, RELEASED, RESTORING], Phase.RESTORING, id="after the release"),
        pytest.param([RELEASING, RELEASED, RESTORING, RESTORED], Phase.RELEASED, id="and done"),
    ],
)
def test_phase(history, expected):
    """The phase follows from marks first, then from the steps."""
    assert phase(PLAN, history) is expected


@given(st.lists(st.tuples(st.sampled_from(PLAN), st.sampled_from(sorted(S))), max_size=30))
def test_every_legal_history_has_an_action_and_work_always_ends(history):
    """From any history that ALLOWED permits there is a next action, and doing it for ever is
    impossible: the engine's own records lead to Finish in a bounded number of actions.
    """
    states = dict.fromkeys(PLAN, S.PENDING)
    kept: list[Record] = []
    for step, state in history:
        if (states[step], state) in ALLOWED:
            kept.append(StepRecord(step=step, state=state))
            states[step] = state
    backwards = {S.UNDOING, S.UNDONE, S.UNDO_FAILED} & set(states.values())
    if backwards:
        kept.append(MarkRecord(mark=Mark.ROLLBACK))

    for _ in range(10):
        action = next_action(PLAN, kept)
        if isinstance(action, Finish):
            break
        done = S.UNDONE if isinstance(action, Undo) else S.DONE
        kept.append(StepRecord(step=PLAN[action.index], state=done))

    assert isinstance(next_action(PLAN, kept), Finish)
