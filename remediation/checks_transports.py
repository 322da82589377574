"""Checks of how a run restarts services: from the inventory to findings. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.remediation.model import Transport
from stsfix.remediation.restarts import COMMANDS
from stsfix.snapshot.risk import Finder, Rule, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stsfix.remediation.inventory import Inventory
    from stsfix.remediation.model import Finding

RULES = (
    Rule(
        id="NODE-BY-HAND",
        severity=Severity.WARNS,
        title="A run stops until a person has restarted a node's services",
        why="The node has no transport, so nobody but you can restart them. Until then people may "
        "not be able to log in, and vCenters that log in through it wait, too.",
        source="stsfix; the commands are those of KB 316619",
        advice="Have a console of the node and its password at hand during the run; or give it a "
        "transport.",
    ),
)

found = Finder(RULES)


def restarts_are_possible(inventory: Inventory) -> Iterator[Finding]:
    """Which nodes a run cannot restart the services of."""
    for node in inventory.nodes:
        if node.transport is Transport.NONE:
            evidence = f"restart-services will wait for: {COMMANDS[node.platform]}"
            yield found("NODE-BY-HAND", node.fqdn, evidence)


CHECKS: tuple[Callable[[Inventory], Iterator[Finding]], ...] = (restarts_are_possible,)
