"""What the operator sees: data on stdout, progress and diagnostics on stderr.

rich is imported only when something is drawn on a terminal, so that ``--help`` stays fast.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import enum
import functools
import io
import json
import os
import unicodedata
from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import PurePath
from typing import TYPE_CHECKING, TextIO

from stsfix.plugin.errors import ReportFileError
from stsfix.plugin.redaction import STARS
from stsfix.plugin.text import printable, printable_lines
from stsfix.snapshot.secret import Secret

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

SCHEMA_VERSION = 1
"""Version of every ``--json`` document; raised when a field changes its meaning or goes."""

_ENDLESS = 10_000
_READABLE = 1_000_000
"""Characters up to which a document is indented for people; above, only programs read it, and
indenting takes ten times as long (CPython's C encoder cannot).
"""


class Output:
    """Two streams. On a terminal tables are drawn by rich, elsewhere they are plain lines."""

    def __init__(
        self,
        out: TextIO,
        err: TextIO,
        environ: Mapping[str, str],
        redact: Callable[[str], str] = str,
    ) -> None:
        """Take the streams; a character they cannot encode is spelled out from now on.

        *redact* takes secrets out of whatever is written: a peer may say the password it got.
        """
        self._redact = redact
        self._out = out
        self._err = err
        self._environ = environ
        for stream in (out, err):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")

    @functools.cached_property
    def out(self) -> Console:
        """The console of stdout."""
        return self._console(self._out)

    @functools.cached_property
    def err(self) -> Console:
        """The console of stderr."""
        return self._console(self._err)

    def line(self, text: str = "") -> None:
        """Write data to stdout, made printable line by line."""
        self._write(self._out, printable_lines(self._redact(text)))

    def note(self, text: str) -> None:
        """Write progress or a diagnostic to stderr, made printable line by line.

        Never raises: whoever listened may be gone (a terminal that was closed, a full disk behind
        a redirection) in the middle of a run, which goes on or stops by other reasons than that.
        Also for handlers of signals, which may come in the middle of another write: then, or if
        the terminal takes nothing for a moment, this one line is lost and no other.
        """
        try:
            self._put(self._err, printable_lines(self._redact(text)))
        except (RuntimeError, BlockingIOError):
            return
        except (OSError, ValueError):
            _deafen(self._err)

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write a table to stdout: drawn to the terminal's width, or aligned plain lines."""
        shown = [[printable(self._redact(cell)) for cell in row] for row in rows]
        if not self._out.isatty():
            for text in _aligned([list(headers), *shown]):
                self._write(self._out, text)
            return
        from rich.table import Table  # noqa: PLC0415 - 50 ms that --help must not pay
        from rich.text import Text  # noqa: PLC0415 - same

        table = Table(box=None, pad_edge=False, header_style="bold")
        for header in headers:
            table.add_column(header, overflow="fold")
        for row in shown:
            table.add_row(*(Text(cell) for cell in row))
        with self._heard():
            self.out.print(table)

    def json(self, value: object) -> None:
        """Write *value* to stdout as one JSON document; see `json_document`."""
        self._write(self._out, json_document(value, self._redact))

    def drawn(self, text: Text) -> None:
        """Draw *text* on the terminal that stdout is.

        Raises:
            ReportFileError: The terminal is gone.
        """
        with self._heard():
            self.out.print(text, soft_wrap=True)

    def _write(self, stream: TextIO, text: str) -> None:
        with self._heard():
            self._put(stream, text)

    @staticmethod
    def _put(stream: TextIO, text: str) -> None:
        stream.write(text + "\n")
        stream.flush()

    @contextlib.contextmanager
    def _heard(self) -> Generator[None]:
        """Data that nobody got is an error.

        Raises:
            ReportFileError: Standard output was closed, or its disk is full.
        """
        try:
            yield
        except OSError as error:
            _deafen(self._out)
            raise ReportFileError("standard output", error.strerror or "it is closed") from error

    def _console(self, stream: TextIO) -> Console:
        from rich.console import Console  # noqa: PLC0415 - 50 ms that --help must not pay

        return Console(
            file=stream,
            force_terminal=stream.isatty(),
            # Lines in a file or a pipe are never wrapped.
            width=None if stream.isatty() else _ENDLESS,
            markup=False,
            highlight=False,
            emoji=False,
            _environ=self._environ,  # NO_COLOR, TERM and COLUMNS are read by rich
        )


def _deafen(stream: TextIO) -> None:
    """Let what is still in the buffer of *stream*, and all that follows, go nowhere: Python would
    try once more at its end, and fail with an exit code of its own.
    """
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, stream.fileno())
        finally:
            os.close(nowhere)


def json_document(value: object, redact: Callable[[str], str] = str) -> str:
    """Return *value* as a JSON object with ``schema_version`` in front, indented unless huge.

    An object keeps its fields; anything else is put under ``items``. Frozen dataclasses become
    objects, datetimes ISO 8601 in UTC with ``Z``, timedeltas seconds, enums their values, bytes
    base64, sets sorted lists, paths strings, secrets stars. The text is ASCII: no terminal
    obeys it. A lone surrogate becomes U+FFFD: strict readers of JSON refuse it. *redact* is given
    every text but the names of fields.

    Raises:
        TypeError: *value* holds something else.
        ValueError: A datetime has no time zone, or a number is not finite.
    """
    plain = _plain(value)
    if redact is not str:
        plain = _each_text(plain, redact)
    fields = plain if isinstance(plain, dict) else {"items": plain}
    document = {"schema_version": SCHEMA_VERSION, **fields}
    text = json.dumps(document, allow_nan=False)
    if len(text) > _READABLE:
        return text
    return json.dumps(document, indent=2, allow_nan=False)


def _each_text(plain: object, change: Callable[[str], str]) -> object:
    match plain:
        case str():
            return change(plain)
        case dict():
            return {key: _each_text(item, change) for key, item in plain.items()}
        case list():
            return [_each_text(item, change) for item in plain]
        case _:
            return plain


def _plain(value: object) -> object:  # noqa: C901, PLR0911 - one arm per kind of value
    match value:
        case Secret():
            return STARS
        case enum.Enum():
            return _plain(value.value)
        case str():
            return value if value.isascii() else _without_surrogates(value)
        case None | bool() | int() | float():
            return value
        case datetime():
            if value.tzinfo is None:
                raise ValueError(f"a datetime without a time zone: {value}")
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case PurePath():
            return str(value)
        case _:
            return _plain_container(value)


def _without_surrogates(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _plain_container(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    match value:
        case Mapping():
            return {str(_plain(key)): _plain(item) for key, item in value.items()}
        case frozenset() | set():
            return sorted((_plain(item) for item in value), key=json.dumps)
        case Sequence():
            return [_plain(item) for item in value]
        case _:
            raise TypeError(f"no JSON form for {type(value).__name__}")


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(_cells, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell + " " * (width - _cells(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def _cells(text: str) -> int:
    """Count terminal cells: wide characters take two, combining ones none (UAX 11)."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )
