"""This workstation's clock is set, or its zone changes to winter time, between or during runs."""

from __future__ import annotations

import os
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from stsfix.plugin.progress import ProgressPrinter
from stsfix.plugin.view import StepView
from stsfix.remediation.durations import durations_of
from stsfix.remediation.journal import JournalFile
from stsfix.remediation.ports import Progress
from stsfix.remediation.records import StepRecord, StepState
from stsfix.snapshot.system_clock import SystemClock
from worlds import spec

pytestmark = pytest.mark.reliability("time")

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
CHANGE = datetime(2026, 10, 25, 1, tzinfo=UTC)
"""Clocks in Berlin go from 03:00 back to 02:00."""


class HandSet:
    """A clock that shows what it is told to."""

    def __init__(self, moment):
        self.moment = moment

    def now(self):
        return self.moment

    def monotonic(self):
        return 0.0

    def sleep(self, seconds):
        pass


@pytest.fixture
def berlin(monkeypatch):
    """This process lives in Berlin."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.delenv("TZ")
    os.environ.pop("TZ", None)
    time.tzset()


def file_with(folder, clock, *moments):
    """Return a journal with a run begun at each of *moments*."""
    file = JournalFile(folder, clock)
    for number, moment in enumerate(moments):
        clock.moment = moment
        made = replace(spec(), run=f"stsfix-{moment:%Y%m%dT%H%M%SZ}-{number:04}")
        file.create(made, ("one",), version="1", inventory="{}").close()
    return file


def test_the_newest_run_is_the_one_begun_last_whatever_the_clock_said(tmp_path):
    """A run begun on a clock that was a year ahead is not resumed in the place of a later one."""
    clock = HandSet(NOON)

    file = file_with(tmp_path, clock, NOON + timedelta(days=365), NOON)

    assert [name[-4:] for name in file.names()] == ["0000", "0001"]
    assert file.latest("vsphere.local").endswith("0001")


def test_records_keep_their_order_when_the_clock_goes_back(tmp_path):
    """What comes next is decided by the order of records, not by their times."""
    clock = HandSet(NOON)
    file = file_with(tmp_path, clock, NOON)
    with closing(file.create(spec(), ("one",), version="1", inventory="{}")) as journal:
        journal.append(StepRecord(step="one", state=StepState.STARTED))
        clock.moment = NOON - timedelta(days=3)
        journal.append(StepRecord(step="one", state=StepState.DONE))

    records = file.read(spec().run).records

    assert [r.state for r in records] == [StepState.STARTED, StepState.DONE]
    assert durations_of(records) == {}


@pytest.mark.usefixtures("berlin")
def test_an_hour_over_the_change_to_winter_time_is_an_hour(tmp_path):
    """Times are UTC in the journal, so that half past two comes twice and is told apart."""
    clock = HandSet(CHANGE - timedelta(minutes=30))
    file = JournalFile(tmp_path, clock)
    with closing(file.create(spec(), ("one",), version="1", inventory="{}")) as journal:
        journal.append(StepRecord(step="one", state=StepState.STARTED))
        clock.moment = CHANGE + timedelta(minutes=30)
        journal.append(StepRecord(step="one", state=StepState.DONE))

    records = file.read(spec().run).records

    assert durations_of(records) == {"one": timedelta(hours=1)}
    assert records[1].at == CHANGE + timedelta(minutes=30)


@pytest.mark.usefixtures("berlin")
def test_the_clock_of_the_system_is_utc_wherever_we_are():
    """Its difference to the operating system's count of seconds is none."""
    seen = SystemClock().now()

    assert seen.tzinfo is UTC
    assert abs(seen.timestamp() - time.time()) < 5


@pytest.mark.parametrize(
    ("change", "words"),
    [(timedelta(hours=-1), "done"), (timedelta(minutes=2), "done in 2 min 0 s")],
    ids=["back", "on"],
)
def test_progress_tells_no_time_that_did_not_pass(change, words):
    """A step that ended before it began has no duration."""
    lines: list[str] = []
    clock = HandSet(NOON)
    printer = ProgressPrinter(lines.append, clock.now)

    printer(Progress(step="quiesce", subject="", text=StepState.STARTED.value))
    clock.moment = NOON + change
    printer(Progress(step="quiesce", subject="", text=StepState.DONE.value))

    assert lines[-1].endswith(words)


def test_a_view_tells_no_time_that_did_not_pass():
    """A negative duration is none."""
    view = StepView(
        name="one",
        state=StepState.DONE,
        began=NOON,
        ended=NOON - timedelta(hours=1),
        error="",
        notes={},
    )

    assert view.took is None
    assert replace(view, ended=NOON + timedelta(hours=1)).took == timedelta(hours=1)
