"""LDAP answers without end, or byte by byte; each sender stops when its client hangs up."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from stsfix.lab.flood import PIECE
from stsfix.lab.vmdir import messages

if TYPE_CHECKING:
    from collections.abc import Iterator


def ldap_pieces(kind: str, number: int) -> Iterator[bytes]:
    """Yield answers to message *number*: entries without end, or, with *kind* ``length``, one
    message that says it has 1 GiB.
    """
    if kind == "length":
        yield b"\x30\x84\x40\x00\x00\x00"
        yield from itertools.repeat(PIECE)
    few = b"".join(messages.entry(number, f"cn={i}", {}) for i in range(1000))
    yield from itertools.repeat(few)


def ldap_drip() -> Iterator[bytes]:
    """Yield one message of 1 MiB, byte by byte."""
    yield b"\x30\x84\x00\x10\x00\x00"
    yield from itertools.repeat(b"\x00")
