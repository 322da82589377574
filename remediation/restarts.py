"""Which services are restarted when, and what a run noted of it, node by node. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stsfix.remediation.model import NodePlan, RunSpec

STEP: Final = "restart-services"

RESTARTED: Final = "restarted."
"""Notes when all services of a node had been restarted and ran, ISO 8601."""

STARTED: Final = "started."
"""Notes the services that did not run before the restart and run now, joined by commas."""

DOWN: Final = "down."
"""Notes the services that did not start at the last attempt, joined by commas; empty since then."""


class Outcome(enum.StrEnum):
    """What became of a node's services."""

    PENDING = "pending"
    RESTARTED = "restarted"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRestart:
    """What a run noted of one node. *at* is when that was, ISO 8601, empty before.

    *started* came up with the restart; *down* did not start.
    """

    node: str
    outcome: Outcome
    at: str = ""
    started: tuple[str, ...] = ()
    down: tuple[str, ...] = ()


def restart_waves(spec: RunSpec) -> tuple[tuple[NodePlan, ...], ...]:
    """Return who restarts its services when: the node that was written to alone, then the other
    nodes with a directory, then vCenters, which log in through those.

    A restart that fails on the first node leaves all others as they are.
    """
    writer, *others = spec.directories
    vcenters = tuple(node for node in spec.vcenters if not node.role.has_directory)
    return tuple(wave for wave in ((writer,), tuple(others), vcenters) if wave)


def is_settled(node: str, noted: Mapping[str, str]) -> bool:
    """Tell whether nothing is left to be done for the services of *node*."""
    return RESTARTED + node in noted


def restart_of(node: str, noted: Mapping[str, str]) -> NodeRestart:
    """Return what became of the services of *node*."""
    down = _names(noted.get(DOWN + node, ""))
    if RESTARTED + node in noted:
        outcome = Outcome.RESTARTED
    else:
        outcome = Outcome.FAILED if down else Outcome.PENDING
    return NodeRestart(
        node=node,
        outcome=outcome,
        at=noted.get(RESTARTED + node, ""),
        started=_names(noted.get(STARTED + node, "")),
        down=down,
    )


def _names(note: str) -> tuple[str, ...]:
    return tuple(name for name in note.split(",") if name)
