"""Runs what `shell_syntax` parsed, on a node's disk; nothing of it touches the workstation."""

from __future__ import annotations

import copy
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from stsfix.lab.disk import NodeFile
from stsfix.lab.shell_syntax import Group, ShellSyntaxError, Simple, Word, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from stsfix.lab.disk import NodeDisk
    from stsfix.lab.shell_syntax import Entry, Redirection, Script

NOT_FOUND = 127
USAGE = 2
NULL_DEVICE = "/dev/null"


class Files:
    """The files of a disk, safe to use from several threads; *now* is the node's clock."""

    def __init__(self, disk: NodeDisk, now: Callable[[], datetime] | None = None) -> None:
        self._disk = disk
        self._now = now
        self._lock = threading.Lock()

    def read(self, path: str) -> bytes:
        """Return the content of *path*.

        Raises:
            FileNotFoundError: There is no such file.
        """
        with self._lock:
            if path not in self._disk.files:
                raise FileNotFoundError(path)
            return self._disk.files[path].content

    def find(self, path: str) -> NodeFile | None:
        """Return the file, None if there is none."""
        with self._lock:
            return self._disk.files.get(path)

    def write(self, path: str, content: bytes, mode: int | None = None) -> None:
        """Replace the file's content; *mode* None keeps an existing file's mode."""
        with self._lock:
            old = self._disk.files.get(path)
            kept = old.mode if old is not None else 0o644
            self._disk.files[path] = self._file(content, kept if mode is None else mode)

    def append(self, path: str, content: bytes) -> None:
        """Add to the file's end; a deleted file stays deleted, as for an open descriptor."""
        with self._lock:
            old = self._disk.files.get(path)
            if old is not None:
                self._disk.files[path] = self._file(old.content + content, old.mode)

    def delete(self, path: str) -> None:
        """Delete *path*.

        Raises:
            FileNotFoundError: There is no such file.
        """
        with self._lock:
            if self._disk.files.pop(path, None) is None:
                raise FileNotFoundError(path)

    def names(self, folder: str) -> list[str]:
        """Return what is directly in *folder*, sorted; folders are only parts of paths."""
        start = folder.rstrip("/") + "/"
        with self._lock:
            inside = [
                path.removeprefix(start) for path in self._disk.files if path.startswith(start)
            ]
        return sorted({name.partition("/")[0] for name in inside})

    def _file(self, content: bytes, mode: int) -> NodeFile:
        changed = None if self._now is None else self._now().timestamp()
        return NodeFile(content=content, mode=mode, changed=changed)


class Sink(Protocol):
    """Where a descriptor writes to."""

    def write(self, content: bytes) -> None:
        """Take *content*."""


@dataclass
class Buffer:
    """Keeps what was written."""

    content: bytes = b""

    def write(self, content: bytes) -> None:
        """Take *content*."""
        self.content += content


@dataclass
class FileSink:
    """Writes to a file as the program goes on, so that a reader sees half of it."""

    files: Files
    path: str

    def write(self, content: bytes) -> None:
        """Take *content*."""
        self.files.append(self.path, content)


@dataclass
class NullSink:
    """Drops what was written."""

    def write(self, content: bytes) -> None:
        """Take *content*."""


@dataclass(kw_only=True)
class Streams:
    """Standard input, output and error of one command."""

    stdin: bytes = b""
    out: Sink = field(default_factory=NullSink)
    err: Sink = field(default_factory=NullSink)

    def say(self, text: str) -> None:
        """Write *text* and a line end to the output."""
        self.out.write(text.encode() + b"\n")

    def complain(self, text: str) -> None:
        """Write *text* and a line end to the error output."""
        self.err.write(text.encode() + b"\n")


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
        self._errexit = False
        self._jobs: list[threading.Thread] = []

    def run(self, text: str, streams: Streams) -> int:
        """Run *text* to its end and return the exit code (2 for what it cannot parse)."""
        try:
            self._script(parse(text), streams)
        except ShellSyntaxError as error:
            streams.complain(f"bash: {error}")
            return USAGE
        except ExitShell as ended:
            return ended.code
        return self.code

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
            stdin = streams.stdin
            for command in item.pipeline[:-1]:
                pipe = Buffer()
                self._isolated(command, Streams(stdin=stdin, out=pipe, err=streams.err))
                stdin = pipe.content
            last = Streams(stdin=stdin, out=streams.out, err=streams.err)
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
            return child._command(command, streams)  # noqa: SLF001 - its own class
        except ExitShell as ended:
            return ended.code

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
            self.variables[name] = self._expand(value)
        words = [self._expand(word) for word in command.words]
        if not words:
            return 0
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
            return ended.code
        return child.code

    def _expand(self, word: Word) -> str:
        return "".join(self._value(p.text) if p.variable else p.text for p in word.pieces)

    def _value(self, name: str) -> str:
        return str(self.code) if name == "?" else self.variables.get(name, "")

    def _redirect(self, redirections: Sequence[Redirection], streams: Streams) -> Streams:
        files = self.environment.files
        result = copy.copy(streams)
        sinks = {1: result.out, 2: result.err}
        for redirection in redirections:
            target = self._expand(redirection.target)
            match redirection.operator:
                case "<":
                    result.stdin = b"" if target == NULL_DEVICE else files.read(target)
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


_BUILTINS = {
    "exit": Shell.builtin_exit,
    "echo": Shell.builtin_echo,
    "printf": Shell.builtin_printf,
    "umask": Shell.builtin_umask,
    "set": Shell.builtin_set,
    "wait": Shell.builtin_wait,
    "export": Shell.builtin_export,
    "true": Shell.builtin_true,
    ":": Shell.builtin_true,
    "cd": Shell.builtin_true,
    "false": Shell.builtin_false,
}
