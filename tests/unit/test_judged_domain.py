"""What the random sequences accept as a reason for nodes that are off."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from judged_domain import says_why_nodes_are_off
from stsfix.remediation.journal import StoredRun
from stsfix.remediation.records import Mark, MarkRecord, StepRecord, StepState
from worlds import spec

S = StepState
PLAN = ("quiesce", "take-snapshots")
BACK = MarkRecord(mark=Mark.ROLLBACK)


def step(name, state, error=""):
    """Return a record of a step."""
    return StepRecord(step=name, state=state, facts={"error": error} if error else {})


DOWN = (step("quiesce", S.STARTED), step("quiesce", S.DONE), step("take-snapshots", S.STARTED))
FAILED = (*DOWN, step("take-snapshots", S.FAILED, "NoSpaceError"))
UNDOING = (*FAILED, BACK, step("take-snapshots", S.UNDOING))
UNDO_FAILED = (*UNDOING, step("take-snapshots", S.UNDO_FAILED, "HostUnreachableError"))


@pytest.mark.parametrize(
    ("records", "died_after", "expected"),
    [
        pytest.param(FAILED, None, True, id="stopped"),
        pytest.param((*DOWN, step("take-snapshots", S.FAILED)), None, False, id="no error"),
        pytest.param(DOWN, None, False, id="in the middle of a step"),
        pytest.param(DOWN, len(DOWN), True, id="dead in the middle"),
        pytest.param(UNDO_FAILED, None, True, id="not taken back"),
        pytest.param(UNDOING, None, False, id="left in the middle of a rollback"),
        pytest.param(UNDOING, 5, True, id="dead in the middle of a rollback"),
        pytest.param(UNDO_FAILED, 5, True, id="not taken back after a death"),
        pytest.param(
            (*UNDOING, step("take-snapshots", S.UNDO_FAILED)), 5, False, id="silent after a death"
        ),
        pytest.param((*FAILED, BACK), None, False, id="turned and left"),
        pytest.param((step("other", S.FAILED, "x"),), None, False, id="nobody was shut down"),
    ],
)
def test_nodes_are_off_for_a_reason_that_is_written_down(records, died_after, expected):
    """Of the direction that the run has now; a death alone may leave none."""
    stored = StoredRun(
        spec=spec(),
        plan=(*PLAN, "other"),
        created=datetime(2026, 1, 1, tzinfo=UTC),
        version="0",
        inventory={},
        records=records,
    )

    assert says_why_nodes_are_off(stored, died_after) is expected
