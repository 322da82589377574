"""What a server may send over SSH: paramiko reads packets of 4 GiB, greetings without end, and more
than the window of a channel allows (packet.py, buffered_pipe.py, 5.1.0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

import paramiko
from paramiko.packet import Packetizer

if TYPE_CHECKING:
    from paramiko.message import Message

PACKET_BYTES: Final = 256 * 1024 + 1024
"""The largest packet that OpenSSH sends (packet.h, PACKET_MAX_SIZE), with its MAC and padding."""

GREETING_BYTES: Final = 64 * 1024
"""Lines before and with the version; RFC 4253, 4.2 gives the version 255 bytes."""

UNREAD_BYTES: Final = 4 * 1024 * 1024
"""What may wait in a channel: twice the window that paramiko grants."""


class BoundedPacketizer(Packetizer):
    """Ends the connection with SSHException when the server sends what nobody has to take."""

    def __init__(self, socket: Any) -> None:
        super().__init__(socket)
        self._greeted = 0
        self._channels: WeakSet[paramiko.Channel] = WeakSet()

    def watch(self, channel: paramiko.Channel) -> None:
        """Look from now on at how much of *channel* is not read yet."""
        self._channels.add(channel)

    def close(self) -> None:
        """Close the connection, and end the timer of a key exchange that did not end: paramiko's
        thread for it outlives the connection by 15 s, and keeps this process.
        """
        super().close()
        self.complete_handshake()

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:  # noqa: FBT001, FBT002 - paramiko's signature
        """Read *n* bytes; paramiko asks for a whole packet, whose length the server chose."""
        if n > PACKET_BYTES:
            raise paramiko.SSHException(f"a packet of {n} bytes")
        return bytes(super().read_all(n, check_rekey))

    def read_message(self) -> tuple[int, Message]:
        """Read the next packet, unless too much waits already."""
        for channel in list(self._channels):
            if len(channel.in_buffer) + len(channel.in_stderr_buffer) > UNREAD_BYTES:
                raise paramiko.SSHException("more data than the window of the channel allows")
        return super().read_message()

    def _read_timeout(self, timeout: float) -> bytes:
        """Read a piece of the greeting; nothing else is read by this."""
        piece = bytes(super()._read_timeout(timeout))  # type: ignore[misc]  # not in the stubs
        self._greeted += len(piece)
        if self._greeted > GREETING_BYTES:
            raise paramiko.SSHException("a greeting without end")
        return piece
