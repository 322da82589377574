"""How single calls go wrong in the matrix of test_faults.py: which of them, how, and what then."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from moments import JOURNAL, Moment
from stsfix.lab.faults import Effect, Rule, When

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from moments import Row

_ANSWERED = (
    "refuse-before",
    "drop-before",
    "drop-after",
    "garbage-before",
    "reset-after",
    "garbage-after",
    "delay-before",
    "reset-before",
)
_GOING_ON = ("refuse-before", "drop-before", "delay-before")
_BOOTING = ("refuse-before", "delay-before")

_ONE_OF_MANY = re.compile(r"/services/[^/]+/")
"""The part of a path of VAMI that names one of many services."""


def kinds(moment: Moment) -> tuple[str, ...]:
    """Return how *moment* can go wrong: an effect of the lab, before or after it happened."""
    if moment.is_boot:
        return _BOOTING
    return _GOING_ON if moment.protocol in {"task", "guest"} else _ANSWERED


@dataclass(frozen=True, slots=True)
class WrongCall:
    """One call that goes wrong; is the run also taken back from there (*back*)?"""

    moment: Moment
    kind: str
    back: bool

    def __str__(self) -> str:
        return f"{self.moment} {self.kind}"

    def rule(self) -> Rule:
        """Return the lab's rule for it."""
        effect, _, when = self.kind.partition("-")
        moment = self.moment
        return Rule(
            protocol=moment.protocol,
            call=moment.call,
            target=moment.target,
            nth=moment.nth,
            effect=Effect(effect),
            when=When(when),
            delay_s=0.2,
        )


def wrong_calls(table: Mapping[Row, int]) -> Iterator[WrongCall]:
    """Yield every case of a lab, but those of its journal.

    What changes the world goes wrong in every way, each time it is done, and is taken back from
    there, too. Reads leave it as it is: in each segment, each read goes wrong in every way, those
    who are asked it in turn, the first time. In the middle and at the end of many it goes wrong in
    one way: that is another place of the code, but the same world.
    """
    asked = Counter((segment, protocol, call) for segment, protocol, call, _ in table)
    turns: Counter[tuple[str, str, str]] = Counter()
    for number, (row, count) in enumerate(table.items()):
        moments = [Moment(*row, nth) for nth in range(1, count + 1)]
        if row[1] == JOURNAL:
            continue
        if moments[0].changes:
            yield from (WrongCall(m, kind, back=True) for m in moments for kind in kinds(m))
            continue
        found = kinds(moments[0])
        mine = found if moments[0].is_boot else found[turns[row[:3]] :: asked[row[:3]]]
        turns[row[:3]] += 1
        for at, kind in enumerate(mine):
            yield WrongCall(moments[0], kind, back=at == 0)
        for at in sorted({(count - 1) // 2, count - 1} - {0}):
            yield WrongCall(moments[at], found[(number + at) % len(found)], back=False)


def representative(cases: Iterable[WrongCall]) -> list[WrongCall]:
    """Return one case of each kind of call in each segment, the ways to go wrong in turn; whoever
    it is asked of. The first one of a segment is taken back, too.
    """
    alike: dict[tuple[str, str, str], list[WrongCall]] = {}
    for case in cases:
        moment = case.moment
        if not moment.is_boot:
            call = _ONE_OF_MANY.sub("/services/*/", moment.call)
            alike.setdefault((moment.segment, moment.protocol, call), []).append(case)
    chosen, seen = [], set()
    for number, found in enumerate(alike.values()):
        case = found[number % len(found)]
        segment = case.moment.segment
        chosen.append(WrongCall(case.moment, case.kind, back=segment not in seen))
        seen.add(segment)
    return chosen
