"""The registry: every rule there is, and every check of the domain. Data from its owners.

A check module exports ``RULES`` (what it looks for) and ``CHECKS`` (pure functions from the
inventory to findings). What hosts and VMs contribute is judged in `stsfix.snapshot.safety`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from stsfix.remediation.checks import (
    certificates,
    domain,
    nodes,
    renewal,
    stores,
    transports,
    windows,
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
    domain.RULES,
    certificates.RULES,
    nodes.RULES,
    stores.RULES,
    windows.RULES,
    transports.RULES,
    renewal.RULES,
)
"""Every rule by its id."""

CHECKS: tuple[Callable[[Inventory], Iterator[Finding]], ...] = (
    *domain.CHECKS,
    *certificates.CHECKS,
    *nodes.CHECKS,
    *windows.CHECKS,
    *transports.CHECKS,
    *stores.CHECKS,
)
"""Every check of the domain; none stops another. What is said of a renewal depends on what was
asked: `renewal.judged`."""
