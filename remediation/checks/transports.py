"""Checks of how a run restarts services: from the inventory to findings. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stsfix.remediation.checks.nodes import release_of
from stsfix.remediation.model import Restart, Transport
from stsfix.remediation.nodes.node_facts import Management
from stsfix.remediation.restarts import COMMANDS
from stsfix.snapshot.risk import Finder, Rule, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stsfix.remediation.inventory import Inventory
    from stsfix.remediation.model import Finding
    from stsfix.remediation.renewal.plan import RenewalPlan

RULES = (
    Rule(
        id="NODE-BY-HAND",
        severity=Severity.WARNS,
        title="Nobody but a person can restart a node's services",
        why="The node has no transport. Where all services are restarted, the run stops until you "
        "have done it; where only those in need are, it stops if a way in fails there. Until then "
        "people may not be able to log in, and vCenters that log in through it wait, too.",
        source="stsfix; the commands are those of KB 316619",
        advice="Have a console of the node and its password at hand during the run; or give it a "
        "transport.",
    ),
    Rule(
        id="NODE-HEALTH",
        severity=Severity.WARNS,
        title="A node's management interface calls the node unhealthy",
        why="It sees what nothing else tells where no command can be run: full partitions, memory, "
        "services. What is wrong may keep services from starting again.",
        source="appliance.health API; how an expired STS certificate colours it is unverified",
        advice="Look at the page of the management interface (port 5480), Summary and Monitor.",
    ),
    Rule(
        id="RESTART-NEEDED",
        severity=Severity.INFORMS,
        title="Services are restarted only where a proof fails",
        why="From 8.0 on an STS is said to take a new credential by itself, so the run proves "
        "every way in first and leaves alone what works.",
        source="fixcerts.py: no restart is required for an STS replacement on 8.0; unverified",
        advice='To restart every node all the same: restart = "all" under [services].',
    ),
    Rule(
        id="RESTART-ALL",
        severity=Severity.INFORMS,
        title="All services are restarted although only those in need were asked for",
        why='restart = "needed" would rest on what holds for 8.0 and later, and for a run that '
        "changes the STS credential alone.",
        source="KB 316619, KB 318197: all vCenters and PSCs of the domain have to be restarted",
        advice="None: the run restarts every node.",
    ),
)

found = Finder(RULES)


_SOUND = {"green", "gray"}
"""Gray is that nobody knows."""


def management_is_sound(inventory: Inventory) -> Iterator[Finding]:
    """What the management interface says of each node that was asked by it."""
    for node in inventory.nodes:
        health = node.management.health if isinstance(node.management, Management) else "gray"
        if isinstance(health, str) and health not in _SOUND:
            severity = Severity.INFORMS if health == "yellow" else None
            evidence = f"/rest/appliance/health/system says {health}"
            yield found("NODE-HEALTH", node.fqdn, evidence, severity=severity)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartChoice:
    """Whose services a run restarts, and why everybody's if it is that."""

    restart: Restart
    reason: str = ""


def restart_of(inventory: Inventory, plan: RenewalPlan) -> RestartChoice:
    """Return whose services a run restarts: only those that a proof finds in need where the
    operator did not ask for all, every node tells release 8.0 or later, and nothing is renewed.
    """
    if inventory.restart is Restart.ALL:
        return RestartChoice(restart=Restart.ALL, reason='restart = "all" under [services]')
    if not plan.is_empty:
        reason = "certificates are renewed, which services load at their start"
        return RestartChoice(restart=Restart.ALL, reason=reason)
    told = {node.fqdn: release_of(node) for node in inventory.nodes}
    older = [fqdn for fqdn, release in told.items() if release is not None and release < _BY_ITSELF]
    unknown = [fqdn for fqdn, release in told.items() if release is None]
    if older:
        return RestartChoice(restart=Restart.ALL, reason=f"{', '.join(older)} is older than 8.0")
    if unknown or not told:
        reason = f"the release of {', '.join(unknown) or 'every node'} is not known"
        return RestartChoice(restart=Restart.ALL, reason=reason)
    return RestartChoice(restart=Restart.NEEDED)


_BY_ITSELF = (8, 0)
"""The first release whose STS takes a new credential without a restart (peers.md c9)."""


def restart_is_told(inventory: Inventory, plan: RenewalPlan) -> Iterator[Finding]:
    """What a run does with services, where that is not what everybody expects, and for whom it
    waits.
    """
    choice = restart_of(inventory, plan)
    yield from _by_hand(inventory, choice)
    if choice.restart is Restart.NEEDED:
        evidence = "every node tells release 8.0 or later"
        yield found("RESTART-NEEDED", inventory.domain, evidence)
    elif inventory.restart is Restart.NEEDED:
        yield found("RESTART-ALL", inventory.domain, choice.reason)


def _by_hand(inventory: Inventory, choice: RestartChoice) -> Iterator[Finding]:
    """Which nodes a run cannot restart the services of, and when it waits for a person there."""
    needed = choice.restart is Restart.NEEDED
    when = ", if a way in fails there with the new certificate," if needed else ""
    for node in inventory.nodes:
        if node.transport is Transport.NONE:
            evidence = f"restart-services will wait{when} for: {COMMANDS[node.platform]}"
            yield found("NODE-BY-HAND", node.fqdn, evidence)


CHECKS: tuple[Callable[[Inventory], Iterator[Finding]], ...] = (management_is_sound,)
