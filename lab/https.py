"""A small HTTPS/1.1 server: one function answers every request.

`HttpsServer` owns sockets, TLS and HTTP framing; what a request means is the business of the
*answer* function it is given. Every part of the lab that speaks HTTPS can use it::

    server = HttpsServer("vc1", port=20443, tls=key_pair, answer=route)
    server.start()
    ...
    server.stop()

where ``route(request: Request) -> Reply``. Raising `stsfix.lab.faults.Dropped` in *route*
closes the connection without an answer, `Reset` breaks it off, `Garbled` answers with noise,
`Flooded` without end, `Dripped` byte by byte.
"""

from __future__ import annotations

import contextlib
import http.client
import logging
import os
import socket
import ssl
import struct
import tempfile
import threading
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from stsfix.lab.faults import NOISE, Dripped, Dropped, Flooded, Garbled, Reset
from stsfix.lab.flood import http_drip, http_pieces, send_slowly

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from stsfix.lab.seams import KeyPair

logger = logging.getLogger(__name__)

_MAX_LINE = 65536
_JOIN_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request. Header names are lower case; *path* keeps its query string."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One HTTP answer. ``Content-Length`` and ``Connection`` are added by the server."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


class _BadRequestError(Exception):
    """What came in is not HTTP; the connection is closed."""


def server_context(tls: KeyPair) -> ssl.SSLContext:
    """Return a server context that presents *tls*."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    handle, path = tempfile.mkstemp(suffix=".pem")  # mode 0600; ssl can only load files
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(tls.key_pem + tls.certificates_pem)
        context.load_cert_chain(path)
    finally:
        Path(path).unlink()
    return context


def break_off(connection: socket.socket) -> None:
    """Let the next close of *connection* send a reset instead of an orderly end."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class HttpsServer:
    """Serves *answer* over TLS, one thread a connection.

    Args:
        name: Appears in thread names and log lines.
        host: Address to listen on.
        port: TCP port; 0 picks a free one (see `port`).
        tls: What the server presents.
        answer: Called for every request, in the connection's thread, several at a time.
        handshake_s: Real seconds a client has to finish its TLS handshake.
        idle_s: Real seconds a connection may be silent.
    """

    def __init__(
        self,
        name: str,
        *,
        port: int,
        tls: KeyPair,
        answer: Callable[[Request], Reply],
        host: str = "127.0.0.1",
        handshake_s: float = 5.0,
        idle_s: float = 900.0,
    ) -> None:
        self.name = name
        self.host = host
        self.port = port
        self._answer = answer
        self._context = server_context(tls)
        self._handshake_s = handshake_s
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        self._connections: dict[socket.socket, threading.Thread] = {}

    @property
    def running(self) -> bool:
        """True between `start` and `stop`."""
        return self._listener is not None

    def start(self) -> None:
        """Listen; returns when connections are accepted. Does nothing if it runs already.

        Raises:
            OSError: The port is in use.
        """
        if self._listener is not None:
            return
        listener = socket.create_server((self.host, self.port), backlog=128)
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._acceptor = threading.Thread(
            target=self._accept, args=(listener,), name=f"{self.name}-accept", daemon=True
        )
        self._acceptor.start()

    def show(self, tls: KeyPair) -> None:
        """Present *tls* to whoever connects from now on."""
        self._context = server_context(tls)

    def stop(self) -> None:
        """Close the port and every connection; no thread of the server is left on return
        (unless an *answer* takes more than 5 s to notice). Does nothing if it does not run.
        """
        listener, self._listener = self._listener, None
        if listener is None:
            return
        with contextlib.suppress(OSError):  # wakes accept() on every platform
            socket.create_connection((self.host, self.port), timeout=1.0).close()
        if self._acceptor is not None:
            self._acceptor.join(_JOIN_S)
        listener.close()
        with self._lock:
            connections = list(self._connections.items())
        for connection, _ in connections:
            with contextlib.suppress(OSError):
                # The plain socket's shutdown: SSLSocket's would pull its state away from
                # the thread that reads.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        for _, thread in connections:
            if thread is not threading.current_thread():
                thread.join(_JOIN_S)

    def _accept(self, listener: socket.socket) -> None:
        while self._listener is listener:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            if self._listener is not listener:
                connection.close()
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(
                target=self._serve, args=(connection,), name=f"{self.name}-https", daemon=True
            )
            thread.start()

    def _serve(self, plain: socket.socket) -> None:
        # The handshake runs here, not in the acceptor: a client that connects and says
        # nothing must not keep the others out.
        plain.settimeout(self._handshake_s)
        tls = self._context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._connections[tls] = threading.current_thread()
        try:
            tls.do_handshake()
            tls.settimeout(self._idle_s)
            with tls.makefile("rb") as reader:
                while self._listener is not None and self._exchange(tls, reader):
                    pass
        except Reset:
            break_off(tls)
        except Flooded as flood:
            self._flood(tls, flood.kind)
        except Dripped as drip:
            with contextlib.suppress(OSError):
                send_slowly(http_drip(drip.kind), drip.pause_s, tls.sendall)
        except (OSError, Dropped, _BadRequestError, http.client.HTTPException) as reason:
            logger.debug("%s: connection closed: %r", self.name, reason)
        finally:
            with self._lock:
                del self._connections[tls]
            tls.close()

    def _flood(self, tls: ssl.SSLSocket, kind: str) -> None:
        with contextlib.suppress(OSError):
            for piece in http_pieces(kind):
                if self._listener is None:
                    return
                tls.sendall(piece)

    def _exchange(self, tls: ssl.SSLSocket, reader: BinaryIO) -> bool:
        """Answer one request; False if the connection ends here."""
        line = reader.readline(_MAX_LINE)
        if not line:
            return False
        try:
            method, path, version = line.decode("latin-1").split()
        except ValueError:
            raise _BadRequestError(line) from None
        headers = {k.lower(): v for k, v in http.client.parse_headers(reader).items()}
        if headers.get("expect", "").lower() == "100-continue":
            tls.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = _read_body(reader, headers)
        try:
            reply = self._answer(Request(method=method, path=path, headers=headers, body=body))
        except Garbled:
            reply = Reply(body=NOISE)
        asked = headers.get("connection", "").lower()
        keep = asked != "close" and (version != "HTTP/1.0" or asked == "keep-alive")
        # Head and body in one write: two TLS records cost a delayed ACK (40 ms).
        tls.sendall(_framed(reply, keep=keep, with_body=method != "HEAD"))
        return keep


