"""What a diagnosis is made of. Frozen values."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from stsfix.remediation.diagnosis.causes import Cause


class Confidence(enum.StrEnum):
    """How a cause is known."""

    PROVEN = "proven by what was read"
    LOG_ONLY = "only log lines say so"


class Outcome(enum.StrEnum):
    """What a diagnosis came to."""

    CAUSE = "a cause was found"
    NOTHING = "nothing wrong was found"
    UNCHECKED = "nothing wrong was found in what could be read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """One thing that is wrong, on one node (or ``this workstation``). *proof* is one sentence.

    *since* is when it became so, where that is known: no line from before is about it.
    """

    cause: str
    node: str
    proof: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """Something that a node wrote or answered, word for word.

    *where* is the path of a log, or a request; *kind* is the id of its signature, empty for an
    answer that fits none. *written* is when, by its own word, *changed* when the file was written
    last (both by the node's clock, UTC); for an answer both are None: it is of now. *note* says
    what to know about it, empty if nothing.
    """

    node: str
    where: str
    kind: str
    text: str
    written: datetime | None = None
    changed: datetime | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedCause:
    """A cause that was found. *proofs* are sentences about what was read, *lines* what nodes
    wrote or answered, newest first. *nodes* are where it is so.
    """

    cause: Cause
    confidence: Confidence
    nodes: tuple[str, ...]
    proofs: tuple[str, ...]
    lines: tuple[Quote, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchecked:
    """What could not be read: of *subject*, *what*, and one sentence *reason*."""

    subject: str
    what: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Why nobody can log in, as far as could be read at *taken* (this workstation's clock).

    *causes* are in order, the gravest first. *history* are lines that tell of something that is
    not so now, each with the reason in its note. *sound* are sentences about what works.
    """

    domain: str
    taken: datetime
    causes: tuple[NamedCause, ...]
    history: tuple[Quote, ...]
    sound: tuple[str, ...]
    unchecked: tuple[Unchecked, ...]

    @property
    def outcome(self) -> Outcome:
        """Return what it came to; what could not be read is never taken for sound."""
        if self.causes:
            return Outcome.CAUSE
        return Outcome.UNCHECKED if self.unchecked else Outcome.NOTHING
