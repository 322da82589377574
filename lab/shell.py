"""Runs what `shell_syntax` parsed, on a node's disk; nothing of it touches the workstation."""

from __future__ import annotations

import copy
import itertools
from typing import TYPE_CHECKING, Protocol

from stsfix.lab.shell_streams import Buffer, Content, Files, FileSink, NullSink, Sink, Streams
from stsfix.lab.shell_syntax import (
    Group,
    ShellIncompleteError,
    ShellSyntaxError,
    Simple,
    Word,
    parse,
)
from stsfix.lab.shell_words import Kind

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from stsfix.lab.shell_syntax import Entry, Redirection, Script
    from stsfix.lab.shell_words import Piece

__all__ = ["Buffer", "Environment", "ExitShell", "Files", "Shell", "Streams"]

NOT_FOUND = 127
USAGE = 2
NULL_DEVICE = "/dev/null"
STDIN_DEVICE = "/dev/stdin"
_PIDS = itertools.count(3000)


class Environment(Protocol):
    """What the shell runs in: a node."""

    files: Files

    def execute(self, argv: Sequence[str], streams: Streams) -> int:
        """Run a program that is no builtin; 127 if there is none of that name."""

    def spawn(self, work: Callable[[], None]) -> threading.Thread:
        """Run *work* in a new thread, until the node loses power."""


