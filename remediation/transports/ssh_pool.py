"""One SSH connection a node, made when it is needed and made anew when it broke."""

from __future__ import annotations

import enum
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from stsfix.remediation.errors import TransportUnavailableError
from stsfix.remediation.transports.ssh_session import BROKEN, NAME, connect, open_channel
from stsfix.snapshot.words import last_words

if TYPE_CHECKING:
    from collections.abc import Callable

    import paramiko

    from stsfix.remediation.host_keys import HostKeys, SshPeer
    from stsfix.remediation.transports.deadline import Deadline
    from stsfix.snapshot.secret import Secret

T = TypeVar("T")


class Way(enum.Enum):
    """How bash is reached: as a program, through appliancesh on a terminal, or not at all."""

    PROGRAM = "program"
    TERMINAL = "terminal"
    NONE = "none"


@dataclass
class Connection:
    """A live connection to *node*, and how bash is reached over it; *said* is why not."""

    node: str
    transport: paramiko.Transport
    way: Way | None = None
    said: str = ""
    finding: threading.Lock = field(default_factory=threading.Lock)


class SshPool:
    """Connections by node. *peers* and *login* are asked when one is made."""

    def __init__(
        self,
        peers: Callable[[str], SshPeer],
        keys: HostKeys,
        login: Callable[[str], tuple[str, Secret[str]]],
    ) -> None:
        self._peers = peers
        self._keys = keys
        self._login = login
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._connections: dict[str, Connection] = {}

    def open(self, node: str, deadline: Deadline) -> tuple[Connection, paramiko.Channel]:
        """Return a new channel to *node* and the connection it belongs to.

        A connection that broke meanwhile is made anew, once: nothing was sent on the channel.

        Raises:
            TransportUnavailableError, HostKeyError, NodeLoginError: As `connect`.
        """
        for is_last in (False, True):
            connection = self._connected(node)
            wait = max(0.1, min(deadline.left_s, self._peers(node).read_timeout_s))
            try:
                return connection, open_channel(connection.transport, wait_s=wait)
            except BROKEN as error:
                connection.transport.close()
                if is_last:
                    reason = f"no session: {words(str(error))}"
                    raise TransportUnavailableError(node, NAME, reason) from error
        raise AssertionError

    def user(self, node: str) -> str:
        """Return who logs in to *node*."""
        return self._login(node)[0]

    def close(self) -> None:
        """End every connection; never raises."""
        for connection in self._connections.values():
            connection.transport.close()

    def _connected(self, node: str) -> Connection:
        with self._lock:
            lock = self._locks.setdefault(node, threading.Lock())
        with lock:
            known = self._connections.get(node)
            if known is None or not known.transport.is_active():
                user, password = self._login(node)
                transport = connect(self._peers(node), self._keys, user=user, password=password)
                known = self._connections[node] = Connection(node, transport)
            return known


def requested(node: str, request: Callable[[], T]) -> T:
    """Make a channel request; nothing runs if it is refused.

    Raises:
        TransportUnavailableError: It was refused, or the connection broke.
    """
    try:
        return request()
    except BROKEN as error:
        reason = f"it refused a session: {words(str(error))}"
        raise TransportUnavailableError(node, NAME, reason) from error


def words(text: str) -> str:
    """Return the last 200 characters of *text* on one line."""
    return last_words(text, 200)
