"""Text from elsewhere made safe to show to a person."""

from __future__ import annotations

import unicodedata

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
