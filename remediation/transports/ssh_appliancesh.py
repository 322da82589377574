"""From the appliance's own shell, ``appliancesh``, to a bash, on a terminal.

Source: ``shell`` starts bash; in 6.x ``shell.set --enabled true`` has to allow it first, for an
hour by default (nigelboulton.co.uk; API shell.set). Whatever else is typed there is answered by
"Unknown command". None of it was tried on a real appliance.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from typing import TYPE_CHECKING, Final

from stsfix.remediation.transports.deadline import Deadline
from stsfix.remediation.transports.ssh_script import BASH, encoded
from stsfix.snapshot.words import last_words

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.remediation.transports.ssh_channel import Duplex
    from stsfix.snapshot.ports import Clock

ALLOW: Final = "shell.set --enabled true"
FORBID: Final = "shell.set --enabled false"

_PROMPT = re.compile(r"(Command>|[#$])\s*(\x1b\[[0-9;?]*[A-Za-z]\s*)*$")
_UNKNOWN = re.compile(r"unknown command", re.IGNORECASE)
_PROMPT_S: Final = 10.0
_ANSWER_S: Final = 10.0
_TRIES: Final = 2
_QUIET: Final = "unset PROMPT_COMMAND HISTFILE; set +o history; stty -echo"
"""Nothing that follows is echoed, remembered, or logged by what runs at each prompt."""


class NoBashError(Exception):
    """No bash was to be had; *said* is what the node answered last."""

    def __init__(self, said: str) -> None:
        self.said = last_words(said, 200)
        super().__init__(self.said)


class Sum:
    """A question that only a shell answers: what is typed does not hold the answer."""

    def __init__(self) -> None:
        one, other = (secrets.randbelow(10**8) + 10**8 for _ in range(2))
        self.question = f"$(({one}+{other}))"
        self._answer = re.compile(rf"(?<!\d){one + other}(?!\d)")

    def find_or_refusal(self, text: str) -> re.Match[str] | None:
        """As `find`, or where appliancesh says that it does not understand."""
        return self.find(text) or _UNKNOWN.search(text)

    def find(self, text: str) -> re.Match[str] | None:
        """Return where the answer stands in *text*."""
        return self._answer.search(text)


class ApplianceTerminal:
    """A terminal at a prompt of appliancesh (or of a bash, which is fine too)."""

    def __init__(self, duplex: Duplex, clock: Clock) -> None:
        self._duplex = duplex
        self._clock = clock

    def open_bash(self, allowing: Callable[[], None]) -> None:
        """Go to a bash that echoes nothing and remembers nothing. *allowing* is called right before
        `ALLOW`, if that is needed: it may have worked although no bash, or no answer, comes.

        Raises:
            NoBashError: None was to be had.
        """
        self.await_prompt()
        if self._start_bash() is None:
            return
        allowing()
        self.command(ALLOW)
        said = self._start_bash()
        if said is not None:
            raise NoBashError(said)

    def command(self, line: str) -> None:
        """Give a command to appliancesh and wait for the next prompt."""
        self._type(line)
        self.await_prompt()

    def await_prompt(self) -> str:
        """Wait for a prompt and return what precedes it. One of another form costs only time."""
        try:
            return self._duplex.read_until(_PROMPT.search, Deadline(self._clock, _PROMPT_S))
        except TimeoutError:
            return self._duplex.unread

    def give(self, payload: str, deadline: Deadline) -> None:
        """Let a bash of its own run *payload*; its output comes on the terminal."""
        ready = Sum()
        self._type(f" stty -opost; echo {ready.question}; base64 -d | {BASH}")
        self._duplex.read_until(ready.find, deadline)
        self._duplex.send(encoded(payload), deadline)

    def _start_bash(self) -> str | None:
        """Return None if bash answers now, else what was said to ``shell``."""
        self._type("shell")
        said = self.await_prompt()
        for _ in range(_TRIES):
            awake = Sum()
            self._type(f" {_QUIET}; echo {awake.question}")
            with contextlib.suppress(TimeoutError):
                if awake.find(self._duplex.read_until(awake.find_or_refusal, self._soon())):
                    return None
                self.await_prompt()
                break
        return _PROMPT.sub("", said).strip().removeprefix("shell").strip()

    def _type(self, line: str) -> None:
        self._duplex.send(f"{line}\n".encode(), self._soon())

    def _soon(self) -> Deadline:
        return Deadline(self._clock, _ANSWER_S)
