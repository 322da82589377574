"""What a run tells while it works, and while nothing happens for long."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from stsfix.plugin.progress import ProgressPrinter
from stsfix.remediation.ports import Progress

AT = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WAITING = Progress(step="power-on", subject="vc1", text="waiting for vmdir and STS")


class Watched:
    """A printer whose clock is turned by hand, and what it wrote."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.now = AT
        self.printer = ProgressPrinter(self.lines.append, lambda: self.now)


@pytest.fixture
def watched():
    """Return a printer that has told what it waits for."""
    watched = Watched()
    watched.printer(WAITING)
    return watched


def test_silence_is_broken_once_a_minute(watched):
    """However often it is asked; with how long it is, and what was told last."""
    for seconds in (59, 61, 62, 119, 121, 122):
        watched.now = AT + timedelta(seconds=seconds)
        watched.printer.remind(MINUTE)

    last = "last: vc1  waiting for vmdir and STS"
    assert watched.lines[1:] == [
        f"00:01:01  power-on           nothing new for 1 min 1 s; {last}",
        f"00:02:01  power-on           nothing new for 2 min 1 s; {last}",
    ]


def test_what_is_told_ends_the_silence(watched):
    """The next reminder is a minute later, and of that."""
    watched.now = AT + timedelta(seconds=61)
    watched.printer(Progress(step="power-on", subject="vc1", text="ready"))
    watched.now += timedelta(seconds=59)
    watched.printer.remind(MINUTE)

    assert len(watched.lines) == 2
    watched.now += timedelta(seconds=2)
    watched.printer.remind(MINUTE)
    assert watched.lines[2].endswith("last: vc1  ready")


@pytest.mark.parametrize("back", [timedelta(0), timedelta(days=1)])
def test_nobody_is_reminded_of_nothing(back):
    """Neither before the first line, nor by a clock that went back after it."""
    watched = Watched()
    watched.printer.remind(MINUTE)
    watched.printer(WAITING)
    watched.now -= back
    watched.printer.remind(MINUTE)

    assert len(watched.lines) == 1


def test_the_watch_ends_with_the_work():
    """No thread is left, also after an error."""
    watched = Watched()
    before = threading.active_count()

    def work() -> None:
        with watched.printer.kept_alive():
            assert threading.active_count() == before + 1
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        work()
    assert threading.active_count() == before
