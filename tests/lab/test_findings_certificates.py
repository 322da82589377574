"""Each finding about certificates appears in its scenario, and in no other."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from finding_rows import CERTIFICATES
from preflight_lab import seen
from stsfix.lab.certificate_plan import PLANS
from stsfix.lab.scenario import SCENARIOS
from stsfix.remediation.checks.certificates import RULES
from stsfix.remediation.inventory_certificates import ChainOwner
from stsfix.remediation.model import Severity

if TYPE_CHECKING:
    from stsfix.remediation.inventory import Inventory, NodeInventory
    from stsfix.remediation.inventory_certificates import DirectoryCertificates

pytestmark = pytest.mark.lab

VC1, VC2, DOMAIN = "vc1.lab.example", "vc2.lab.example", "vsphere.local"

ALWAYS = {"COST-NO-TLS-CHANGE"}

ANYWHERE = {
    "CERT-NOT-CHECKED",  # wherever a node or the directory does not answer
    "STS-SEVERAL-CREDENTIALS",  # wherever there are two, for whatever reason
    "STS-SEVERAL-CHAINS",
    "COST-SCHEDULED-TASKS",  # wherever a vCenter's database does not answer
}

OURS = {rule.id for rule in RULES} - ALWAYS - ANYWHERE


def directory(inventory: Inventory) -> DirectoryCertificates:
    """Return what the directory of *inventory* holds; it was read."""
    assert inventory.certificates is not None
    return inventory.certificates


def signer(node: NodeInventory) -> bytes:
    """Return the leaf (DER) that the STS of *node* signs with."""
    assert node.sts is not None
    signing = node.sts.signing()
    assert signing is not None
    return signing.chain[0]


def readable(scenario):
    """Tell whether an operator of the lab gets as far as a preflight."""
    return scenario != "domain-wrong"


@pytest.mark.parametrize("scenario", sorted(filter(readable, SCENARIOS)))
def test_findings_about_certificates_are_those_of_the_scenario(scenario):
    """What is wrong is found, as often as it is there; what is not wrong is not found."""
    _, found = seen(scenario)

    ours = Counter((str(f.severity), f.id) for f in found if f.id in OURS)
    assert ours == CERTIFICATES.get(scenario, {})
    assert {f.id for f in found} >= ALWAYS


ALSO = {"vmca-expiring": {"VMCA-ROOT-SHORT"}}
"""What else is wrong for the same reason: a VMCA that ends soon can sign for no longer."""


@pytest.mark.parametrize("scenario", sorted(PLANS))
def test_certificates_trouble_nothing_else(scenario):
    """A troubled certificate gives no finding of another kind that blocks or warns."""
    _, found = seen(scenario)

    mine = {rule.id for rule in RULES} | ALSO.get(scenario, set())
    others = [f for f in found if f.id not in mine and f.severity is not Severity.INFORMS]
    assert others == []


@pytest.mark.parametrize("topology", ["embedded", "elm", "external-psc"])
@pytest.mark.parametrize("scenario", ["expired", "healthy", "old-server"])
def test_a_clean_lab_has_all_certificates_read_and_in_order(topology, scenario):
    """Nothing is left unread in any topology and age, and nothing blocks or warns; but a database
    of 6.x has no table of scheduled tasks, so that nobody can count them.
    """
    inventory, found = seen(scenario, topology)
    uncounted = [f for f in found if f.id == "COST-SCHEDULED-TASKS"]

    assert [f for f in found if f.severity is not Severity.INFORMS] == []
    assert directory(inventory).unread == ()
    assert all(node.certificates.unread == () for node in inventory.nodes)
    assert not [f for f in found if f.id in OURS | ANYWHERE and f not in uncounted]
    assert all("its database has no such table" in f.evidence for f in uncounted)
    assert bool(uncounted) is (scenario == "old-server" or topology == "external-psc")


def test_a_healthy_lab_tells_everything():
    """Ports, published leaf and keys of each node; every kind of entry of the directory."""
    inventory, _ = seen("healthy")

    for node in inventory.nodes:
        assert [shown.port for shown in node.certificates.shown] == ["https", "ldaps", "vami"]
        assert node.certificates.published == signer(node)
        assert [key.leaf for key in node.certificates.keys] == [node.certificates.published]
    held = directory(inventory)
    assert len(held.solution_users) == 12
    assert len(held.roots) == 2
    assert [chain.owner for chain in held.chains] == [ChainOwner.STS]
    assert len(held.registrations) == 4
    assert [source.connections for source in held.identity_sources] == [("ldap://localhost:389",)]


def test_old_builds_publish_a_key_without_a_certificate():
    """Then the modulus tells that it is the signer's."""
    inventory, _ = seen("old-server")

    assert [key.leaf for key in inventory.nodes[0].certificates.keys] == [None]


def test_what_a_dead_node_does_not_tell_is_told():
    """A node that does not answer costs its own part only, once for each reason."""
    inventory, found = seen("vmafdd-down")

    mine = [f for f in found if f.id == "CERT-NOT-CHECKED"]
    assert {f.subject for f in mine} == {VC2}
    assert directory(inventory).unread == ()
    assert inventory.node(VC1).certificates.unread == ()
