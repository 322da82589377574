"""What a peer said, cut so that nobody reads half a secret in it. Pure.

A peer may say the password it was sent. Where its words are shown, secrets are taken out of them
(`plugin.redaction`), which finds no half of one. So every cut is marked: there, and only there, a
beginning or an end of a secret is taken out, too (docs/adr/0074).
"""

from __future__ import annotations

from typing import Final

CUT: Final = "[...]"
"""Stands where a text was cut."""
_WHOLE: Final = 4000
"""Characters of a text that was surely read whole: every limit to what is read is above 16 KiB."""


def shortened(text: str, limit: int) -> str:
    """Return *text*, or its beginning and `CUT`; at most *limit* characters, which are some ten."""
    return text if len(text) <= limit else f"{text[: limit - len(CUT)]}{CUT}"


def first_words(text: str, limit: int) -> str:
    """Return the beginning of *text* on one line, at most *limit* characters. What is so long that
    it may have been cut where it was read is marked, if only blanks made it so long.
    """
    line = " ".join(text.split())
    return shortened(f"{line}{CUT}" if len(text) > _WHOLE else line, limit)


def last_words(text: str, limit: int) -> str:
    """Return the end of *text* on one line, at most *limit* characters. What is so long that it
    may have been cut where it was read is marked at both ends.
    """
    line = " ".join(text.split())
    return ending(f"{CUT}{line}{CUT}" if len(text) > _WHOLE else line, limit)


def ending(text: str, limit: int) -> str:
    """Return *text*, or `CUT` and its end; at most *limit* characters."""
    return text if len(text) <= limit else f"{CUT}{text[len(CUT) - limit :]}"


def cut_elsewhere(line: str, size: int) -> str:
    """Return *line*, marked if it has the *size* in bytes at which a peer was told to cut."""
    return f"{line}{CUT}" if len(line.encode(errors="replace")) >= size else line
