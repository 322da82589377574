"""Runs what `shell_syntax` parsed, on a node's disk; nothing of it touches the workstation."""

from __future__ import annotations

import copy
import itertools
from typing import TYPE_CHECKING

from stsfix.lab.shell_builtins import BUILTINS, ExitShell, LeaveLoop
from stsfix.lab.shell_expansion import text_of, words_of
from stsfix.lab.shell_streams import (
    Buffer,
    Content,
    Environment,
    Files,
    FileSink,
    HungUp,
    NullSink,
    Streams,
)
from stsfix.lab.shell_syntax import For, Group, If, Simple, While, parse
from stsfix.lab.shell_words import (
    ShellIncompleteError,
    ShellSyntaxError,
)

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from stsfix.lab.shell_streams import Sink
    from stsfix.lab.shell_syntax import Command, Compound, Entry, Item, Redirection, Script

__all__ = ["Buffer", "Environment", "ExitShell", "Files", "Shell", "Streams"]

NOT_FOUND = 127
USAGE = 2
BROKEN_PIPE = 141
DEVICES = {"/dev/null", "/dev/stdin", "/dev/stdout", "/dev/stderr"}
_DECLARING = frozenset({"export", "readonly", "local", "declare"})
_MOST_ROUNDS = 100_000
_PIDS = itertools.count(20_000)


