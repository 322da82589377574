"""What reports derive from an inventory: health of nodes, links, groups, certificates, words."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from reports import domain, finding, report
from sts_material import leaf
from stsfix.lab import pki
from stsfix.plugin.certificate_view import AUTHORITIES, SIGNERS, TLS, distance, validities
from stsfix.plugin.preflight_view import Health, about, grouped, links, node_state, shortened
from stsfix.remediation.inventory_certificates import NodeCertificates, ShownCertificate
from stsfix.remediation.model import Role, Severity, Topology

VC1, VC2 = "vc1.lab.example", "vc2.lab.example"


@pytest.mark.parametrize(
    ("end", "severity", "health"),
    [
        (900, None, Health.GOOD),
        (900, Severity.INFORMS, Health.GOOD),
        (900, Severity.WARNS, Health.WARNING),
        (20, None, Health.WARNING),
        (-3, Severity.WARNS, Health.EXPIRED),
        (-3, Severity.BLOCKS, Health.BLOCKED),
    ],
)
def test_health_is_the_gravest_that_applies(end, severity, health):
    """Findings about the node, then its signing certificate."""
    found = [finding(severity=severity, subject=VC1)] if severity is not None else []
    made = report(domain(end=end), found)

    assert node_state(made.inventory.nodes[0], made).health is health


def test_finding_about_the_vm_counts_for_its_node_only():
    """The VM is named with its host."""
    made = report(
        domain(end=900), [finding(severity=Severity.BLOCKS, subject="vc1 on esx1.lab.example")]
    )

    states = [node_state(node, made).health for node in made.inventory.nodes]

    assert states == [Health.BLOCKED, Health.GOOD]


@pytest.mark.parametrize(
    ("end", "health", "words"),
    [
        (-3, Health.EXPIRED, "relies on an expired STS"),
        (900, Health.GOOD, "relies on the STS of a PSC"),
    ],
)
def test_vcenter_without_sts_is_as_well_as_those_it_needs(end, health, words):
    """Nobody logs in to it without the STS of a PSC."""
    inventory = domain(end=end)
    vcenter = replace(inventory.nodes[1], role=Role.VCENTER, sts=None)
    made = report(replace(inventory, nodes=(inventory.nodes[0], vcenter)), [])

    state = node_state(vcenter, made)

    assert (state.health, state.signer) == (health, words)


def test_unread_node_is_not_well():
    """A directory that did not answer, without any finding, is not read."""
    inventory = domain(end=900)
    lost = replace(inventory.nodes[0], sts=None)
    made = report(replace(inventory, nodes=(lost, inventory.nodes[1])), [])

    state = node_state(lost, made)

    assert (state.health, state.signer) == (Health.UNREAD, "STS not read")


def test_links_are_told_once_with_their_flaws():
    """A ring of three has three links; one side alone and a finding are flaws."""
    inventory = domain(3)
    broken = finding("REPL-USN-ROLLBACK", Severity.BLOCKS, VC1)

    sound = links(report(inventory, []))
    flawed = links(report(inventory, [broken]))

    assert [(link.first, link.second) for link in sound] == [
        (VC1, VC2),
        (VC1, "vc3.lab.example"),
        (VC2, "vc3.lab.example"),
    ]
    assert all(link.sound and link.mutual for link in sound)
    assert [link.sound for link in flawed] == [False, False, True]


def test_nodes_own_directory_knows_its_agreements_best():
    """Agreements are not replicated: what the node itself lists replaces what another tells."""
    inventory = domain()
    assert inventory.topology is not None
    own = replace(inventory.topology.servers[0], partners=())
    listed = Topology(domain="vsphere.local", controllers=(), computers=(), servers=(own,))
    first = replace(inventory.nodes[0], listed=listed)
    made = report(replace(inventory, nodes=(first, inventory.nodes[1])), [])

    (link,) = links(made)

    assert (link.first, link.second, link.mutual) == (VC1, VC2, False)


def test_certificates_are_told_once_with_every_place():
    """Leaf and root of both nodes; a leaf that two ports show is one certificate."""
    inventory = domain()
    der = pki.der(leaf("machine"))
    shown = NodeCertificates(
        shown=(
            ShownCertificate(port="https", leaf=der),
            ShownCertificate(port="ldaps", leaf=der),
        )
    )
    first = replace(inventory.nodes[0], certificates=shown)

    held = validities(replace(inventory, nodes=(first, inventory.nodes[1])))

    assert [(v.group, v.title, v.nodes) for v in held] == [
        (SIGNERS, "TenantCredential-1 +1 (signs now)", (VC1, VC2)),
        (TLS, "https, ldaps", (VC1,)),
        (AUTHORITIES, "TenantCredential-1 +1", (VC1, VC2)),
    ]


def test_findings_of_one_kind_make_a_group():
    """Grouped by id within a severity; advice is the group's only if it is everybody's."""
    several = [
        finding("B", subject="1"),
        finding("A", subject="2"),
        finding("B", subject="3", advice="Another."),
        finding("A", Severity.BLOCKS, subject="4"),
    ]

    groups = grouped(several, Severity.WARNS)

    assert [(g.id, [f.subject for f in g.findings]) for g in groups] == [
        ("A", ["2"]),
        ("B", ["1", "3"]),
    ]
    assert groups[0].advice == several[1].advice
    assert groups[1].advice is None


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(seconds=5), "1 min"),
        (timedelta(minutes=90), "90 min"),
        (timedelta(hours=30), "30 hours"),
        (timedelta(days=3), "3 days"),
        (timedelta(days=200), "6 months"),
        (timedelta(days=3652), "9 years"),
        (timedelta(days=3653), "10 years"),
    ],
)
def test_distance_has_a_unit_people_use(span, words):
    """Rounded down, so that nothing is promised that is not there."""
    assert distance(span) == words


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(0), "about 0 min"),
        (timedelta(seconds=61), "about 2 min"),
        (timedelta(minutes=60), "about 1 h"),
        (timedelta(minutes=125), "about 2 h 5 min"),
    ],
)
def test_estimates_are_rounded_up(span, words):
    """An outage is not announced shorter than it is."""
    assert about(span) == words


@pytest.mark.parametrize(
    ("limit", "gap", "shown"),
    [(10, "…", "abcdefghij"), (7, "…", "abc…hij"), (8, "...", "abc...ij"), (1, "…", "…")],
)
def test_cut_text_keeps_both_ends(limit, gap, shown):
    """Never longer than the limit."""
    assert shortened("abcdefghij", limit, gap=gap) == shown
