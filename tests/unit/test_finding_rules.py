"""The registry holds every rule once, and a finding explains itself by its rule."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from stsfix.remediation.checks.findings import CHECKS, RULES, registry
from stsfix.remediation.model import Finding, Rule, Severity
from stsfix.snapshot import safety
from stsfix.snapshot.risk import Finder

RULE = Rule(id="X-TEST", severity=Severity.BLOCKS, title="t", why="w", source="s", advice="a")


def test_two_rules_of_one_id_are_refused():
    """An id means one thing."""
    with pytest.raises(ValueError, match="X-TEST"):
        registry([RULE], [RULE])


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_every_rule_says_everything(rule):
    """Id in capitals; title, reason, source and advice are given, sentences end with a stop."""
    assert re.fullmatch(r"[A-Z]+(-[A-Z0-9]+)+", rule.id)
    assert all((rule.title, rule.why, rule.source, rule.advice))
    assert not rule.title.endswith(".")
    assert rule.why.endswith(".")
    assert rule.advice.endswith(".")


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_only_blockers_can_be_accepted(rule):
    """Nothing else needs it."""
    assert rule.severity is Severity.BLOCKS or not rule.acceptable


def test_checks_are_distinct():
    """No check runs twice."""
    assert len(set(CHECKS)) == len(CHECKS)


def test_a_finding_carries_what_its_rule_says():
    """A saved finding is understood without the program that made it."""
    finding = Finder([RULE])("X-TEST", "vc1", "seen")

    assert finding == Finding(
        id="X-TEST",
        severity=Severity.BLOCKS,
        subject="vc1",
        evidence="seen",
        advice="a",
        title="t",
        why="w",
        source="s",
    )


def test_a_finding_can_be_milder_than_its_rule():
    """The evidence decides how grave it is."""
    finding = Finder([RULE])("X-TEST", "vc1", "seen", severity=Severity.WARNS, advice="other")

    assert (finding.severity, finding.advice) == (Severity.WARNS, "other")


def test_an_unknown_rule_is_a_bug():
    """A check cannot invent an id."""
    with pytest.raises(KeyError):
        Finder([RULE])("X-OTHER", "vc1", "seen")


def test_the_list_of_traps_names_findings_that_exist():
    """What the page promises to find is in the registry."""
    page = (Path(__file__).parents[2] / "docs" / "findings.md").read_text(encoding="utf-8")
    traps = page.partition("## What each known trap is found by")[2]

    named = set(re.findall(r"`([A-Z]+(?:-[A-Z]+)+)`", traps))

    assert named <= set(RULES)
    assert {rule.id for rule in safety.RULES} <= named
