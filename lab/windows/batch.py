"""Runs what `batch_syntax` parsed, on a Windows node's disk; nothing of it touches the workstation.

Where cmd.exe surprises, this does too: a batch file that is run without ``call`` never comes back,
percents are replaced before anything of a line or block runs, a file that is deleted while it
runs ends at its next line, and not every command sets ERRORLEVEL. Source: as in `expansion`.
"""

from __future__ import annotations

import copy
import ntpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from stsfix.lab.shell_streams import Buffer, Content, FileSink, NullSink, Streams
from stsfix.lab.windows.batch_syntax import (
    Block,
    Command,
    Condition,
    Redirection,
    Sequence,
    Simple,
    open_parentheses,
    parse,
)
from stsfix.lab.windows.expansion import (
    BatchSyntaxError,
    Variables,
    expand_delayed,
    expand_percents,
)
from stsfix.lab.windows.internals import INTERNALS, LeaveBatch, LeaveCmd, keeps_errorlevel

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.lab.shell_streams import Sink, Source
    from stsfix.lab.windows.files import WindowsFiles

NOT_FOUND = 9009
_NO_PATH = "The system cannot find the path specified."
_BLANK = " \t,;="
_EXTENSIONS = (".com", ".exe", ".bat", ".cmd")
_BATCH = (".bat", ".cmd")
_INTERNAL = re.compile(r"([A-Za-z]+)(?=[\s,;=./\\(:+\[\]\"]|$)")


def _dos(text: str) -> bytes:
    return (re.sub(r"\r?\n", "\r\n", text) + "\r\n").encode()


