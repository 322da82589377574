"""Takes known secrets out of every text that leaves the process."""

from __future__ import annotations

import base64
import dataclasses
import enum
import html
import json
import logging
import threading
import traceback
import urllib.parse
import xml.sax.saxutils
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from stsfix.plugin.text import printable
from stsfix.snapshot.words import CUT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from stsfix.snapshot.secret import Secret

T = TypeVar("T")

STARS = "***"
MIN_LENGTH = 4
"""Shorter secrets are not replaced: stars in every second word would tell where they are."""
_PLAIN = 0xFFFF
"""Highest character that is kept in lines of logs."""
LEAST = 2
"""Characters of a secret that are looked for where a text was cut; one tells nothing."""


class Redactor:
    """Replaces registered secrets by `STARS`; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forms: tuple[str, ...] = ()
        self._halves: _Halves | None = None

    def register(self, secret: Secret[str]) -> None:
        """Replace *secret* from now on, as it is and as JSON, XML, URLs and Python write it."""
        value = secret.reveal()
        if len(value) < MIN_LENGTH:
            return
        with self._lock:
            known = {*self._forms, *_forms(value)}
            # The longest first: one secret may be part of another.
            self._forms = tuple(sorted(known, key=len, reverse=True))
            self._halves = None  # made when the first cut text comes

    def redact(self, text: str) -> str:
        """Return *text* without any registered secret, and without a part of one that ends or
        begins at a `CUT`.
        """
        for form in self._forms:
            text = text.replace(form, STARS)
        return self._get_halves().taken_out(text) if CUT in text else text

    def _get_halves(self) -> _Halves:
        with self._lock:
            if self._halves is None:
                self._halves = _Halves.of(self._forms)
            return self._halves


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Halves:
    """What may be left of secrets where a text was cut: beginnings and ends of `LEAST` characters
    and more, and how long the longest is.
    """

    beginnings: frozenset[str]
    ends: frozenset[str]
    longest: int

    @classmethod
    def of(cls, forms: Collection[str]) -> _Halves:
        cuts = [(form, at) for form in forms for at in range(LEAST, len(form))]
        return cls(
            beginnings=frozenset(form[:at] for form, at in cuts),
            ends=frozenset(form[-at:] for form, at in cuts),
            longest=max(map(len, forms), default=0),
        )

    def taken_out(self, text: str) -> str:
        first, *others = text.split(CUT)
        pieces = [first, *(self._without_end(piece) for piece in others)]
        return CUT.join([*map(self._without_beginning, pieces[:-1]), pieces[-1]])

    def _without_beginning(self, piece: str) -> str:
        for size in range(min(len(piece), self.longest), LEAST - 1, -1):
            if piece[-size:] in self.beginnings:
                return piece[:-size] + STARS
        return piece

    def _without_end(self, piece: str) -> str:
        for size in range(min(len(piece), self.longest), LEAST - 1, -1):
            if piece[:size] in self.ends:
                return STARS + piece[size:]
        return piece


def cleared(value: T, redact: Callable[[str], str]) -> T:
    """Return *value* with every text in it given to *redact*; the very *value* if none changes.

    For what is cut, wrapped or put into columns before it is written: half a secret is found by
    nobody. Goes through frozen dataclasses, tuples, lists, sets and mappings. What cannot be made
    anew with stars in it is left as it is: lines are redacted once more when they are written.
    """
    return cast("T", _cleared(value, redact))


def _cleared(value: object, redact: Callable[[str], str]) -> object:
    match value:
        case enum.Enum():
            return value
        case str():
            return redact(value)
        case tuple() | list() | frozenset() | set():
            return _anew(value, (_cleared(item, redact) for item in value))
        case Mapping():
            pairs = tuple(value.items())
            found = _cleared(pairs, redact)
            return value if found is pairs else dict(cast("tuple[tuple[object, object]]", found))
        case _:
            is_value = dataclasses.is_dataclass(value) and not isinstance(value, type)
            return _cleared_fields(value, redact) if is_value else value


def _cleared_fields(value: Any, redact: Callable[[str], str]) -> object:
    held = {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if f.init}
    found = {name: _cleared(item, redact) for name, item in held.items()}
    changed = {name: item for name, item in found.items() if item is not held[name]}
    try:
        return dataclasses.replace(value, **changed) if changed else value
    except (TypeError, ValueError):
        return value


def _anew(
    value: tuple[object, ...] | list[object] | frozenset[object] | set[object],
    items: Iterable[object],
) -> object:
    found = list(items)
    if all(new is old for new, old in zip(found, value, strict=True)):
        return value
    return type(value)(found)


class RedactionFilter(logging.Filter):
    """Takes secrets out of message, arguments, exception and stack of every record.

    Belongs on a handler: a logger's filter does not see the records of its children. What is
    left of a record is plain text, so that no later handler can format a secret back in.
    """

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        """Mend *record* and let it pass."""
        record.msg = self._redactor.redact(_message(record))
        record.args = ()
        if record.exc_info and record.exc_info[1] is not None:
            text = "".join(traceback.format_exception(record.exc_info[1]))
            record.exc_text = text.rstrip("\n")
        record.exc_info = None
        if record.exc_text:
            record.exc_text = self._redactor.redact(record.exc_text)
        if record.stack_info:
            record.stack_info = self._redactor.redact(record.stack_info)
        return True


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError, AttributeError):
        # logging itself would print the arguments, unredacted, on stderr.
        return f"{record.msg} (its arguments do not fit)"


def _forms(value: str) -> set[str]:
    """Return how *value* may be written: as it is or on one line, encoded or not, quoted or not."""
    forms = {
        value,
        " ".join(value.split()),
        *("".join(c if _is_plain(c) else other for c in value) for other in "? "),
    }
    forms |= {encode(form) for form in forms for encode in _ENCODINGS}
    forms |= {quoted for form in forms for quoted in _quoted(form)}
    forms |= {printable(value), *_base64_forms(value.encode())}
    return {form for form in forms if len(form) >= MIN_LENGTH}


_ENCODINGS: Final[tuple[Callable[[str], str], ...]] = (
    lambda text: json.dumps(text)[1:-1],
    xml.sax.saxutils.escape,
    html.escape,
    lambda text: xml.sax.saxutils.escape(text, {'"': "&quot;", "'": "&apos;"}),
    urllib.parse.quote,
    lambda text: urllib.parse.quote(text, safe=""),
    urllib.parse.quote_plus,
)


def _is_plain(char: str) -> bool:
    """Tell whether adapters leave *char* alone in what a peer said."""
    return char.isprintable() and ord(char) <= _PLAIN


def _quoted(text: str) -> tuple[str, str]:
    """Return *text* as Python quotes it: where quotes of both kinds are, and where they are not."""
    both = repr(f"\"'{text}")[4:-1]
    return both, both.replace("\\'", "'")


def _base64_forms(value: bytes) -> Iterator[str]:
    """Yield *value* in base64, alone and as a part of more, of which only the digits are told that
    nothing but *value* decides: HTTP sends ``user:password``.
    """
    yield base64.b64encode(value).decode("ascii")
    for before in range(3):
        first, last = -(-before * 8 // 6), (before + len(value)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(bytes(before) + value).decode("ascii")[first:last]
