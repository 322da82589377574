"""What an unfinished renewal has left on nodes, as far as the run's journal tells. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.remediation.records import Phase, StepState, noted, phase, step_states
from stsfix.remediation.renewal.notes import RENEW_CERTIFICATES, places_issued

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stsfix.remediation.records import Record

_BEGUN = frozenset({StepState.STARTED, StepState.FAILED})


def stores_ahead(plan: Sequence[str], records: Sequence[Record]) -> tuple[str, ...]:
    """Return the nodes whose stores may hold certificates that not every directory knows.

    From the note before the first write into a node's stores to the record that every directory
    names what is in them: what starts in between reads the new pair, also what vMon starts.
    """
    if phase(plan, records) not in {Phase.OPEN, Phase.STOPPED}:
        return ()
    if step_states(plan, records).get(RENEW_CERTIFICATES) not in _BEGUN:
        return ()
    return tuple(dict.fromkeys(places_issued(noted(RENEW_CERTIFICATES, records))))


def ahead_words(nodes: Sequence[str]) -> str:
    """Return what that means for *nodes*, in one clause."""
    return (
        f"the stores of {', '.join(nodes)} may hold new certificates that not every directory"
        " knows yet: until the run goes on or is taken back, restart no service and no node there"
        " without need"
    )
