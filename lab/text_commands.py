"""Programs of a node that look into files: tail, head, grep, cut, wc, stat and ls.

As coreutils and GNU grep behave (compared with the real ones in the contract tests), for the
options that are understood; any other is refused, because a node that guesses would let a wrong
script pass.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from stsfix.lab.shell import USAGE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from stsfix.lab.shell import Files, Streams

_STANDARD_INPUT = "-"
_NO_MATCH = 1
_OUTSIDE = re.compile(r"\\[A-Za-z0-9<>`']|\[\[|\(\?|[*+?}]\?|[*+?}]\+")
"""Where POSIX extended expressions and Python's differ, or only GNU's has a meaning."""


class _RefusedError(Exception):
    """A command line that the program does not take; the text is its complaint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A command line taken apart: options without a value, values by option, operands."""

    flags: frozenset[str]
    values: dict[str, list[str]]
    operands: list[str]

    def last(self, option: str) -> str | None:
        """Return the value given last, None if the option is not there."""
        return self.values[option][-1] if option in self.values else None


class TextCommands:
    """What can look into the files of one node; *born* is when its disk was written."""

    def __init__(self, files: Files, born: Callable[[], datetime]) -> None:
        self._files = files
        self._born = born

    def table(self) -> dict[str, Callable[[Sequence[str], Streams], int]]:
        """Return the programs by name."""
        return {
            name: _guarded(name, command)
            for name, command in {
                "tail": self._tail,
                "head": self._head,
                "grep": self._grep,
                "egrep": lambda words, streams: self._grep(["-E", *words], streams),
                "fgrep": lambda words, streams: self._grep(["-F", *words], streams),
                "cut": self._cut,
                "wc": self._wc,
                "stat": self._stat,
                "ls": self._ls,
            }.items()
        }

    def _inputs(self, paths: Sequence[str], streams: Streams, name: str) -> Iterator[bytes | None]:
        """Yield the content of each of *paths*, or None after a complaint."""
        for path in paths or [_STANDARD_INPUT]:
            if path == _STANDARD_INPUT:
                yield streams.stdin
                continue
            found = self._files.find(path)
            if found is None:
                streams.complain(f"{name}: {path}: No such file or directory")
            yield None if found is None else found.content

    def _ends(self, words: Sequence[str], streams: Streams, name: str) -> int:
        """``head`` and ``tail`` with -n or -c, of one file or of standard input."""
        asked = _asked(words, flags="", valued="cn")
        if len(asked.operands) > 1:
            _refuse("more than one file is not modelled")
        path = asked.operands[0] if asked.operands else _STANDARD_INPUT
        found = None if path == _STANDARD_INPUT else self._files.find(path)
        if found is None and path != _STANDARD_INPUT:
            streams.complain(f"{name}: cannot open '{path}' for reading: No such file or directory")
            return 1
        size = asked.last("c")
        if name == "head" and size is not None and found is None:
            # No more is read than is asked for: the rest is the next program's.
            streams.out.write(streams.source.read_some(_count(size)))
            return 0
        content = streams.stdin if found is None else found.content
        lines = _lines(content) if size is None else []
        count = _count(size or asked.last("n") or "10")
        whole = len(content) if size is not None else len(lines)
        kept = slice(count) if name == "head" else slice(max(0, whole - count), None)
        streams.out.write(content[kept] if size is not None else b"".join(lines[kept]))
        return 0

    def _tail(self, words: Sequence[str], streams: Streams) -> int:
        return self._ends(words, streams, "tail")

    def _head(self, words: Sequence[str], streams: Streams) -> int:
        return self._ends(words, streams, "head")

    def _grep(self, words: Sequence[str], streams: Streams) -> int:
        """``grep`` with -E or -F and -a, -c, -i, -m, -q, -v, -e."""
        asked = _asked(words, flags="aEFciqv", valued="em")
        operands = list(asked.operands)
        patterns = asked.values.get("e") or [operands.pop(0) if operands else ""]
        if len(operands) > 1:
            _refuse("more than one file is not modelled")
        matcher = _matcher(patterns, asked.flags)
        (content,) = self._inputs(operands, streams, "grep")
        if content is None:
            return USAGE
        limit = asked.last("m")
        found = [
            line
            for line in _lines(content)
            if (matcher(line.rstrip(b"\n")) is None) is ("v" in asked.flags)
        ]
        if limit is not None:
            found = found[: _count(limit)]
        if "c" in asked.flags:
            streams.say(str(len(found)))
        elif "q" not in asked.flags:
            for line in found:
                streams.out.write(line if line.endswith(b"\n") else line + b"\n")
        return 0 if found else _NO_MATCH

    def _cut(self, words: Sequence[str], streams: Streams) -> int:
        """``cut -b FIRST-LAST``."""
        asked = _asked(words, flags="", valued="b")
        match = re.fullmatch(r"([0-9]+)-([0-9]+)", asked.last("b") or "")
        if match is None:
            _refuse("only -b FIRST-LAST is modelled")
        first, last = int(match[1]), int(match[2])
        for content in self._inputs(asked.operands, streams, "cut"):
            for line in _lines(content or b""):
                streams.out.write(line.rstrip(b"\n")[first - 1 : last] + b"\n")
        return 0

    def _wc(self, words: Sequence[str], streams: Streams) -> int:
        """``wc -c`` or ``wc -l`` of standard input or of one file."""
        asked = _asked(words, flags="cl", valued="")
        if len(asked.flags) != 1 or len(asked.operands) > 1:
            _refuse("only -c or -l of one file is modelled")
        (content,) = self._inputs(asked.operands, streams, "wc")
        if content is None:
            return 1
        number = len(content) if "c" in asked.flags else content.count(b"\n")
        streams.say(" ".join([str(number), *asked.operands]))
        return 0

    def _stat(self, words: Sequence[str], streams: Streams) -> int:
        """``stat -L -c FORMAT FILE`` with %s (size), %Y (modified), %a (mode) and %n (name)."""
        asked = _asked(words, flags="L", valued="c")
        form = asked.last("c")
        if form is None or not asked.operands or re.search(r"%[^sYan]", form):
            _refuse("only -c with %s, %Y, %a and %n is modelled")
        code = 0
        for path in asked.operands:
            found = self._files.find(path)
            if found is None:
                streams.complain(f"stat: cannot statx '{path}': No such file or directory")
                code = 1
                continue
            changed = self._born().timestamp() if found.changed is None else found.changed
            text = form.replace("%s", str(len(found.content))).replace("%Y", str(int(changed)))
            streams.say(text.replace("%a", f"{found.mode:o}").replace("%n", path))
        return code

    def _ls(self, words: Sequence[str], streams: Streams) -> int:
        """``ls [-1] PATH``: a file, or what is in a folder."""
        asked = _asked(words, flags="1a", valued="")
        if len(asked.operands) != 1:
            _refuse("only one path is modelled")
        path = asked.operands[0]
        names = [path] if self._files.find(path) is not None else self._files.names(path)
        if not names:
            streams.complain(f"ls: cannot access '{path}': No such file or directory")
            return USAGE
        for name in names:
            streams.say(name)
        return 0


def _guarded(
    name: str, command: Callable[[Sequence[str], Streams], int]
) -> Callable[[Sequence[str], Streams], int]:
    def run(words: Sequence[str], streams: Streams) -> int:
        try:
            return command(words, streams)
        except _RefusedError as refused:
            streams.complain(f"{name}: {refused}")
            return USAGE if name in ("grep", "ls") else 1

    return run


def _refuse(reason: str) -> NoReturn:
    raise _RefusedError(reason)


def _asked(words: Sequence[str], *, flags: str, valued: str) -> _Asked:
    """Take *words* apart: short options may stand together, values beside or behind them."""
    seen: set[str] = set()
    values: dict[str, list[str]] = {}
    operands: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            operands += rest
            break
        if not word.startswith("-") or word == _STANDARD_INPUT:
            operands.append(word)
            continue
        letters = word[1:]
        while letters:
            letter, letters = letters[0], letters[1:]
            if letter in flags:
                seen.add(letter)
            elif letter in valued:
                if not letters and not rest:
                    _refuse(f"option requires an argument -- '{letter}'")
                values.setdefault(letter, []).append(letters or rest.pop(0))
                letters = ""
            else:
                _refuse(f"invalid option -- '{letter}'")
    return _Asked(flags=frozenset(seen), values=values, operands=operands)


def _lines(content: bytes) -> list[bytes]:
    """Return the lines with their ends; only a line feed ends one, unlike `bytes.splitlines`."""
    return re.findall(rb"[^\n]*\n|[^\n]+", content)


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        _refuse(f"invalid number: '{text}'")
    return int(text)


def _matcher(patterns: Sequence[str], flags: frozenset[str]) -> Callable[[bytes], object]:
    """Return a function that gives None for a line that no pattern matches."""
    if not flags & {"E", "F"}:
        _refuse("only -E and -F are modelled")
    for pattern in patterns:
        if "E" in flags and _OUTSIDE.search(pattern):
            _refuse(f"'{pattern}' is not in the lab's subset of extended expressions")
    texts = [p if "E" in flags else re.escape(p) for p in patterns]
    whole = "|".join(f"(?:{text})" for text in texts).encode()
    try:
        return re.compile(whole, re.IGNORECASE if "i" in flags else 0).search
    except re.error as error:
        _refuse(f"Invalid regular expression ({error})")
