"""A journal written by any earlier release is still resumed or rolled back by this one."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from memory_hypervisor import MemoryClock
from stsfix.remediation.engine import Settle, Undo, next_action, turn_back
from stsfix.remediation.journal import Journal, JournalFile
from stsfix.remediation.model import Role
from stsfix.remediation.plan import build_steps, step_names
from stsfix.remediation.records import Phase, noted
from stsfix.remediation.steps.credential import written_leaves

if TYPE_CHECKING:
    from stsfix.remediation.steps.context import StepContext

GOLDEN = sorted((Path(__file__).parents[1] / "data" / "journals").glob("*.sql"))


@pytest.fixture(params=GOLDEN, ids=lambda path: path.stem)
def file(request, tmp_path):
    """A state folder as that release left it: a run that died while it replaced the credential."""
    with closing(sqlite3.connect(tmp_path / "journal.sqlite")) as connection:
        connection.executescript(request.param.read_text())
    return JournalFile(tmp_path, MemoryClock())


def test_there_is_a_journal_of_this_release():
    """Each release leaves one behind."""
    assert GOLDEN


def test_it_is_read_whole(file):
    """What was asked, what was done, and what was noted."""
    stored = file.read(file.latest("vsphere.local"))

    assert stored.phase is Phase.OPEN
    assert [node.role for node in stored.spec.nodes] == [Role.PSC, Role.VCENTER]
    assert written_leaves(noted("replace-sts", stored.records)) == {"ab" * 32}


def test_it_is_resumed_where_it_died(file):
    """The step that was under way is looked at first, by its name of today."""
    stored = file.read(file.latest("vsphere.local"))
    context = cast("StepContext", None)  # steps are made, and none is asked anything

    steps = build_steps(context, stored.plan, lambda: stored.records, known=frozenset())
    plan = [step.name for step in steps]

    assert tuple(plan) == stored.plan
    assert set(plan) <= set(step_names(retire=True))
    assert next_action(plan, stored.records) == Settle(plan.index("replace-sts"))


def test_it_can_be_rolled_back(file):
    """The last step that was begun is taken back first."""
    name = file.latest("vsphere.local")
    with closing(Journal(file, name, MemoryClock())) as journal:
        turn_back(journal)

    stored = file.read(name)

    assert stored.phase is Phase.ROLLING_BACK
    assert next_action(stored.plan, stored.records) == Undo(stored.plan.index("replace-sts"))
