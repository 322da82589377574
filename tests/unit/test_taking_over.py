"""Taking a run over from its snapshots: whole or not at all; what is unknown is said so."""

from __future__ import annotations

import io
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from machines_bench import PSC, Bench, powering_on
from stsfix.plugin.cli.run import taken_over
from stsfix.plugin.cli.session import Session
from stsfix.plugin.diagnostics import RunContext
from stsfix.plugin.interrupt import StopFlag
from stsfix.plugin.output import Output
from stsfix.plugin.redaction import Redactor
from stsfix.plugin.runs import Runs
from stsfix.plugin.view import view_of
from stsfix.remediation.adoption import adopted_records, choose, members_of
from stsfix.remediation.errors_run import JournalUnwritableError, RunStateError
from stsfix.remediation.journal import JournalFile
from stsfix.remediation.plan import step_names
from stsfix.remediation.records import REPLACE_STS, Mark, MarkRecord, Phase, StepState, step_states
from stsfix.remediation.steps.machines import Quiesce, TakeSnapshots

if TYPE_CHECKING:
    from stsfix.plugin.wiring import Wiring

pytestmark = pytest.mark.reliability("adoption")

RUN = "stsfix-20260101T000000Z-abcd"
CONTEXT = RunContext()


class TakenOver:
    """A domain whose run is known by its snapshots alone, and an empty state folder."""

    def __init__(self, folder):
        self.bench = Bench()
        context = self.bench.context
        self.bench.context = replace(context, spec=replace(context.spec, run=RUN))
        for step in (Quiesce, TakeSnapshots, powering_on):
            self.bench.do(step(self.bench.context))
        self.file = JournalFile(folder, self.bench.clock)
        wiring = SimpleNamespace(
            clock=self.bench.clock,
            hypervisors={host.host: host for host in self.bench.hosts},
            settings=SimpleNamespace(sso=SimpleNamespace(domain=context.spec.domain)),
        )
        self.runs = Runs(self.file, cast("Wiring", wiring), stop_requested=lambda: False)

    @property
    def found(self):
        """What the hosts tell of the run."""
        psc, vc = self.bench.hosts
        facts = [*psc.observe_vms((self.bench.psc,)), *vc.observe_vms((self.bench.vc,))]
        return choose(members_of(facts, prefix="stsfix-"), self.bench.context.spec.domain, None)

    def sql(self, text):
        """Change the journal as no stsfix would."""
        with closing(self.file.connect()) as connection:
            connection.execute(text)

    def states(self):
        stored = self.file.read(RUN)
        return step_states(stored.plan, stored.records)


@pytest.fixture
def world(tmp_path):
    """The state folder is lost."""
    tmp_path.chmod(0o700)
    return TakenOver(tmp_path)


def test_a_disk_that_fills_in_the_middle_leaves_no_run(world):
    """A run without the record of its first write would be powered on and not reverted."""
    world.sql(
        "CREATE TRIGGER full BEFORE INSERT ON records WHEN NEW.step = 'power-on'"
        " BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
    )

    with pytest.raises(JournalUnwritableError, match="full"):
        world.runs.adopt(world.found, releasing=False)
    names = world.file.names()
    world.sql("DROP TRIGGER full")
    world.runs.adopt(world.found, releasing=False)

    assert names == ()
    assert world.states()[REPLACE_STS] is StepState.STARTED


@pytest.mark.parametrize("kept", range(9))
def test_an_adoption_that_was_written_in_part_is_completed(world, kept):
    """Wherever an earlier version died, every node is reverted."""
    plan = step_names(retire=True)
    world.file.create(
        world.found.spec,
        plan,
        version="0",
        inventory="{}",
        records=[MarkRecord(mark=Mark.ADOPTED), *adopted_records(plan)[1:kept]],
    ).close()

    world.runs.adopt(world.found, releasing=False)

    assert [r.mark for r in world.file.read(RUN).records if isinstance(r, MarkRecord)] == [
        Mark.ADOPTED
    ]
    assert world.states()[REPLACE_STS] is StepState.STARTED
    assert world.file.read(RUN).phase is Phase.ADOPTED


def test_an_adoption_in_part_that_was_taken_back_is_nobodys(world):
    """Nodes were powered on and not reverted: no record can make that good."""
    plan = step_names(retire=True)
    marks = [MarkRecord(mark=Mark.ADOPTED), MarkRecord(mark=Mark.ROLLBACK)]
    world.file.create(world.found.spec, plan, version="0", inventory="{}", records=marks).close()

    with pytest.raises(RunStateError, match="adopted in part"):
        world.runs.adopt(world.found, releasing=False)


