"""Answers without end, in the form of HTTP; each sender stops when its client hangs up."""

from __future__ import annotations

import functools
import itertools
import zlib
from typing import TYPE_CHECKING, Final

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


@functools.cache
def _packed() -> bytes:
    packer = zlib.compressobj(wbits=31)
    zeros = bytes(1 << 20)
    return b"".join(packer.compress(zeros) for _ in range(_PACKED_MIB)) + packer.flush()
