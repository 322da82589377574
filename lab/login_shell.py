"""Bash as a login shell: with prompts on a terminal, without on a pipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stsfix.lab.shell import USAGE, Environment, ExitShell, Shell, Streams
from stsfix.lab.shell_streams import HungUp
from stsfix.lab.shell_words import ShellSyntaxError
from stsfix.lab.terminal import Prompt

if TYPE_CHECKING:
    from stsfix.lab.disk import NodeDisk
    from stsfix.lab.shell_streams import Sink, Source
    from stsfix.lab.terminal import Terminal

_RED, _NORMAL = "\x1b[1;31m", "\x1b[0m"
_PASTE_ON, _PASTE_OFF = b"\x1b[?2004h", b"\x1b[?2004l\r"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What a login has: standard input and outputs, and maybe a terminal of type *term*."""

    source: Source
    out: Sink
    err: Sink
    terminal: Terminal | None = None
    term: str = ""

    def streams(self) -> Streams:
        """Return streams for a program of this login."""
        return Streams(stdin=self.source, out=self.out, err=self.err)

    @property
    def is_smart(self) -> bool:
        """True for a terminal that knows colours and the like."""
        return self.terminal is not None and self.term not in ("", "dumb")


def bash(login: Login, environment: Environment, disk: NodeDisk) -> int:
    """Run ``-bash`` to its end and return its exit code.

    Raises:
        HungUp: The client is gone.
    """
    if login.terminal is None:
        return Shell(environment).run_input(login.streams())
    return _OnTerminal(login, login.terminal, environment, disk).run()


class _OnTerminal:
    """Source: the prompt is in public transcripts of 6.5 to 8.0; its colours are those of Photon's
    /etc/profile [K], bracketed paste is on from readline 8.1 on, which is Photon 4's (8.0) [K].
    """

    def __init__(
        self, login: Login, terminal: Terminal, environment: Environment, disk: NodeDisk
    ) -> None:
        self._login = login
        self._reader = Streams(stdin=Prompt(terminal))
        self._pastes = login.is_smart and disk.release >= (8,)
        host = disk.fqdn.partition(".")[0]
        plain = not login.is_smart or disk.release < (7,)
        red, normal = ("", "") if plain else (_RED, _NORMAL)
        self._prompt = f"{red}root@{host} [ {normal}~{red} ]# {normal}".encode()
        self._shell = Shell(environment)
        self._shell.check = terminal.check

    def run(self) -> int:
        try:
            while True:
                self._step()
        except ExitShell as ended:
            self._shell.code = ended.code
        except HungUp:
            self._shell.end(Streams())
            raise
        self._login.out.write(b"logout\n")
        return self._shell.end(self._login.streams())

    def _step(self) -> None:
        self._ask(self._prompt)
        try:
            script = self._shell.read_command(self._reader, more=lambda: self._ask(b"> "))
        except ShellSyntaxError as error:
            self._accept()
            self._login.streams().complain(f"-bash: {error}")
            self._shell.code = USAGE
            return
        self._accept()
        if script is None:
            self._shell.check()
            raise ExitShell(self._shell.code)
        self._shell.execute(script, self._login.streams())

    def _ask(self, prompt: bytes) -> None:
        self._login.out.write((_PASTE_ON if self._pastes else b"") + prompt)

    def _accept(self) -> None:
        if self._pastes:
            self._login.out.write(_PASTE_OFF)
