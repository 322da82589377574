"""Each finding appears in its scenario and in no other; a clean lab has nothing to say.

What is to be found is in tests/support/finding_tables.py; scenarios of certificates have rows of
their own in finding_rows.py and tests in test_findings_certificates.py. That every rule has a
scenario is a unit test.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from finding_rows import ASKED, OWN_CA, RENEWED, WISHES
from finding_tables import EXPECTED, USUAL
from preflight_lab import seen, wished
from stsfix.lab.certificate_plan import PLANS
from stsfix.lab.scenario import SCENARIOS
from stsfix.remediation.checks import renewal as checks_renewal
from stsfix.remediation.checks.findings import RULES
from stsfix.remediation.checks.preflight import assess
from stsfix.remediation.checks.rules_stores import VMCA_RULES
from stsfix.remediation.model import Severity

pytestmark = pytest.mark.lab


def rows(found):
    """Return severities and ids of *found*, but for what is usual."""
    return {f"{finding.severity} {finding.id}" for finding in found} - USUAL


@pytest.mark.parametrize("scenario", sorted(set(SCENARIOS) - set(PLANS)))
def test_a_scenario_shows_its_findings_and_no_others(scenario):
    """What is wrong is found; what is not wrong is not."""
    _, found = seen(scenario)

    assert rows(found) == EXPECTED.get(scenario, set())


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_a_vmca_that_is_not_to_sign_forbids_nothing(scenario):
    """With an authority of stsfix's own, what is wrong with a node's own is told more mildly."""
    inventory, found = seen(scenario)
    vmca = {rule.id for rule in VMCA_RULES}

    other = assess(replace(inventory, issuer="own-ca"))

    assert rows(f for f in other if f.id in vmca) == OWN_CA.get(scenario, set())
    assert [f for f in other if f.id not in vmca] == [f for f in found if f.id not in vmca]


@pytest.mark.parametrize(("scenario", "words"), ASKED, ids=map(" ".join, ASKED))
def test_what_is_asked_for_has_its_findings(scenario, words):
    """A renewal is planned, or what stands in its way is told; without the question nothing is."""
    renewal = {rule.id for rule in checks_renewal.RULES}

    found = [f for f in wished(scenario, WISHES[words]) if f.id in renewal]

    assert rows(found) == ASKED[scenario, words]
    assert all(all((f.subject, f.evidence, f.advice)) for f in found)


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_what_speaks_against_a_renewal_is_told_there_and_nowhere_else(scenario):
    """Everything is asked to be renewed, and what the plan itself says is left out."""
    told = {f"informs {rule}" for rule in ("RENEW-PLAN", "COST-TLS-CHANGE")}
    renewal = {rule.id for rule in checks_renewal.RULES}

    found = rows(f for f in wished(scenario, WISHES["--renew all"]) if f.id in renewal)

    assert found - told == {rule for rule, names in RENEWED.items() if scenario in names}


def test_a_directory_that_only_listens_lacks_nothing():
    """Its notes of what it pulled count as changes and are sent to nobody: asked, it says so."""
    inventory, found = seen("one-sided-changes")

    assert inventory.at_rest == (("vc1.lab.example", "vc2.lab.example"),)
    assert not [f for f in found if f.id in {"REPL-LAG", "REPL-STALLED"}]


@pytest.mark.parametrize("topology", ["embedded", "elm", "external-psc"])
@pytest.mark.parametrize(
    ("scenario", "signer"), [("healthy", "STS-VALID"), ("expired", "STS-EXPIRED")]
)
def test_a_clean_lab_neither_blocks_nor_warns(topology, scenario, signer):
    """Nothing is made up, in any topology; what signs is told of every directory."""
    inventory, found = seen(scenario, topology)

    assert [f for f in found if f.severity is not Severity.INFORMS] == []
    told = {f"informs {f.id}" for f in found}
    assert ("informs RESTART-NEEDED" in told) is (topology == "embedded")  # it is an 8.0
    assert told - {"informs RESTART-NEEDED"} <= USUAL
    assert [f.subject for f in found if f.id == signer] == sorted(
        node.fqdn for node in inventory.nodes if node.role.has_directory
    )


@pytest.mark.parametrize("scenario", sorted(EXPECTED))
def test_every_finding_explains_itself(scenario):
    """Evidence, advice and the rule's words are there, whatever is wrong."""
    _, found = seen(scenario)

    assert all(all((f.subject, f.evidence, f.advice)) for f in found)
    assert [(f.title, f.why) for f in found] == [
        (RULES[f.id].title, RULES[f.id].why) for f in found
    ]
