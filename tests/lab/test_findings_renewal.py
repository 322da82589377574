"""What preflight says of a renewal, where something is to be renewed and where nothing is."""

from __future__ import annotations

import pytest

from preflight_lab import seen, wished
from stsfix.lab.certificate_plan import REPAIR_PLANS
from stsfix.remediation.checks.renewal import RULES, Wish, renewal_of
from stsfix.remediation.model import Renew, Severity

pytestmark = pytest.mark.lab

VC1, VC2 = "vc1.lab.example", "vc2.lab.example"
EXPIRED, ALL = Wish(renew=Renew.EXPIRED), Wish(renew=Renew.ALL)
ROOT = Wish(new_vmca_root=True)
WISHES = {("--renew", "expired"): EXPIRED, ("--renew", "all"): ALL, ("--new-vmca-root",): ROOT}
PLAN = {("informs", "RENEW-PLAN"): {VC1, VC2}}


def told(scenario, wish, topology="elm"):
    """Return subjects by severity and id of what is said of the renewal itself."""
    found: dict[tuple[str, str], set[str]] = {}
    for finding in wished(scenario, wish, topology):
        if finding.id in {rule.id for rule in RULES} - {"COST-TLS-CHANGE"}:
            found.setdefault((str(finding.severity), finding.id), set()).add(finding.subject)
    return found


@pytest.mark.parametrize("scenario", [s for s, p in REPAIR_PLANS.items() if p[2]])
@pytest.mark.parametrize("topology", ["elm", "external-psc"])
def test_what_the_operator_adds_takes_every_block_away(scenario, topology):
    """The words that a scenario's operator adds are those with which the run may begin."""
    found = wished(scenario, WISHES[REPAIR_PLANS[scenario][2]], topology)

    assert [f"{f.id} {f.subject}" for f in found if f.severity is Severity.BLOCKS] == []


def test_nothing_that_has_expired_is_nothing_to_renew():
    """A sound domain is left alone by --renew expired."""
    inventory, _ = seen("expired")

    assert renewal_of(inventory, EXPIRED).is_empty
    assert told("expired", EXPIRED) == {}


def test_all_are_planned_when_all_are_asked_for():
    """Of every node: machine certificate and every solution user that it has."""
    inventory, _ = seen("expired")

    plan = renewal_of(inventory, ALL)

    assert told("expired", ALL) == PLAN
    assert {(r.node, r.store) for r in plan.renewals} == {
        (node, store)
        for node in (VC1, VC2)
        for store in (
            "MACHINE_SSL_CERT",
            "machine",
            "vsphere-webclient",
            "vpxd",
            "vpxd-extension",
            "hvc",
            "wcp",
        )
    }
    assert {r.signer for r in plan.renewals if r.node == VC2} == {VC2}


def test_the_psc_signs_for_its_vcenter():
    """A management node has no VMCA of its own."""
    inventory, _ = seen("expired", "external-psc")

    signers = {(r.node, r.signer) for r in renewal_of(inventory, ALL).renewals}

    assert signers == {
        ("psc1.lab.example", "psc1.lab.example"),
        ("psc2.lab.example", "psc2.lab.example"),
        (VC1, "psc1.lab.example"),
        (VC2, "psc2.lab.example"),
    }


def test_a_new_root_is_announced_with_all_it_costs():
    """The guided path: root, then everything that the old one issued."""
    assert told("vmca-root-expired", ROOT) == {
        **PLAN,
        ("warns", "RENEW-ROOT-NEW"): {VC1, VC2},
    }


def test_without_a_new_root_nothing_can_be_renewed():
    """What an ended root signs is worth nothing; the advice names the option."""
    found = told("vmca-root-expired", EXPIRED)

    assert found[("blocks", "RENEW-ROOT-ENDED")] == {VC1, VC2}


def test_a_root_that_lives_is_not_replaced():
    """Everybody who trusts it would have to learn another for nothing."""
    assert ("blocks", "RENEW-ROOT-NEEDLESS") in told("expired", ROOT)


def test_what_certificate_manager_does_not_renew_is_left():
    """And said."""
    found = told("data-encipherment-expired", EXPIRED)

    assert found[("warns", "RENEW-LEFT")] == {f"data-encipherment on {node}" for node in (VC1, VC2)}
