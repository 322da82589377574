"""The labs at whose moments something goes wrong, and what an undisturbed run does there.

``python tests/support/moment_labs.py [LAB...]`` writes the tables of moments anew.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from lab_keys import shared_keys
from moments import BEGUN, CALLS, JOURNAL, rows_of, write_table
from recorded import Bench, Recorded
from saved_lab import DeathBench
from stsfix.lab.lab import Lab
from stsfix.remediation.checks.renewal import NOTHING, Wish

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from killable import Command
    from moments import Row

B = TypeVar("B", bound=Bench)

EVERYTHING = (JOURNAL, *CALLS, *BEGUN)
MORE: tuple[tuple[str, Command], ...] = (("take-snapshots", "rollback"), ("rollback", "release"))
"""A rollback of nodes that are off, and the release of a run that was taken back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MomentLab:
    """A lab, and at what processes die in it or calls go wrong.

    Attributes:
        protocols: Whose calls count.
        wish: What its runs renew besides the STS credential.
        segments: The only ones that count; empty for all.
        more: Rollbacks and releases at other times (`Recorded`).
        every: Of its deaths ``make test`` plays each of so many; 0: none.
    """

    topology: str
    scenario: str = "expired"
    protocols: tuple[str, ...] = EVERYTHING
    wish: Wish = NOTHING
    segments: tuple[str, ...] = ()
    more: tuple[tuple[str, Command], ...] = MORE
    every: int = 0


LABS = {
    "embedded": MomentLab(topology="embedded", every=151),
    "elm": MomentLab(topology="elm", every=151),
    "external-psc": MomentLab(topology="external-psc", every=151),
    "renewal": MomentLab(
        topology="embedded",
        scenario="vmca-root-expired",
        wish=Wish(new_vmca_root=True),
        segments=("new-vmca-root", "renew-certificates", "restart-services", "rollback"),
        more=(),
        every=301,
    ),
    "ssh": MomentLab(topology="embedded", scenario="ssh-only", protocols=("ssh",)),
    "vami": MomentLab(topology="embedded", scenario="vami-only", protocols=("vami",)),
}
"""Every topology there is; in the smallest a run that renews everything, where it differs from one
that does not, and the other two ways to a node.
"""


def dying(lab: Lab, folder: Path, ours: MomentLab) -> DeathBench:
    """Return the bench in which processes die."""
    return DeathBench(lab, folder, ours.wish)


@contextmanager
def recorded_lab(
    name: str, folder: Path, bench_of: Callable[[Lab, Path, MomentLab], B]
) -> Iterator[Recorded[B]]:
    """Run the lab called *name*, and once everything in it, in the bench that *bench_of* makes."""
    ours = LABS[name]
    for place in ("lab", "first", "states"):
        (folder / place).mkdir()
    with Lab.build(ours.topology, ours.scenario, speed=2000, seed=3, keys=shared_keys()) as lab:
        bench = bench_of(lab, folder / "lab", ours)
        bench.calls(folder / "first", "run", steps=0)
        yield Recorded(bench, folder / "states", ours.protocols, ours.more)


class RecordedLabs(Generic[B]):
    """The labs by name. One runs at a time: that which was asked for last."""

    def __init__(
        self,
        new_folder: Callable[[], Path],
        bench_of: Callable[[Lab, Path, MomentLab], B],
    ) -> None:
        self._new_folder = new_folder
        self._bench_of = bench_of
        self._name = ""
        self._running = ExitStack()
        self._recorded: Recorded[B] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._running.close()

    def __getitem__(self, name: str) -> Recorded[B]:
        if self._recorded is None or name != self._name:
            self._recorded = None
            self._running.close()
            self._recorded = self._running.enter_context(
                recorded_lab(name, self._new_folder(), self._bench_of)
            )
            self._name = name
        return self._recorded


def rows(name: str, recorded: Recorded[DeathBench]) -> dict[Row, int]:
    """Return what was recorded in the lab called *name*, as its table has it."""
    lab, points = LABS[name], recorded.points
    names = lab.segments or tuple(points)
    return rows_of([points[name] for name in names], journal=JOURNAL in lab.protocols)


def main() -> None:
    """Write the tables of the labs that are named, else of all."""
    for name in sys.argv[1:] or LABS:
        with (
            tempfile.TemporaryDirectory() as folder,
            recorded_lab(name, Path(folder), dying) as recorded,
        ):
            write_table(name, rows(name, recorded))


if __name__ == "__main__":
    main()
