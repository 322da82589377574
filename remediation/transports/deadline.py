"""A moment that all the parts of one piece of work share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stsfix.snapshot.ports import Clock


class Deadline:
    """A moment on the monotonic clock of *clock*."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._end = clock.monotonic() + seconds

    @property
    def left_s(self) -> float:
        """Seconds left, never negative. Asking it may raise what the clock's sleep does."""
        self._clock.sleep(0)
        return max(0.0, self._end - self._clock.monotonic())
