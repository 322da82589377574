"""What is told of a run that has ended is so by now: that it wrote nothing, or was taken back."""

from __future__ import annotations

from contextlib import closing

import pytest

from machines_bench import PSC, VC
from repaired import STOPPED, Repaired
from stsfix.plugin.diagnostics import RunContext
from stsfix.plugin.terminal.runs import run_lines
from stsfix.plugin.view import RELEASED_UNWRITTEN, view_of
from stsfix.remediation.journal import Journal
from stsfix.remediation.records import (
    KEPT_PREFIX,
    NOT_PROVEN,
    QUIESCE,
    RETIRE_OLD,
    Mark,
    MarkRecord,
    NoteRecord,
    StepRecord,
    StepState,
)
from stsfix.remediation.restarts import BY_HAND, DOWN, STEP, Outcome, Seen


@pytest.fixture
def folder(tmp_path):
    """A state folder."""
    tmp_path.chmod(0o700)
    return tmp_path


def seen(world):
    """Return the picture of the run."""
    return view_of(world.file.read(world.spec.run), RunContext())


def lines(world):
    """Return what people read, and how the line that says what it is looks."""
    found = list(run_lines(seen(world), width=400))
    return [line.text for line in found], found[2].style


def test_a_run_that_wrote_nothing_is_not_called_repaired(folder):
    """A VM was gone, and it was closed without it: the domain is as broken as before."""
    world = Repaired(folder, STOPPED)
    del world.bench.hosts[1].vms[world.bench.vc.moref]

    world.runs().release(world.spec.run, without=[VC])

    told, style = lines(world)
    assert seen(world).meaning.startswith(RELEASED_UNWRITTEN)
    assert not any("repaired" in text for text in told)
    assert style != "green"


def test_a_run_that_ended_well_is_called_repaired(folder):
    """Every step is done."""
    world = Repaired(folder)

    world.runs().release(world.spec.run)

    told, style = lines(world)
    assert any("repaired and proven" in text for text in told)
    assert style == "green"


STALE = ("Kept TrustedCertChain-1", "restarted by hand", f"Services of {VC}")


def with_notes(world):
    """Let the run have noted all that a person is told of."""
    with closing(Journal(world.file, world.spec.run, world.bench.clock)) as journal:
        for record in (
            NoteRecord(
                step=RETIRE_OLD, key=f"{KEPT_PREFIX}TrustedCertChain-1", value="2026-02-01T00:00:00"
            ),
            NoteRecord(step=STEP, key=f"{DOWN}{VC}", value="vpxd"),
            NoteRecord(step=STEP, key=f"{BY_HAND}{PSC}", value=next(iter(Seen)).value),
        ):
            journal.append(record)


def test_what_was_taken_back_is_told_no_more(folder):
    """Chains and services are those of before the run."""
    world = Repaired(folder)
    with_notes(world)
    before, _ = lines(world)

    world.runs().roll_back(world.spec.run)

    after, _ = lines(world)
    for stale in STALE:
        assert any(stale in text for text in before)
        assert not any(stale in text for text in after)
    assert {each.outcome for each in seen(world).services} == {Outcome.PENDING}


def test_a_rollback_that_is_not_proven_stays_so_after_its_release(folder):
    """The snapshots are gone, the doubt is not."""
    world = Repaired(folder)
    undone = [
        StepRecord(step=name, state=state)
        for name in reversed(world.file.read(world.spec.run).plan)
        for state in (StepState.UNDOING, StepState.UNDONE)
    ]
    doubt = NoteRecord(step=QUIESCE, key=NOT_PROVEN, value="vc1 is silent")
    with closing(Journal(world.file, world.spec.run, world.bench.clock)) as journal:
        journal.append(MarkRecord(mark=Mark.ROLLBACK))
        for record in undone[:-1]:
            journal.append(record)
        journal.append(doubt)
        journal.append(undone[-1])
    taken_back = seen(world).meaning

    world.runs().release(world.spec.run)

    for meaning in (taken_back, seen(world).meaning):
        assert meaning.endswith("not proven that every directory went back: vc1 is silent")
