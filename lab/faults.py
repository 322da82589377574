"""Faults are rules: which call, on which object, the nth time, before or after it happens."""

from __future__ import annotations

import enum
import fnmatch
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


class When(enum.Enum):
    """Before the call has any effect, or after it had all of it (the answer is lost)."""

    BEFORE = "before"
    AFTER = "after"


class Effect(enum.Enum):
    """What happens. REFUSE only goes with BEFORE: the protocol's own way to say no. DROP closes the
    connection, RESET breaks it off (RST, where the server owns its socket), GARBAGE answers with
    what is no answer of the protocol, FLOOD with one that does not end, DRIP with one of which a
    byte comes now and then. MEANWHILE is what somebody or something else does at that moment; the
    call itself goes on. KILL ends the process that
    called and closes the connection: the call is carried out only AFTER. What goes on without its
    caller (guest, task) takes MEANWHILE for it.
    """

    REFUSE = "refuse"
    DROP = "drop"
    RESET = "reset"
    GARBAGE = "garbage"
    FLOOD = "flood"
    DRIP = "drip"
    DELAY = "delay"
    MEANWHILE = "meanwhile"
    KILL = "kill"


class Refused(Exception):  # noqa: N818 - it is the lab's event, not an error of the lab
    """The server in whose call this is raised answers with its protocol's refusal."""

    def __init__(self, rule: Rule) -> None:
        super().__init__(rule.detail or "refused by a fault rule of the lab")
        self.rule = rule


class Dropped(Exception):  # noqa: N818 - as above
    """The server in whose call this is raised closes the connection without an answer."""


class Reset(Dropped):
    """The same, but the connection breaks off: the client reads ECONNRESET."""


class Garbled(Dropped):
    """The server answers with `NOISE`; one that has no way to do so closes the connection."""


class Flooded(Dropped):
    """The server answers without end (`stsfix.lab.flood`), by the kind that the rule's *detail*
    says; one that has no way to do so closes the connection.
    """

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Dripped(Dropped):
    """The server begins to answer and sends a byte each *pause_s* (`stsfix.lab.flood`), by the kind
    that the rule's *detail* says; one that has no way to do so closes the connection.
    """

    def __init__(self, kind: str, pause_s: float) -> None:
        super().__init__(kind)
        self.kind = kind
        self.pause_s = pause_s


NOISE = b"\x00\xff\x1b[31m\xc3\x28noise of the lab\r\n\x07"
"""What a garbled answer consists of."""

DRIP_S = 1.0
"""Pause between two bytes of a dripping answer whose rule names none in *delay_s*."""


_BREAKS = {Effect.DROP: Dropped, Effect.RESET: Reset, Effect.GARBAGE: Garbled}


@dataclass(kw_only=True)
class Rule:
    """One fault. *protocol* is soap, ldap, guest, sts, https, vapi, ssh or vami; *call* and
    *target* are shell patterns (``CreateSnapshot_Task``, ``ADD``, ``issue``; a VM, host or node
    name).

    It fires on calls number *nth* to *nth* + *times* - 1 that match, counted from when it was
    added. *detail* is for the protocol: a fault name for soap, a result code for ldap, a kind of
    flood or drip. *delay_s* is how long DELAY takes, or from one byte of DRIP to the next. *others*
    is called for MEANWHILE, and for KILL, where it returns once the process is dead: no server
    knows whose process is at the other end of its connection.
    """

    protocol: str
    call: str
    target: str = "*"
    nth: int = 1
    times: int = 1
    when: When = When.BEFORE
    effect: Effect = Effect.REFUSE
    detail: str = ""
    delay_s: float = 0.0
    others: Callable[[], object] = lambda: None
    seen: int = field(default=0, init=False)

    def fires(self, protocol: str, call: str, target: str) -> bool:
        """Count a call; True if the fault happens on it."""
        if (
            self.protocol != protocol
            or not fnmatch.fnmatchcase(call, self.call)
            or not fnmatch.fnmatchcase(target, self.target)
        ):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times


class FaultBook:
    """Every server of the lab runs every call inside `around`; it also counts the calls."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[Rule] = []
        self.calls: Counter[tuple[str, str, str]] = Counter()

    def add(self, rule: Rule) -> Rule:
        """Let *rule* apply from the next call on."""
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Forget every rule; counts stay."""
        with self._lock:
            self._rules.clear()

    @contextmanager
    def around(self, protocol: str, call: str, target: str) -> Generator[None]:
        """Run one call of a server.

        Raises:
            Refused: The call must not happen; answer with a refusal.
            Dropped: Close the connection, or what its subclasses say; with When.AFTER the call
                has happened.
        """
        with self._lock:
            self.calls[protocol, call, target] += 1
            fired = [r for r in self._rules if r.fires(protocol, call, target)]
        self._apply(fired, When.BEFORE)
        yield
        self._apply(fired, When.AFTER)

    @staticmethod
    def _apply(fired: list[Rule], when: When) -> None:
        for rule in fired:
            if rule.when is not when:
                continue
            if rule.effect is Effect.DELAY:
                time.sleep(rule.delay_s)
            elif rule.effect is Effect.MEANWHILE:
                rule.others()
            elif rule.effect is Effect.FLOOD:
                raise Flooded(rule.detail)
            elif rule.effect is Effect.DRIP:
                raise Dripped(rule.detail, rule.delay_s or DRIP_S)
            elif rule.effect is Effect.KILL:
                rule.others()
                raise Dropped
            elif rule.effect in _BREAKS:
                raise _BREAKS[rule.effect]
            else:
                raise Refused(rule)
