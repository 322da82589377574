"""Checks of the domain's nodes: from the inventory to findings. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stsfix.remediation.inventory import Inventory
    from stsfix.remediation.model import Finding, Rule

RULES: tuple[Rule, ...] = ()

CHECKS: tuple[Callable[[Inventory], Iterator[Finding]], ...] = ()
