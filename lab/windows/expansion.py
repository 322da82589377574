"""How cmd.exe replaces variables: percents when a line is read, exclamation marks before it runs.

Source: Microsoft's documentation of ``set``, ``cmd`` and ``call`` (learn.microsoft.com, windows
commands), and for what it leaves open the behaviour that dbenham and jeb measured (stackoverflow
4094699, "How does the Windows Command Interpreter parse scripts?"). Compared with Wine's cmd in
tests/contract/test_batch_contract.py. Replacing text (``%a:b=c%``) is not in the lab's subset.
"""

from __future__ import annotations

import ntpath
import re
from collections.abc import Iterator, MutableMapping

_SLICE = re.compile(r"~\s*(-?\d*)(?:,\s*(-?\d+))?$")
_PARAMETER = re.compile(r"%(?:~([dpnxf]*))?([0-9*])")


class BatchSyntaxError(Exception):
    """cmd.exe would refuse the line, or it is outside the lab's subset."""


class Variables(MutableMapping[str, str]):
    """Environment variables: names in any case, an empty value is none at all."""

    def __init__(self, values: MutableMapping[str, str] | None = None) -> None:
        self._values: dict[str, tuple[str, str]] = {}
        self.update(values or {})

    def __getitem__(self, name: str) -> str:
        return self._values[name.upper()][1]

    def __setitem__(self, name: str, value: str) -> None:
        if value:
            self._values[name.upper()] = (name, value)
        else:
            self._values.pop(name.upper(), None)

    def __delitem__(self, name: str) -> None:
        del self._values[name.upper()]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in sorted(self._values.values(), key=lambda p: p[0].upper()))

    def __len__(self) -> int:
        return len(self._values)

    def copy(self) -> Variables:
        """Return variables of their own with the same values."""
        return Variables(dict(self))


def expand_percents(text: str, values: Variables, arguments: list[str] | None) -> str:
    """Return *text* as cmd.exe reads it.

    Args:
        text: One line, or the lines of a block.
        values: The variables.
        arguments: Those of the batch file, its own path first; None on a command line, where
            an unknown variable stays as it is written.
    """
    found: list[str] = []
    at = 0
    while (start := text.find("%", at)) >= 0:
        found.append(text[at:start])
        at = start + 1
        if arguments is not None:
            if text.startswith("%", at):
                found.append("%")
                at += 1
                continue
            match = _PARAMETER.match(text, start)
            if match is not None:
                found.append(_parameter(match[1], match[2], arguments))
                at = match.end()
                continue
        at = _variable(text, at, values, found, is_batch=arguments is not None)
    return "".join([*found, text[at:]])


def _parameter(modifiers: str | None, which: str, arguments: list[str]) -> str:
    if which == "*":
        return " ".join(arguments[1:])
    value = arguments[int(which)] if int(which) < len(arguments) else ""
    if modifiers is None:
        return value
    value = value.strip('"')
    if not modifiers or "f" in modifiers:
        return value
    drive, rest = ntpath.splitdrive(value)
    folder, name = ntpath.split(rest)
    stem, extension = ntpath.splitext(name)
    parts = {"d": drive, "p": folder.rstrip("\\") + "\\", "n": stem, "x": extension}
    return "".join(parts[letter] for letter in "dpnx" if letter in modifiers)


def _variable(text: str, at: int, values: Variables, found: list[str], *, is_batch: bool) -> int:
    """Append the value of the variable whose name begins at *at*; return where to go on."""
    end = text.find("%", at)
    line_end = text.find("\n", at)
    if end < 0 or 0 <= line_end < end:
        if not is_batch:
            found.append("%")
        return at  # a percent that nothing closes vanishes from a batch file
    name, colon, operation = text[at:end].partition(":")
    if name in values:
        found.append(_sliced(values[name], operation) if colon else values[name])
        return end + 1
    if not is_batch:
        found.append("%")
        return at
    # An unknown variable with an operation leaves the operation behind.
    return at + len(name) + 1 if colon else end + 1


def _sliced(value: str, operation: str) -> str:
    match = _SLICE.match(operation)
    if match is None:
        raise BatchSyntaxError(f"%...:{operation}% is not in the lab's subset of cmd.exe")
    start = int(match[1] or 0)
    start = max(0, len(value) + start) if start < 0 else start
    if match[2] is None:
        return value[start:]
    length = int(match[2])
    return value[start : length if length < 0 else start + length]


def expand_delayed(text: str, values: Variables) -> str:
    """Return *text* with ``!NAME!`` replaced; one that is unknown, or not closed, vanishes."""
    parts = text.split("!")
    if len(parts) == 1:
        return text
    if len(parts) % 2 == 0:
        parts[-2:] = ["".join(parts[-2:])]
    return "".join(
        part if index % 2 == 0 else values.get(part, "") for index, part in enumerate(parts)
    )
