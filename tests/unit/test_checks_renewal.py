"""What preflight says of a renewal: nothing unasked, and only what the plan really settles."""

from __future__ import annotations

from dataclasses import replace

import pytest

from renewal_worlds import VC1, VC2, accounts, look
from sts_material import DOMAIN, NOW
from stsfix.remediation.checks.findings import RULES
from stsfix.remediation.checks.renewal import NOTHING, Wish, judged, renewal_of
from stsfix.remediation.inventory import Inventory, NodeInventory
from stsfix.remediation.inventory_certificates import DirectoryCertificates, SolutionUser
from stsfix.remediation.model import Renew, Severity
from stsfix.remediation.nodes.node_facts import NodeFacts, Unread
from stsfix.remediation.pki import vecs
from stsfix.remediation.pki.authority import Authority
from stsfix.snapshot.risk import Finder

MACHINE = vecs.MACHINE_SSL
found = Finder(RULES.values())
EXPIRED, ALL = Wish(renew=Renew.EXPIRED), Wish(renew=Renew.ALL)
ROOT = Wish(new_vmca_root=True)


def node(seen, **authority):
    """Return what an inventory holds of the node *seen*."""
    state = {"certool": True, "serves": True, "serves_root": True, "key_matches": True}
    return NodeInventory(
        fqdn=seen.fqdn,
        role=seen.role,
        stores=seen.stores,
        authority=Authority(node=seen.fqdn, chain=seen.vmca, **(state | authority)),
        facts=NodeFacts(
            pnid=seen.fqdn, machine_id=seen.machine_id, controller=seen.controller or seen.fqdn
        ),
    )


def inventory(*looks, nodes=()):
    """Return a domain of these nodes, whose directory knows their solution users."""
    users = tuple(
        SolutionUser(name=name, subject="", certificates=held)
        for name, held in accounts(*looks).items()
    )
    return Inventory(
        domain=DOMAIN,
        taken=NOW,
        nodes=nodes or tuple(map(node, looks)),
        hosts=(),
        topology=None,
        problems=(),
        certificates=DirectoryCertificates(node=VC1, solution_users=users),
    )


def ids(findings):
    """Return the ids with the severities of findings."""
    return sorted((f.id, f.severity.value) for f in findings)


def test_without_a_wish_nothing_changes():
    """An STS-only repair says what it always said."""
    domain = inventory(look(ends={MACHINE: -1, "vpxd": -1}))
    said = (found("CERT-MACHINE-EXPIRED", VC1, "x"), found("COST-NO-TLS-CHANGE", DOMAIN, "x"))

    assert judged(said, domain, renewal_of(domain, NOTHING)) == said


def test_what_the_run_renews_forbids_nothing_any_more():
    """Of the node whose machine certificate is planned, and only of that."""
    domain = inventory(look(ends={MACHINE: -1}), look(VC2))
    said = [found("CERT-MACHINE-EXPIRED", fqdn, "it ended") for fqdn in (VC1, VC2)]

    seen = judged(said, domain, renewal_of(domain, EXPIRED))

    first, second = (f for f in seen if f.id == "CERT-MACHINE-EXPIRED")
    assert (first.severity, second.severity) == (Severity.INFORMS, Severity.BLOCKS)
    assert "this run renews it" in first.advice
    assert ids(seen) == [
        ("CERT-MACHINE-EXPIRED", "blocks"),
        ("CERT-MACHINE-EXPIRED", "informs"),
        ("COST-TLS-CHANGE", "informs"),
        ("RENEW-PLAN", "informs"),
    ]


@pytest.mark.parametrize(
    "subject", ["vpxd-11111111-aaaa", VC1], ids=["the account", "the node's store"]
)
def test_a_solution_user_is_settled_under_both_its_names(subject):
    """The directory's finding names the account, the store's finding the node."""
    domain = inventory(look(ends={"vpxd": -1}))

    seen = judged(
        [found("CERT-SOLUTION-EXPIRED", subject, "it ended")], domain, renewal_of(domain, EXPIRED)
    )

    assert ("CERT-SOLUTION-EXPIRED", "informs") in ids(seen)


