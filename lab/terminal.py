r"""What stands between a network connection and a program: a pipe, or a terminal.

A terminal has a line discipline. As Linux's it echoes what arrives, hands over whole lines, cuts
them at 4095 bytes (termios(3), canonical mode), and turns ``\n`` of a program into ``\r\n``. A
shell at its prompt edits lines itself (readline): what was typed ahead, and echoed then, is echoed
a second time when the shell reads it, as everybody sees who pastes several commands at once. (That
readline has no limit of 4095 bytes is not modelled: the limit is there in every other moment.)
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from stsfix.lab.shell_streams import HungUp

if TYPE_CHECKING:
    from collections.abc import Callable

LONGEST_LINE = 4095
"""Bytes of a line besides its end; more is thrown away."""

_NEWLINE, _RETURN, _END, _ERASE, _BACKSPACE, _KILL, _INTERRUPT = b"\n\r\x04\x7f\x08\x15\x03"


class Pipe:
    """Standard input that arrives over a connection, for a program without a terminal."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._content = b""
        self._ended = False

    def feed(self, content: bytes) -> None:
        """Take what arrived."""
        with self._changed:
            self._content += content
            self._changed.notify_all()

    def end(self) -> None:
        """There is no more to come, because the client said so or is gone."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def read_line(self) -> bytes:
        """See `shell_streams.Source`."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or b"\n" in self._content)
            end = self._content.find(b"\n")
            return self._take(len(self._content) if end < 0 else end + 1)

    def read_all(self) -> bytes:
        """See `shell_streams.Source`."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended)
            return self._take(len(self._content))

    def read_some(self, count: int) -> bytes:
        """See `shell_streams.Source`."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or len(self._content) >= count)
            return self._take(count)

    def read_ready(self) -> bytes:
        """Return what has arrived, waiting for something; empty at the end.

        So reads a program whose language buffers: what it took, its children never see.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._ended or bool(self._content))
            return self._take(len(self._content))

    def _take(self, count: int) -> bytes:
        found, self._content = self._content[:count], self._content[count:]
        return found


class Terminal:
    """A pseudo-terminal; *send* takes what the client shall see.

    *echo* is what ``stty echo`` sets, *processed* what ``stty opost`` does: line ends become two
    characters.
    """

    def __init__(self, send: Callable[[bytes], None], *, echo: bool = True) -> None:
        self.echo = echo
        self.processed = True
        self._send = send
        self._changed = threading.Condition()
        self._arrived = bytearray()
        self._lines: list[bytes] = []
        self._line = b""
        self._editing = False
        self._gone = False

    def feed(self, content: bytes) -> None:
        """Take what arrived from the client."""
        with self._changed:
            if self._editing:
                self._arrived += content
            else:
                self._cook(content)
            self._changed.notify_all()

    def end(self) -> None:
        """The client is gone."""
        with self._changed:
            self._gone = True
            self._changed.notify_all()

    def check(self) -> None:
        """Return if the client is there.

        Raises:
            HungUp: It is gone.
        """
        if self._gone:
            raise HungUp

    def write(self, content: bytes) -> None:
        """Show what a program wrote."""
        self._send(content.replace(b"\n", b"\r\n") if self.processed else content)

    def edit_line(self) -> bytes:
        """Read a line as a shell at its prompt does; empty when the client is gone or says ^D."""
        with self._changed:
            self._editing = True
            typed_ahead = [*self._lines, self._line]
            self._lines, self._line = [], b""
            self._arrived[:0] = b"".join(typed_ahead)
            try:
                return self._edit()
            finally:
                self._editing = False

    def read_line(self) -> bytes:
        """See `shell_streams.Source`; an empty line without end is ^D."""
        with self._changed:
            rest, self._arrived = self._arrived, bytearray()
            self._cook(rest, echo=False)
            self._changed.wait_for(lambda: self._gone or bool(self._lines))
            return self._lines.pop(0) if self._lines else b""

    def read_all(self) -> bytes:
        """See `shell_streams.Source`: up to ^D."""
        found = b""
        while line := self.read_line():
            found += line
        return found

    def read_some(self, count: int) -> bytes:
        """See `shell_streams.Source`."""
        found = b""
        while len(found) < count and (line := self.read_line()):
            found += line
        with self._changed:
            if found[count:]:
                self._lines.insert(0, found[count:])
        return found[:count]

    def _edit(self) -> bytes:
        line, shown = b"", bytearray()
        while True:
            if not self._arrived:
                self._show(shown)
                shown.clear()
                self._changed.wait_for(lambda: self._gone or bool(self._arrived))
            if not self._arrived:
                return b""
            byte = self._arrived[0]
            del self._arrived[:1]
            if byte in (_NEWLINE, _RETURN):
                self._show(shown + b"\r\n")
                return line + b"\n"
            if byte == _END and not line:
                return b""
            if byte == _INTERRUPT:
                self._show(shown + b"^C\r\n")
                return b"\n"
            line, more = _edited(line, byte)
            shown += more

    def _cook(self, content: bytes | bytearray, *, echo: bool = True) -> None:
        everything = bytearray()
        for byte in content:
            shown = b""
            if byte == _END and not self._line:
                self._lines.append(b"")
            elif byte in (_NEWLINE, _RETURN):
                self._lines.append(self._line + b"\n")
                self._line = b""
                shown = b"\r\n"
            elif byte == _INTERRUPT:
                self._lines, self._line, shown = [], b"", b"^C\r\n"
            else:
                self._line, shown = _edited(self._line, byte)
            everything += shown
        if echo:
            self._show(everything)

    def _show(self, content: bytes | bytearray) -> None:
        if self.echo and content:
            self._send(bytes(content))


class Prompt:
    """A terminal as a shell reads it: each line edited at the prompt."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal

    def read_line(self) -> bytes:
        """See `shell_streams.Source`."""
        return self._terminal.edit_line()

    def read_all(self) -> bytes:
        """See `shell_streams.Source`."""
        return self._terminal.read_all()

    def read_some(self, count: int) -> bytes:
        """See `shell_streams.Source`."""
        return self._terminal.read_some(count)


def _edited(line: bytes, byte: int) -> tuple[bytes, bytes]:
    """Return *line* after a key, and what is shown of it."""
    if byte in (_ERASE, _BACKSPACE):
        return line[:-1], b"\b \b" if line else b""
    if byte == _KILL:
        return b"", b"\b \b" * len(line)
    if len(line) >= LONGEST_LINE:
        return line, b"\a"
    return line + bytes([byte]), bytes([byte])
