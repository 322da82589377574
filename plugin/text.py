"""Text from elsewhere made safe to show to a person."""

from __future__ import annotations

import textwrap
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta

_TENTHS_S, _MINUTE_S, _HOUR_S = 9.95, 60, 3600
MIN_WIDTH = 40
"""Columns that a terminal is given at least; a narrower one breaks the lines itself."""

_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def printable(text: str) -> str:
    r"""Return *text* as one line that a terminal shows and does not obey.

    Every control character (escape sequences, newlines, C1), every invisible or direction
    changing one (bidi overrides, zero width, BOM), every surrogate and every line separator
    becomes its Python escape, for example ``\x1b``. Everything from the network that reaches a
    terminal goes through here.

    Source: Unicode Standard Annex 9 (bidi controls are category Cf); ECMA-48 (C0 and C1).
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(character) for character in text)


def printable_lines(text: str) -> str:
    """Return *text* with its line ends kept and each line made `printable`."""
    return "\n".join(printable(line) for line in text.replace("\r\n", "\n").split("\n"))


def capitalised(text: str) -> str:
    """Return *text* with its first letter in upper case, unless that is a name of a thing."""
    first = text.split(" ", 1)[0]
    return text[:1].upper() + text[1:] if first.isalpha() else text


def folded(text: str, width: int, *, first: str = "", rest: str = "") -> list[str]:
    """Return *text* in lines of at most *width* columns, ended between words only: what is copied
    (a path, a fingerprint, a DN) stays whole, also where it is longer than a line.

    *first* is in front of the first line, *rest* of all others. There is always one line.
    """
    lines = textwrap.wrap(
        text,
        max(width, MIN_WIDTH),
        initial_indent=first,
        subsequent_indent=rest,
        break_on_hyphens=False,
        break_long_words=False,
    )
    return lines or [first.rstrip()]


def _shown(character: str) -> str:
    if unicodedata.category(character) not in _UNSAFE:
        return character
    return character.encode("unicode_escape").decode("ascii")


def lasted(duration: timedelta) -> str:
    """Return *duration* as people say it: ``0.4 s``, ``12 s``, ``3 min 5 s``, ``1 h 2 min``."""
    seconds = max(0.0, duration.total_seconds())
    whole = round(seconds)
    if seconds < _TENTHS_S:
        return f"{seconds:.1f} s"
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S} s"
    return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S} min"


def counted(number: int, thing: str, several: str = "") -> str:
    """Return ``1 node``, ``2 nodes``; *several* is a plural that is not a plain s."""
    return f"{number} {thing}" if number == 1 else f"{number} {several or thing + 's'}"