def test_a_solution_user_without_an_account_settles_nothing():
    """It is not renewed, so its finding stays, and one more says why."""
    seen = look(ends={"vpxd": -1, "machine": -1})
    domain = inventory(seen)
    assert domain.certificates is not None
    users = tuple(u for u in domain.certificates.solution_users if not u.name.startswith("vpxd-1"))
    domain = replace(domain, certificates=replace(domain.certificates, solution_users=users))

    said = judged([found("CERT-SOLUTION-EXPIRED", VC1, "x")], domain, renewal_of(domain, EXPIRED))

    assert ("CERT-SOLUTION-EXPIRED", "blocks") in ids(said)
    assert ("RENEW-NO-ACCOUNT", "warns") in ids(said)


def test_only_solution_users_change_no_tls_certificate():
    """Then nobody outside has to learn anything."""
    domain = inventory(look(ends={"vpxd": -1}))

    seen = judged([found("COST-NO-TLS-CHANGE", DOMAIN, "x")], domain, renewal_of(domain, EXPIRED))

    assert ids(seen) == [("COST-NO-TLS-CHANGE", "informs"), ("RENEW-PLAN", "informs")]


def test_a_new_machine_certificate_changes_tls():
    """What an STS-only repair promises is not said."""
    domain = inventory(look())

    seen = judged([found("COST-NO-TLS-CHANGE", DOMAIN, "x")], domain, renewal_of(domain, ALL))

    assert ids(seen) == [("COST-TLS-CHANGE", "informs"), ("RENEW-PLAN", "informs")]


def test_a_new_root_settles_the_old_one_under_its_key_id():
    """The directory's finding names the root's key id, VMCA's finding the node."""
    domain = inventory(look(root_end=-1))
    plan = renewal_of(domain, ROOT)
    assert plan.new_roots == (VC1,)
    authority = domain.nodes[0].authority
    assert isinstance(authority, Authority)
    from stsfix.remediation.pki.certificates import Certificate, parse

    root = parse(authority.chain[0])
    assert isinstance(root, Certificate)
    said = [
        found("VMCA-ROOT-EXPIRED", subject, "x")
        for subject in (VC1, root.key_id or "", "another key id")
    ]

    seen = judged(said, domain, plan)

    assert [f.severity for f in seen if f.id == "VMCA-ROOT-EXPIRED"] == [
        Severity.INFORMS,
        Severity.INFORMS,
        Severity.BLOCKS,
    ]
    assert ("RENEW-ROOT-NEW", "warns") in ids(seen)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"certool": False}, "certool"),
        ({"serves": False}, "vmcad does not answer"),
        ({"serves_root": False}, "another root"),
        ({"key_matches": False}, "privatekey.pem"),
    ],
)
def test_a_vmca_that_cannot_sign_forbids_the_renewal(state, said):
    """It would be asked when nodes were already changed."""
    seen = look(ends={MACHINE: -1})
    domain = inventory(seen, nodes=(node(seen, **state),))

    told = judged([], domain, renewal_of(domain, EXPIRED))

    assert [said in f.evidence for f in told if f.id == "RENEW-NO-SIGNER"] == [True]


def test_a_vmca_that_signs_nothing_here_may_be_broken():
    """Only those that the plan asks are judged."""
    first, second = look(ends={MACHINE: -1}), look(VC2)
    domain = inventory(first, second, nodes=(node(first), node(second, serves=False)))

    told = judged([], domain, renewal_of(domain, EXPIRED))

    assert "RENEW-NO-SIGNER" not in {f.id for f in told}


def test_stores_that_could_not_be_read_tell_why():
    """The reason is the reader's, so that the operator knows what to mend."""
    seen = look(ends={MACHINE: -1})
    domain = inventory(
        seen, nodes=(replace(node(seen), stores=Unread(reason="batch scripts only")),)
    )

    told = judged([], domain, renewal_of(domain, EXPIRED))

    assert [f.evidence for f in told if f.id == "RENEW-NOT-READ"] == ["batch scripts only"]


def test_every_rule_that_is_settled_exists():
    """A rule that was renamed would never be settled again."""
    from stsfix.remediation.checks import renewal as checks_renewal

    named = checks_renewal._NODE_RULES | checks_renewal._USER_RULES | checks_renewal._ROOT_RULES

    assert named <= RULES.keys()
