"""Search filters: decoding and three-valued evaluation (RFC 4511 section 4.5.1.7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stsfix.lab.vmdir.ber import BerError, Element

if TYPE_CHECKING:
    from collections.abc import Callable

_AND, _OR, _NOT = 0xA0, 0xA1, 0xA2
_EQUALITY, _SUBSTRINGS, _GREATER, _LESS = 0xA3, 0xA4, 0xA5, 0xA6
_PRESENT, _APPROXIMATE = 0x87, 0xA8
_INITIAL, _FINAL = 0x80, 0x82
_MAX_DEPTH = 32


@dataclass(frozen=True, slots=True)
class Both:
    """All of *parts*, or with *every* False any of them."""

    every: bool
    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite; undefined stays undefined."""

    part: Filter


@dataclass(frozen=True, slots=True)
class Present:
    """The attribute has a value."""

    attribute: str


@dataclass(frozen=True, slots=True)
class Compare:
    """*sign* is ``=``, ``>`` (greater or equal) or ``<`` (less or equal)."""

    attribute: str
    sign: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Substrings:
    """A value that begins, contains in order, and ends like this; parts may be empty."""

    attribute: str
    initial: bytes
    middle: tuple[bytes, ...]
    final: bytes


@dataclass(frozen=True, slots=True)
class Unknown:
    """A kind of filter that is not modelled; undefined for every entry."""


Filter = Both | Not | Present | Compare | Substrings | Unknown


def decode_filter(element: Element, depth: int = 0) -> Filter:
    """Return the filter in *element*.

    Raises:
        BerError: It is none, or nested deeper than 32 levels.
    """
    if depth > _MAX_DEPTH:
        raise BerError("a filter nested too deep")
    tag = element.tag
    if tag in (_AND, _OR):
        parts = tuple(decode_filter(part, depth + 1) for part in element.children())
        return Both(tag == _AND, parts)
    if tag == _NOT:
        return Not(decode_filter(element.children()[0], depth + 1))
    if tag == _PRESENT:
        return Present(element.text())
    if tag == _SUBSTRINGS:
        return _substrings(element)
    signs = {_EQUALITY: "=", _APPROXIMATE: "=", _GREATER: ">", _LESS: "<"}
    if tag in signs:
        name, value = element.children()[:2]
        return Compare(name.text(), signs[tag], value.content)
    return Unknown()


def _substrings(element: Element) -> Substrings:
    name, pieces = element.children()[:2]
    initial, final = b"", b""
    middle: list[bytes] = []
    for piece in pieces.children():
        if piece.tag == _INITIAL:
            initial = piece.content
        elif piece.tag == _FINAL:
            final = piece.content
        else:
            middle.append(piece.content)
    return Substrings(name.text(), initial, tuple(middle), final)


def matches(
    wanted: Filter,
    values: Callable[[str], list[bytes] | None],
    normal: Callable[[str, bytes], bytes],
) -> bool | None:
    """Tell whether an entry matches; None is undefined (the entry is not returned).

    Args:
        wanted: The filter.
        values: The entry's values of an attribute; None if the schema has no such attribute.
        normal: A value in the form in which values of that attribute are compared.
    """
    match wanted:
        case Both(every=every, parts=parts):
            return _combine(every, [matches(part, values, normal) for part in parts])
        case Not(part=part):
            inner = matches(part, values, normal)
            return None if inner is None else not inner
        case Present(attribute=name):
            found = values(name)
            return None if found is None else bool(found)
        case Compare(attribute=name) | Substrings(attribute=name):
            found = values(name)
            if found is None:
                return None
            return any(_fits(wanted, normal(name, value), normal) for value in found)
        case Unknown():
            return None


def _combine(every: bool, answers: list[bool | None]) -> bool | None:  # noqa: FBT001 - all or any
    decisive = not every
    if decisive in answers:
        return decisive
    return None if None in answers else every


def _fits(
    wanted: Compare | Substrings, value: bytes, normal: Callable[[str, bytes], bytes]
) -> bool:
    if isinstance(wanted, Compare):
        other = normal(wanted.attribute, wanted.value)
        if wanted.sign == "=":
            return value == other
        if value.isdigit() and other.isdigit():
            return int(value) >= int(other) if wanted.sign == ">" else int(value) <= int(other)
        return value >= other if wanted.sign == ">" else value <= other
    initial = normal(wanted.attribute, wanted.initial)
    if not value.startswith(initial):
        return False
    position = len(initial)
    for piece in wanted.middle:
        text = normal(wanted.attribute, piece)
        position = value.find(text, position)
        if position < 0:
            return False
        position += len(text)
    final = normal(wanted.attribute, wanted.final)
    return value.endswith(final) and len(value) - len(final) >= position
