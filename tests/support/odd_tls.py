"""A TLS server that answers one connection after another in whatever odd way a test asks for."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import sso_directory
from stsfix.lab.https import server_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Generator

    from stsfix.lab.seams import KeyPair


class OddServer:
    """Counts *handshakes* (complete ones) and keeps what was *received* after them."""

    def __init__(
        self,
        behaviour: Callable[[ssl.SSLSocket, threading.Event], None],
        tls: KeyPair | None = None,
    ) -> None:
        self._behaviour = behaviour
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._context = server_context(tls or sso_directory.node_tls())
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.port = self._listener.getsockname()[1]
        self.handshakes = 0
        self.received = b""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        self._thread.join(10)
        self._listener.close()

    def _run(self) -> None:
        while not self._over.is_set():
            plain, _ = self._listener.accept()
            plain.settimeout(5)
            with plain, contextlib.suppress(OSError):
                if not self._over.is_set():
                    self._serve(plain)

    def _serve(self, plain: socket.socket) -> None:
        with self._context.wrap_socket(plain, server_side=True) as secure:
            self.handshakes += 1
            asked = b""
            while not _is_whole(asked) and (part := secure.recv(65536)):
                asked += part
            self.received += asked
            if asked:
                self._behaviour(secure, self._over)


def _is_whole(content: bytes) -> bool:
    """Tell whether a request is complete: closing before would reset the connection."""
    head, end, body = content.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    return bool(end) and len(body) >= (int(length.group(1)) if length else 0)


@contextmanager
def serving(
    behaviour: Callable[[ssl.SSLSocket, threading.Event], None],
    tls: KeyPair | None = None,
) -> Generator[OddServer]:
    """Run an `OddServer`, which shows *tls* or else a node's certificate."""
    server = OddServer(behaviour, tls)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def sends(content: bytes) -> Callable[[ssl.SSLSocket, threading.Event], None]:
    """Answer *content* and close."""

    def behave(secure: ssl.SSLSocket, over: threading.Event) -> None:
        del over
        secure.sendall(content)

    return behave


def drips(start: bytes, drop: bytes) -> Callable[[ssl.SSLSocket, threading.Event], None]:
    """Send *start*, then *drop* every 50 ms for at most 20 s."""

    def behave(secure: ssl.SSLSocket, over: threading.Event) -> None:
        secure.sendall(start)
        for _ in range(400):
            if over.wait(0.05):
                return
            secure.sendall(drop)

    return behave


def silent(secure: ssl.SSLSocket, over: threading.Event) -> None:
    """Read the request and say nothing, for at most 20 s."""
    del secure
    over.wait(20)
