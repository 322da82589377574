"""Answers without end, in the form of each protocol; each sender stops when its client hangs up."""

from __future__ import annotations

import functools
import itertools
import zlib
from typing import TYPE_CHECKING, Final

from stsfix.lab.vmdir import messages

if TYPE_CHECKING:
    from collections.abc import Iterator

PIECE: Final = b"<a>x</a>" * 4096
_PACKED_MIB: Final = 64


def http_pieces(kind: str) -> Iterator[bytes]:
    """Yield an HTTP answer: chunks without end, or, with *kind* ``gzip``, one of ordinary length
    that unpacks to 64 MiB.
    """
    if kind == "gzip":
        body = _packed()
        yield (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Encoding: gzip\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        )
        yield body
        return
    yield b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nTransfer-Encoding: chunked\r\n\r\n"
    yield b"3\r\n<s>\r\n"
    yield from itertools.repeat(b"%x\r\n%b\r\n" % (len(PIECE), PIECE))


def ldap_pieces(kind: str, number: int) -> Iterator[bytes]:
    """Yield answers to message *number*: entries without end, or, with *kind* ``length``, one
    message that says it has 1 GiB.
    """
    if kind == "length":
        yield b"\x30\x84\x40\x00\x00\x00"
        yield from itertools.repeat(PIECE)
    few = b"".join(messages.entry(number, f"cn={i}", {}) for i in range(1000))
    yield from itertools.repeat(few)


@functools.cache
def _packed() -> bytes:
    packer = zlib.compressobj(wbits=31)
    zeros = bytes(1 << 20)
    return b"".join(packer.compress(zeros) for _ in range(_PACKED_MIB)) + packer.flush()
