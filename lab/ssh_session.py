"""One channel of a node's sshd: its program runs in a thread of its own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import asyncssh

from stsfix.lab.appliance_shell import PATH as APPLIANCE_SHELL
from stsfix.lab.appliance_shell import ApplianceShell
from stsfix.lab.faults import NOISE, Dripped, Dropped, Flooded, Garbled, Refused
from stsfix.lab.flood import PIECE
from stsfix.lab.login_shell import Login, bash
from stsfix.lab.services import PowerLost
from stsfix.lab.shell import Shell
from stsfix.lab.shell_streams import HungUp
from stsfix.lab.terminal import Pipe, Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stsfix.lab.event_loop import EventLoop
    from stsfix.lab.ssh import SshNode

SFTP = "/usr/libexec/sftp-server"

_FLOOD_PAUSE_S = 0.005
"""A client takes more than the 6 MiB/s that this makes, so nothing piles up here."""

_EXPIRED = "WARNING: Your password has expired.\n"
_NO_TERMINAL = "Password change required but no TTY available.\n"
_CHANGE = "You must change your password now and login again!\nChanging password for root.\n"
"""OpenSSH's session.c, do_pwchange, and passwd(1)."""


class Session(asyncssh.SSHServerSession[bytes]):
    """A session channel. Methods of asyncssh's run in the loop, `_program` does not.

    *cut* drops the connection; *must_change*: the password has expired, nothing runs.
    """

    def __init__(
        self, node: SshNode, *, cut: Callable[[], None], loop: EventLoop, must_change: bool
    ) -> None:
        self._node = node
        self._cut = cut
        self._loop = loop
        self._must_change = must_change
        self._channel: asyncssh.SSHServerChannel[bytes] | None = None
        self._terminal: Terminal | None = None
        self._term = ""
        self._input: Pipe | Terminal = Pipe()
        self._gone = threading.Event()
        self._command: str | None = None

    def connection_made(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        """See asyncssh."""
        self._channel = chan

    def pty_requested(
        self,
        term_type: str,
        term_size: tuple[int, int, int, int],
        term_modes: Mapping[int, int],
    ) -> bool:
        """See asyncssh."""
        del term_size
        echo = bool(term_modes.get(asyncssh.PTY_ECHO, 1))
        self._term = term_type
        self._input = self._terminal = Terminal(self._send, echo=echo)
        return True

    def shell_requested(self) -> bool:
        """See asyncssh."""
        return True

    def exec_requested(self, command: str) -> bool:
        """See asyncssh."""
        self._command = command
        return True

    def subsystem_requested(self, subsystem: str) -> bool:
        """Start what sshd does: the subsystem's server, by the login shell."""
        self._command = SFTP
        return subsystem == "sftp"

    def session_started(self) -> None:
        """See asyncssh."""
        thread = threading.Thread(
            target=self._work, daemon=True, name=f"lab-ssh-{self._node.disk.fqdn}"
        )
        thread.start()

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        """See asyncssh."""
        del datatype
        self._input.feed(data)

    def eof_received(self) -> bool:
        """No more input; the channel stays open for output."""
        if isinstance(self._input, Pipe):
            self._input.end()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncssh."""
        del exc
        self._gone.set()
        self._input.end()

    def _work(self) -> None:
        call = "shell" if self._command is None else "exec"
        node = self._node
        try:
            with node.faults.around("ssh", call, node.disk.fqdn):
                code = self._program()
        except Refused:
            self._later(lambda channel: channel.close())
        except Garbled:
            self._send_output(NOISE, error=False)
            self._later(lambda channel: channel.exit(0))
        except Flooded:
            while not self._gone.wait(_FLOOD_PAUSE_S):
                self._send_output(PIECE, error=False)
        except Dripped as drip:
            while not self._gone.wait(drip.pause_s):
                self._send_output(b".", error=False)
        except Dropped:
            self._loop.soon(self._cut)
        except (HungUp, PowerLost):
            return
        else:
            self._later(lambda channel: channel.exit(code))

    def _program(self) -> int:
        """Run the login shell and return its exit code.

        Raises:
            HungUp: The client is gone.
            PowerLost: The node has no power any more.
        """
        node, shell = self._node, self._node.disk.login_shell
        login = Login(
            source=self._input,
            out=_Output(self, error=False),
            err=_Output(self, error=self._terminal is None),
            terminal=self._terminal,
            term=self._term,
        )
        if self._must_change:
            return self._change_password(login)
        if self._terminal is not None and self._command is None:
            login.out.write(
                f"Last login: {node.now():%a %b %d %H:%M:%S %Y} from 127.0.0.1\n".encode()
            )
        if self._command is None:
            node.argv_log.add([f"-{shell.rpartition('/')[2]}"])
        else:
            node.argv_log.add([shell, "-c", self._command])
        if shell != APPLIANCE_SHELL:
            return self._bash(login)
        appliance = ApplianceShell(
            login, disk=node.disk, board=node.board, environment=node.tools, now=node.now
        )
        return appliance.interact() if self._command is None else appliance.run(self._command)

    def _bash(self, login: Login) -> int:
        if self._command is None:
            return bash(login, self._node.tools, self._node.disk)
        shell = Shell(self._node.tools)
        if login.terminal is not None:
            shell.check = login.terminal.check
        return shell.run(self._command, login.streams())

    def _change_password(self, login: Login) -> int:
        """Do what sshd does of an expired password that a client came in with."""
        login.err.write(_EXPIRED.encode())
        if self._terminal is None:
            login.err.write(_NO_TERMINAL.encode())
            return 1
        login.out.write((_CHANGE + "Current password: ").encode())
        self._terminal.echo = False
        self._terminal.read_line()
        login.out.write(b"\npasswd: Authentication token manipulation error\n")
        return 1

    def write(self, content: bytes, *, error: bool) -> None:
        """Send a piece of a program's output, as the fault rules let it.

        Raises:
            HungUp: The client is gone.
        """
        if self._gone.is_set():
            raise HungUp
        node = self._node
        try:
            with node.faults.around("ssh", "data", node.disk.fqdn):
                self._send_output(content, error=error)
        except (Refused, Garbled):
            self._send_output(NOISE, error=error)
        except Dropped:
            self._loop.soon(self._cut)
            raise HungUp from None

    def _send_output(self, content: bytes, *, error: bool) -> None:
        if self._terminal is not None:
            self._terminal.write(content)
        else:
            self._send(content, asyncssh.EXTENDED_DATA_STDERR if error else None)

    def _send(self, content: bytes, datatype: asyncssh.DataType = None) -> None:
        self._later(lambda channel: channel.write(content, datatype))

    def _later(self, work: Callable[[asyncssh.SSHServerChannel[bytes]], None]) -> None:
        def try_it() -> None:
            if self._channel is None or self._gone.is_set():
                return
            try:
                work(self._channel)
            except OSError:
                self._gone.set()

        self._loop.soon(try_it)


class _Output:
    """Standard output or error of the channel."""

    def __init__(self, session: Session, *, error: bool) -> None:
        self._session = session
        self._error = error

    def write(self, content: bytes) -> None:
        self._session.write(content, error=self._error)
