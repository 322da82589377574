"""Checks of where each node's VM is: from the inventory to findings. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.remediation.checks.rules_domain import GONE, RULES
from stsfix.snapshot.risk import Finder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stsfix.remediation.inventory import Inventory, NodeInventory
    from stsfix.remediation.model import Finding

found = Finder(RULES)

_ADVICE = next(rule.advice for rule in RULES if rule.id == "NODE-NOT-FOUND")
_SILENT = "DirectoryUnreachableError"


def nodes_are_found(inventory: Inventory) -> Iterator[Finding]:
    """Each node of the domain is exactly one live VM on one of the hosts."""
    unreachable = {p.subject for p in inventory.problems if p.error == _SILENT}
    silent = {n.fqdn for n in inventory.nodes if n.fqdn in unreachable and n.root_dse is None}
    for node in inventory.nodes:
        live, stale = node.location.live, node.location.stale
        if not live and node.fqdn in silent:
            evidence = f"{_nowhere(node)}; nor does a directory answer under its name"
            advice = f"{_ADVICE} {GONE}"
            yield found("NODE-NOT-FOUND", node.fqdn, evidence, advice=advice)
        elif not live:
            yield found("NODE-NOT-FOUND", node.fqdn, _nowhere(node))
        elif len(live) > 1:
            where = "; ".join(f"{s.vm} ({s.power}, UUID {s.vm.instance_uuid})" for s in live)
            yield found(
                "NODE-AMBIGUOUS",
                node.fqdn,
                f"{len(live)} VMs match: {where}",
                advice=f'Name the right one: [nodes."{node.fqdn}"] vm = "<instance UUID>"',
            )
        elif stale:
            yield found(
                "NODE-STALE-COPY",
                node.fqdn,
                "stale registrations: " + "; ".join(str(s.vm) for s in stale),
            )


def _nowhere(node: NodeInventory) -> str:
    evidence = "no connected VM with this host name, address or VM name on any host"
    if stale := node.location.stale:
        where = "; ".join(f"{s.vm} ({s.connection})" for s in stale)
        evidence += f", only registrations that no host holds: {where}"
    for other in node.location.namesakes:
        evidence += f"; {other.vm} has its name, but its guest says it is {other.hostname}"
    return evidence