def _read_body(reader: BinaryIO, headers: Mapping[str, str]) -> bytes:
    """Read a body by its length, or by its chunks (govmomi sends chunks)."""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return b"".join(_chunks(reader))
    try:
        length = int(headers.get("content-length", "0"))
    except ValueError:
        raise _BadRequestError("Content-Length is no number") from None
    body = reader.read(length)
    if len(body) != length:
        raise _BadRequestError("body is shorter than Content-Length")
    return body


def _chunks(reader: BinaryIO) -> Iterable[bytes]:
    while True:
        size_line = reader.readline(_MAX_LINE)
        try:
            size = int(size_line.split(b";")[0], 16)
        except ValueError:
            raise _BadRequestError(size_line) from None
        if size == 0:
            while reader.readline(_MAX_LINE).strip():
                pass
            return
        yield reader.read(size)
        reader.readline(_MAX_LINE)


def _framed(reply: Reply, *, keep: bool, with_body: bool) -> bytes:
    reason = http.client.responses.get(reply.status, HTTPStatus(500).phrase)
    lines = [
        f"HTTP/1.1 {reply.status} {reason}",
        f"Content-Type: {reply.content_type}",
        f"Content-Length: {len(reply.body)}",
        f"Connection: {'keep-alive' if keep else 'close'}",
    ]
    lines += [f"{name}: {value}" for name, value in reply.headers]
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
    return head + reply.body if with_body else head
