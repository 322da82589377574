"""``/bin/appliancesh``: what root's login shell on an appliance is until somebody changes it.

Source: transcripts of 6.0 to 8.0 in public repositories (the welcome, "Shell access is granted to
root", "Shell is disabled.", "[ERROR]: Failed to connect to service."); Posh-SSH #568 (8.0: an
unknown command ends with 0, ``shell`` works by exec); ansible #41987 (6.x: a traceback of
vherdrunner); vSphere's appliance guide for the names of plug-ins and API commands. That a child of
6.x's gets no standard input by exec, and the layout of ``shell.get``, are [K].
"""

from __future__ import annotations

import argparse
import shlex
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

from stsfix.lab.login_shell import Login, bash
from stsfix.lab.releases import BUILDS, TYPES
from stsfix.lab.services import State
from stsfix.lab.shell_streams import Content
from stsfix.lab.terminal import Pipe, Prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from stsfix.lab.disk import NodeDisk
    from stsfix.lab.services import Board
    from stsfix.lab.shell import Environment

PATH = "/bin/appliancesh"
SHELL_SECONDS = 3600
LONGEST_SECONDS = 86400
"""How long ``shell.set --enabled true`` lasts by default and at most (API shell.set)."""

_PROMPT = b"Command> "
_FAILED = (
    "[ERROR]: Failed to connect to service.\nUse service-control command to manage applmgmt service"
)
_HELP = """
    * List APIs: "help api list"
    * List Plugins: "help pi list"
"""
_TRACE = """
Traceback (most recent call last):
  File "/usr/lib/applmgmt/base/bin/vherdrunner", line 8, in <module>
    vherdrunner.start(vherdrunner.directories)
  File "/usr/lib/applmgmt/base/bin/vherdrunner.py", line 74, in start
    execfile(sys.argv[0], childGlobals)
  File "/usr/lib/applmgmt/linux_cli/bin/main-shell", line 11, in <module>
    sys.exit(cli.main(sys.argv))"""
_API = "com.vmware.appliance."


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


