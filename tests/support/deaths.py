"""When and how a process dies in the matrix of test_deaths.py, read from a table of moments.

The table of a lab is a file of tests/data/moments: a line a kind of moment, with how many of it a
segment has. A test compares it with an undisturbed run; ``python tests/support/death_labs.py``
writes it.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stsfix.lab.faults import Effect, Rule, When

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from recorded import Point

TABLES = Path(__file__).parents[1] / "data" / "moments"

CALLS = ("soap", "ldap", "sts", "https", "vapi", "ssh", "vami")
"""Protocols whose calls the process makes itself."""

BEGUN = ("task", "guest")
"""Protocols of what it has begun, which goes on without it."""

JOURNAL = "journal"

CHANGES = re.compile(
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

_POLLS = re.compile(
    r"ListProcessesInGuest|RetrievePropertiesEx|GetGuestFile|InitiateFileTransferFromGuest|SEARCH"
    r"|GET /.*|WaitForUpdatesEx|data|BIND"
)
"""Calls that are repeated until something is so, or after a silence of 180 seconds, which is short
in a fast lab: only whether they come at all is compared.
"""


class Way(enum.Enum):
    """How a moment goes wrong."""

    BEFORE = "before"
    AFTER = "after"
    LOST = "lost"
    MEANWHILE = "meanwhile"


class Then(enum.Enum):
    """What somebody does then. AGAIN: the next command dies at the same moment; then `FORWARD`."""

    FORWARD = "forward"
    BACK = "back"
    AGAIN = "again"


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
        return self.nth == 1 or not _POLLS.fullmatch(self.call)

    def rule(self, way: Way, kill: object) -> Rule:
        """Return the lab's rule for it; *kill* kills the process."""
        effect = {Way.LOST: Effect.DROP, Way.MEANWHILE: Effect.MEANWHILE}.get(way, Effect.KILL)
        assert callable(kill)
        return Rule(
            protocol=self.protocol,
            call=self.call,
            target=self.target,
            nth=self.nth,
            effect=effect,
            when=When.AFTER if way in {Way.AFTER, Way.LOST} else When.BEFORE,
            others=kill,
        )


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that goes wrong, and what is done about it."""

    moment: Moment
    way: Way
    then: Then

    def __str__(self) -> str:
        return f"{self.moment} {self.way.value} {self.then.value}"


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
            if protocol not in BEGUN or _ON_ITS_OWN.fullmatch(call):
                rows[name, protocol, call, target] = count
    return rows


def differences(table: Mapping[Row, int], recorded: Mapping[Row, int]) -> list[str]:
    """Return in which moments the table and what was recorded differ."""
    return [
        f"{' '.join(row)}: {table.get(row)} in the table, {recorded.get(row)} recorded"
        for row in {**table, **recorded}
        if not _alike(row[2], table.get(row, 0), recorded.get(row, 0))
    ]


def _alike(call: str, told: int, found: int) -> bool:
    return told == found or bool(_POLLS.fullmatch(call) and told and found)


def cases(table: Mapping[Row, int]) -> Iterator[Case]:
    """Yield every case of a lab.

    Each record and each call that changes something: every way, then forward, and back. Reads
    leave the world and the journal as they are: dead before or after one is dead after the
    last record or change, from where both directions are tried. So the first of each goes wrong
    in every way, and each further one is died at once.
    """
    for (segment, protocol, call, target), count in table.items():
        for nth in range(1, count + 1):
            moment = Moment(segment, protocol, call, target, nth)
            for way, then in _ends(moment):
                yield Case(moment, way, then)


def _ends(moment: Moment) -> tuple[tuple[Way, Then], ...]:
    before, after, lost = (Way.BEFORE, Then.FORWARD), (Way.AFTER, Then.FORWARD), Way.LOST
    if moment.protocol == JOURNAL:
        return (
            before,
            (Way.BEFORE, Then.BACK),
            after,
            (Way.AFTER, Then.BACK),
            (Way.AFTER, Then.AGAIN),
        )
    if moment.protocol in BEGUN:
        return ((Way.MEANWHILE, Then.FORWARD), (Way.MEANWHILE, Then.BACK))
    if CHANGES.fullmatch(moment.call):
        return (before, after, (Way.AFTER, Then.BACK), (lost, Then.FORWARD), (lost, Then.BACK))
    if moment.nth == 1:
        return (before, after, (lost, Then.FORWARD), (lost, Then.BACK))
    return (before,)
