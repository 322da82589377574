"""Killed at any record, before or after it is durable, a run ends like one that was not."""

from __future__ import annotations

import pytest

from memory_hypervisor import MemoryClock
from stsfix.remediation.engine import run, turn_back
from stsfix.remediation.errors_run import (
    InterruptedRunError,
    JournalUnwritableError,
    StepUnclearError,
    UndoFailedError,
)
from stsfix.remediation.journal import Journal, JournalFile
from stsfix.remediation.records import Phase, StepRecord, StepState
from stsfix.snapshot.errors import HypervisorFaultError
from worlds import DyingJournal, Killed, World, WorldStep, spec

pytestmark = pytest.mark.reliability("engine")

NAMES = ("quiesce", "take-snapshots", "replace-sts", "restart-services")
RECORDS = 3 * len(NAMES)  # started, one note, done


def never():
    """Nobody asks for a stop."""
    return False


def go(steps, journal):
    """Carry a run on as a process would."""
    return run(steps, journal, progress=lambda _: None, stop_requested=never)


@pytest.fixture
def file(tmp_path):
    """A state folder with one new run."""
    file = JournalFile(tmp_path, MemoryClock())
    file.create(spec(), NAMES, version="0", inventory="{}").close()
    return file


def reopened(file, kind=Journal):
    """Open the run's journal as a new process does."""
    return kind(file, spec().run, MemoryClock())


def kill(file, steps, survives, *, durable):
    """Run until the journal dies; tell whether it did."""
    journal = reopened(file, DyingJournal)
    journal.survives, journal.durable = survives, durable
    try:
        go(steps, journal)
    except Killed:
        return True
    except HypervisorFaultError:
        return False
    finally:
        journal.close()
    return False


@pytest.mark.crash
@pytest.mark.parametrize("durable", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("survives", range(RECORDS))
def test_a_killed_run_resumes_to_the_same_end(file, survives, durable):
    """A crash alone never turns a run back, and no step is done twice."""
    world = World()
    steps = [WorldStep(world, name) for name in NAMES]

    died = kill(file, steps, survives, durable=durable)
    phase = go(steps, reopened(file))

    assert died
    assert phase is Phase.REPAIRED
    assert world.applied == list(NAMES)
    assert world.violations == []


@pytest.mark.crash
@pytest.mark.parametrize("durable", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("survives", range(RECORDS))
def test_a_killed_run_rolls_back_to_nothing(file, survives, durable):
    """Whatever was done is taken back, last first."""
    world = World()
    steps = [WorldStep(world, name) for name in NAMES]
    kill(file, steps, survives, durable=durable)
    done = list(world.applied)

    journal = reopened(file)
    turn_back(journal)
    phase = go(steps, journal)

    assert phase is Phase.ROLLED_BACK
    assert world.applied == []
    assert world.undone == done[::-1]
    assert world.violations == []


@pytest.mark.crash
@pytest.mark.parametrize("durable", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("survives", range(2 * len(NAMES)))
def test_a_killed_rollback_ends_like_an_unkilled_one(file, survives, durable):
    """Undo is repeated where it may be half done, and only there."""
    world = World()
    steps = [WorldStep(world, name) for name in NAMES]
    go(steps, reopened(file))
    journal = reopened(file)
    turn_back(journal)

    died = kill(file, steps, survives, durable=durable)
    phase = go(steps, reopened(file))

    assert died
    assert phase is Phase.ROLLED_BACK
    assert world.applied == []
    assert world.violations == []


@pytest.mark.parametrize("broken", range(len(NAMES)))
def test_a_broken_step_stops_the_run_and_undoes_nothing_by_itself(file, broken):
    """The run stops in a known state; the operator decides."""
    world = World()
    steps = [WorldStep(world, name, broken=i == broken) for i, name in enumerate(NAMES)]

    with pytest.raises(HypervisorFaultError):
        go(steps, reopened(file))

    assert world.applied == list(NAMES[:broken])
    assert world.undone == []
    assert file.read(spec().run).phase is Phase.STOPPED


def test_a_stopped_run_looks_before_it_repeats(file):
    """Resuming asks the failed step's probe first."""
    world = World()
    steps = [WorldStep(world, name) for name in NAMES]
    steps[2].broken = True
    with pytest.raises(HypervisorFaultError):
        go(steps, reopened(file))

    steps[2].broken = False
    phase = go(steps, reopened(file))

    assert phase is Phase.REPAIRED
    assert world.probes == ["replace-sts"]
    assert world.violations == []


def test_an_unclear_step_stops_the_run(file):
    """What no machine can tell is left to a person, and nothing is repeated."""
    world = World()
    steps = [WorldStep(world, name) for name in NAMES]
    kill(file, steps, 4, durable=True)
    steps[1].unclear = True

    with pytest.raises(StepUnclearError, match="take-snapshots"):
        go(steps, reopened(file))

    assert world.violations == []
    assert file.read(spec().run).phase is Phase.STOPPED


def test_a_failed_undo_is_recorded_and_tried_again_by_the_next_rollback(file):
    """The rollback stops where it failed and goes on from there."""
    world = World()
    steps = [WorldStep(world, name) for name in NAMES]
    go(steps, reopened(file))
    steps[1].undo_failures = 1
    journal = reopened(file)
    turn_back(journal)

    with pytest.raises(UndoFailedError, match="take-snapshots"):
        go(steps, journal)
    left = list(world.applied)
    last = reopened(file).records[-1]
    phase = go(steps, reopened(file))

    assert left == ["quiesce", "take-snapshots"]
    assert isinstance(last, StepRecord)
    assert (last.step, last.state) == ("take-snapshots", StepState.UNDO_FAILED)
    assert last.facts == {"error": "HypervisorFaultError"}
    assert phase is Phase.ROLLED_BACK
    assert world.applied == []


def test_a_stop_is_taken_between_steps_and_can_be_resumed(file):
    """A signal ends the run at a complete record."""
    world = World()
    steps = [WorldStep(world, name) for name in NAMES]

    with pytest.raises(InterruptedRunError):
        run(
            steps,
            reopened(file),
            progress=lambda _: None,
            stop_requested=lambda: len(world.applied) == 2,
        )
    states = [r.state for r in file.read(spec().run).records if isinstance(r, StepRecord)]
    phase = go(steps, reopened(file))

    assert states[-1] is StepState.DONE
    assert phase is Phase.REPAIRED
    assert world.probes == []


def test_without_a_durable_record_nothing_further_is_done(file):
    """A journal that cannot be written ends the run before the change, not after."""
    world = World()
    steps = [WorldStep(world, name) for name in NAMES]
    journal = reopened(file)
    journal.close()

    with pytest.raises(JournalUnwritableError):
        go(steps, journal)

    assert world.applied == []
