"""The disk under the journal is full at any write: nothing is done that is not recorded."""

from __future__ import annotations

import resource
from contextlib import contextmanager

import pytest

from memory_hypervisor import MemoryClock
from stsfix.remediation.engine import run, turn_back
from stsfix.remediation.errors_run import JournalUnwritableError
from stsfix.remediation.journal import Journal, JournalFile
from stsfix.remediation.records import Phase
from worlds import World, WorldStep, spec

pytestmark = [pytest.mark.crash, pytest.mark.reliability("resources")]

PLAN = ("one", "two", "three", "four")
CLOCK = MemoryClock()


@contextmanager
def room_for(size):
    """No file of this process grows beyond *size* bytes, as on a disk that is full then.

    Python ignores SIGXFSZ: a write fails with EFBIG, which SQLite takes as it takes ENOSPC.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def carry_on(file, world, *, back=False):
    """Go on with the run in a new process' place; return its phase."""
    journal = Journal(file, spec().run, CLOCK)
    try:
        if back:
            turn_back(journal)
        steps = [WorldStep(world, name) for name in PLAN]
        return run(steps, journal, progress=lambda _: None, stop_requested=lambda: False)
    finally:
        journal.close()


def begun(folder, done=0):
    """Return a journal with a run of which *done* steps are done, and its world."""
    file = JournalFile(folder, CLOCK)
    file.create(spec(), PLAN, version="1", inventory="{}").close()
    world = World()
    return file, world


def sizes(file):
    """Return limits from no write at all to more than the whole run takes."""
    wal = file.path.with_name("journal.sqlite-wal")
    now = wal.stat().st_size if wal.exists() else 0
    return range(now, now + 250_000, 7_000)


@pytest.mark.parametrize("back", [False, True], ids=["forward", "back"])
def test_what_is_not_recorded_is_not_done_and_the_rest_follows(tmp_path, back, record_property):
    """At each size the run stops, and with room made it ends like any other."""
    stopped, limits = 0, sizes(begun(tmp_path / "measure")[0])
    for number, size in enumerate(limits):
        file, world = begun(tmp_path / str(number))
        if back:
            assert carry_on(file, world) is Phase.REPAIRED
        before = len(file.read(spec().run).records)

        try:
            with room_for(size):
                carry_on(file, world, back=back)
        except JournalUnwritableError:
            stopped += 1
            recorded = file.read(spec().run).records
            assert len(recorded) >= before
            done = {r.step for r in recorded if hasattr(r, "step")}
            assert set(world.applied) <= done
        phase = carry_on(file, world, back=back)

        assert phase is (Phase.ROLLED_BACK if back else Phase.REPAIRED)
        assert world.applied == ([] if back else list(PLAN))
        assert world.violations == []

    record_property("cases", len(limits))
    assert 3 < stopped < len(limits)


def test_a_run_cannot_begin_on_a_full_disk(tmp_path):
    """Neither folder nor run is half there: with room made, it begins."""
    with room_for(0), pytest.raises(JournalUnwritableError):
        JournalFile(tmp_path, CLOCK)
    file = JournalFile(tmp_path, CLOCK)

    with room_for(4096), pytest.raises(JournalUnwritableError):
        file.create(spec(), PLAN, version="1", inventory="{}")

    assert file.names() == ()
    file.create(spec(), PLAN, version="1", inventory="{}").close()
    assert file.names() == (spec().run,)


def test_the_lock_holds_although_its_holder_cannot_be_written(tmp_path):
    """A full disk keeps nobody from ending a run; only the name is missing for others."""
    file = JournalFile(tmp_path, CLOCK)

    with room_for(0), file.locked("vsphere.local", "anna@desk, process 1"):
        held = (tmp_path / "vsphere.local.lock").read_bytes()

    assert held == b""
