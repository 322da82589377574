"""A repair whose proof cannot be given is ended only by who says so, and never called proven."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from machines_bench import Bench, powering_on
from stsfix.plugin.diagnostics import RunContext
from stsfix.plugin.runs import Runs
from stsfix.plugin.terminal.runs import run_lines
from stsfix.plugin.view import view_of
from stsfix.remediation.errors_run import RunStateError
from stsfix.remediation.journal import JournalFile
from stsfix.remediation.plan import step_names
from stsfix.remediation.records import (
    VERIFY_LOGINS,
    Mark,
    MarkRecord,
    Phase,
    StepRecord,
    StepState,
    marks,
)
from stsfix.remediation.steps.machines import Quiesce, TakeSnapshots

if TYPE_CHECKING:
    from stsfix.plugin.wiring import Wiring

PLAN = step_names(retire=True)


def until(step, error=""):
    """Return the records of a run whose *step* failed with *error*, or of a whole run."""
    place = PLAN.index(step)
    done = PLAN if not error else PLAN[:place]
    records = [
        StepRecord(step=name, state=state)
        for name in done
        for state in (StepState.STARTED, StepState.DONE)
    ]
    if error:
        records += [
            StepRecord(step=step, state=StepState.STARTED),
            StepRecord(step=step, state=StepState.FAILED, facts={"error": error}),
        ]
    return records


class Repaired:
    """Nodes with the snapshots of a run whose journal has *records*."""

    def __init__(self, folder, records):
        folder.chmod(0o700)
        bench = Bench()
        for step in (Quiesce, TakeSnapshots, powering_on):
            bench.do(step(bench.context))
        self.run = bench.context.spec.run
        self.file = JournalFile(folder, bench.clock)
        self.file.create(
            bench.context.spec, PLAN, version="0", inventory="{}", records=records
        ).close()
        parts = SimpleNamespace(
            clock=bench.clock,
            coordinator=bench.context.coordinator,
            hypervisors=dict(zip((bench.psc.host, bench.vc.host), bench.hosts, strict=True)),
            hook=lambda event: None,
        )
        self.runs = Runs(self.file, cast("Wiring", parts), stop_requested=lambda: False)
        self.snapshots = lambda: [
            snapshot
            for host, vm in zip(bench.hosts, (bench.psc, bench.vc), strict=True)
            for snapshot in host.observe_vms((vm,))[0].snapshots
        ]

    @property
    def stored(self):
        return self.file.read(self.run)


def test_a_run_without_its_proof_is_released_as_not_proven(tmp_path):
    """Journal, status and JSON say so; the snapshots are gone, and nothing comes next."""
    world = Repaired(tmp_path, until(VERIFY_LOGINS, "ProofError"))
    assert world.snapshots()

    world.runs.release(world.run, unproven=True)

    assert world.snapshots() == []
    assert Mark.UNPROVEN in marks(world.stored.records)
    view = view_of(world.stored, RunContext())
    assert (view.phase, view.unproven, view.next_actions) == (Phase.RELEASED, True, ())
    assert "NOT PROVEN" in view.meaning
    told = next(line for line in run_lines(view, width=100) if "NOT PROVEN" in line.text)
    assert told.style == "yellow"


def test_a_release_that_broke_off_goes_on_and_stays_unproven(tmp_path):
    """The operator's word is on disk before the first snapshot goes."""
    word = [MarkRecord(mark=Mark.UNPROVEN), MarkRecord(mark=Mark.RELEASING)]
    world = Repaired(tmp_path, [*until(VERIFY_LOGINS, "ProofError"), *word])

    world.runs.release(world.run)

    assert view_of(world.stored, RunContext()).unproven
    assert world.snapshots() == []


WORD = MarkRecord(mark=Mark.UNPROVEN)
"""What the operator said, by a process that died before the release began."""

PROVEN_LATER = [
    StepRecord(step=name, state=state)
    for name in PLAN[PLAN.index(VERIFY_LOGINS) :]
    for state in (StepState.STARTED, StepState.DONE)
]


def test_a_run_that_was_proven_after_all_is_called_proven(tmp_path):
    """The word counts from the release on: nothing of it had begun, and the run was resumed."""
    records = [*until(VERIFY_LOGINS, "ProofError"), WORD, *PROVEN_LATER]
    world = Repaired(tmp_path, records)

    world.runs.release(world.run)

    view = view_of(world.stored, RunContext())
    assert (view.phase, view.unproven) == (Phase.RELEASED, False)
    assert view.meaning.startswith("repaired and proven")


@pytest.mark.parametrize(
    "records",
    [
        pytest.param(until(VERIFY_LOGINS), id="proven"),
        pytest.param(
            [*until(VERIFY_LOGINS, "ProofError"), WORD, MarkRecord(mark=Mark.ROLLBACK)],
            id="taken back in spite of the word",
        ),
        pytest.param(until(VERIFY_LOGINS, "ForeignEntriesError"), id="ours is gone"),
        pytest.param(until("restart-services", "ProofError"), id="before"),
        pytest.param(until("retire-old", "ProofError"), id="after"),
        pytest.param(
            [*until(VERIFY_LOGINS, "ProofError"), MarkRecord(mark=Mark.ROLLBACK)], id="taken back"
        ),
    ],
)
def test_nothing_else_is_released_without_a_proof(tmp_path, records):
    """Only a run that stopped at its proof, by a way in that failed."""
    world = Repaired(tmp_path, records)

    with pytest.raises(RunStateError):
        world.runs.release(world.run, unproven=True)

    assert world.snapshots()
    assert tuple(world.stored.records)[len(records) :] == ()


def test_without_the_word_such_a_run_is_not_released(tmp_path):
    """`stsfix release` alone refuses, as ever."""
    world = Repaired(tmp_path, until(VERIFY_LOGINS, "ProofError"))

    with pytest.raises(RunStateError, match="stopped"):
        world.runs.release(world.run)
