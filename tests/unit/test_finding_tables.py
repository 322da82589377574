"""Every rule of the registry is shown by a scenario that ``lab up`` knows, and no row is stale."""

from __future__ import annotations

import pytest

from finding_rows import ASKED, CERTIFICATES, NO_SCENARIO, OWN_CA, WISHES, lacking, shown_rules
from finding_tables import EXPECTED
from stsfix.lab.certificate_plan import PLANS
from stsfix.lab.scenario import SCENARIOS
from stsfix.remediation.checks.findings import RULES


def test_every_rule_has_a_scenario():
    """Nothing is looked for that nobody ever saw found."""
    assert lacking(RULES) == []


def test_a_new_rule_is_told_what_it_lacks():
    """Who registers a rule reads what else is to be done, and for that rule only."""
    [sentence] = lacking([*RULES, "NODE-ON-FIRE"])

    assert sentence.startswith("NODE-ON-FIRE is in the registry and no scenario shows it: add")
    assert "NO_SCENARIO" in sentence


def test_reasons_are_of_rules_that_nothing_shows():
    """A reason goes once there is a scenario; no row names a rule that is gone."""
    assert NO_SCENARIO.keys() & shown_rules() == set()
    assert NO_SCENARIO.keys() | shown_rules() == RULES.keys()


@pytest.mark.parametrize(
    "names",
    [set(EXPECTED), set(CERTIFICATES), set(OWN_CA), {scenario for scenario, _ in ASKED}],
    ids=["expected", "certificates", "own-ca", "asked"],
)
def test_every_row_is_of_a_scenario(names):
    """No row outlives its scenario."""
    assert names <= set(SCENARIOS)


def test_scenarios_of_certificates_have_their_own_table():
    """One scenario has one row that tells everything."""
    assert set(EXPECTED) & set(PLANS) == set()
    assert {words for _, words in ASKED} <= set(WISHES)
