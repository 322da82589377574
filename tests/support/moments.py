"""The moments of a run at which something goes wrong: its records and its calls, from a table.

The table of a lab is a file of tests/data/moments: a line a kind of moment, with how many of it a
segment has. A test compares it with an undisturbed run; ``python tests/support/moment_labs.py``
writes it. What happens then: `deaths` and `wrong_calls`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from recorded import Point

TABLES = Path(__file__).parents[1] / "data" / "moments"

CALLS = ("soap", "ldap", "sts", "https", "vapi", "ssh", "vami")
"""Protocols whose calls the process makes itself."""

BEGUN = ("task", "guest")
"""Protocols of what it has begun, which goes on without it."""

JOURNAL = "journal"

_CHANGES = re.compile(
    r".*_Task|ShutdownGuest|StartProgramInGuest|PutGuestFile|ADD|DELETE|MODIFY|exec|shell"
    r"|POST /rest/appliance/.*"
)
"""Calls that change the world."""

_ON_ITS_OWN = re.compile(
    r".*_Task|shut_down|service-control --(start|stop)|dir-cli .*(create|delete|update|publish).*"
    r"|certool --(gencert|genselfcacert|rootca).*|vecs-cli (entry (create|delete)|store create)"
    r"|vecs-cli force-refresh|psql update"
)
"""What goes on without the process and changes the world."""

_BOOTS = re.compile(r"start .*")
"""A service of a node starts, which nobody calls. In which step it does depends on time, so the
table is not compared in that.
"""

_POLLS = re.compile(
    r"ListProcessesInGuest|RetrievePropertiesEx|GetGuestFile|InitiateFileTransferFromGuest|SEARCH"
    r"|GET /.*|WaitForUpdatesEx|data|BIND"
)
"""Calls that are repeated until something is so, or after a silence of 180 seconds, which is short
in a fast lab: only whether they come at all is compared.
"""


@dataclass(frozen=True, slots=True)
class Moment:
    """The *nth* record (from 1), or the *nth* call of a kind, of one segment."""

    segment: str
    protocol: str
    call: str
    target: str
    nth: int

    def __str__(self) -> str:
        return " ".join((self.segment, self.protocol, self.call, self.target, str(self.nth)))

    @property
    def is_certain(self) -> bool:
        """Tell whether it comes each time, however quick or slow the lab is."""
        return not self.is_boot and (self.nth == 1 or not _POLLS.fullmatch(self.call))

    @property
    def is_boot(self) -> bool:
        """Tell whether a service of a node starts."""
        return self.protocol == "guest" and bool(_BOOTS.fullmatch(self.call))

    @property
    def changes(self) -> bool:
        """Tell whether the world is another one after it."""
        known = _ON_ITS_OWN if self.protocol in BEGUN else _CHANGES
        return bool(known.fullmatch(self.call))


Row = tuple[str, str, str, str]
"""Segment, protocol, call, target."""


def read_table(lab: str) -> dict[Row, int]:
    """Return how often each moment of *lab* comes in each segment."""
    table: dict[Row, int] = {}
    for line in (TABLES / f"{lab}.tsv").read_text("utf-8").splitlines():
        segment, protocol, call, target, count = line.split("\t")
        table[segment, protocol, call, target] = int(count)
    return table


def write_table(lab: str, rows: Mapping[Row, int]) -> None:
    """Write what was recorded in the form that `read_table` reads."""
    lines = ["\t".join((*row, str(count))) for row, count in rows.items()]
    (TABLES / f"{lab}.tsv").write_text("\n".join(lines) + "\n", "utf-8")


def rows_of(points: Iterable[Point], *, journal: bool) -> dict[Row, int]:
    """Return the moments of *points*, in their order; records too, if they count (*journal*)."""
    rows: dict[Row, int] = {}
    for point in points:
        name = point.name
        if journal:
            rows[name, JOURNAL, "record", "-"] = point.records
        for (protocol, call, target), count in sorted(point.calls.items()):
            if protocol not in BEGUN or _ON_ITS_OWN.fullmatch(call) or _BOOTS.fullmatch(call):
                rows[name, protocol, call, target] = count
    return rows


def differences(table: Mapping[Row, int], recorded: Mapping[Row, int]) -> list[str]:
    """Return in which moments the table and what was recorded differ."""
    return [
        f"{' '.join(row)}: {table.get(row)} in the table, {recorded.get(row)} recorded"
        for row in {**table, **recorded}
        if not (_BOOTS.fullmatch(row[2]) or _alike(row[2], table.get(row, 0), recorded.get(row, 0)))
    ]


def _alike(call: str, told: int, found: int) -> bool:
    return told == found or bool(_POLLS.fullmatch(call) and told and found)
