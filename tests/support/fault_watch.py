"""Fault rules that tests make have to be hit: one that matches no call proves nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from stsfix.lab.faults import FaultBook, Rule

if TYPE_CHECKING:
    from collections.abc import Iterable

RANDOM: Final = frozenset({"deaths", "sequences"})
"""Kinds of cases (`reliability`) in which a call may have come less often than it was to."""

_made: list[Rule] = []


def watch() -> None:
    """Keep every rule that is added to a lab of this process from now on."""
    add = FaultBook.add

    def kept(self: FaultBook, rule: Rule) -> Rule:
        _made.append(rule)
        return add(self, rule)

    FaultBook.add = kept  # type: ignore[method-assign] # no lab of a test is left out


def forget() -> None:
    """Let a new test begin."""
    _made.clear()


def missed(rules: Iterable[Rule]) -> list[str]:
    """Return the rules that never fired, one line each."""
    return [
        f"{rule.protocol} {rule.call} of {rule.target}: {rule.seen} calls, no. {rule.nth} was meant"
        for rule in rules
        if rule.seen < rule.nth
    ]


def require_hits(item: pytest.Item) -> None:
    """Fail *item* if one of its rules was not hit, unless it is marked ``may_miss(reason)``."""
    kind = item.get_closest_marker("reliability")
    if item.get_closest_marker("may_miss") or (kind is not None and kind.args[0] in RANDOM):
        return
    lines = missed(_made)
    if lines:
        pytest.fail("fault rules that were never hit:\n" + "\n".join(lines), pytrace=False)
