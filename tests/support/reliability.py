"""Counts what the tests did to runs, by kind, and writes the table of docs/reliability.md.

A module or test says its kind by the mark ``reliability(kind)``; one that plays many cases tells
how many by ``record_property("cases", number)``. Every run of the tests prints the counts; only
``make reliability`` and ``make reliability-all`` write them into the page, the latter with what
earlier sessions of it have played.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from generated_pages import DOCS, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

KINDS = {
    "deaths": "The process dies (SIGKILL) at a record of the journal or at a remote call, or the"
    " answer is lost; run, rollback or release are then carried on, or taken back",
    "engine": "The engine alone dies at each record, with sound and broken plans",
    "faults": "A remote call is refused, dropped, reset, delayed or answered with garbage, before"
    " or after it was carried out",
    "interference": "Somebody powers nodes on, deletes snapshots, changes passwords; hosts,"
    " datastores, VMware Tools and replication fail",
    "sequences": "Random sequences of commands, deaths, faults and deeds of others",
    "operators": "Two workstations begin at once, in hundreds of orders of their calls",
    "rollback": "Rollbacks that break, are repeated, refused or followed by writes",
    "adoption": "The state folder is lost; snapshots are lost",
    "time": "Clocks that are wrong, set, or change to winter time; pauses",
    "resources": "Full disks, folders that cannot be made, terminals and pipes that are gone",
    "secrets": "Every password is searched for in whatever a run leaves",
    "impostors": "A man in the middle in the place of each TLS peer; a node whose name is none",
}
"""Every kind of case, in the order of the page, and what is done."""

TABLE = "cases"
HEADERS = ("Kind", "What is done", "make test", "make test-all")
COLUMNS = {"test": 2, "test-all": 3}
UNKNOWN = "not counted yet"
WRITE = "STSFIX_RELIABILITY"
"""Names the column that is written, in the environment; empty for none."""

EARLIER = DOCS.parent / ".reliability"
"""Where sessions that write a column leave what they played: long matrices are played in shards,
and what failed is played again alone. Without it, a count begins anew.
"""


@dataclass
class Tally:
    """What became of each test that plays cases: its kind, how many cases, whether all held."""

    found: dict[str, tuple[str, int, bool]] = field(default_factory=dict)

    def take(self, nodeid: str, outcome: str, properties: Iterable[tuple[str, Any]]) -> None:
        """Count one test that ended with *outcome*; one that failed survived nothing."""
        told = dict(properties)
        kind = told.get("reliability")
        if kind is None or outcome == "skipped":
            return
        number = int(told.get("cases", 1))
        self.found[nodeid] = kind, number, outcome == "passed"

    @property
    def played(self) -> Counter[str]:
        """How many cases of each kind were played."""
        return self._counted(survived=False)

    @property
    def survived(self) -> Counter[str]:
        """How many cases of each kind were survived."""
        return self._counted(survived=True)

    def _counted(self, *, survived: bool) -> Counter[str]:
        counted: Counter[str] = Counter()
        for kind, number, held in self.found.values():
            if held or not survived:
                counted[kind] += number
        return counted

    def lines(self) -> list[str]:
        """Return one line a kind that was played."""
        return [
            f"{self.survived[kind]:6} of {self.played[kind]:6} survived: {kind}"
            for kind in KINDS
            if self.played[kind]
        ]

    def cell(self, kind: str) -> str:
        """Return how many cases of *kind* were survived, in bold where it was not every one; empty
        if none was played.
        """
        survived, played = self.survived[kind], self.played[kind]
        text = f"{survived} of {played}" if played else ""
        return text if survived == played else f"**{text}**"


def tag(item: pytest.Item) -> None:
    """Let reports of *item* tell its kind."""
    mark = item.get_closest_marker("reliability")
    if mark is None:
        return
    (kind,) = mark.args
    if kind not in KINDS:
        raise pytest.UsageError(f"{item.nodeid}: there is no kind of case {kind!r}")
    item.user_properties.append(("reliability", kind))


def tell(reporter: Any) -> None:
    """Print the counts of a session, and write them if that is asked for. Workers of xdist are
    asked for their summary as well: each knows a part, and the session knows all.
    """
    if hasattr(reporter.config, "workerinput"):
        return
    tally = Tally()
    for reports in reporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "call":
                tally.take(report.nodeid, report.outcome, report.user_properties)
    if not tally.found:
        return
    reporter.section(f"{tally.survived.total()} of {tally.played.total()} cases survived")
    for line in tally.lines():
        reporter.write_line(line)
    column = os.environ.get(WRITE, "")
    if not column:
        return
    tally = with_earlier(tally, EARLIER / f"{column}.json", is_there)
    path = DOCS / "reliability.md"
    path.write_text(written(path.read_text("utf-8"), tally, column), "utf-8")
    words = ", ".join(kind for kind in KINDS if tally.played[kind])
    reporter.write_line(f"written into docs/reliability.md: {words}")


def is_there(nodeid: str) -> bool:
    """Tell whether the function of a test is in its file still. Which of its parameters there are
    only a collection tells, and a shard collects a part of them.
    """
    name, _, rest = nodeid.partition("::")
    path = DOCS.parent / name
    function = rest.partition("[")[0].rpartition("::")[2]
    return path.is_file() and f"def {function}(" in path.read_text("utf-8")


def with_earlier(tally: Tally, file: Path, counts: Callable[[str], bool]) -> Tally:
    """Return what *file* has of those tests of earlier sessions of which *counts* is true and, in
    its place where it was played again, what *tally* has; *file* has it too then.
    """
    earlier = json.loads(file.read_text("utf-8")) if file.exists() else {}
    kept = {nodeid: tuple(case) for nodeid, case in earlier.items() if counts(nodeid)}
    both = {**kept, **tally.found}
    file.parent.mkdir(exist_ok=True)
    written = file.with_suffix(".new")
    written.write_text(json.dumps(both), "utf-8")
    written.replace(file)
    return Tally(both)


def rows_of(page: str) -> list[list[str]]:
    """Return the cells of the table that *page* has now."""
    _, _, rest = page.partition(f"<!-- {TABLE}:begin -->\n")
    inside, _, _ = rest.partition(f"<!-- {TABLE}:end -->\n")
    cells = [[c.strip() for c in line.strip("|").split(" | ")] for line in inside.splitlines()[2:]]
    return [[cell.strip("| ") for cell in row] for row in cells]


def written(page: str, tally: Tally, column: str) -> str:
    """Return *page* with the numbers of *tally* in *column*. The other column stays, and so does a
    kind that was not played.
    """
    before = {row[0]: row for row in rows_of(page)}
    rows = []
    for kind, text in KINDS.items():
        row = before.get(kind, [kind, text, UNKNOWN, UNKNOWN])
        row[1] = text
        if cell := tally.cell(kind):
            row[COLUMNS[column]] = cell
        rows.append(row)
    return Table(page="reliability.md", name=TABLE, headers=HEADERS, rows=rows).written_into(page)
