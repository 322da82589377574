"""How much a peer may answer, and how long that may take: nobody's answer fills the memory of this
workstation, and nobody keeps it waiting by sending a byte now and then.

Neither pyVmomi, ldap3, paramiko nor requests limits an answer, and what is decoded takes many
times the memory of what came. So bytes are limited where they come in, by `snapshot.tls` for every
protocol over TLS, and what they are made of before it is decoded. Measured numbers are in
docs/adr/0049-limits-to-answers.md; why time is limited as it is, in docs/adr/0065-slow-answers.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from stsfix.snapshot.system_clock import SystemClock

if TYPE_CHECKING:
    from stsfix.snapshot.ports import Clock

MIB: Final = 1024 * 1024

ANSWER_BYTES: Final = 32 * MIB
"""Bytes that a TLS peer may send after one request, over all protocols. The largest that a domain
of 15 vCenters makes is a search for the registrations of the lookup service: below 10 MiB."""

BYTES_A_SECOND: Final = 4 * 1024
"""How fast an answer must come on average once the patience with its peer is over; a line of
64 kbit/s carries twice as much."""

LONGEST: Final = 10
"""Times the patience that one answer may take, however much comes: ten minutes by default."""


TOO_SLOWLY: Final = "it answers too slowly"
"""How the reason of an error begins whose peer sends something, and not enough of it in time."""


class OversizedError(OSError):
    """A peer sends more than anybody has to read; nothing of its answer is used.

    An OSError, because that is what the libraries in between let through as a broken connection;
    adapters make an AnswerTooLargeError of it.
    """


def bytes_over(limit: int) -> OversizedError:
    """Return the error for an answer of more than *limit* bytes."""
    size = f"{limit // MIB} MiB" if limit >= MIB else f"{limit} bytes"
    return OversizedError(f"more than {size} in one answer")


class OverdueError(TimeoutError):
    """A peer sends nothing, or so slowly that nobody waits for the end of it.

    A TimeoutError, and so an OSError that libraries let through as a broken connection; ldap3 makes
    another one of its text. *received* is how many bytes came.
    """

    received = 0


@dataclass(kw_only=True)
class Exchange:
    """One request and its answer, on one connection. Who asks waits *patience_s*, and a second
    more for each `BYTES_A_SECOND` that were sent and came (*moved*), at most `LONGEST` times that.
    """

    patience_s: float
    clock: Clock = field(default_factory=SystemClock)
    moved: int = field(default=0, init=False)
    received: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._began_s = self.clock.monotonic()

    def took(self, received: int) -> None:
        """Count what came."""
        self.received += received
        self.moved += received

    def gave(self, sent: int) -> None:
        """Count what was sent."""
        self.moved += sent

    def left_s(self) -> float:
        """Return the seconds left.

        Raises:
            OverdueError: There are none.
        """
        earned_s = self.patience_s + self.moved / BYTES_A_SECOND
        left_s = min(earned_s, self.patience_s * LONGEST) - self._passed_s()
        if left_s <= 0:
            raise self.overdue()
        return left_s

    def overdue(self) -> OverdueError:
        """Return what is to be said of this exchange now that nobody waits any longer."""
        noun = "byte" if self.received == 1 else "bytes"
        slow = f"{TOO_SLOWLY}: {self.received} {noun}"
        said = slow if self.received else "no answer"
        error = OverdueError(f"{said} in {self._passed_s():.3g} s")
        error.received = self.received
        return error

    def _passed_s(self) -> float:
        return self.clock.monotonic() - self._began_s