class DosStreams(Streams):
    """Streams whose lines end as Windows ends them."""

    def say(self, text: str) -> None:
        """Write *text* and a line end to the output."""
        self.out.write(_dos(text))

    def complain(self, text: str) -> None:
        """Write *text* and a line end to the error output."""
        self.err.write(_dos(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How a program was started: everything behind its name as it was written, and by whom."""

    arguments: str
    variables: Variables
    files: WindowsFiles


class Machine(Protocol):
    """What cmd.exe runs on: a node."""

    def find_program(self, path: str) -> Callable[[Start, Streams], int] | None:
        """Return the program with that full path, None if there is none."""

    def note_start(self, line: str) -> None:
        """Note a command line, as a list of processes would show it."""


class Cmd:
    """One cmd.exe process of a node. *delayed* is ``/v:on``."""

    def __init__(
        self, machine: Machine, files: WindowsFiles, variables: Variables, *, delayed: bool = False
    ) -> None:
        self.machine = machine
        self.files = files
        self.variables = variables.copy()
        self.delayed = delayed
        self.errorlevel = 0
        self.folder = "C:\\"
        self.echo = False
        self.arguments: list[str] | None = None
        self.saved: list[tuple[Variables, bool]] = []

    def run_line(self, text: str, streams: Streams) -> int:
        """Run one command line, as ``cmd /c`` does, and return its exit code."""
        try:
            self._line(text, streams)
        except BatchSyntaxError as error:
            streams.complain(str(error))
            self.errorlevel = 1
        except (LeaveBatch, LeaveCmd):
            pass
        return self.errorlevel

    def expanded(self, text: str) -> str:
        """Return *text* with ``!NAME!`` replaced, if that is on."""
        return expand_delayed(text, self._values()) if self.delayed else text

    def full_path(self, path: str) -> str:
        """Return *path* from the current folder on, without quotes."""
        return ntpath.normpath(ntpath.join(self.folder, path.replace('"', "").strip()))

    def _values(self) -> Variables:
        values = self.variables.copy()
        values.setdefault("ERRORLEVEL", str(self.errorlevel))
        values.setdefault("CD", self.folder)
        return values

    def _line(self, text: str, streams: Streams) -> None:
        expanded = expand_percents(text, self._values(), self.arguments)
        self._sequence(parse(expanded), streams)

    def _sequence(self, sequence: Sequence, streams: Streams) -> int:
        code = self.errorlevel
        for item in sequence:
            if (item.joined == "&&" and code) or (item.joined == "||" and not code):
                continue
            *earlier, last = item.commands
            stdin: bytes | Source = streams.source
            for command in earlier:
                pipe = Buffer()
                self._piped(command, DosStreams(stdin=stdin, out=pipe, err=streams.err))
                stdin = pipe.content
            if earlier:
                code = self._piped(last, DosStreams(stdin=stdin, out=streams.out, err=streams.err))
                self.errorlevel = code
            else:
                code = self._command(last, streams)
        return code

    def _piped(self, command: Command, streams: Streams) -> int:
        """Both sides of a pipe run in a cmd.exe of their own: what they set is lost."""
        child = copy.copy(self)
        child.variables = self.variables.copy()
        child.saved = []
        try:
            return child._command(command, streams)  # noqa: SLF001 - its own class
        except (LeaveBatch, LeaveCmd):
            return child.errorlevel

    def _command(self, command: Command, streams: Streams) -> int:
        if isinstance(command, Condition):
            branch = command.then if self._holds(command) else command.otherwise
            return 0 if branch is None else self._sequence(branch, streams)
        opened: list[str] = []
        try:
            redirected = self._redirect(command.redirections, streams, opened)
            if isinstance(command, Block):
                return self._sequence(command.body, redirected)
            return self._simple(command, redirected)
        except OSError as error:
            is_denied = isinstance(error, PermissionError)
            streams.complain("Access is denied." if is_denied else _NO_PATH)
            self.errorlevel = 1
            return 1
        finally:
            for path in opened:
                self.files.let_go(path)

    def _holds(self, condition: Condition) -> bool:
        operand, other = self.expanded(condition.operand), self.expanded(condition.other)
        match condition.word:
            case "exist":
                path = self.full_path(operand)
                held = self.files.find(path) is not None or self.files.has_folder(path)
            case "defined":
                held = operand in self._values()
            case "errorlevel":
                held = self.errorlevel >= int(operand)
            case _ if condition.any_case:
                held = operand.lower() == other.lower()
            case _:
                held = operand == other
        return held != condition.negated

    def _redirect(
        self, redirections: tuple[Redirection, ...], streams: Streams, opened: list[str]
    ) -> Streams:
        result = DosStreams(stdin=streams.source, out=streams.out, err=streams.err)
        sinks = {1: result.out, 2: result.err}
        for redirection in redirections:
            target = self.expanded(redirection.target).replace('"', "")
            if redirection.operator == ">&":
                sinks[redirection.handle] = sinks[int(target)]
            elif redirection.operator == "<":
                is_nothing = target.lower() == "nul"
                path = self.full_path(target)
                result.source = Content(b"" if is_nothing else self.files.read(path))
            else:
                sinks[redirection.handle] = self._open(target, redirection.operator, opened)
        result.out, result.err = sinks[1], sinks[2]
        return result

    def _open(self, target: str, operator: str, opened: list[str]) -> Sink:
        if target.lower() == "nul":
            return NullSink()
        path = self.full_path(target)
        if operator == ">" or self.files.find(path) is None:
            self.files.write(path, b"")
        else:
            self.files.require_writable(path)
        self.files.hold(path)
        opened.append(path)
        return FileSink(self.files, path)

    def _simple(self, command: Simple, streams: Streams) -> int:
        text = self.expanded(command.text).lstrip(_BLANK)
        if not text:
            return 0
        match = _INTERNAL.match(text)
        internal = INTERNALS.get(match[1].lower()) if match else None
        if internal is None or match is None:
            return self.external(text, streams, called=False)
        rest = text[match.end() :]
        code = internal(self, rest, streams)
        if not keeps_errorlevel(match[1].lower(), code):
            self.errorlevel = code
        return code

    def external(self, text: str, streams: Streams, *, called: bool) -> int:
        """Run a program or batch file; *called* tells whether control comes back from a batch."""
        name, arguments = _split_name(text)
        path = self._find(name)
        if path is None:
            self.errorlevel = self._complain_unknown(name, streams)
            return self.errorlevel
        self.machine.note_start(text)
        if path.lower().endswith(_BATCH):
            self._batch(path, arguments, streams)
            if not called and self.arguments is not None:
                raise LeaveBatch
            return self.errorlevel
        program = self.machine.find_program(path)
        if program is None:
            raise RuntimeError(f"{path} was found a moment ago")
        start = Start(arguments=arguments, variables=self.variables.copy(), files=self.files)
        self.errorlevel = program(start, streams)
        return self.errorlevel

    @staticmethod
    def _complain_unknown(name: str, streams: Streams) -> int:
        if "\\" in name:
            streams.complain(_NO_PATH)
            return 1
        streams.complain(f"'{name}' is not recognized as an internal or external command,")
        streams.complain("operable program or batch file.")
        return NOT_FOUND

    def _find(self, name: str) -> str | None:
        folders = [self.folder, *self.variables.get("PATH", "").split(";")]
        if "\\" in name:
            folders = [""]
        has_extension = name.lower().endswith(_EXTENSIONS)
        for folder in folders:
            for extension in ("",) if has_extension else _EXTENSIONS:
                path = ntpath.normpath(ntpath.join(folder or self.folder, name + extension))
                if path.lower().endswith(_BATCH):
                    if self.files.find(path) is not None:
                        return path
                elif self.machine.find_program(path) is not None:
                    return path
        return None

    def _batch(self, path: str, arguments: str, streams: Streams) -> None:
        kept = (self.arguments, self.saved, self.delayed, self.echo)
        self.arguments, self.saved = [path, *split_arguments(arguments)], []
        try:
            self._lines(path, streams)
        except LeaveBatch:
            pass
        except BatchSyntaxError as error:
            streams.complain(str(error))
            self.errorlevel = 255
        finally:
            if self.saved:
                self.variables = self.saved[0][0]
            self.arguments, self.saved, self.delayed, self.echo = kept

    def _lines(self, path: str, streams: Streams) -> None:
        """Read and run line after line; the file is opened again for each."""
        at = 0
        while True:
            if self.files.find(path) is None:
                streams.complain("The batch file cannot be found.")
                self.errorlevel = 1
                return
            lines = self.files.read(path).decode("ascii", "replace").split("\r\n")
            if at >= len(lines):
                return
            text = lines[at]
            if "\n" in text:
                raise BatchSyntaxError("the lab wants lines that end with CR LF")
            at += 1
            if text.lstrip().startswith(":"):
                continue
            while open_parentheses(expand_percents(text, self._values(), self.arguments)):
                if at >= len(lines):
                    raise BatchSyntaxError("The syntax of the command is incorrect.")
                text += "\n" + lines[at]
                at += 1
            self._line(text, streams)


def _split_name(text: str) -> tuple[str, str]:
    """Return the program's name, without quotes, and everything behind it."""
    if text.startswith('"'):
        name, _, rest = text[1:].partition('"')
        return name, rest
    match = re.match(r"[^\s,;=/]+", text)
    name = match[0] if match else text
    return name, text[len(name) :]


def split_arguments(text: str) -> list[str]:
    """Return a batch file's arguments, quotes kept."""
    return re.findall(r"(?:\"[^\"]*\"?|[^\s,;=\"])+", text)


def argv(text: str) -> list[str]:
    """Return a program's arguments as the C runtime splits them (backslashes stay as they are)."""
    return [word.replace('"', "") for word in re.findall(r"(?:\"[^\"]*\"?|[^\s\"])+", text)]
