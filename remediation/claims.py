"""Which of two runs that began at the same time goes on. Pure.

Two workstations share nothing but the hosts. What a host orders for all who look is the chain of
snapshots on one VM: a later one is a child of an earlier one. So each run snapshots one and the
same VM first, its *claim*, then looks: the run whose claim is the oldest goes on, and any other
gives way. Whoever sees no older claim once its own is made is seen by everybody who comes later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from stsfix.remediation.adoption import member_of
from stsfix.remediation.records import QUIESCE, noted, noted_at_last

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stsfix.remediation.model import NodePlan, RunSpec
    from stsfix.remediation.records import Record
    from stsfix.snapshot.model import SnapshotRef, VmFacts

RUN_PREFIX: Final = "stsfix-"
"""Every run's name, and so every snapshot of ours, begins with it."""

LEFT_TO: Final = "left-to"
"""Key under which a run that is taken back notes the `Rival` that it left all nodes to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """Another run that works on the nodes. *by* is who began it, empty if it does not tell."""

    run: str
    by: str

    def __str__(self) -> str:
        return f"{self.run}, begun by {self.by}" if self.by else self.run


def claim_of(spec: RunSpec) -> NodePlan:
    """Return the node whose VM every run of this domain snapshots first: names come from the
    directory, so that all workstations choose the same one.
    """
    return min(spec.nodes, key=lambda node: node.fqdn)


def rival_of(run: str, claimed: VmFacts, everybody: Iterable[VmFacts]) -> Rival | None:
    """Return the run that the nodes belong to; None if *run* may work on them.

    Args:
        run: The run that asks.
        claimed: The VM of `claim_of`; its snapshots as a host gives them, parents first.
        everybody: The VMs of all nodes.
    """
    names = [snapshot.name for snapshot in claimed.snapshots]
    if run in names:
        earlier = claimed.snapshots[: names.index(run)]
    else:
        earlier = tuple(snapshot for facts in everybody for snapshot in facts.snapshots)
    others = [s for s in earlier if s.name.startswith(RUN_PREFIX) and s.name != run]
    return _rival(others[0], claimed) if others else None


def _rival(snapshot: SnapshotRef, facts: VmFacts) -> Rival:
    member = member_of(snapshot, facts.summary.power)
    return Rival(run=snapshot.name, by=member.by if member is not None else "")


def left_to(records: Sequence[Record]) -> str:
    """Return whom a run that was taken back left all nodes to; empty if it powered them on, maybe
    because whoever an earlier attempt had left them to was gone.
    """
    return noted_at_last(QUIESCE, records).get(LEFT_TO, "")


def has_left(records: Sequence[Record]) -> bool:
    """Tell whether any attempt to take the run back left all nodes to another run."""
    return LEFT_TO in noted(QUIESCE, records)
