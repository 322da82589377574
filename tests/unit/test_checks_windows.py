"""Findings about Windows nodes follow from the inventory alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from memory_hypervisor import MemoryClock, MemoryHost
from stsfix.remediation.checks.findings import CHECKS
from stsfix.remediation.checks.preflight import located_nodes, writer_of
from stsfix.remediation.inventory import Inventory, NodeInventory, Problem
from stsfix.remediation.inventory_certificates import NodeCertificates, UnreadPart
from stsfix.remediation.model import Platform, Role, Topology
from stsfix.remediation.nodes.node_facts import ClockReading, Database, NodeFacts, Unread
from stsfix.remediation.nodes.windows_scripts import parse_facts
from stsfix.remediation.ports import ServiceReport

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HERE, ELSEWHERE = (Database(kind="mssql", is_local=local) for local in (True, False))
WINDOWS = "windows9Server64Guest"
NOT_READ = Unread(reason="not read")


def node(fqdn="w", *, guest_os=WINDOWS, role=Role.EMBEDDED, stopped=(), **facts):
    """Return a node that says *facts* of itself."""
    esx = MemoryHost("esx1", MemoryClock())
    vm = replace(esx.observe_vms([esx.add_vm(fqdn)])[0], guest_os=guest_os)
    known = replace(parse_facts(""), database=HERE, vmdird_installed=True, disks=(), **facts)
    return NodeInventory(
        fqdn=fqdn,
        role=role,
        role_verified=True,
        vm=vm,
        facts=known,
        clock=ClockReading(skew=timedelta(0), uncertainty=timedelta(0), source="test"),
        services=ServiceReport(node=fqdn, running=("vpxd",), stopped=tuple(stopped)),
    )


def domain(*nodes, **changes):
    """Return a domain of *nodes*."""
    names = tuple(n.fqdn for n in nodes)
    whole = Inventory(
        domain="vsphere.local",
        taken=NOW,
        nodes=nodes,
        hosts=(),
        topology=Topology(domain="vsphere.local", controllers=names, computers=(), servers=()),
        problems=(),
    )
    return replace(whole, **changes)


def ours(inventory, *wanted):
    """Return the findings of the ids *wanted*: severity, id, subject."""
    findings = [f for check in CHECKS for f in check(inventory)]
    return [(str(f.severity), f.id, f.subject) for f in findings if f.id in wanted]


def test_a_windows_node_is_named_and_forbids_nothing():
    """Nobody is surprised; an appliance is none."""
    inventory = domain(node("w"), node("a", guest_os="linuxGuest"))

    assert ours(inventory, "NODE-WINDOWS") == [("warns", "NODE-WINDOWS", "w")]


@pytest.mark.parametrize(
    ("database", "expected"),
    [
        (HERE, []),
        (ELSEWHERE, [("blocks", "WIN-EXTERNAL-DB", "w")]),
        (NOT_READ, [("warns", "NODE-NOT-CHECKED", "w")]),
    ],
    ids=["here", "elsewhere", "unknown"],
)
def test_a_database_elsewhere_forbids_a_run(database, expected):
    """No snapshot holds it; one that is not known is not taken for a local one."""
    sound = replace(node().facts, database=database, vmdir_state="Normal")
    inventory = domain(replace(node(), facts=sound))

    assert ours(inventory, "WIN-EXTERNAL-DB", "NODE-NOT-CHECKED") == expected


def test_a_psc_needs_no_database():
    """It has no vCenter: nothing is missed."""
    inventory = domain(node(role=Role.PSC, vmdir_state="Normal"))
    inventory = replace(
        inventory,
        nodes=(replace(inventory.nodes[0], facts=replace(node().facts, database=NOT_READ)),),
    )

    found = [f for check in CHECKS for f in check(inventory) if f.id == "NODE-NOT-CHECKED"]

    assert not any("database" in f.evidence for f in found)


@pytest.mark.parametrize(
    ("error", "rule"), [("GuestRightsError", "WIN-UAC"), ("WindowsNodeError", "WIN-SETTINGS")]
)
def test_what_a_windows_node_refused_is_explained(error, rule):
    """The error's sentence is the evidence, the rule's advice is Windows' own."""
    problem = Problem(subject="w", error=error, text="as the node says")

    inventory = domain(node(), problems=(problem,))

    assert ours(inventory, rule) == [("blocks", rule, "w")]


@pytest.mark.parametrize("name", ["VMWareDirectoryService", "VMwareDirectoryService"])
def test_the_directory_of_windows_has_to_run(name):
    """Whatever way its name is written; then its state is not asked."""
    inventory = domain(node(stopped=[name, "mbcs"]))

    assert ours(inventory, "SERVICES-CORE-DOWN") == [("blocks", "SERVICES-CORE-DOWN", "w")]
    told = [f for check in CHECKS for f in check(inventory) if f.id == "NODE-NOT-CHECKED"]
    assert not any("vmdir" in f.evidence for f in told)


@pytest.mark.parametrize(("guest_os", "count"), [(WINDOWS, 0), ("linuxGuest", 1)])
def test_a_windows_node_has_no_management_interface(guest_os, count):
    """That nobody answers on 5480 is worth a line for appliances only."""
    unread = UnreadPart(what="the certificate of its vami port", reason="refused")
    certificates = NodeCertificates(unread=(unread,))

    inventory = domain(replace(node(guest_os=guest_os), certificates=certificates))

    told = [f for check in CHECKS for f in check(inventory) if f.id == "CERT-NOT-CHECKED"]
    assert len([f for f in told if "vami port" in f.evidence]) == count


def test_a_plan_says_what_a_node_is():
    """Platform and database are saved with a run."""
    windows = replace(node("w"), facts=replace(node().facts, database=ELSEWHERE))
    services = ServiceReport(
        node="z", running=("vmafdd",), stopped=("eam", "vpxd"), pending=("vpxd",)
    )
    inventory = domain(windows, replace(node("z", guest_os="linuxGuest"), services=services))

    plans = {plan.fqdn: plan for plan in located_nodes(inventory)}

    assert plans["w"].platform is Platform.WINDOWS
    assert plans["w"].external_database
    assert plans["z"].platform is Platform.APPLIANCE
    assert not plans["z"].external_database
    assert plans["z"].ran == ("vmafdd", "vpxd")
    assert replace(node("w"), services=None).plan.ran == ()


def test_an_appliance_is_written_to_before_a_windows_node():
    """Its VMCA can be asked; with Windows nodes only the first by name it is."""
    mixed = domain(node("a"), node("z", guest_os="linuxGuest"))
    alone = domain(node("b"), node("a"))

    assert writer_of(mixed) == "z"
    assert writer_of(alone) == "a"


def test_facts_that_are_not_asked_on_windows_say_so():
    """Nobody reads of a command that was not run."""
    facts = parse_facts("")

    assert isinstance(facts, NodeFacts)
    assert facts.password == facts.pnid == Unread(reason="it is not asked on Windows nodes")
