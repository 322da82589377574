"""How a script goes to a node as a stream and its output comes back. Pure.

No file, no argument list and no shell history holds the script, and no exit status of a channel
is believed: ``appliancesh`` answers "Unknown command" with status 0 (Posh-SSH #568), so begin and
end of the output are marked with a nonce that only a bash which ran everything can print.
"""

from __future__ import annotations

import base64
import re
import shlex

from stsfix.snapshot.words import CUT, first_words

BASH = "/bin/bash --noprofile --norc"
"""Reads the payload on its standard input; nothing of the script is in its argument list."""

_LINE = 76
"""Characters of a base64 line: a terminal takes lines of up to 4095 (n_tty)."""

_CODE_DIGITS = 3
_TAIL = 256
"""Bytes that are kept in hand to find the end mark in; it is shorter than 100."""


def payload(script: str, nonce: str) -> str:
    """Return what bash is given to run *script* between two marks.

    bash reads it whole before it runs anything of it, since all of *script* is one quoted word;
    a payload that arrives in part runs nothing. Standard input of *script* is empty; its
    standard output is a pipe, also where ours is a terminal.
    """
    quoted = shlex.quote(script + "\n")
    return (
        f"stsfix_script={quoted}\n"
        f"( printf '%s\\n' {_begin(nonce)}; ( eval \"$stsfix_script\" ) < /dev/null;"
        f" printf '\\n%s:%s\\n' {_end(nonce)} \"$?\" ) 2>&1 | cat\n"
    )


def encoded(text: str) -> bytes:
    """Return *text* as lines for ``base64 -d`` on a terminal, with its end of file."""
    raw = base64.b64encode(text.encode()).decode("ascii")
    lines = [raw[start : start + _LINE] for start in range(0, len(raw), _LINE)]
    return "".join(f"{line}\n" for line in lines).encode() + b"\x04"


def _begin(nonce: str) -> str:
    return f"stsfix-begin-{nonce}"


def _end(nonce: str) -> str:
    return f"stsfix-end-{nonce}"


class ScriptReader:
    """Finds a script's output and exit code in what comes back, piece by piece.

    What precedes the begin mark (banners, echo) is dropped, but for its end, which `noise` shows.
    """

    def __init__(self, nonce: str, *, output_limit: int) -> None:
        self._begin = re.compile(re.escape(_begin(nonce)).encode() + rb"(\r*)\n")
        self._mark = re.escape(_end(nonce)).encode() + rb":(\d{1,%d})" % _CODE_DIGITS
        self._limit = output_limit
        self._head = b""
        self._tail = b""
        self._is_cooked = False
        self.has_begun = False
        self.exit_code: int | None = None

    @property
    def noise(self) -> str:
        """The last that was said before the script began."""
        if self.has_begun:
            return ""
        said = self._tail.decode("utf-8", "replace")
        return first_words(f"{CUT}{said}" if len(self._tail) == _TAIL else said, 2 * _TAIL)

    @property
    def output(self) -> str:
        """The script's output so far, cut at the limit; complete with an exit code."""
        raw = self._head if self.exit_code is not None else self._head + self._tail
        if self._is_cooked:  # a terminal that could not be told to leave line ends alone
            raw = raw.replace(b"\r\n", b"\n")
        return raw[: self._limit].decode("utf-8", "replace")

    def feed(self, piece: bytes) -> None:
        """Take what arrived."""
        self._tail += piece
        if not self.has_begun:
            found = self._begin.search(self._tail)
            if found is None:
                self._tail = self._tail[-_TAIL:]
                return
            self.has_begun = True
            self._is_cooked = bool(found.group(1))
            self._tail = self._tail[found.end() :]
        line_end = rb"\r*\n" if self._is_cooked else rb"\n"
        ended = re.search(line_end + self._mark + line_end, self._tail)
        if ended is not None:
            self._keep(self._tail[: ended.start()])
            self._tail = b""
            self.exit_code = int(ended.group(1))
        elif len(self._tail) > _TAIL:
            self._keep(self._tail[:-_TAIL])
            self._tail = self._tail[-_TAIL:]

    def _keep(self, piece: bytes) -> None:
        # Twice the limit: what a terminal made of line ends is undone later.
        self._head += piece[: max(0, 2 * self._limit - len(self._head))]


def put_script(path: str, content: bytes, mode: int, nonce: str) -> str:
    """Return the script that makes *path* a file with *content* and *mode*, whole or not at all."""
    beside = f"{path}.stsfix-{nonce}"
    raw = base64.b64encode(content).decode("ascii")
    lines = [raw[start : start + _LINE] for start in range(0, len(raw), _LINE)]
    return "\n".join(
        [
            "umask 077",
            f"trap {shlex.quote(f'rm -f {shlex.quote(beside)}')} EXIT",
            # bash's own printf: neither an argument of a program nor, as a here-document before
            # bash 5.1 and beyond 64 KiB, a file in $TMPDIR (here_document_to_fd in redir.c).
            "printf '%s\\n' " + shlex.quote("\n".join(lines)) + " |"
            f" base64 -d > {shlex.quote(beside)} || exit 1",
            f"chmod {mode:o} {shlex.quote(beside)} || exit 1",
            f"mv -fT {shlex.quote(beside)} {shlex.quote(path)}",
            "",
        ]
    )


NO_FILE = 44
"""Exit code of `get_script` if there is no such file."""


def get_script(path: str, limit: int) -> str:
    """Return the script that prints the first *limit* bytes of *path* in base64."""
    name = shlex.quote(path)
    return f"test -f {name} || exit {NO_FILE}\nhead -c {limit} {name} | base64\n"


def encoded_size(limit: int) -> int:
    """Return how many bytes base64's lines for *limit* bytes are, at most."""
    return (limit // 3 + 1) * 4 * (_LINE + 1) // _LINE + _LINE
