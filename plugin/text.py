"""Text from elsewhere made safe to show to a person."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta

_TENTHS_S, _MINUTE_S, _HOUR_S = 9.95, 60, 3600
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
