"""The lab's time: wall time is real, only durations are divided by ``--speed``."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading


class LabClock:
    """Durations of the lab in "field seconds"; at speed 120 a minute takes half a second."""

    def __init__(self, speed: float = 1.0) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be positive, not {speed}")
        self.speed = speed

    def now(self) -> datetime:
        """Return the real time, aware UTC. Nodes and hosts add their own offset."""
        return datetime.now(UTC)

    def real(self, field_seconds: float) -> float:
        """Return how many real seconds *field_seconds* take."""
        return field_seconds / self.speed

    def sleep(self, field_seconds: float) -> None:
        """Return after *field_seconds* of the field's time."""
        time.sleep(self.real(field_seconds))

    def wait(self, event: threading.Event, field_seconds: float) -> bool:
        """Wait for *event* at most *field_seconds*; True if it was set."""
        return event.wait(self.real(field_seconds))
