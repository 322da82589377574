"""The real time: the only module of this layer that reads it."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class SystemClock:
    """`Clock` over the operating system."""

    def now(self) -> datetime:
        """Return the wall clock, aware UTC."""
        return datetime.now(UTC)  # noqa: TID251 - this class is what the ban points to

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Return after *seconds*; at once if that is not positive."""
        time.sleep(max(seconds, 0.0))
