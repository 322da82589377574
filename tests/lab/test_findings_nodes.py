"""Each finding about nodes appears in its scenario, and in no other."""

from __future__ import annotations

from typing import Any

import pytest

from preflight_lab import seen
from stsfix.lab.scenario import SCENARIOS
from stsfix.remediation.checks.rules_nodes import RULES
from stsfix.remediation.model import Severity

pytestmark = pytest.mark.lab

VC1, VC2, VC9, DOMAIN = "vc1.lab.example", "vc2.lab.example", "vc9.lab.example", "vsphere.local"

OURS = {rule.id for rule in RULES} | {
    "NODE-NO-SERVER",
    "NODE-UNLISTED",
    "REPL-ENTRIES-DIFFER",
    "REPL-NEVER-PULLED",
    "REPL-NO-PARTNER",
    "REPL-USN-ROLLBACK",
}

EXPECTED = {
    "node-clock": {("warns", "NODE-CLOCK", VC1), ("warns", "NODE-CLOCK-HOST", VC1)},
    "node-clock-far": {("blocks", "NODE-CLOCK", VC1), ("blocks", "NODE-CLOCK-HOST", VC1)},
    "node-clock-reset": {("blocks", "NODE-CLOCK", VC1), ("blocks", "NODE-CLOCK-HOST", VC1)},
    "clock-skew": {("blocks", "NODE-CLOCK", VC1)},
    "vmdir-read-only": {("blocks", "VMDIR-STATE", VC1)},
    "vcha": {("blocks", "NODE-VCHA", VC1)},
    "somebody-else": {("blocks", "NODE-IDENTITY", VC1)},
    "root-password-expiring": {("warns", "ROOT-PASSWORD-EXPIRING", VC1)},
    "root-password-lapsed": {("blocks", "ROOT-PASSWORD-EXPIRED", VC1)},
    "root-password-expired": {("warns", "NODE-NOT-CHECKED", VC1)},
    "log-partition-full": {("blocks", "NODE-DISK-FULL", VC1)},
    "log-partition-out": {("blocks", "NODE-DISK-FULL", VC1)},
    "database-partition-out": {("blocks", "NODE-DISK-FULL", VC1)},
    "windows-root": {("warns", "NODE-NOT-CHECKED", VC1)},
    "windows-uac": {("warns", "NODE-NOT-CHECKED", VC1)},
    "gateway": {("blocks", "NODE-GATEWAY", VC2)},
    "vmafdd-down": {("blocks", "SERVICES-CORE-DOWN", VC2)},
    "mixed-versions": {("warns", "NODE-VERSION-MIXED", DOMAIN)},
    "functional-levels-differ": {("warns", "DOMAIN-LEVEL-MIXED", DOMAIN)},
    "stale-partner": {("blocks", "NODE-UNLISTED", VC9)},
    "hidden-partner": {("blocks", "NODE-UNLISTED", VC9)},
    "retired-node": {("warns", "NODE-NO-SERVER", VC9), ("warns", "NODE-NOT-CHECKED", VC9)},
    "one-way-agreement": {("blocks", "REPL-ONE-WAY", VC2)},
    "never-pulled": {("blocks", "REPL-NEVER-PULLED", VC2)},
    "replication-stalled": {("blocks", "REPL-STALLED", VC2)},
    "replication-broken": {("blocks", "REPL-USN-ROLLBACK", VC1)},
    "replication-catches-up": {("warns", "REPL-LAG", VC2)},
    "lists-differ": {("blocks", "REPL-LISTS-DIFFER", VC2)},
    "no-agreement": {("blocks", "REPL-NO-PARTNER", VC1), ("blocks", "REPL-NO-PARTNER", VC2)},
    "node-of-another-domain": {("blocks", "NODE-NOT-IN-DOMAIN", "vc7.lab.example")},
    "entries-differ": {("blocks", "REPL-ENTRIES-DIFFER", VC2)},
    # No guest, no answer: the first node's VM is out of reach or has no way in.
    "duplicate-vm-name": {("warns", "NODE-NOT-CHECKED", VC1)},
    "host-free-licence": {("warns", "NODE-NOT-CHECKED", VC1)},
    "host-lockdown": {("warns", "NODE-NOT-CHECKED", VC1)},
    "tools-missing": {("warns", "NODE-NOT-CHECKED", VC1)},
}

COMPANIONS = {"host-clock-off": {"NODE-CLOCK-HOST"}}
"""Scenarios of hosts that show in a node, too. A VM or guest out of reach is NODE-NOT-CHECKED."""


def test_tables_name_scenarios_that_exist():
    """A renamed scenario is not skipped in silence."""
    assert EXPECTED.keys() | COMPANIONS.keys() <= SCENARIOS.keys()


@pytest.mark.parametrize("scenario", sorted(EXPECTED))
def test_findings_about_nodes_are_those_of_the_scenario(scenario):
    """What is wrong is found once, with its subject; what is not wrong is not found."""
    _, found = seen(scenario)

    ours = [(str(f.severity), f.id, f.subject) for f in found if f.id in OURS]

    assert sorted(ours) == sorted(EXPECTED[scenario])


@pytest.mark.parametrize("scenario", sorted(SCENARIOS.keys() - EXPECTED.keys()))
def test_other_scenarios_have_no_finding_about_nodes(scenario):
    """Trouble of certificates, hosts or VMs is not taken for trouble of a node."""
    _, found = seen(scenario)

    ours = {f.id for f in found if f.id in OURS}

    assert ours <= COMPANIONS.get(scenario, {"NODE-NOT-CHECKED"})


def test_every_rule_about_nodes_has_a_scenario():
    """No rule is written that nothing ever triggers."""
    shown = {finding for several in EXPECTED.values() for _, finding, _ in several}

    assert OURS - shown == set()


@pytest.mark.parametrize("topology", ["embedded", "elm", "external-psc"])
@pytest.mark.parametrize("scenario", ["expired", "healthy", "old-server"])
def test_a_clean_lab_has_neither_blocks_nor_warnings(topology, scenario):
    """An expired certificate alone forbids nothing, in any topology and age."""
    inventory, found = seen(scenario, topology)

    assert [f for f in found if f.severity is not Severity.INFORMS] == []
    assert all(node.role_verified for node in inventory.nodes)


def test_healthy_nodes_tell_everything():
    """Clock, versions, guest, lists and vectors of every node are there."""
    inventory, _ = seen("healthy")

    nodes: tuple[Any, ...] = inventory.nodes
    for node in nodes:
        assert abs(node.clock.skew).total_seconds() < 2
        assert node.about.version.startswith("7.0.3")
        assert node.facts.build.startswith("7.0.3")
        assert node.facts.vmdir_state == "Normal"
        assert node.facts.vmdird_installed is True
        assert node.services is not None
        assert node.listed.controllers == (VC1, VC2)
        assert node.replication.processed
        assert node.replication.max_originating is not None
