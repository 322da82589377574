"""A server on loopback that sends a byte now and then, and another that never says a word."""

from __future__ import annotations

import contextlib
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import sso_directory
from stsfix.lab.https import server_context

if TYPE_CHECKING:
    from collections.abc import Generator

PAUSE_S = 0.02
_LONGEST_S = 20.0


class Dripping:
    """Sends *start* to whoever connects, then *drop* each `PAUSE_S`; nothing more if it is empty.

    Over TLS, or at once if *is_plain*. What clients send is taken and thrown away.
    """

    def __init__(self, start: bytes, drop: bytes, *, is_plain: bool) -> None:
        self._start, self._drop = start, drop
        self._context = None if is_plain else server_context(sso_directory.node_tls())
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        self.port: int = self._listener.getsockname()[1]

    def stop(self) -> None:
        """End every connection; no thread is left."""
        self._over.set()
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def _accept(self) -> None:
        while not self._over.is_set():
            plain, _ = self._listener.accept()
            thread = threading.Thread(target=self._serve, args=(plain,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, plain: socket.socket) -> None:
        plain.settimeout(5)
        with plain, contextlib.suppress(OSError):
            if self._context is None:
                self._drip(plain)
            else:
                with self._context.wrap_socket(plain, server_side=True) as secure:
                    self._drip(secure)

    def _drip(self, connection: socket.socket) -> None:
        if self._start:
            connection.sendall(self._start)
        for _ in range(int(_LONGEST_S / PAUSE_S)):
            if self._over.wait(PAUSE_S):
                return
            connection.sendall(self._drop)


@contextmanager
def dripping(start: bytes, drop: bytes, *, is_plain: bool = False) -> Generator[int]:
    """Run a `Dripping`; yields its port."""
    server = Dripping(start, drop, is_plain=is_plain)
    try:
        yield server.port
    finally:
        server.stop()
