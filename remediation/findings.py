"""The registry: every rule there is, and every check of the domain. Data from its owners.

A check module exports ``RULES`` (what it looks for) and ``CHECKS`` (pure functions from the
inventory to findings). What hosts and VMs contribute is judged in `stsfix.snapshot.safety`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from stsfix.remediation import (
    checks,
    checks_certificates,
    checks_nodes,
    checks_renewal,
    checks_stores,
    checks_transports,
    checks_windows,
)
from stsfix.snapshot import safety

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from stsfix.remediation.inventory import Inventory
    from stsfix.remediation.model import Finding, Rule


def registry(*parts: Iterable[Rule]) -> Mapping[str, Rule]:
    """Return the rules of all *parts* by id.

    Raises:
        ValueError: Two rules have one id.
    """
    rules: dict[str, Rule] = {}
    for rule in (rule for part in parts for rule in part):
        if rule.id in rules:
            raise ValueError(f"two rules have the id {rule.id}")
        rules[rule.id] = rule
    return MappingProxyType(rules)


RULES = registry(
    safety.RULES,
    checks.RULES,
    checks_certificates.RULES,
    checks_nodes.RULES,
    checks_stores.RULES,
    checks_windows.RULES,
    checks_transports.RULES,
    checks_renewal.RULES,
)
"""Every rule by its id."""

CHECKS: tuple[Callable[[Inventory], Iterator[Finding]], ...] = (
    *checks.CHECKS,
    *checks_certificates.CHECKS,
    *checks_nodes.CHECKS,
    *checks_windows.CHECKS,
    *checks_transports.CHECKS,
    *checks_stores.CHECKS,
)
"""Every check of the domain; none stops another. What is said of a renewal depends on what was
asked: `checks_renewal.judged`."""
