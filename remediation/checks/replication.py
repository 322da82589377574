"""Checks of what is between the directories: lists, agreements, lag. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.remediation.checks.rules_nodes import RULES
from stsfix.remediation.directory.replication import LagState
from stsfix.snapshot.risk import Finder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stsfix.remediation.inventory import Inventory
    from stsfix.remediation.model import Finding

found = Finder(RULES)


def lists_agree(inventory: Inventory) -> Iterator[Finding]:
    """Every directory lists the same controllers and vCenters."""
    told = [
        (node.fqdn, {*node.listed.controllers, *node.listed.computers})
        for node in inventory.nodes
        if node.listed is not None
    ]
    for fqdn, names in told[1:]:
        first, others = told[0]
        if names != others:
            only = ", ".join(sorted(names ^ others))
            evidence = f"{fqdn} and {first} do not both list {only}"
            yield found("REPL-LISTS-DIFFER", fqdn, evidence)


def agreements_go_both_ways(inventory: Inventory) -> Iterator[Finding]:
    """Whoever pulls from a node is pulled from. Each node is asked of its own agreements: they
    are not replicated (vmdir.md 6.5), so that a partner's copy may be old.
    """
    partners = _own_partners(inventory)
    for puller, sources in sorted(partners.items()):
        for source in sorted(sources & partners.keys()):
            if puller not in partners[source]:
                evidence = f"{puller} has an agreement with {source}, but not {source} with it"
                yield found("REPL-ONE-WAY", source, evidence)


def _own_partners(inventory: Inventory) -> dict[str, set[str]]:
    return {
        node.fqdn: {p for s in node.listed.servers if s.name == node.fqdn for p in s.partners}
        for node in inventory.nodes
        if node.listed is not None
    }


def nobody_lags(inventory: Inventory) -> Iterator[Finding]:
    """Every directory has seen its partners' changes, as far as vectors can tell.

    A revert of one node (AHEAD) and a node that never pulled are checks of their own.
    """
    statuses = {n.fqdn: n.replication for n in inventory.nodes if n.replication is not None}
    partners = _own_partners(inventory)
    for lag in inventory.lags():
        pair = (lag.consumer, lag.supplier)
        if lag.is_late and pair not in inventory.at_rest:
            evidence = f"it is {lag.changes} changes behind {lag.supplier}"
            rule = "REPL-STALLED" if pair in inventory.stalled else "REPL-LAG"
            yield found(rule, lag.consumer, evidence)
        elif (
            lag.state is LagState.UNKNOWN
            and statuses[lag.consumer].up_to_date is not None
            and lag.supplier in partners.get(lag.consumer, ())
        ):
            evidence = f"it has an agreement with {lag.supplier}, and has seen no change of it"
            yield found("REPL-STALLED", lag.consumer, evidence)


CHECKS: tuple[Callable[[Inventory], Iterator[Finding]], ...] = (
    lists_agree,
    agreements_go_both_ways,
    nobody_lags,
)
