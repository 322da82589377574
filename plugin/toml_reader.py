"""Reads a TOML table strictly and collects every problem instead of stopping at the first."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from stsfix.plugin.errors import ConfigProblem
from stsfix.plugin.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Check = Callable[[str], str | None]
    """Returns what is wrong with a value as a clause, or None."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SECRET_KEY = re.compile(r"pass|secret|token|^pw$|^pwd$|credential|api_?key|private", re.IGNORECASE)


class TomlTable:
    """One table of a file. Each key is read once by a typed method; `close` reports the rest.

    A method that meets a problem reports it and returns a stand-in of the right type, so that
    reading goes on; the caller raises when *problems* is not empty at the end.
    """

    def __init__(
        self, values: Mapping[str, object], where: str, problems: list[ConfigProblem]
    ) -> None:
        self._values = values
        self._where = where
        self._problems = problems
        self._known: set[str] = set()

    def at(self, key: str) -> str:
        """Return the TOML location of *key* in this table."""
        name = key if _BARE_KEY.fullmatch(key) else f'"{printable(key)}"'
        return f"{self._where}.{name}" if self._where else name

    def report(self, key: str, reason: str) -> None:
        """Add a problem at *key*, or of the table as a whole if *key* is empty."""
        where = self.at(key) if key else self._where
        self._problems.append(ConfigProblem(where=where, reason=reason))

    def text(self, key: str, default: str | None = None, *, check: Check | None = None) -> str:
        """Return a string that is not empty and passes *check*; required without *default*."""
        value = self._take(key, required=default is None)
        if value is None:
            return default or ""
        if not isinstance(value, str):
            self.report(key, "must be a string")
            return default or ""
        reason = "must not be empty" if not value.strip() else check(value) if check else None
        if reason is not None:
            self.report(key, reason)
        return value

    def optional_text(self, key: str) -> str | None:
        """Return a string that is not empty, or None if the key is absent or wrong."""
        return self.text(key, "") or None

    def choice(self, key: str, default: str, known: Iterable[str]) -> str:
        """Return one of *known*."""
        words = tuple(known)

        def check(value: str) -> str | None:
            if value in words:
                return None
            listed = " or ".join(f'"{word}"' for word in words)
            return f"must be {listed}"

        return self.text(key, default, check=check)

    def integer(self, key: str, default: int, *, high: int) -> int:
        """Return a whole number from 1 to *high*."""
        value = self._take(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            self.report(key, "must be a whole number")
            return default
        if not 1 <= value <= high:
            self.report(key, f"must be from 1 to {high}")
            return default
        return value

    def seconds(self, key: str, default: float, *, high: float) -> float:
        """Return a number of seconds from 0.001 to *high*."""
        value = self._take(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.report(key, "must be a number of seconds")
            return default
        if not 0.001 <= value <= high:  # noqa: PLR2004 - said in the docstring and the message
            self.report(key, f"must be from 0.001 to {high:.0f} seconds")
            return default
        return float(value)

    def flag(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self._take(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.report(key, "must be true or false")
            return default
        return value

    def texts(self, key: str, *, check: Check) -> tuple[str, ...]:
        """Return a list of at least one string, each passing *check*, none twice."""
        value = self._take(key, required=True)
        if value is None:
            return ()
        if not isinstance(value, list) or not value:
            self.report(key, "must be a list of at least one string")
            return ()
        found: list[str] = []
        for index, item in enumerate(value):
            reason = check(item) if isinstance(item, str) else "must be a string"
            if reason is None and str(item).lower() in {name.lower() for name in found}:
                reason = "is listed twice"
            if reason is None:
                found.append(item)
            else:
                self.report(key, f"entry {index} {reason}")
        return tuple(found)

    def table(self, key: str) -> TomlTable:
        """Return the table *key*, an empty one if it is absent or no table."""
        value = self._take(key)
        if value is not None and not isinstance(value, dict):
            self.report(key, "must be a table")
        return TomlTable(value if isinstance(value, dict) else {}, self.at(key), self._problems)

    def tables(self, key: str) -> tuple[TomlTable, ...]:
        """Return the tables of the array *key*."""
        value = self._take(key)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.report(key, f"must be written as [[{key}]]")
            return ()
        return tuple(
            TomlTable(item, f"{self.at(key)}[{index}]", self._problems)
            for index, item in enumerate(value)
        )

    def subtables(self, besides: Iterable[str]) -> tuple[tuple[str, TomlTable], ...]:
        """Return every table in here whose key is not one of *besides*."""
        names = [k for k, v in self._values.items() if isinstance(v, dict) and k not in besides]
        return tuple((name, self.table(name)) for name in names)

    def holds(self, key: str) -> bool:
        """Tell whether the file has *key* here, right or wrong."""
        return key in self._values

    def close(self) -> None:
        """Report every key that nobody read."""
        for key in self._values:
            if key not in self._known:
                self.report(key, self._unknown(key))

    def _take(self, key: str, *, required: bool = False) -> object:
        self._known.add(key)
        value = self._values.get(key)
        if value is None and required:
            self.report(key, "is missing")
        return value

    def _unknown(self, key: str) -> str:
        if _SECRET_KEY.search(key):
            return "a secret never stands in this file; see [secrets] and docs/secrets.md"
        close = difflib.get_close_matches(key, self._known, n=1)
        return "unknown key" + (f", did you mean {close[0]}" if close else "")