class ApplianceShell:
    """One login by appliancesh; *board* tells whether applmgmt answers."""

    def __init__(
        self,
        login: Login,
        *,
        disk: NodeDisk,
        board: Board,
        environment: Environment,
        now: Callable[[], datetime],
    ) -> None:
        self._login = login
        self._streams = login.streams()
        self._disk = disk
        self._board = board
        self._environment = environment
        self._now = now
        self._ended = False

    def run(self, command: str) -> int:
        """Run ``appliancesh -c`` *command*; the exit code says nothing on 7.0 and later."""
        words = _words(command)
        known = self._run(words, by_exec=True)
        if known or self._disk.release >= (7,):
            return 0
        self._streams.complain(_TRACE)
        return 1

    def interact(self) -> int:
        """Greet, and run what is typed, or what is on standard input, up to ``exit``.

        Raises:
            HungUp: The client is gone.
        """
        self._greet()
        lines = self._lines()
        while not self._ended:
            self._login.out.write(_PROMPT)
            line = lines()
            if not line:
                break
            self._run(_words(line.decode(errors="replace")), by_exec=False)
        if self._login.terminal is not None:
            self._login.terminal.check()
        return 0

    def _lines(self) -> Callable[[], bytes]:
        if self._login.terminal is not None:
            return Prompt(self._login.terminal).read_line
        source = self._login.source
        return _Buffered(source).read_line if isinstance(source, Pipe) else source.read_line

    def _greet(self) -> None:
        say = self._streams.say
        say("Connected to service" if self._serves else f"\n{_FAILED}")
        say(_HELP + self._launch())

    def _launch(self) -> str:
        enable = '    * Enable BASH access: "shell.set --enabled True"\n'
        return (enable if self._disk.release < (6, 5) else "") + '    * Launch BASH: "shell"\n'

    @property
    def _serves(self) -> bool:
        """True while applmgmt, which answers API commands, runs."""
        return self._board.state("applmgmt") is State.RUNNING

    def _run(self, words: Sequence[str], *, by_exec: bool) -> bool:
        """Run one command; False if there is none of that name."""
        if not words:
            return True
        name, arguments = words[0].removeprefix("com.vmware."), words[1:]
        name = name.removeprefix("appliance.").removeprefix("version1.")
        if name == "exit":
            self._ended = True
        elif name == "shell":
            self._shell(by_exec=by_exec)
        elif name == "service-control":
            self._environment.execute(["service-control", *arguments], self._streams)
        elif name == "help":
            self._help(arguments)
        elif (call := self._calls().get(name)) is not None:
            self._call(call, arguments)
        else:
            self._streams.say(f"Unknown command: `{words[0]}'")
            return False
        return True

    def _shell(self, *, by_exec: bool) -> None:
        if not self.lets_into_bash:
            self._streams.say("Shell is disabled.")
            return
        self._streams.say("Shell access is granted to root")
        login = self._login
        if by_exec and login.terminal is None and self._disk.release < (7,):
            login = Login(source=Content(b""), out=login.out, err=login.err)
        bash(login, self._environment, self._disk)

    @property
    def lets_into_bash(self) -> bool:
        """True while ``shell`` starts bash: always from 7.0 on, before that for a time."""
        until = self._disk.bash_until
        return self._disk.release >= (7,) or (until is not None and self._now() < until)

    def _help(self, arguments: Sequence[str]) -> None:
        say = self._streams.say
        if list(arguments[:2]) == ["pi", "list"]:
            say("\n".join(f"com.vmware.{name}" for name in ("service-control", "shell")))
        elif list(arguments[:2]) == ["api", "list"]:
            say("\n".join(f"{_API}version1.{name}" for name in sorted(self._calls())))
        else:
            say(_HELP + self._launch())

    def _call(self, call: Callable[[Sequence[str]], None], arguments: Sequence[str]) -> None:
        if not self._serves:
            self._streams.say(_FAILED)
            return
        try:
            call(arguments)
        except ValueError as error:
            self._streams.say(f"Error in method invocation {error}")

    def _calls(self) -> dict[str, Callable[[Sequence[str]], None]]:
        return {
            "shell.get": self._shell_get,
            "shell.set": self._shell_set,
            "access.shell.get": self._shell_get,
            "access.shell.set": self._shell_set,
            "access.ssh.get": self._ssh_get,
            "system.version.get": self._version_get,
        }

    def _shell_get(self, arguments: Sequence[str]) -> None:
        del arguments
        until = self._disk.bash_until
        left = 0 if until is None else max(0, int((until - self._now()).total_seconds()))
        self._streams.say(f"Config:\n   Enabled: {self.lets_into_bash}\n   Timeout: {left}")

    def _shell_set(self, arguments: Sequence[str]) -> None:
        parser = _Parser(prog="shell.set", add_help=False)
        parser.add_argument("--enabled", required=True, type=str.lower, choices=("true", "false"))
        parser.add_argument("--timeout", type=int, default=SHELL_SECONDS)
        asked = parser.parse_args(arguments)
        if not 0 <= asked.timeout <= LONGEST_SECONDS:
            raise ValueError("timeout is not between 0 and 86400")
        on = asked.enabled == "true"
        self._disk.bash_until = self._now() + timedelta(seconds=asked.timeout) if on else None

    def _ssh_get(self, arguments: Sequence[str]) -> None:
        del arguments
        self._streams.say(f"Enabled: {self._disk.ssh_enabled}")

    def _version_get(self, arguments: Sequence[str]) -> None:
        del arguments
        disk = self._disk
        self._streams.say(
            f"Version:\n   Version: {BUILDS[disk.version]}\n   Type: {TYPES[disk.role]}"
        )


class _Buffered:
    """Lines of a pipe as Python reads them: with everything that is there, ahead of its children.

    What comes after ``shell`` in one piece is therefore not bash's, but appliancesh's when bash
    has ended [INFERRED].
    """

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._taken = b""

    def read_line(self) -> bytes:
        while b"\n" not in self._taken and (more := self._pipe.read_ready()):
            self._taken += more
        line, end, self._taken = self._taken.partition(b"\n")
        return line + end


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()
