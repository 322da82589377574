"""What forbids a run forbids it whole: blockers, and a domain that was not read to its end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from memory_hypervisor import MemoryClock, MemoryHost
from stsfix.remediation.checks.preflight import located_nodes, plan_run
from stsfix.remediation.errors_run import (
    DomainUnreadError,
    NothingToRepairError,
    PreflightBlockedError,
)
from stsfix.remediation.inventory import Inventory, NodeInventory, Problem
from stsfix.remediation.model import Finding, Role, Severity, Topology

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
NAMES = ("vc1.lab.example", "vc2.lab.example")


def node(fqdn):
    """Return a node whose VM was found."""
    esx = MemoryHost("esx1", MemoryClock())
    return NodeInventory(fqdn=fqdn, role=Role.EMBEDDED, vm=esx.observe_vms([esx.add_vm(fqdn)])[0])


def domain(**changes):
    """Return two nodes that were read whole, with *changes*."""
    whole = Inventory(
        domain="vsphere.local",
        taken=NOW,
        nodes=tuple(map(node, NAMES)),
        hosts=(),
        topology=Topology(domain="vsphere.local", controllers=NAMES, computers=(), servers=()),
        problems=(),
    )
    return replace(whole, **changes)


def finding(severity, *, accepted=False):
    """Return a finding about a VM."""
    return Finding(
        id="VM-X", severity=severity, subject="vc1", evidence="so", advice="do", accepted=accepted
    )


def planned(inventory, *findings, force=True):
    """Return the run that is planned."""
    return plan_run(
        inventory,
        findings,
        run="stsfix-1",
        issuer="own-ca",
        validity_days=1,
        retire=True,
        force=force,
    )


def test_a_blocker_forbids_a_run():
    """Also a forced one, and beside findings that only warn; the error names it once."""
    with pytest.raises(PreflightBlockedError, match="VM-X"):
        planned(domain(), finding(Severity.WARNS), finding(Severity.BLOCKS))


def test_what_warns_forbids_nothing_and_what_was_accepted_is_kept():
    """The run remembers which risks somebody took."""
    spec = planned(domain(), finding(Severity.WARNS), finding(Severity.WARNS, accepted=True))

    assert spec.accepted == ("VM-X:vc1",)
    assert [n.fqdn for n in spec.nodes] == list(NAMES)


@pytest.mark.parametrize(
    "changes",
    [
        {"nodes": (node(NAMES[0]), NodeInventory(fqdn=NAMES[1], role=Role.EMBEDDED))},
        {"nodes": ()},
        {
            "topology": None,
            "problems": (Problem(subject=NAMES[0], error="DirectoryLoginError", text="no"),),
        },
    ],
    ids=["a VM was not found", "no node", "nobody told the domain's list"],
)
def test_a_part_of_a_domain_is_never_repaired(changes):
    """Though no finding says so: every node is snapshotted, or nothing is done."""
    with pytest.raises(DomainUnreadError):
        planned(domain(**changes))


def test_a_sound_domain_is_left_alone(monkeypatch):
    """Unless somebody forces it."""
    monkeypatch.setattr("stsfix.remediation.checks.preflight.needs_repair", lambda _: False)

    with pytest.raises(NothingToRepairError):
        planned(domain(), force=False)

    assert planned(domain()).writer == NAMES[0]


def test_what_was_not_found_is_told_with_its_reasons():
    """Who asks for logins only is not told of a run, but of what hides the domain."""
    text = "the certificate of vc1.lab.example is not trusted: it has expired"
    problem = Problem(subject=NAMES[0], error="NodeTlsError", text=text)
    lost = NodeInventory(fqdn=NAMES[1], role=Role.EMBEDDED)
    found = domain(topology=None, problems=(problem,), nodes=(node(NAMES[0]), lost))

    with pytest.raises(DomainUnreadError) as raised:
        located_nodes(found)

    assert raised.value.evidence == (text, f"{NAMES[1]}: its VM was not found")
