"""Extensions that a vCenter has registered, and psql, by which scripts look at them.

Table and columns are those of vCert (peers.md a) [K]: ``vpx_ext`` with ``ext_id`` and
``thumbprint``. Which certificates an extension names is [K] too: eam, rbd and imagebuilder that of
vpxd-extension, others the machine certificate.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryptography import x509

    from stsfix.lab.shell_streams import Streams

BY_SOLUTION_USER = ("com.vmware.vim.eam", "com.vmware.rbd", "com.vmware.imagebuilder")
BY_MACHINE = ("com.vmware.vsan.health", "com.vmware.vcIntegrity")

_WITH_VALUE = "cdFhpU"
_SELECT = re.compile(
    r"select\s+(?P<columns>[\w\s,*]+?)\s+from\s+(?:vc\.)?vpx_ext"
    r"(?:\s+where\s+(?P<column>\w+)\s*=\s*'(?P<value>[^']*)')?(?:\s+order\s+by\s+\w+)?\s*;?\s*",
    re.IGNORECASE,
)
_TASKS = "vpx_sched_persistent_user_token"
_TABLE = re.compile(
    r"select\s+count\(\*\)\s+from\s+information_schema\.tables\s+"
    r"where\s+table_name\s*=\s*'(?P<name>[^']*)'\s*;?\s*",
    re.IGNORECASE,
)
_COUNT = re.compile(r"select\s+count\(\w+\)\s+from\s+(?:vc\.)?(?P<name>\w+)\s*;?\s*", re.IGNORECASE)
_UPDATE = re.compile(
    r"update\s+(?:vc\.)?vpx_ext\s+set\s+thumbprint\s*=\s*'(?P<thumbprint>[^']*)'\s+"
    r"where\s+(?:ext_id\s*=\s*'(?P<value>[^']*)'"
    r"|lower\(replace\(thumbprint,\s*':',\s*''\)\)\s*=\s*'(?P<digits>[^']*)')\s*;?\s*",
    re.IGNORECASE,
)


def thumbprint(certificate: x509.Certificate) -> str:
    """Return the SHA-1 of *certificate* as vpxd keeps it."""
    digest = certificate.fingerprint(hashes.SHA1())  # noqa: S303 - the field's own
    return ":".join(f"{byte:02X}" for byte in digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """A row of vpx_ext. *thumbprint* is SHA-1, upper-case hex with colons; empty without one."""

    ext_id: str
    version: str
    company: str
    url: str = ""
    thumbprint: str = ""

    def column(self, name: str) -> str:
        """Return the value of a column.

        Raises:
            KeyError: There is no such column.
        """
        values = {
            "ext_id": self.ext_id,
            "version": self.version,
            "company": self.company,
            "url": self.url,
            "thumbprint": self.thumbprint,
        }
        return values[name.lower()]


class Psql:
    """``psql`` of a node with vPostgres; *extensions* is the table, kept on the node's disk.

    Modelled are ``-c`` with a select of vpx_ext, or an update of a thumbprint, the count of rows
    of users' scheduled tasks (*tasks*; None: there is no such table), and ``-t -A -F``.
    """

    def __init__(
        self,
        extensions: dict[str, Extension],
        *,
        running: Callable[[], bool],
        tasks: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._extensions = extensions
        self._running = running
        self._tasks = tasks

    def run(self, words: Sequence[str], streams: Streams) -> int:
        """Run the program: 2 if the database cannot be reached, 1 if the statement is none."""
        options = _options(words)
        if options.get("d", options.get("dbname")) != "VCDB" or "c" not in options:
            streams.complain('psql: FATAL:  database "postgres" is not modelled in the lab')
            return 2
        if not self._running():
            streams.complain("psql: could not connect to server: No such file or directory")
            return 2
        statement = options["c"].strip()
        return self._execute(statement, options, streams)

    def _execute(self, statement: str, options: dict[str, str], streams: Streams) -> int:
        if (update := _UPDATE.fullmatch(statement)) is not None:
            return self._update(update, streams)
        if (table := _TABLE.fullmatch(statement)) is not None:
            return self._tables(table["name"], options, streams)
        if (counted := _COUNT.fullmatch(statement)) is not None:
            return self._count(counted["name"].lower(), options, streams)
        if (select := _SELECT.fullmatch(statement)) is not None:
            return self._select(select, options, streams)
        first = statement.partition(" ")[0]
        streams.complain(f'ERROR:  syntax error at or near "{first}"')
        return 1

    def _update(self, update: re.Match[str], streams: Streams) -> int:
        if update["digits"] is None:
            meant = [name for name in self._extensions if name == update["value"]]
        else:
            meant = [
                extension.ext_id
                for extension in self._extensions.values()
                if extension.thumbprint.replace(":", "").lower() == update["digits"]
            ]
        for name in meant:
            changed = replace(self._extensions[name], thumbprint=update["thumbprint"])
            self._extensions[name] = changed
        streams.say(f"UPDATE {len(meant)}")
        return 0

    def _tables(self, name: str, options: dict[str, str], streams: Streams) -> int:
        there = name == "vpx_ext" or (name == _TASKS and self._tasks() is not None)
        return _one(str(int(there)), options, streams)

    def _count(self, name: str, options: dict[str, str], streams: Streams) -> int:
        count = {"vpx_ext": len(self._extensions), _TASKS: self._tasks()}.get(name)
        if count is None:
            streams.complain(f'ERROR:  relation "{name}" does not exist')
            return 1
        return _one(str(count), options, streams)

    def _select(self, select: re.Match[str], options: dict[str, str], streams: Streams) -> int:
        columns = [c.strip() for c in select["columns"].split(",")]
        if columns == ["*"]:
            columns = ["ext_id", "version", "company", "url", "thumbprint"]
        try:
            rows = [
                [extension.column(column) for column in columns]
                for extension in sorted(self._extensions.values(), key=lambda e: e.ext_id)
                if select["column"] is None or extension.column(select["column"]) == select["value"]
            ]
        except KeyError as error:
            streams.complain(f"ERROR:  column {error} does not exist")
            return 1
        aligned = "A" not in options
        between = " | " if aligned else options.get("F", "|")
        if "t" not in options:
            streams.say((" " * aligned) + between.join(columns))
        for row in rows:
            streams.say((" " * aligned) + between.join(row))
        if "t" not in options:
            streams.say(f"({len(rows)} row{'' if len(rows) == 1 else 's'})")
        return 0


def verb(words: Sequence[str]) -> str:
    """Return the first word of the statement that psql is asked with, in lower case; empty without
    one.
    """
    return _options(words).get("c", "").strip().partition(" ")[0].lower()


def _one(value: str, options: dict[str, str], streams: Streams) -> int:
    """Print the one row of a count."""
    before = "" if "A" in options else " "
    lines = [value] if "t" in options else ["count", value, "(1 row)"]
    for line in lines:
        streams.say(before + line)
    return 0


def _options(words: Sequence[str]) -> dict[str, str]:
    """Return options by letter; letters may stand together, the last with a value (``-tAF,``)."""
    found: dict[str, str] = {}
    left = list(words)
    while left:
        word = left.pop(0)
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            found[name] = value
            continue
        letters = word.removeprefix("-")
        for at, letter in enumerate(letters):
            if letter in _WITH_VALUE:
                found[letter] = letters[at + 1 :] or left.pop(0)
                break
            found[letter] = ""
    return found
