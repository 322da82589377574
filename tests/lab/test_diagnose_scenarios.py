"""What `diagnose` names in each scenario, and that it names nothing else there.

The labs are those of test_findings.py: one lab a scenario, several judgements.
"""

from __future__ import annotations

import pytest

from diagnosed_lab import examined
from diagnosis_table import DIAGNOSED, LOG_ONLY, NAMED, causes_of
from stsfix.lab.scenario import SCENARIOS
from stsfix.remediation.diagnosis.causes import CAUSES
from stsfix.remediation.diagnosis.model import Confidence

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("scenario", sorted(DIAGNOSED))
def test_a_scenario_has_its_causes_and_no_others(scenario):
    """The gravest first, each with the nodes that it is about, proven unless only lines say so."""
    _, diagnosis = examined(scenario)

    assert [(c.cause.id, c.nodes) for c in diagnosis.causes] == list(causes_of(scenario).items())
    assert {
        (scenario, c.cause.id) for c in diagnosis.causes if c.confidence is Confidence.LOG_ONLY
    } == {pair for pair in LOG_ONLY if pair[0] == scenario}
    assert all(c.proofs or c.lines for c in diagnosis.causes)


@pytest.mark.parametrize("topology", ["embedded", "external-psc"])
def test_a_healthy_domain_has_none(topology):
    """In any topology, and nothing of it was left unread."""
    _, diagnosis = examined("healthy", topology)

    assert [c.cause.id for c in diagnosis.causes] == []
    assert diagnosis.unchecked == ()


@pytest.mark.parametrize(
    ("topology", "controllers"),
    [
        ("embedded", ("vc1.lab.example",)),
        ("external-psc", ("psc1.lab.example", "psc2.lab.example")),
    ],
)
def test_an_expired_certificate_is_named_in_every_topology(topology, controllers):
    """The nodes that sign are named first; a vCenter whose services are down for it may follow."""
    _, diagnosis = examined("expired", topology)

    (cause,) = diagnosis.causes
    assert cause.cause.id == "STS-EXPIRED"
    assert set(controllers) <= set(cause.nodes)


def test_every_cause_has_a_scenario():
    """Nothing is named that nobody ever saw named."""
    shown = {cause for row in NAMED.values() for cause in row}

    assert {cause.id for cause in CAUSES} - shown == set()
    assert set(NAMED) <= set(SCENARIOS)
