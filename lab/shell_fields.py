"""Puts the words together that one word of a script expands to: splitting and file names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stsfix.lab.shell_words import ShellSyntaxError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stsfix.lab.shell_streams import Files


class Fields:
    """The fields of one word; *files* are what patterns are compared with."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._done: list[str] = []
        self._current: str | None = None
        self._parts: list[tuple[str, bool]] = []

    def add(self, text: str) -> None:
        """Go on with *text*, in which nothing is special."""
        self._current = (self._current or "") + text
        self._parts.append((text, False))

    def add_pattern(self, text: str) -> None:
        """Go on with *text*, in which ``*`` and ``?`` stand for parts of file names."""
        self._current = (self._current or "") + text
        self._parts.append((text, True))

    def add_each(self, texts: Sequence[str]) -> None:
        """Go on with the first of *texts*; each other one begins a field."""
        for number, text in enumerate(texts):
            if number:
                self._close()
            self.add(text)

    def split(self, text: str) -> None:
        """Go on with *text*, which is split at blanks."""
        parts = text.split()
        if text[:1].isspace():
            self._close()
        self.add_each(parts)
        if parts and text[-1].isspace():
            self._close()

    def end(self) -> list[str]:
        """Return all fields.

        Raises:
            ShellSyntaxError: A pattern is relative; the lab knows no current folder.
        """
        self._close()
        return self._done

    def _close(self) -> None:
        if self._current is not None:
            has_pattern = any(special for _, special in self._parts)
            self._done += self._names() if has_pattern else [self._current]
        self._current, self._parts = None, []

    def _names(self) -> list[str]:
        """Return the paths that the pattern stands for, or itself if there are none.

        As bash's names without a leading dot unless the pattern has one.
        """
        text = self._current or ""
        if not text.startswith("/"):
            raise ShellSyntaxError("a relative pattern is not in the lab's subset of bash")
        pattern = "".join(
            _pattern(part) if special else re.escape(part) for part, special in self._parts
        )
        wanted = re.compile(re.sub(r"(?<=/)(?=\[\^/\])", r"(?!\\.)", pattern) + r"\Z")
        found = [path for path in self._files.all_paths() if wanted.match(path)]
        return sorted(found) or [text]


def _pattern(text: str) -> str:
    """Return the regular expression for *text*, in which ``*`` and ``?`` are special."""
    return "".join({"*": "[^/]*", "?": "[^/]"}.get(char, re.escape(char)) for char in text)
