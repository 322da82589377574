"""Files of a node's disk, and what a program of the node reads from and writes to."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from stsfix.lab.disk import NodeFile
from stsfix.lab.file_locks import FileLocks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from stsfix.lab.disk import NodeDisk


class Files:
    """The files of a disk, safe to use from several threads; *now* is the node's clock.

    Folders need not exist to be written to; those that a program made are kept, so that one
    that was left behind is seen.
    """

    def __init__(self, disk: NodeDisk, now: Callable[[], datetime] | None = None) -> None:
        self._disk = disk
        self._now = now
        self._lock = threading.Lock()
        self.locks = FileLocks()
        self.is_program: Callable[[str], bool] = lambda path: False  # noqa: ARG005 - a node's own

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
        """Return what is directly in *folder*, sorted."""
        start = folder.rstrip("/") + "/"
        with self._lock:
            inside = [path.removeprefix(start) for path in self._below(folder)]
        return sorted({name.partition("/")[0] for name in inside})

    def all_paths(self) -> set[str]:
        """Return the paths of all files and of all folders."""
        with self._lock:
            known = {*self._disk.files, *self._disk.folders}
        paths = set(known)
        for path in known:
            above = path
            while above := above.rpartition("/")[0]:
                paths.add(above)
        return paths

    def make_folder(self, path: str) -> None:
        """Make the folder *path*; nothing happens if it is there."""
        with self._lock:
            self._disk.folders.add(path)

    def is_folder(self, path: str) -> bool:
        """Tell whether *path* was made, or has something below it."""
        with self._lock:
            return path in self._disk.folders or bool(self._below(path))

    def delete_folder(self, path: str) -> None:
        """Delete a folder with everything below it.

        Raises:
            FileNotFoundError: There is no such folder.
        """
        with self._lock:
            below = self._below(path)
            if path not in self._disk.folders and not below:
                raise FileNotFoundError(path)
            for found in below:
                self._disk.files.pop(found, None)
                self._disk.folders.discard(found)
            self._disk.folders.discard(path)

    def _file(self, content: bytes, mode: int) -> NodeFile:
        changed = None if self._now is None else self._now().timestamp()
        return NodeFile(content=content, mode=mode, changed=changed)

    def _below(self, path: str) -> list[str]:
        start = path.rstrip("/") + "/"
        everything = (*self._disk.files, *self._disk.folders)
        return [found for found in everything if found.startswith(start)]


class HungUp(Exception):  # noqa: N818 - an event of the lab, as in faults.py
    """Nobody reads any more: what SIGPIPE or SIGHUP is to a program."""


class Sink(Protocol):
    """Where a descriptor writes to."""

    def write(self, content: bytes) -> None:
        """Take *content*.

        Raises:
            HungUp: The other end is gone.
        """


@dataclass
class Buffer:
    """Keeps what was written."""

    content: bytes = b""

    def write(self, content: bytes) -> None:
        """Take *content*."""
        self.content += content


class Appending(Protocol):
    """Files that can grow."""

    def append(self, path: str, content: bytes) -> None:
        """Add to the file's end; a deleted file stays deleted."""


@dataclass(eq=False)
class FileSink:
    """Writes to a file as the program goes on, so that a reader sees half of it. Each is an open of
    its own, equal to no other.
    """

    files: Appending
    path: str

    def write(self, content: bytes) -> None:
        """Take *content*."""
        self.files.append(self.path, content)


@dataclass
class NullSink:
    """Drops what was written."""

    def write(self, content: bytes) -> None:
        """Take *content*."""


class Source(Protocol):
    """Where standard input comes from; what one program has read, no other will."""

    def read_line(self) -> bytes:
        """Return the next line with its line end, empty at the end of input; waits for it."""

    def read_all(self) -> bytes:
        """Return everything up to the end of input; waits for it."""

    def read_some(self, count: int) -> bytes:
        """Return *count* bytes, fewer only at the end of input; waits for them."""


class Content:
    """Standard input that is known from the start: a file, a pipe, a here-document."""

    def __init__(self, content: bytes) -> None:
        self._left = content

    def read_line(self) -> bytes:
        """See `Source`."""
        end = self._left.find(b"\n")
        return self.read_some(len(self._left) if end < 0 else end + 1)

    def read_all(self) -> bytes:
        """See `Source`."""
        return self.read_some(len(self._left))

    def read_some(self, count: int) -> bytes:
        """See `Source`."""
        found, self._left = self._left[:count], self._left[count:]
        return found


class Streams:
    """Standard input, output and error of one command.

    Attributes:
        source: Standard input, to be read piece by piece.
        out: Standard output.
        err: Standard error.
        others: Files that are open under higher numbers.
    """

    def __init__(
        self,
        *,
        stdin: bytes | Source = b"",
        out: Sink | None = None,
        err: Sink | None = None,
        others: Mapping[int, FileSink] | None = None,
    ) -> None:
        self.source: Source = Content(stdin) if isinstance(stdin, bytes) else stdin
        self.out: Sink = NullSink() if out is None else out
        self.err: Sink = NullSink() if err is None else err
        self.others: Mapping[int, FileSink] = others or {}

    @property
    def stdin(self) -> bytes:
        """All of standard input: reading it waits for its end, and there is nothing after."""
        return self.source.read_all()

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
