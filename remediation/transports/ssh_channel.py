"""Reading and writing one SSH channel within a deadline that an operator can interrupt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stsfix.remediation.transports.ssh_session import BROKEN

if TYPE_CHECKING:
    import re
    from collections.abc import Callable

    import paramiko

    from stsfix.remediation.transports.deadline import Deadline

_TICK_S: Final = 0.5
"""Longest wait without a look at the clock, which is where a stop is noticed."""

_PIECE: Final = 32 * 1024
_KEPT: Final = 16 * 1024


class ChannelEndedError(Exception):
    """The other side closed the channel, or the connection broke (*is_broken*)."""

    def __init__(self, *, is_broken: bool) -> None:
        super().__init__("broken" if is_broken else "closed")
        self.is_broken = is_broken


class Duplex:
    """One channel. Methods raise ChannelEndedError, and TimeoutError at their deadline."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel
        self._text = b""

    def send(self, content: bytes, deadline: Deadline) -> None:
        """Send all of *content*."""
        view = memoryview(content)
        while view:
            self._channel.settimeout(self._tick(deadline))
            try:
                sent = self._channel.send(bytes(view[:_PIECE]))
            except TimeoutError:
                continue
            except BROKEN as error:
                raise ChannelEndedError(is_broken=True) from error
            if sent == 0:
                raise self._ended()
            view = view[sent:]

    def end_input(self) -> None:
        """Tell the other side that nothing more comes."""
        try:
            self._channel.shutdown_write()
        except BROKEN as error:
            raise ChannelEndedError(is_broken=True) from error

    def receive(self, deadline: Deadline) -> bytes:
        """Return the next bytes that came, at least one."""
        while True:
            self._channel.settimeout(self._tick(deadline))
            try:
                piece = self._channel.recv(_PIECE)
            except TimeoutError:
                continue
            except BROKEN as error:
                raise ChannelEndedError(is_broken=True) from error
            if not piece:
                raise self._ended()
            return piece

    def read_all(self, deadline: Deadline) -> str:
        """Return everything that comes until the other side ends, its last 16 KiB."""
        text = b""
        while True:
            try:
                text = (text + self.receive(deadline))[-_KEPT:]
            except ChannelEndedError as ended:
                if ended.is_broken:
                    raise
                return text.decode("utf-8", "replace")

    def read_until(self, found: Callable[[str], re.Match[str] | None], deadline: Deadline) -> str:
        """Return what came, up to and with what *found* looks for; the rest stays."""
        while True:
            text = self._text.decode("utf-8", "replace")
            match = found(text)
            if match is not None:
                self._text = text[match.end() :].encode()
                return text[: match.end()]
            self._text = (self._text + self.receive(deadline))[-_KEPT:]

    def close(self) -> None:
        """Close the channel; never raises."""
        try:
            self._channel.close()
        except BROKEN:
            return

    @property
    def unread(self) -> str:
        """What came and was not asked for by `read_until`."""
        return self._text.decode("utf-8", "replace")

    def _tick(self, deadline: Deadline) -> float:
        left = deadline.left_s
        if left <= 0:
            raise TimeoutError
        return min(_TICK_S, left)

    def _ended(self) -> ChannelEndedError:
        transport = self._channel.get_transport()
        return ChannelEndedError(is_broken=not transport.is_active())
