"""Answers without end, in the form of HTTP, and answers that come byte by byte; each sender stops
when its client hangs up.
"""

from __future__ import annotations

import functools
import itertools
import time
import zlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

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


def http_drip(kind: str) -> Iterator[bytes]:
    """Yield an HTTP answer byte by byte: its body, or, with *kind* ``head``, all of it."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 1000000\r\nX: "
    if kind != "head":
        yield head + b"\r\n\r\n"
        head = b""
    for byte in itertools.chain(head, itertools.repeat(ord("x"))):
        yield bytes([byte])


def send_slowly(pieces: Iterable[bytes], pause_s: float, send: Callable[[bytes], object]) -> None:
    """Send *pieces* with pauses; ends when *send* raises, as it does on a closed socket."""
    for piece in pieces:
        send(piece)
        time.sleep(pause_s)


@functools.cache
def _packed() -> bytes:
    packer = zlib.compressobj(wbits=31)
    zeros = bytes(1 << 20)
    return b"".join(packer.compress(zeros) for _ in range(_PACKED_MIB)) + packer.flush()
