"""Ports that stay a lab's own while its nodes are off."""

from __future__ import annotations

import errno
import secrets
import socket

FIRST = 20000
LAST = 32000
"""Below the ephemeral range, so that no client socket takes the port of a node that reboots."""

BLOCK = 100


class NoPortsError(Exception):
    """Every block of ports is taken by another lab, or the one that was asked for."""


class PortBlock:
    """A block of ports, guarded by a socket on its first one; other labs keep away from it.

    *first* names the block's first port; without it a free block is looked for.

    Raises:
        NoPortsError: Every block is taken, or the one that was named.
    """

    def __init__(self, first: int | None = None) -> None:
        if first is not None:
            guard = _guard(first)
            if guard is None:
                raise NoPortsError(f"port {first} is taken")
            self._guard, self._next, self._end = guard, first + 1, first + BLOCK
            return
        count = (LAST - FIRST) // BLOCK
        start = secrets.randbelow(count)
        for step in range(count):
            first = FIRST + (start + step) % count * BLOCK
            guard = _guard(first)
            if guard is not None:
                self._guard = guard
                self._next = first + 1
                self._end = first + BLOCK
                return
        raise NoPortsError

    def take(self) -> int:
        """Return a port nobody else listens on.

        Raises:
            NoPortsError: The block is used up.
        """
        while self._next < self._end:
            port = self._next
            self._next += 1
            if _is_free(port):
                return port
        raise NoPortsError

    def release(self) -> None:
        """Give the block back."""
        self._guard.close()


def _guard(port: int, *, reuse: bool = False) -> socket.socket | None:
    """Listen on *port*; None if it is taken.

    With *reuse* connections that an earlier server left in TIME_WAIT do not count: the lab's
    servers bind in the same way. The guard itself is never connected to.
    """
    guard = socket.socket()
    try:
        guard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(reuse))
        guard.bind(("127.0.0.1", port))
        guard.listen(1)
    except OSError as error:
        guard.close()
        if error.errno != errno.EADDRINUSE:
            raise
        return None
    return guard


def _is_free(port: int) -> bool:
    probe = _guard(port, reuse=True)
    if probe is None:
        return False
    probe.close()
    return True
