"""vCenter's own way to renew a certificate that still works is named where there is one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from stsfix.remediation.inventory import Inventory, Location, NodeInventory
from stsfix.remediation.model import Role
from stsfix.remediation.nodes.node_facts import VCenterAbout
from stsfix.remediation.pki.vcenter_refresh import refresh_advice


def advice_for(*versions, psc=""):
    """Return the advice for vCenters of these versions, and a PSC of another one."""
    told = {f"vc{i}": (Role.EMBEDDED, v) for i, v in enumerate(versions, start=1)}
    if psc:
        told["psc1"] = (Role.PSC, psc)
    nodes = tuple(
        NodeInventory(
            fqdn=fqdn,
            role=role,
            role_verified=True,
            vm=None,
            location=Location(),
            about=VCenterAbout(version=version, build="1"),
        )
        for fqdn, (role, version) in told.items()
    )
    return refresh_advice(
        Inventory(
            domain="vsphere.local",
            taken=datetime(2026, 3, 1, tzinfo=UTC),
            nodes=nodes,
            hosts=(),
            topology=None,
            problems=(),
        )
    )


@pytest.mark.parametrize("versions", [("7.0.3",), ("7.0.3.00100", "8.0.2"), ("9.0.0",)])
def test_where_every_vcenter_can_renew_it_the_call_is_named(versions):
    """With what it needs and what it lacks, as a way beside a run."""
    advice = advice_for(*versions)

    assert advice is not None
    assert "signing-certificate?action=refresh on vc1 " in advice
    assert "unverified" in advice
    assert advice.startswith("Plan a repair: stsfix run.")


@pytest.mark.parametrize(
    "versions", [("7.0.2",), ("6.7.0",), ("7.0.3", "6.7.0"), ("8.0",), ("",), ()]
)
def test_elsewhere_nobody_is_sent_there(versions):
    """An older vCenter has no such call, and one that tells too little may be older."""
    assert advice_for(*versions) is None


def test_a_psc_is_no_vcenter():
    """It has no such call, and is not asked for its release."""
    assert advice_for("7.0.3", psc="6.7.0") is not None
