"""Small programs of a node: copies of files, and programs that run others.

Options are those that administrators' scripts use; others are refused, not ignored.
"""

from __future__ import annotations

import hashlib
import posixpath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from stsfix.lab.shell import Environment
    from stsfix.lab.shell_streams import Streams


class Coreutils:
    """Programs by name in `table`; *environment* is the node they run on."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._files = environment.files
        self.table: dict[str, Callable[[Sequence[str], Streams], int]] = {
            "cp": self._cp,
            "env": self._wrapped,
            "id": self._id,
            "mv": self._mv,
            "nohup": self._wrapped,
            "setsid": self._wrapped,
            "sha256sum": self._sha256sum,
            "shred": self._shred,
            "sort": self._sort,
            "sudo": self._wrapped,
            "tee": self._tee,
            "timeout": self._timeout,
            "tr": self._tr,
        }

    def _wrapped(self, words: Sequence[str], streams: Streams) -> int:
        """Run the command after it; root needs no password of sudo."""
        return self._environment.execute(list(words), streams)

    def _timeout(self, words: Sequence[str], streams: Streams) -> int:
        """``timeout SECONDS COMMAND...``; nothing here hangs, so the limit is never reached."""
        float(words[0])
        return self._environment.execute(list(words[1:]), streams)

    def _inputs(
        self, program: str, paths: Sequence[str], streams: Streams
    ) -> Iterator[tuple[str, bytes]]:
        """Yield name and content of each input; one that is missing is told."""
        for path in paths or ["-"]:
            if path in ("-", "/dev/stdin"):
                yield "-", streams.stdin
                continue
            try:
                yield path, self._files.read(path)
            except FileNotFoundError:
                reason = (
                    "Is a directory" if self._files.is_folder(path) else "No such file or directory"
                )
                streams.complain(f"{program}: {path}: {reason}")

    def _shred(self, words: Sequence[str], streams: Streams) -> int:
        """``shred -u FILE...``: written over and removed."""
        code = 0
        for path in (word for word in words if not word.startswith("-")):
            if self._files.find(path) is None:
                streams.complain(
                    f"shred: {path}: failed to open for writing: No such file or directory"
                )
                code = 1
            elif "-u" in words:
                self._files.delete(path)
        return code

    def _mv(self, words: Sequence[str], streams: Streams) -> int:
        """``mv [-f] [-T] SOURCE TARGET``; -T: the target is no folder to move into."""
        named = [word for word in words if word not in ("-f", "-T", "-fT", "-Tf")]
        if any("T" in word for word in words[:-2]) and self._files.is_folder(named[1]):
            streams.complain(f"mv: cannot overwrite directory '{named[1]}' with non-directory")
            return 1
        if code := self._copy("mv", named, streams):
            return code
        self._files.delete(named[0])
        return 0

    def _cp(self, words: Sequence[str], streams: Streams) -> int:
        """``cp [-p] SOURCE TARGET``; a new file has the mode of its source."""
        return self._copy("cp", [word for word in words if word not in ("-p", "-f")], streams)

    def _copy(self, program: str, words: Sequence[str], streams: Streams) -> int:
        source, target = words
        found = self._files.find(source)
        if found is None:
            streams.complain(f"{program}: cannot stat '{source}': No such file or directory")
            return 1
        if self._files.is_folder(target):
            target = posixpath.join(target, posixpath.basename(source))
        self._files.write(target, found.content, found.mode)
        return 0

    def _id(self, words: Sequence[str], streams: Streams) -> int:
        streams.say({"-u": "0", "-un": "root"}.get(words[0], "") if words else "uid=0(root)")
        return 0

    def _tee(self, words: Sequence[str], streams: Streams) -> int:
        content = streams.stdin
        streams.out.write(content)
        for path in (word for word in words if word != "-a"):
            found = self._files.find(path) if "-a" in words else None
            self._files.write(path, content if found is None else found.content + content)
        return 0

    def _sha256sum(self, words: Sequence[str], streams: Streams) -> int:
        inputs = list(self._inputs("sha256sum", words, streams))
        for name, content in inputs:
            streams.say(f"{hashlib.sha256(content).hexdigest()}  {name}")
        return int(bool(words) and len(inputs) < len(words))

    def _sort(self, words: Sequence[str], streams: Streams) -> int:
        """``sort [-u] [FILE]`` by bytes, as with LC_ALL=C."""
        paths = [word for word in words if word != "-u"]
        for _, content in self._inputs("sort", paths, streams):
            lines = content.splitlines()
            for line in sorted(set(lines) if "-u" in words else lines):
                streams.out.write(line + b"\n")
        return 0

    def _tr(self, words: Sequence[str], streams: Streams) -> int:
        """``tr -d CHARACTERS`` or ``tr FROM TO``; no ranges."""
        text = streams.stdin.decode("utf-8", "replace")
        one, other = (_unescaped(word) for word in words)
        if words[0] == "-d":
            table: dict[int, str | None] = {ord(char): None for char in other}
        else:
            padded = other.ljust(len(one), other[-1])
            table = {ord(char): padded[at] for at, char in enumerate(one)}
        streams.out.write(text.translate(table).encode())
        return 0


def _unescaped(text: str) -> str:
    return text.replace("\\n", "\n").replace("\\r", "\r").replace("\\t", "\t")
