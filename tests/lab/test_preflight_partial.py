"""One thing that is out of reach costs what it hides, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab_keys import shared_keys
from preflight_lab import look, wired
from stsfix.lab.faults import Effect, Rule
from stsfix.lab.lab import Lab
from stsfix.lab.topology import HOSTS
from stsfix.plugin.sources import preflight_sources
from stsfix.remediation.checks.preflight import assess
from stsfix.remediation.discovery.domain import Discovery
from stsfix.remediation.nodes.node_facts import ClockReading

pytestmark = pytest.mark.lab

VC1, VC2 = "vc1.lab.example", "vc2.lab.example"


@pytest.fixture
def lab():
    """A running domain of two embedded nodes."""
    with Lab.build("elm", "expired", speed=2000, keys=shared_keys()) as running:
        yield running


def ids(found, subject):
    """Return the findings about *subject* that are more than information."""
    return {f.id for f in found if f.subject == subject and f.severity != "informs"}


def whole(node):
    """Tell whether everything about *node* was read."""
    return bool(
        node.sts and node.replication and node.listed and node.vm and node.services
    ) and hasattr(node.facts, "vmdir_state")


def test_an_unreachable_host_costs_its_own_node_only(lab):
    """The other hosts, the other node and both directories are reported whole."""
    lab.hosts[HOSTS[0]].stop()

    inventory, found = look(lab)

    assert ids(found, HOSTS[0]) == {"HOST-UNREACHABLE"}
    assert {h.host for h in inventory.hosts} == {*HOSTS[1:]}
    assert whole(inventory.node(VC2))
    assert inventory.node(VC1).sts is not None
    assert "NODE-NOT-FOUND" in ids(found, VC1)
    assert ids(found, VC2) == set()


def test_a_host_that_says_nothing_costs_its_deadline_only(lab):
    """A host that drops every connection is one finding."""
    rule = Rule(protocol="soap", call="*", target=HOSTS[1], times=10**6, effect=Effect.DROP)
    lab.faults.add(rule)

    inventory, found = look(lab)

    assert ids(found, HOSTS[1]) == {"HOST-UNREACHABLE"}
    assert whole(inventory.node(VC1))


@pytest.mark.parametrize("host", HOSTS)
def test_a_wrong_host_password_is_tried_once_and_costs_that_host_only(lab, host):
    """ESXi locks an account after a few failures: the lab counts every attempt."""
    with wired(lab) as wiring:
        lab.hosts[host].accounts.users["root"] = "changed since"
        before = {name: lab.hosts[name].accounts.attempts["root"] for name in HOSTS}
        inventory = Discovery(preflight_sources(wiring)).discover()
        again = Discovery(preflight_sources(wiring)).discover()
        attempts = {name: lab.hosts[name].accounts.attempts["root"] for name in HOSTS}

    assert {name: attempts[name] - before[name] for name in HOSTS} == dict.fromkeys(HOSTS, 1)
    assert ids(assess(inventory), host) == ids(assess(again), host) == {"HOST-LOGIN"}
    assert len(inventory.hosts) == 2


def test_a_wrong_root_password_is_tried_once_and_costs_that_guest_only(lab):
    """Pam counts failures on the node's disk."""
    lab.nodes[VC2].disk.root_password = "changed since"
    inventory, found = look(lab)

    assert lab.nodes[VC2].disk.failed_logins == 1
    assert ids(found, VC2) == {"GUEST-LOGIN", "NODE-ROLE-UNVERIFIED", "NODE-NOT-CHECKED"}
    assert whole(inventory.node(VC1))
    assert inventory.node(VC2).sts is not None


def test_a_wrong_sso_password_is_tried_once_in_the_whole_domain(lab):
    """One bind on one node; hosts and VMs of the configured node are still reported."""
    with wired(lab) as wiring:
        for node in lab.nodes.values():
            store = node.disk.directory
            entry = store.find(store.identity.administrator_dn)
            entry.attributes["userPassword"] = [b"changed since"]
        before = sum(n for (p, c, _), n in lab.faults.calls.items() if (p, c) == ("ldap", "BIND"))
        inventory = Discovery(preflight_sources(wiring)).discover()
        after = sum(n for (p, c, _), n in lab.faults.calls.items() if (p, c) == ("ldap", "BIND"))

    assert after - before == 1
    assert "SSO-LOGIN" in ids(assess(inventory), VC1)
    assert len(inventory.hosts) == 3
    assert inventory.node(VC1).vm is not None


@pytest.mark.parametrize("dead", [VC1, VC2])
def test_a_dead_node_costs_itself_only(lab, dead):
    """Without power: no directory, no front, no guest. The other node is read whole; when the
    dead one is the only configured one, nobody tells who else there is.
    """
    other = VC2 if dead == VC1 else VC1
    lab.set_power(dead, "cut")
    with wired(lab) as wiring:
        sources = replace(preflight_sources(wiring), nodes=(dead, other))
        inventory = Discovery(sources).discover()
    found = assess(inventory)

    assert "SSO-UNREACHABLE" in ids(found, dead)
    assert whole(inventory.node(other))
    assert inventory.node(dead).location.found is not None
    assert "SSO-UNREACHABLE" not in ids(found, other)


def test_a_dead_directory_is_a_finding_of_a_living_node(lab):
    """Only vmdird is down: guest, services and front of that node still answer."""
    board = lab.nodes[VC2].board
    board.stop(board.find("vmdird"))

    inventory, found = look(lab)
    node = inventory.node(VC2)

    assert {"SSO-UNREACHABLE", "SERVICES-CORE-DOWN"} <= ids(found, VC2)
    assert node.services is not None
    assert isinstance(node.clock, ClockReading)
    assert whole(inventory.node(VC1))


def test_every_trouble_at_once_is_reported_at_once(lab):
    """A dead host, a wrong password and a dead directory: three subjects, three findings."""
    lab.hosts[HOSTS[2]].stop()
    lab.nodes[VC1].disk.root_password = "changed since"
    board = lab.nodes[VC2].board
    board.stop(board.find("vmdird"))

    _, found = look(lab)

    assert "HOST-UNREACHABLE" in ids(found, HOSTS[2])
    assert "GUEST-LOGIN" in ids(found, VC1)
    assert "SSO-UNREACHABLE" in ids(found, VC2)