class Shell:
    """One bash process of a node. *arguments* are ``$0``, ``$1`` and so on."""

    def __init__(
        self,
        environment: Environment,
        *,
        umask: int = 0o022,
        arguments: Sequence[str] = ("bash",),
    ) -> None:
        self.environment = environment
        self.variables: dict[str, str] = {}
        self.arguments = list(arguments)
        self.options: set[str] = set()
        self.code = 0
        self.umask = umask
        self.at_exit = ""
        self.check: Callable[[], None] = _nothing
        self.jobs: list[threading.Thread] = []
        self.pid = next(_PIDS)
        self._guarded = 0
        self._substituted: int | None = None

    def run(self, text: str, streams: Streams) -> int:
        """Run *text* to its end and return the exit code (2 for what it cannot parse)."""
        return self._to_the_end(lambda: self.execute(parse(text), streams), streams)

    def run_input(self, streams: Streams) -> int:
        """Run standard input as bash does: each command as soon as it is complete.

        What a command reads from standard input is not run.
        """

        def work() -> None:
            while (script := self.read_command(streams)) is not None:
                self.execute(script, streams)

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

    def _to_the_end(self, work: Callable[[], None], streams: Streams) -> int:
        try:
            work()
        except ShellSyntaxError as error:
            streams.complain(f"bash: {error}")
            self.code = USAGE
        except ExitShell as ended:
            self.code = ended.code
        except LeaveLoop:
            self.code = 0
        except HungUp:
            self.end(Streams())
            raise
        return self.end(streams)

    def end(self, streams: Streams) -> int:
        """Run what ``trap ... EXIT`` left to do, and return the exit code of the shell."""
        trap, self.at_exit = self.at_exit, ""
        code = self.code
        if trap:
            try:
                self.execute(parse(trap), streams)
            except ShellSyntaxError as error:
                streams.complain(f"bash: {error}")
            except ExitShell as ended:
                return ended.code
        return code

    def _run_script(self, script: Script, streams: Streams) -> int:
        """Run *script* as a whole shell: a subshell or a substitution."""
        return self._to_the_end(lambda: self.execute(script, streams), streams)

    def execute(self, script: Script, streams: Streams) -> None:
        """Run *script* in this shell; its last code is in `code`.

        Raises:
            ExitShell: By ``exit``, or by a failure under ``set -e``.
        """
        for entry in script:
            if entry.background:
                self._background(entry, streams)
                continue
            self._and_or(entry, streams)

    def _and_or(self, entry: Entry, streams: Streams) -> None:
        last = entry.items[-1]
        for item in entry.items:
            if (item.joined == "&&" and self.code) or (item.joined == "||" and not self.code):
                continue
            guarded = item is not last or item.negated
            self._guarded += guarded
            try:
                self.code = self._pipeline(item, streams)
            finally:
                self._guarded -= guarded
            if item is last and not item.negated:
                self._stop_on_error()

    def _stop_on_error(self) -> None:
        if "e" in self.options and self.code and not self._guarded:
            raise ExitShell(self.code)

    def _pipeline(self, item: Item, streams: Streams) -> int:
        source, codes = streams.source, list[int]()
        for command in item.pipeline[:-1]:
            pipe = Buffer()
            part = Streams(stdin=source, out=pipe, err=streams.err, others=streams.others)
            codes.append(self._isolated(command, part))
            source = Content(pipe.content)
        last = copy.copy(streams)
        last.source = source
        if codes:
            codes.append(self._isolated(item.pipeline[-1], last))
        else:
            codes.append(self._command(item.pipeline[-1], last))
        code = codes[-1]
        if "pipefail" in self.options:
            code = next((c for c in reversed(codes) if c), 0)
        return int(code == 0) if item.negated else code

    def _subshell(self) -> Shell:
        child = Shell(self.environment, umask=self.umask, arguments=self.arguments)
        child.check = self.check
        child.variables = copy.copy(self.variables)
        child.options = set(self.options)
        child.code = self.code
        child.pid = self.pid
        child._guarded = self._guarded
        return child

    def _isolated(self, command: Command, streams: Streams) -> int:
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
            child._run_script([_in_foreground(entry)], quiet)  # noqa: SLF001 - its own class

        self.jobs.append(self.environment.spawn(work))
        self.code = 0

    def _command(self, command: Command, streams: Streams) -> int:
        self.check()
        self._substituted = None
        try:
            redirected = self._redirect(command.redirections, streams)
        except FileNotFoundError as error:
            streams.complain(f"bash: {error}: No such file or directory")
            return 1
        try:
            return self._redirected(command, redirected, streams)
        finally:
            for descriptor, sink in redirected.others.items():
                if streams.others.get(descriptor) is not sink:
                    self.environment.files.locks.drop(sink)

    def _redirected(self, command: Command, redirected: Streams, streams: Streams) -> int:
        if not isinstance(command, Simple):
            return self._compound(command, redirected)
        before = dict(self.variables)
        for name, value in command.assignments:
            self.variables[name] = text_of(self, value, streams)
        words = words_of(self, command.words, streams)
        if not words:
            return self._substituted or 0
        try:
            return self._call(words, redirected)
        finally:
            for name, _ in command.assignments:
                if name in before:
                    self.variables[name] = before[name]
                else:
                    self.variables.pop(name, None)

    def _call(self, words: list[str], streams: Streams) -> int:
        builtin = BUILTINS.get(words[0])
        if builtin is None:
            return self._program(words, streams)
        try:
            return builtin(self, words[1:], streams)
        except (IndexError, ValueError):
            streams.complain(f"bash: {words[0]}: wrong arguments")
            return USAGE

    def _program(self, words: list[str], streams: Streams) -> int:
        try:
            return self.environment.execute(words, streams)
        except HungUp:
            return BROKEN_PIPE

    def _compound(self, command: Compound, streams: Streams) -> int:
        match command:
            case Group(subshell=True):
                child = self._subshell()
                return child._run_script(command.body, streams)  # noqa: SLF001 - its own class
            case Group():
                self.code = 0
                self.execute(command.body, streams)
            case If():
                self._if(command, streams)
            case For():
                self._for(command, streams)
            case While():
                self._while(command, streams)
        return self.code

    def _if(self, command: If, streams: Streams) -> None:
        for condition, body in command.branches:
            if self._holds(condition, streams):
                self.execute(body, streams)
                return
        self.code = 0
        self.execute(command.otherwise, streams)

    def _holds(self, condition: Script, streams: Streams) -> bool:
        self._guarded += 1
        try:
            self.execute(condition, streams)
        finally:
            self._guarded -= 1
        return self.code == 0

    def _for(self, command: For, streams: Streams) -> None:
        words = words_of(self, command.words, streams)
        self.code = 0
        for word in words:
            self.variables[command.name] = word
            if not self._round(command.body, streams):
                return

    def _while(self, command: While, streams: Streams) -> None:
        code = 0
        for _ in range(_MOST_ROUNDS):
            if self._holds(command.condition, streams) is command.until:
                self.code = code
                return
            if not self._round(command.body, streams):
                return
            code = self.code
        streams.complain("bash: the lab ends a loop that does not end")
        raise ExitShell(1)

    def _round(self, body: Script, streams: Streams) -> bool:
        """Run a loop's body once; False if the loop is left."""
        try:
            self.execute(body, streams)
        except LeaveLoop as leave:
            self.code = 0
            if leave.levels > 1:
                raise LeaveLoop(leave.levels - 1, again=leave.again) from None
            return leave.again
        return True

    def substitute(self, script: Script, streams: Streams) -> str:
        """Return what a command substitution prints, without line ends at its end."""
        output = Buffer()
        child = self._subshell()
        inner = copy.copy(streams)
        inner.out = output
        self._substituted = self.code = child._run_script(script, inner)  # noqa: SLF001 - a child is one of us
        return output.content.decode("utf-8", "replace").rstrip("\n")

    def _redirect(self, redirections: Sequence[Redirection], streams: Streams) -> Streams:
        if not redirections:
            return streams
        result = copy.copy(streams)
        sinks: dict[int, Sink] = {1: result.out, 2: result.err, **result.others}
        for redirection in redirections:
            target = text_of(self, redirection.target, streams)
            match redirection.operator:
                case "<" if redirection.descriptor:
                    sinks[redirection.descriptor] = self._held(target)
                case "<":
                    if target == "/dev/null":
                        result.source = Content(b"")
                    elif target != "/dev/stdin":
                        result.source = Content(self.environment.files.read(target))
                case "<<":
                    result.source = Content(target.encode())
                case "<<<":
                    result.source = Content(target.encode() + b"\n")
                case ">&":
                    sinks[redirection.descriptor] = sinks[int(target)]
                case operator:
                    sinks[redirection.descriptor] = self._open(target, sinks, keep=operator == ">>")
        result.out, result.err = sinks.pop(1), sinks.pop(2)
        result.others = {n: sink for n, sink in sinks.items() if isinstance(sink, FileSink)}
        return result

    def _held(self, path: str) -> Sink:
        """Open what is there for a lock; nothing is read by such a number."""
        files = self.environment.files
        if files.find(path) is None and not files.is_program(path) and not files.is_folder(path):
            raise FileNotFoundError(path)
        return FileSink(files, path)

    def _open(self, path: str, sinks: dict[int, Sink], *, keep: bool) -> Sink:
        if path in DEVICES:
            return {"/dev/stdout": sinks[1], "/dev/stderr": sinks[2]}.get(path, NullSink())
        files = self.environment.files
        if files.find(path) is None:
            files.write(path, b"", 0o666 & ~self.umask)
        elif not keep:
            files.write(path, b"")
        return FileSink(files, path)


def _in_foreground(entry: Entry) -> Entry:
    return type(entry)(items=entry.items)


def _nothing() -> None:
    """Nobody can hang up."""
