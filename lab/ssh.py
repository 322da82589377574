"""The SSH daemon of a node, for as long as the node is on and SSH is enabled.

Fault rules of protocol ``ssh``, target the FQDN: ``auth`` (refused: as a wrong password, but not
counted), ``exec`` and ``shell`` (refused: the channel closes without an answer; dropped after: all
was done, the answer is lost), ``data`` (each piece of a program's output: refused writes noise in
its place).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from stsfix.lab.disk import NodeDisk
    from stsfix.lab.event_loop import EventLoop
    from stsfix.lab.faults import FaultBook
    from stsfix.lab.guest_operations import ArgvLog, GuestTools
    from stsfix.lab.services import Board
    from stsfix.lab.ssh_server import Server


@dataclass(frozen=True, slots=True, kw_only=True)
class SshNode:
    """What sshd and the programs it starts work with."""

    disk: NodeDisk
    board: Board
    tools: GuestTools
    faults: FaultBook
    argv_log: ArgvLog
    now: Callable[[], datetime]


class SshDaemon:
    """Listens on 127.0.0.1:*port*; `start` and `stop` may follow each other."""

    def __init__(self, node: SshNode, port: int, loop: EventLoop) -> None:
        self._node = node
        self._port = port
        self._loop = loop
        self._lock = threading.Lock()
        self._server: Server | None = None
        self._closed = False

    @property
    def running(self) -> bool:
        """True between `start` and `stop`."""
        return self._server is not None

    def start(self) -> None:
        """Accept connections on return, unless SSH is disabled on the node or it runs already.

        Raises:
            OSError: The port is taken.
        """
        with self._lock:
            if self._closed or self._server is not None or not self._node.disk.ssh_enabled:
                return
            from stsfix.lab.ssh_server import Server  # noqa: PLC0415 - asyncssh costs 170 ms

            server = Server(self._node, self._port, self._loop)
            server.start()
            self._server = server

    def stop(self) -> None:
        """Close the port and cut every connection."""
        with self._lock:
            server, self._server = self._server, None
        if server is not None:
            server.stop()

    def close(self) -> None:
        """Stop for good: the node has no power any more."""
        with self._lock:
            self._closed = True
        self.stop()
