"""When and how a process dies in the matrix of test_deaths.py."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from moments import BEGUN, JOURNAL, Moment
from stsfix.lab.faults import Effect, Rule, When

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from moments import Row


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
class Case:
    """One thing that goes wrong, and what is done about it."""

    moment: Moment
    way: Way
    then: Then

    def __str__(self) -> str:
        return f"{self.moment} {self.way.value} {self.then.value}"

    def rule(self, kill: Callable[[], None]) -> Rule:
        """Return the lab's rule for it; *kill* kills the process."""
        moment, way = self.moment, self.way
        effect = {Way.LOST: Effect.DROP, Way.MEANWHILE: Effect.MEANWHILE}.get(way, Effect.KILL)
        return Rule(
            protocol=moment.protocol,
            call=moment.call,
            target=moment.target,
            nth=moment.nth,
            effect=effect,
            when=When.AFTER if way in {Way.AFTER, Way.LOST} else When.BEFORE,
            others=kill,
        )


def cases(table: Mapping[Row, int]) -> Iterator[Case]:
    """Yield every case of a lab.

    Each record and each call that changes something: every way, then forward, and back. Reads
    leave the world and the journal as they are: dead before or after one is dead after the
    last record or change, from where both directions are tried. So the first of each goes wrong
    in every way, and each further one is died at once. A service that starts calls nobody.
    """
    for (segment, protocol, call, target), count in table.items():
        for nth in range(1, count + 1):
            moment = Moment(segment, protocol, call, target, nth)
            for way, then in () if moment.is_boot else _ends(moment):
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
    if moment.changes:
        return (before, after, (Way.AFTER, Then.BACK), (lost, Then.FORWARD), (lost, Then.BACK))
    if moment.nth == 1:
        return (before, after, (lost, Then.FORWARD), (lost, Then.BACK))
    return (before,)