def test_a_run_that_this_folder_knows_is_not_taken_over(world):
    """Its journal knows more than its snapshots, or is an older copy: what was agreed to is not
    what it would do.
    """
    plan = step_names(retire=True)
    world.file.create(world.found.spec, plan, version="0", inventory="{}").close()

    for refused in (
        lambda: world.runs.adopt(world.found, releasing=False),
        lambda: world.runs.find_adoptable(None),
    ):
        with pytest.raises(RunStateError, match="open in this state folder") as caught:
            refused()
        assert "--state-dir" in caught.value.__notes__[1]

    assert world.file.read(RUN).records == ()


def test_taking_over_to_release_ends_no_way_back(world):
    """Whoever is stopped before the first snapshot goes can still take the run back."""
    name = world.runs.adopt(world.found, releasing=True)

    world.runs.require_reversible(name)
    world.runs.require_releasable(name, adopted=True)
    with pytest.raises(RunStateError, match="adopted"):
        world.runs.require_releasable(name)
    with pytest.raises(RunStateError, match="adopted"):
        world.runs.require_resumable(name)


@pytest.mark.parametrize("releasing", [False, True])
@pytest.mark.parametrize("answer", ["n", "y"])
def test_one_question_is_asked_before_anything_is_written(
    world, tmp_path, monkeypatch, releasing, answer
):
    """Who says no finds the folder as it was."""
    names = (RUN,) if answer == "y" else ()
    said = io.StringIO()
    session = Session(
        config=Path("domain.toml"),
        state_dir=tmp_path,
        as_json=False,
        yes=False,
        output=Output(io.StringIO(), said, {}),
        redactor=Redactor(),
        context=CONTEXT,
        flag=StopFlag(),
    )
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{answer}\n"))
    monkeypatch.setattr(world.runs, "find_adoptable", lambda _: world.found)

    taken = taken_over(session, world.runs, None, releasing=releasing)

    assert world.file.names() == names
    assert taken == (names[0] if names else None)
    assert ("Nothing was changed" in said.getvalue()) is not bool(names)


def test_a_release_that_was_agreed_to_late_looks_at_the_nodes_again(world, monkeypatch):
    """Meanwhile its own workstation began to take the run back."""
    clock, answers = world.bench.clock, [timedelta(hours=10), timedelta(minutes=1)]

    def confirmed(session, question):
        clock.sleep(answers.pop(0).total_seconds())
        world.bench.context.coordinator.shut_down(world.bench.context.shutdown_waves())
        return True

    monkeypatch.setattr("stsfix.plugin.cli.run.confirmed", confirmed)
    monkeypatch.setattr(world.runs, "find_adoptable", lambda _: world.found)
    session: Any = SimpleNamespace(clock=clock, say=lambda _: None)

    with pytest.raises(RunStateError, match=rf"{PSC}.*off") as caught:
        taken_over(session, world.runs, None, releasing=True)

    assert world.file.names() == ()
    assert "rollback --adopt" in caught.value.__notes__[0]


def test_a_run_with_a_node_off_is_not_released(world):
    """It was in the middle; also when it was taken over before."""
    world.runs.adopt(world.found, releasing=False)
    world.bench.context.coordinator.shut_down(world.bench.context.shutdown_waves())

    with pytest.raises(RunStateError, match=rf"{PSC}.*off"):
        world.runs.adopt(world.found, releasing=True)


def test_what_is_suggested_can_work(world):
    """Nobody can resume what is not known."""
    world.runs.adopt(world.found, releasing=False)

    view = view_of(world.file.read(RUN), CONTEXT)

    assert view.next_actions == (f"stsfix rollback {RUN}", f"stsfix release --adopt {RUN}")
    assert "unknown" in view.meaning
    assert replace(CONTEXT, run=RUN, phase="adopted").go_on() == f"stsfix rollback {RUN}"


def test_a_released_run_that_nobody_knows_is_not_called_repaired(world):
    """Only its snapshots were seen."""
    marks = [MarkRecord(mark=Mark.RELEASING), MarkRecord(mark=Mark.RELEASED)]
    plan = step_names(retire=True)
    world.file.create(
        world.found.spec,
        plan,
        version="0",
        inventory="{}",
        records=[*adopted_records(plan), *marks],
    ).close()

    view = view_of(world.file.read(RUN), CONTEXT)

    assert view.phase is Phase.RELEASED
    assert view.meaning.endswith("is unknown here")
