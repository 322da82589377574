"""How far each directory is behind each other one: from status vectors alone. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stsfix.remediation.model import ReplicationStatus

AT_REST: Final = 20
"""Changes that a directory may be behind before anybody asks what they are: 2 to 8 were measured
with equal content, because a node's updates of its own server entry and agreements count and are
not sent (vmdird measured, 8). It makes two with each pull that brought something, so a node that
only listens is any number ahead of its partners: `Directory.has_changes_after` tells."""


class LagState(enum.Enum):
    """What two status vectors say of one direction."""

    BEHIND = "behind"
    AHEAD = "ahead"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """*consumer* lacks *changes* of *supplier* (BEHIND, 0 and more), has seen *changes* more
    than the supplier has made (AHEAD: it was reverted alone), or nobody knows (UNKNOWN, 0). *seen*
    is the supplier's last change that the consumer has, 0 if nobody knows.
    """

    consumer: str
    supplier: str
    state: LagState
    changes: int = 0
    seen: int = 0

    @property
    def is_late(self) -> bool:
        """True if more is missing than at rest."""
        return self.state is LagState.BEHIND and self.changes > AT_REST


def lags(statuses: Mapping[str, ReplicationStatus]) -> tuple[Lag, ...]:
    """Return the lag of every ordered pair of nodes, by consumer, then supplier.

    A USN of the supplier must have been read after the vectors of its consumers: a vector that
    is newer than it looks like a rollback.
    """
    return tuple(
        _lag(consumer, statuses[consumer], supplier, statuses[supplier])
        for consumer in sorted(statuses)
        for supplier in sorted(statuses)
        if consumer != supplier
    )


def _lag(consumer: str, mine: ReplicationStatus, supplier: str, theirs: ReplicationStatus) -> Lag:
    seen = (mine.up_to_date or {}).get(theirs.invocation_id)
    if seen is None or not theirs.invocation_id:
        return Lag(consumer=consumer, supplier=supplier, state=LagState.UNKNOWN)
    if seen > theirs.usn:
        return Lag(
            consumer=consumer,
            supplier=supplier,
            state=LagState.AHEAD,
            changes=seen - theirs.usn,
            seen=seen,
        )
    made = theirs.usn if theirs.max_originating is None else theirs.max_originating
    # A database that was copied at the join starts with USNs that its node did not make.
    return Lag(
        consumer=consumer,
        supplier=supplier,
        state=LagState.BEHIND,
        changes=max(0, made - seen),
        seen=seen,
    )


def stalled(before: Iterable[Lag], after: Iterable[Lag]) -> frozenset[tuple[str, str]]:
    """Return (consumer, supplier) of the pairs that were late and have caught up nothing.

    What counts is what the consumer has seen: the supplier may make changes meanwhile.
    """
    first = {(lag.consumer, lag.supplier): lag for lag in before if lag.is_late}
    return frozenset(
        pair
        for lag in after
        if (pair := (lag.consumer, lag.supplier)) in first
        and lag.is_late
        and lag.seen <= first[pair].seen
    )
