"""What a run does, told as it happens: one line an event, with the time of day."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from stsfix.plugin.text import folded, lasted, printable
from stsfix.remediation.records import StepState

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import datetime

    from stsfix.remediation.ports import Progress

STEP_TEXTS = {
    "quiesce": "shut every node down",
    "take-snapshots": "snapshot every node while it is off",
    "power-on": "power the nodes on and wait for their directories",
    "export-sts": "save the STS entries of every node here, sealed",
    "new-vmca-root": "give VMCA a new root",
    "replace-sts": "add the new signing credential",
    "await-replication": "see it on every node",
    "renew-certificates": "renew machine certificates and solution users",
    "restart-services": "restart services, of every node or of those in need",
    "verify-logins": "prove the logins on every node",
    "retire-old": "remove the old credentials",
}
"""What each step does, in words."""

_BEGINS = {StepState.STARTED: "begins", StepState.UNDOING: "is taken back"}
_ENDS = {
    StepState.DONE: "done",
    StepState.FAILED: "FAILED",
    StepState.UNDONE: "taken back",
    StepState.UNDO_FAILED: "could NOT be taken back",
}
_INDENT = " " * 10
QUIET = timedelta(minutes=1)
"""Silence after which a person wonders whether anything goes on."""


class ProgressPrinter:
    """Writes events of several threads as lines.

    Every line begins with the time in UTC, as the journal has it. What is told twice in one
    step is written once. *width* is the terminal's; None leaves lines whole, for a file. *redact*
    takes secrets out of what peers say.
    """

    def __init__(
        self,
        write: Callable[[str], None],
        now: Callable[[], datetime],
        *,
        width: int | None = None,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._write = write
        self._now = now
        self._width = width
        self._redact = redact
        self._lock = threading.Lock()
        self._step = ""
        self._began: dict[str, datetime] = {}
        self._told: set[tuple[str, str]] = set()
        self._last: tuple[datetime, str, str] | None = None
        self._reminded = 0

    @contextmanager
    def kept_alive(self, every: timedelta = QUIET) -> Generator[None]:
        """While the block runs, say after each *every* of silence what was told last: a node that
        boots for half an hour is told from a process that hangs.
        """
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(every.total_seconds() / 4):
                self.remind(every)

        watching = threading.Thread(target=watch, daemon=True)
        watching.start()
        try:
            yield
        finally:
            ended.set()
            watching.join()

    def remind(self, every: timedelta) -> None:
        """Write what was told last, if that is *every* ago, or twice that, and so on."""
        with self._lock:
            if self._last is None:
                return
            at, step, text = self._last
            quiet = self._now() - at
            if quiet // every > self._reminded:
                self._reminded = quiet // every
                self._write_line(step, f"nothing new for {lasted(quiet)}; last: {text}")

    def __call__(self, event: Progress) -> None:
        """Write *event*, unless this step has told it before."""
        with self._lock:
            if not event.subject and event.text in _STATES:
                self._turn(event.step, StepState(event.text))
                return
            key = (event.subject, event.text)
            if key in self._told:
                return
            self._told.add(key)
            parts = (event.subject, event.text)
            self._line(event.step or self._step, "  ".join(part for part in parts if part))

    def _turn(self, step: str, state: StepState) -> None:
        now = self._now()
        if state in _BEGINS:
            self._step, self._told = step, set()
            self._began[step] = now
            words = STEP_TEXTS.get(step, "")
            self._line(step, f"{_BEGINS[state]}: {words}" if words else _BEGINS[state])
            return
        began = self._began.get(step)
        took = f" in {lasted(now - began)}" if began is not None and began <= now else ""
        self._line(step, f"{_ENDS[state]}{took}")

    def _line(self, step: str, text: str) -> None:
        self._last, self._reminded = (self._now(), step, text), 0
        self._write_line(step, text)

    def _write_line(self, step: str, text: str) -> None:
        told = printable(self._redact(text))  # before a line's end divides a secret
        line = f"{self._now():%H:%M:%S}  {step:<18} {told}"
        if self._width is None:
            self._write(line)
            return
        for part in folded(line, self._width, rest=_INDENT):
            self._write(part)


_STATES = frozenset({*_BEGINS, *_ENDS})
