"""Services that are normally stopped are no news."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from stsfix.remediation.checks.domain import services_are_known
from stsfix.remediation.inventory import Inventory, NodeInventory
from stsfix.remediation.model import Role
from stsfix.remediation.nodes.service_names import is_normally_stopped
from stsfix.remediation.ports import ServiceReport

NODE = "vc1.lab.example"


@pytest.mark.parametrize(
    ("name", "stopped"),
    [
        ("vmcam", True),
        ("vmware-netdumper", True),
        ("netdumper", True),
        ("vmware-vpxd", False),
        ("vpxd", False),
        ("sts", False),
    ],
)
def test_names_count_with_and_without_their_prefix(name, stopped):
    """VMon and service-control differ in ``vmware-``."""
    assert is_normally_stopped(name) is stopped


@pytest.mark.parametrize(
    ("stopped", "evidence"),
    [
        (("vmcam", "vmware-rbd-watchdog"), []),
        (("vmcam", "vmware-vpxd", "vsphere-ui"), ["stopped: vmware-vpxd, vsphere-ui"]),
        ((), []),
    ],
    ids=["all-normal", "two-are-not", "none"],
)
def test_only_unusual_ones_are_found(stopped, evidence):
    """What stays stopped on a healthy node is left out; nothing left, no finding."""
    report = ServiceReport(node=NODE, running=("vmdird",), stopped=stopped)
    inventory = Inventory(
        domain="vsphere.local",
        taken=datetime(2026, 3, 1, tzinfo=UTC),
        nodes=(NodeInventory(fqdn=NODE, role=Role.EMBEDDED, services=report),),
        hosts=(),
        topology=None,
        problems=(),
    )

    found = [finding.evidence for finding in services_are_known(inventory)]

    assert found == evidence
