"""Waiting for guests: until VMware Tools is up, and until a program has ended."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from stsfix.snapshot.errors import (
    AnswerLostError,
    AnswerTooLargeError,
    GuestUnavailableError,
    HypervisorFaultError,
    TaskOverdueError,
    TransientError,
)
from stsfix.snapshot.model import TaskKey
from stsfix.snapshot.numbers import whole
from stsfix.snapshot.polling import poll_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.snapshot.guest_session import GuestSession
    from stsfix.snapshot.ports import Clock

T = TypeVar("T")

_MAY_PASS = (GuestUnavailableError, TransientError)
"""Tools is not up yet, or the host was silent. A refused login never passes (faillock)."""

_FOR_GOOD = frozenset(
    {"OperationDisabledByGuest", "OperationNotSupportedByGuest", "GuestComponentsOutOfDate"}
)
"""Refusals that waiting does not change (tools.conf; API reference of the guest faults)."""


class GuestWaiting:
    """Waits for guests; *poll* is the pause between two looks."""

    def __init__(self, clock: Clock, *, poll: timedelta) -> None:
        self._clock = clock
        self._poll = poll

    def deadline(self, limit: timedelta) -> float:
        """Return when *limit* is over, on the monotonic clock."""
        return self._clock.monotonic() + limit.total_seconds()

    def when_up(self, first: Callable[[], T], deadline: float) -> T:
        """Return the answer of *first* as soon as Tools is up."""
        refused: list[GuestUnavailableError] = []
        answers: list[T] = []

        def look() -> bool:
            try:
                answers.append(first())
            except GuestUnavailableError as error:
                if error.reason not in _FOR_GOOD:
                    raise
                refused.append(error)
            return True

        self._poll_for(look, deadline)
        if refused:
            raise refused[0]
        return answers[0]

    def exit_code(
        self,
        guest: GuestSession,
        pid: int,
        code: str,
        *,
        deadline: float,
        limit: timedelta,
        busy: frozenset[str] = frozenset(),
    ) -> int:
        """Return the exit code from the file *code*; the process list only tells when to give up.

        Args:
            guest: Where the program runs.
            pid: The program.
            code: The file it writes its exit code to at its end.
            deadline: When to give up.
            limit: How long that is, for the error.
            busy: Faults of reading the file that mean: it is being written.

        Raises:
            TaskOverdueError: Still running at *deadline*.
            AnswerLostError: It ended, or nothing can be seen any more, and no code is there.
        """

        def look() -> int | None:
            ended = guest.has_ended(pid)  # asked first: the file is written before the end
            try:
                text = guest.download(code).decode("ascii", "replace").split()
            except HypervisorFaultError as error:
                if error.fault not in busy:
                    raise
                return None
            if text and (number := whole(text[-1])) is not None:
                return number
            if ended:
                raise AnswerLostError(str(guest.vm), "a script in the guest")
            return None

        try:
            found = self._poll_for(look, deadline)
        except (*_MAY_PASS, AnswerTooLargeError) as error:
            raise AnswerLostError(str(guest.vm), "a script in the guest") from error
        if found is None:
            key = TaskKey(f"guest process {pid} in {guest.vm}")
            raise TaskOverdueError(key, limit.total_seconds())
        return found

    def ended(self, guest: GuestSession, pid: int, *, deadline: float, limit: timedelta) -> int:
        """Return the exit code of a program as Tools lists it; for short ones only.

        Raises:
            TaskOverdueError: Still running at *deadline*.
            AnswerLostError: Tools does not know it any more.
        """
        try:
            found = self._poll_for(lambda: guest.listed_code(pid), deadline)
        except (*_MAY_PASS, AnswerTooLargeError) as error:
            raise AnswerLostError(str(guest.vm), "a program in the guest") from error
        if found is None:
            key = TaskKey(f"guest process {pid} in {guest.vm}")
            raise TaskOverdueError(key, limit.total_seconds())
        return found

    @staticmethod
    def read(guest: GuestSession, output: str, limit: int) -> bytes:
        """Return the first *limit* bytes that a program wrote.

        Raises:
            AnswerLostError: They cannot be read any more.
        """
        try:
            return guest.download(output, limit)
        except (*_MAY_PASS, AnswerTooLargeError) as error:
            raise AnswerLostError(str(guest.vm), "a script in the guest") from error

    def _poll_for(self, look: Callable[[], T | None], deadline: float) -> T | None:
        return poll_until(
            look,
            clock=self._clock,
            limit=timedelta(seconds=max(0.0, deadline - self._clock.monotonic())),
            every=self._poll,
            transient=_MAY_PASS,
        )
