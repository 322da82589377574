"""Numbers in texts of peers. Pure."""

from __future__ import annotations

DIGITS = 20
"""What a number of 64 bits has at most."""


def whole(text: str) -> int | None:
    """Return the whole number that *text* is, None if it is none, or has more than `DIGITS` digits:
    Python makes no number of thousands of them.
    """
    is_number = text.isascii() and text.isdecimal() and len(text) <= DIGITS
    return int(text) if is_number else None
