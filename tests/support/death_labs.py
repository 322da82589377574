"""The labs in which processes die, and what an undisturbed run does there.

``python tests/support/death_labs.py [LAB...]`` writes the tables of moments anew.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from deaths import BEGUN, CALLS, JOURNAL, rows_of, write_table
from lab_keys import shared_keys
from recorded import Recorded
from saved_lab import DeathBench
from stsfix.lab.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deaths import Row
    from killable import Command

EVERYTHING = (JOURNAL, *CALLS, *BEGUN)
LABS = {
    "embedded": ("embedded", "expired", EVERYTHING),
    "elm": ("elm", "expired", EVERYTHING),
    "external-psc": ("external-psc", "expired", EVERYTHING),
    "ssh": ("embedded", "ssh-only", ("ssh",)),
    "vami": ("embedded", "vami-only", ("vami",)),
}
"""Topology, scenario, and at what processes die: every topology there is, and
in the smallest the other two ways to a node.
"""

MORE: tuple[tuple[str, Command], ...] = (("take-snapshots", "rollback"), ("rollback", "release"))
"""A rollback of nodes that are off, and the release of a run that was taken back."""


@contextmanager
def recorded_lab(name: str, folder: Path) -> Iterator[Recorded[DeathBench]]:
    """Run the lab called *name*, and once everything in it."""
    topology, scenario, protocols = LABS[name]
    for place in ("lab", "first", "states"):
        (folder / place).mkdir()
    with Lab.build(topology, scenario, speed=2000, seed=3, keys=shared_keys()) as lab:
        bench = DeathBench(lab, folder / "lab")
        bench.command(bench.config, folder / "first", "run", steps=0)
        yield Recorded(bench, folder / "states", protocols, MORE)


def rows(name: str, recorded: Recorded[DeathBench]) -> dict[Row, int]:
    """Return what was recorded in the lab called *name*, as its table has it."""
    return rows_of(recorded.points, journal=JOURNAL in LABS[name][2])


def main() -> None:
    """Write the tables of the labs that are named, else of all."""
    for name in sys.argv[1:] or LABS:
        with (
            tempfile.TemporaryDirectory() as folder,
            recorded_lab(name, Path(folder)) as recorded,
        ):
            write_table(name, rows(name, recorded))


if __name__ == "__main__":
    main()