class ExitShell(Exception):  # noqa: N818 - control flow of the interpreted shell
    """``exit`` was called."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Shell:
    """One bash process of a node."""

    def __init__(self, environment: Environment, *, umask: int = 0o022) -> None:
        self.environment = environment
        self.variables: dict[str, str] = {}
        self.code = 0
        self.umask = umask
        self.pid = next(_PIDS)
        self.at_exit = ""
        self._errexit = False
        self._jobs: list[threading.Thread] = []

    def run(self, text: str, streams: Streams) -> int:
        """Run *text* to its end and return the exit code (2 for what it cannot parse)."""
        return self._to_the_end(lambda: self._script(parse(text), streams), streams)

    def run_input(self, streams: Streams) -> int:
        """Run standard input as bash does: each command as soon as it is complete.

        What a command reads from standard input is not run.
        """

        def work() -> None:
            while (script := self.read_command(streams)) is not None:
                self._script(script, streams)

        return self._to_the_end(work, streams)

    def read_command(
        self, streams: Streams, more: Callable[[], None] | None = None
    ) -> Script | None:
        """Read lines of standard input until they are a command; None at its end.

        Args:
            streams: What to read.
            more: Called before each line but the first.

        Raises:
            ShellSyntaxError: Of what was read.
        """
        text = ""
        while line := streams.source.read_line().decode(errors="replace"):
            text += line
            try:
                return parse(text, at_end=False)
            except ShellIncompleteError:
                if more is not None:
                    more()
        return parse(text) if text else None

    def execute(self, script: Script, streams: Streams) -> None:
        """Run what `read_command` returned.

        Raises:
            ExitShell: By ``exit``.
        """
        self._script(script, streams)

    def _to_the_end(self, work: Callable[[], None], streams: Streams) -> int:
        try:
            work()
        except ShellSyntaxError as error:
            streams.complain(f"bash: {error}")
            self.code = USAGE
        except ExitShell as ended:
            self.code = ended.code
        return self.end(streams)

    def end(self, streams: Streams) -> int:
        """Run what ``trap ... EXIT`` left to do, and return the exit code of the shell."""
        trap, self.at_exit = self.at_exit, ""
        code = self.code
        if trap:
            try:
                self._script(parse(trap), streams)
            except ExitShell as ended:
                return ended.code
        return code

    def _script(self, script: Script, streams: Streams) -> None:
        for entry in script:
            if entry.background:
                self._background(entry, streams)
                continue
            self._and_or(entry, streams)
            if self._errexit and self.code and len(entry.items) == 1:
                raise ExitShell(self.code)

    def _and_or(self, entry: Entry, streams: Streams) -> None:
        for item in entry.items:
            if (item.joined == "&&" and self.code) or (item.joined == "||" and not self.code):
                continue
            source = streams.source
            for command in item.pipeline[:-1]:
                pipe = Buffer()
                self._isolated(command, Streams(stdin=source, out=pipe, err=streams.err))
                source = Content(pipe.content)
            last = Streams(stdin=source, out=streams.out, err=streams.err)
            if len(item.pipeline) > 1:
                self.code = self._isolated(item.pipeline[-1], last)
            else:
                self.code = self._command(item.pipeline[-1], last)

    def _subshell(self) -> Shell:
        child = Shell(self.environment, umask=self.umask)
        child.variables = copy.copy(self.variables)
        child.code = self.code
        return child

    def _isolated(self, command: Simple | Group, streams: Streams) -> int:
        child = self._subshell()
        try:
            child.code = child._command(command, streams)  # noqa: SLF001 - its own class
        except ExitShell as ended:
            child.code = ended.code
        return child.end(streams)

    def _background(self, entry: Entry, streams: Streams) -> None:
        child = self._subshell()
        quiet = Streams(out=streams.out, err=streams.err)

        def work() -> None:
            try:
                child._and_or(entry, quiet)  # noqa: SLF001 - its own class
            except ExitShell:
                return

        self._jobs.append(self.environment.spawn(work))
        self.code = 0

    def _command(self, command: Simple | Group, streams: Streams) -> int:
        try:
            redirected = self._redirect(command.redirections, streams)
        except FileNotFoundError as error:
            streams.complain(f"bash: {error}: No such file or directory")
            return 1
        if isinstance(command, Group):
            return self._group(command, redirected)
        for name, value in command.assignments:
            self.variables[name] = self._expand(value, redirected)
        words = [self._expand(word, redirected) for word in command.words]
        if not words:
            return self.code if _substitutes(command) else 0
        builtin = _BUILTINS.get(words[0])
        if builtin is not None:
            try:
                return builtin(self, words[1:], redirected)
            except (IndexError, ValueError):
                redirected.complain(f"bash: {words[0]}: wrong arguments")
                return USAGE
        return self.environment.execute(words, redirected)

    def _group(self, group: Group, streams: Streams) -> int:
        child = self._subshell()
        try:
            child._script(group.body, streams)  # noqa: SLF001 - its own class
        except ExitShell as ended:
            child.code = ended.code
        return child.end(streams)

    def _expand(self, word: Word, streams: Streams) -> str:
        return "".join(self._value(piece, streams) for piece in word.pieces)

    def _value(self, piece: Piece, streams: Streams) -> str:
        match piece.kind:
            case Kind.COMMAND:
                return self._output(piece.text, streams)
            case Kind.VARIABLE:
                special = {"?": str(self.code), "$": str(self.pid)}
                return special.get(piece.text, self.variables.get(piece.text, ""))
            case _:
                return piece.text

    def _output(self, text: str, streams: Streams) -> str:
        """Return what a command substitution prints, without line ends at its end."""
        child, printed = self._subshell(), Buffer()
        inner = Streams(stdin=streams.source, out=printed, err=streams.err)
        child.pid = self.pid
        self.code = child.run(text, inner)
        return printed.content.decode(errors="replace").rstrip("\n")

    def _redirect(self, redirections: Sequence[Redirection], streams: Streams) -> Streams:
        files = self.environment.files
        result = copy.copy(streams)
        sinks = {1: result.out, 2: result.err}
        for redirection in redirections:
            target = self._expand(redirection.target, streams)
            match redirection.operator:
                case "<" if target == STDIN_DEVICE:
                    pass
                case "<":
                    result.source = Content(b"" if target == NULL_DEVICE else files.read(target))
                case "<<":
                    result.source = Content(target.encode())
                case "<<<":
                    result.source = Content(target.encode() + b"\n")
                case ">&":
                    sinks[redirection.descriptor] = sinks[int(target)]
                case operator:
                    sinks[redirection.descriptor] = self._open(target, operator == ">>")
        result.out, result.err = sinks[1], sinks[2]
        return result

    def _open(self, path: str, keep: bool) -> Sink:  # noqa: FBT001 - private, one call
        if path == NULL_DEVICE:
            return NullSink()
        files = self.environment.files
        if files.find(path) is None:
            files.write(path, b"", 0o666 & ~self.umask)
        elif not keep:
            files.write(path, b"")
        return FileSink(files, path)

    def builtin_exit(self, words: Sequence[str], streams: Streams) -> int:
        """``exit [CODE]``."""
        del streams
        raise ExitShell(int(words[0]) if words else self.code)

    def builtin_echo(self, words: Sequence[str], streams: Streams) -> int:
        """``echo [-n] WORD...``."""
        newline = not (words and words[0] == "-n")
        text = " ".join(words if newline else words[1:])
        streams.out.write((text + "\n" * newline).encode())
        return 0

    def builtin_printf(self, words: Sequence[str], streams: Streams) -> int:
        r"""``printf FORMAT WORD...`` with %s, %d and \n only."""
        text = words[0].replace("\\n", "\n")
        for word in words[1:]:
            text = text.replace("%d", "%s", 1) if text.find("%d") >= 0 else text
            text = text.replace("%s", word, 1)
        streams.out.write(text.encode())
        return 0

    def builtin_umask(self, words: Sequence[str], streams: Streams) -> int:
        """``umask [MODE]``."""
        if not words:
            streams.say(f"{self.umask:04o}")
        else:
            self.umask = int(words[0], 8)
        return 0

    def builtin_set(self, words: Sequence[str], streams: Streams) -> int:
        """``set -e`` and ``set +e``; -u and -o pipefail are accepted and change nothing."""
        del streams
        for word in words:
            if word.startswith(("-", "+")) and "e" in word:
                self._errexit = word.startswith("-")
        return 0

    def builtin_trap(self, words: Sequence[str], streams: Streams) -> int:
        """``trap COMMANDS EXIT`` and ``trap - EXIT``; signals are accepted and never come."""
        del streams
        commands, *signals = words
        if "EXIT" in signals:
            self.at_exit = "" if commands == "-" else commands
        return 0

    def builtin_read(self, words: Sequence[str], streams: Streams) -> int:
        """``read [-r] [NAME]``: one line of standard input."""
        line = streams.source.read_line().decode(errors="replace")
        name = next((word for word in words if not word.startswith("-")), "REPLY")
        self.variables[name] = line.removesuffix("\n").strip()
        return int(not line.endswith("\n"))

    def builtin_unset(self, words: Sequence[str], streams: Streams) -> int:
        """``unset NAME...``."""
        del streams
        for name in words:
            self.variables.pop(name, None)
        return 0

    def builtin_wait(self, words: Sequence[str], streams: Streams) -> int:
        """``wait``: for every background command of this shell."""
        del words, streams
        for job in self._jobs:
            job.join()
        return 0

    def builtin_export(self, words: Sequence[str], streams: Streams) -> int:
        """``export NAME=VALUE``."""
        del streams
        for word in words:
            name, equals, value = word.partition("=")
            if equals:
                self.variables[name] = value
        return 0

    def builtin_true(self, words: Sequence[str], streams: Streams) -> int:
        """``true``, ``:`` and ``cd`` (paths are absolute here)."""
        del words, streams
        return 0

    def builtin_false(self, words: Sequence[str], streams: Streams) -> int:
        """``false``."""
        del words, streams
        return 1


def _substitutes(command: Simple) -> bool:
    """True if the exit code of a command without words is that of a substitution."""
    return any(
        piece.kind is Kind.COMMAND for _, value in command.assignments for piece in value.pieces
    )


_BUILTINS = {
    "exit": Shell.builtin_exit,
    "echo": Shell.builtin_echo,
    "printf": Shell.builtin_printf,
    "umask": Shell.builtin_umask,
    "set": Shell.builtin_set,
    "trap": Shell.builtin_trap,
    "read": Shell.builtin_read,
    "unset": Shell.builtin_unset,
    "wait": Shell.builtin_wait,
    "export": Shell.builtin_export,
    "true": Shell.builtin_true,
    ":": Shell.builtin_true,
    "cd": Shell.builtin_true,
    "false": Shell.builtin_false,
}
