"""SIGINT, SIGTERM, SIGHUP: the first stops the run where it can be resumed, the second exits."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from stsfix.remediation.errors_run import InterruptedRunError
from stsfix.snapshot.cleanup import is_cleaning_up

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import datetime
    from types import FrameType

    from stsfix.snapshot.ports import Clock

SECOND_SIGNAL = 130
"""Exit code of a process that was told twice to stop (128 + SIGINT)."""


class StopFlag:
    """Set by the first signal; asked between steps and during every wait."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def __call__(self) -> bool:
        """Tell whether a stop was asked for."""
        return self._event.is_set()

    def set(self) -> None:
        """Ask for a stop."""
        self._event.set()

    def wait(self, seconds: float) -> bool:
        """Wait; True as soon as a stop is asked for."""
        return self._event.wait(seconds)


class InterruptibleClock:
    """A clock whose sleep ends in InterruptedRunError when a stop is asked for.

    Waiting is where a run spends its time, and nothing is ever half sent while it waits: the
    step stays "started" and a resume looks at the world first.
    """

    def __init__(self, clock: Clock, flag: StopFlag, run: str = "") -> None:
        self._clock = clock
        self._flag = flag
        self.run = run

    def now(self) -> datetime:
        """Return the wall clock, aware UTC."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """Return after *seconds*.

        Raises:
            InterruptedRunError: A stop was asked for, and this thread is not `cleaning_up`.
        """
        if is_cleaning_up():
            self._clock.sleep(seconds)
        elif self._flag.wait(seconds):
            raise InterruptedRunError(self.run)


@contextmanager
def stop_on_signals(flag: StopFlag, tell: Callable[[str], None]) -> Generator[None]:
    """Let SIGINT, SIGTERM and SIGHUP set *flag*; a second one ends the process at once.

    The journal is durable at every moment, so that ending at once loses nothing.
    """
    text = "stopping at the next safe point; once more to exit now (both can be resumed)"
    with _on_signals(flag, lambda: tell(text)):
        yield


@contextmanager
def ends_on_signals(flag: StopFlag, tell: Callable[[], None]) -> Generator[None]:
    """While nothing is changed, a signal ends the command, as *tell* says: cleaned up first, a
    second at once.
    """

    def end() -> None:
        tell()
        raise KeyboardInterrupt

    with _on_signals(flag, end):
        yield


@contextmanager
def _on_signals(flag: StopFlag, first: Callable[[], None]) -> Generator[None]:
    """Set *flag* and do *first* at the first signal; exit at the second."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        if flag():
            os._exit(SECOND_SIGNAL)
        flag.set()
        first()

    wanted = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, stop) for number in wanted}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
