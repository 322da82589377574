"""A run that gives way to another workstation's names that one, whatever becomes of itself."""

from __future__ import annotations

import io
from contextlib import nullcontext
from pathlib import Path

import pytest

from memory_hypervisor import MemoryClock
from stsfix.plugin.cli import run as commands
from stsfix.plugin.cli.session import Session
from stsfix.plugin.diagnostics import RunContext
from stsfix.plugin.interrupt import StopFlag
from stsfix.plugin.output import Output
from stsfix.plugin.redaction import Redactor
from stsfix.remediation.errors_run import DomainLockedError, InterruptedRunError, UndoFailedError
from stsfix.remediation.journal import JournalFile
from worlds import spec

pytestmark = pytest.mark.reliability("operators")

LOCKED = 24
RIVAL = "stsfix-20260101T000000Z-bbbb, begun by anna@desk"


class Losing:
    """Runs of which the one that is carried on gives way, and cannot be taken back: *left*."""

    def __init__(self, left=None):
        self.left = left
        self.stoppable = False

    def carry_on(self, run):
        raise DomainLockedError("vsphere.local", RIVAL, elsewhere=True)

    def roll_back(self, run):
        if self.left is not None:
            raise self.left


def gives_way(folder, runs):
    """Carry a run on; return the exit code and what was said."""
    said = io.StringIO()
    session = Session(
        config=Path("domain.toml"),
        state_dir=folder,
        as_json=False,
        yes=True,
        output=Output(io.StringIO(), said, {}),
        redactor=Redactor(),
        context=RunContext(),
        flag=StopFlag(),
    )
    JournalFile(folder, MemoryClock()).create(
        spec(), ("quiesce", "take-snapshots"), version="0", inventory="{}"
    ).close()
    code = commands._go(session, runs, spec().run, "stop")
    return code, " ".join(said.getvalue().split())


def test_a_run_that_gave_way_is_closed(tmp_path):
    """It is said when it is done."""
    code, said = gives_way(tmp_path, Losing())

    assert code == LOCKED
    assert f"locked by {RIVAL}" in said
    assert f"{spec().run} is closed" in said


@pytest.mark.parametrize(
    "left",
    [UndoFailedError("take-snapshots", "esx1 is silent"), InterruptedRunError(spec().run)],
    ids=["claim stays", "stopped"],
)
def test_the_other_run_is_named_although_ours_cannot_be_closed(tmp_path, left):
    """What keeps ours open, and how to close it, is told besides."""
    code, said = gives_way(tmp_path, Losing(left))

    assert code == LOCKED
    assert f"locked by {RIVAL}" in said
    assert f"is not closed yet: {left}" in said
    assert f"stsfix rollback {spec().run}" in said
    assert "is closed" not in said


def test_a_signal_stops_the_closing_at_a_safe_point(tmp_path, monkeypatch):
    """As in every rollback."""
    inside = []
    runs = Losing()

    class Stoppable(nullcontext[None]):
        def __enter__(self):
            inside.append(True)

        def __exit__(self, *_):
            inside.pop()

    monkeypatch.setattr(Session, "stoppable", lambda _: Stoppable())
    seen = []
    monkeypatch.setattr(Losing, "roll_back", lambda *_: seen.append(list(inside)))

    gives_way(tmp_path, runs)

    assert seen == [[True]]
