"""Who restarts which services follows from settings, releases and what is renewed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from stsfix.remediation.checks.nodes import release_of
from stsfix.remediation.checks.transports import (
    CHECKS,
    restart_is_told,
    restart_of,
)
from stsfix.remediation.inventory import Inventory, NodeInventory
from stsfix.remediation.model import Renew, Restart, Role, RootDse, Topology, Transport
from stsfix.remediation.nodes.node_facts import Management, Unread
from stsfix.remediation.renewal.plan import NO_RENEWAL

RENEWAL = replace(NO_RENEWAL, renew=Renew.ALL, new_roots=("vc1",))


def node(fqdn, version, transport=None):
    """Return a node that tells *version*."""
    dse = RootDse(
        domain_dn="", admin_dn="", server_dn="", site="", version=version, functional_level=None
    )
    return NodeInventory(fqdn=fqdn, role=Role.EMBEDDED, root_dse=dse, transport=transport)


def domain(*versions, restart=None):
    """Return a domain of nodes that tell *versions*."""
    names = tuple(f"vc{number}" for number in range(1, len(versions) + 1))
    return Inventory(
        domain="vsphere.local",
        taken=datetime(2026, 3, 1, tzinfo=UTC),
        nodes=tuple(map(node, names, versions)),
        hosts=(),
        topology=Topology(domain="vsphere.local", controllers=names, computers=(), servers=()),
        problems=(),
        restart=restart,
    )


@pytest.mark.parametrize("wanted", [None, Restart.NEEDED])
@pytest.mark.parametrize(
    ("versions", "restart"),
    [
        (("8.0.3.00000", "8.0.1"), Restart.NEEDED),
        (("9.0.0",), Restart.NEEDED),
        (("10.0.0",), Restart.NEEDED),
        (("8.0.3", "7.0.3"), Restart.ALL),
        (("6.7.0",), Restart.ALL),
        (("8.0.3", ""), Restart.ALL),
        ((), Restart.ALL),
    ],
    ids=["all-8", "9", "10", "one-7", "6", "one-unknown", "no-node"],
)
def test_only_releases_that_are_known_to_be_new_enough_are_proven_first(versions, restart, wanted):
    """What was asked for changes nothing where it cannot be."""
    assert restart_of(domain(*versions, restart=wanted), NO_RENEWAL).restart is restart


def test_all_is_all_on_every_release():
    """The operator decides for more, never for less."""
    assert restart_of(domain("8.0.3", restart=Restart.ALL), NO_RENEWAL).restart is Restart.ALL


def test_a_renewal_restarts_everything():
    """Services load certificates at their start."""
    choice = restart_of(domain("8.0.3", restart=Restart.NEEDED), RENEWAL)

    assert choice.restart is Restart.ALL
    assert "renewed" in choice.reason


@pytest.mark.parametrize(
    ("inventory", "plan", "told"),
    [
        (domain("8.0.3"), NO_RENEWAL, ("RESTART-NEEDED", "8.0 or later")),
        (domain("7.0.3"), NO_RENEWAL, None),
        (domain("7.0.3", restart=Restart.NEEDED), NO_RENEWAL, ("RESTART-ALL", "vc1 is older")),
        (domain("", restart=Restart.NEEDED), NO_RENEWAL, ("RESTART-ALL", "vc1 is not known")),
        (domain("8.0.3", restart=Restart.NEEDED), RENEWAL, ("RESTART-ALL", "renewed")),
        (domain("8.0.3", restart=Restart.ALL), NO_RENEWAL, None),
    ],
    ids=["needed", "usual", "too-old", "unknown", "renewal", "all"],
)
def test_what_is_not_expected_is_told(inventory, plan, told):
    """That all are restarted is no news, unless something else was asked for."""
    found = [(f.id, f.evidence) for f in restart_is_told(inventory, plan)]

    assert [rule for rule, _ in found] == ([told[0]] if told else [])
    assert not told or told[1] in found[0][1]


@pytest.mark.parametrize("transport", [None, *Transport])
@pytest.mark.parametrize(
    ("version", "when"),
    [("7.0.3", ""), ("8.0.3", ", if a way in fails there with the new certificate,")],
)
def test_a_node_without_transport_warns_with_the_command(transport, version, when):
    """Nobody is surprised by a run that waits for a person, nor told that one will where it may
    go on without.
    """
    whole = replace(domain(), nodes=(node("vc1", version, transport),))

    told = [f for f in restart_is_told(whole, NO_RENEWAL) if f.id == "NODE-BY-HAND"]

    if transport is Transport.NONE:
        command = "service-control --stop --all && service-control --start --all"
        expected = f"restart-services will wait{when} for: {command}"
        assert [(f.subject, f.evidence) for f in told] == [("vc1", expected)]
    else:
        assert told == []


@pytest.mark.parametrize(
    ("health", "found"),
    [
        ("green", []),
        ("gray", []),
        ("yellow", ["informs"]),
        ("orange", ["warns"]),
        ("red", ["warns"]),
        (Unread(reason="404"), []),
    ],
    ids=str,
)
def test_health_of_the_management_interface_is_a_finding_if_it_is_bad(health, found):
    """It forbids nothing: what an expired certificate does to it is not known."""
    told = replace(node("vc1", "8.0.3"), management=Management(health=health))
    whole = replace(domain(), nodes=(told,))

    findings = [f for check in CHECKS for f in check(whole) if f.id == "NODE-HEALTH"]

    assert [str(f.severity) for f in findings] == found


def test_a_release_that_only_the_management_interface_tells_counts():
    """A directory need not tell it."""
    told = replace(node("vc1", ""), management=Management(version="8.0.3.00000"))

    assert release_of(told) == (8, 0)
