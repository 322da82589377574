"""Findings about certificates follow from the inventory alone; limits are where they are said."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sts_material import (
    DOMAIN,
    NODE,
    NOW,
    chain_entry,
    credential_entry,
    days,
    entries,
    key,
    leaf,
    root,
)
from stsfix.lab import pki
from stsfix.remediation.checks.certificates import CHECKS
from stsfix.remediation.inventory import Inventory, NodeInventory
from stsfix.remediation.inventory_certificates import (
    ChainOwner,
    DirectoryCertificates,
    IdentitySource,
    LookupEndpoint,
    LookupRegistration,
    NodeCertificates,
    PublishedKey,
    ShownCertificate,
    SolutionUser,
    TrustedChain,
    TrustedRoot,
    UnreadPart,
)
from stsfix.remediation.model import Role
from stsfix.remediation.nodes.node_facts import Unread
from stsfix.remediation.pki.certificate_chains import check_links
from stsfix.remediation.pki.certificates import Certificate, dns_names, parse

OTHER = "vc2.lab.example"
STS_LEAF, ROOT = pki.der(leaf()), pki.der(root())
STS = entries((credential_entry(1, (STS_LEAF, ROOT)),), (chain_entry(1, (STS_LEAF, ROOT)),))
TRUSTED = TrustedRoot(name="A", subject="/CN=CA", certificates=(ROOT,), crl_count=0, crl_bytes=0)
COSTS = ["COST-NO-TLS-CHANGE"]


def tls(end=365.0, names=(NODE,), start=-10.0, by="root"):
    """Return a machine certificate, DER; *start* and *end* are days from NOW."""
    made = pki.vmca_leaf(
        key("machine"),
        issuer=root(by),
        issuer_key=key(by),
        common_name=NODE,
        not_before=days(start),
        not_after=days(end),
        names=list(names),
    )
    return pki.der(made)


MACHINE = tls()


def shown(https=MACHINE, ldaps=None, vami=None):
    """Return what TLS ports show; ports that are not given show what 443 shows."""
    return (
        ShownCertificate(port="https", leaf=https),
        ShownCertificate(port="ldaps", leaf=ldaps or https),
        ShownCertificate(port="vami", leaf=vami or https),
    )


def node(fqdn=NODE, **certificates):
    """Return a sound embedded node whose certificates are changed."""
    sound = {
        "shown": shown(),
        "published": STS_LEAF,
        "keys": (PublishedKey(modulus="", exponent=65537, leaf=STS_LEAF),),
    }
    held = NodeCertificates(**{**sound, **certificates})
    return NodeInventory(
        fqdn=fqdn, role=Role.EMBEDDED, sts=STS, certificates=held, scheduled_tasks=0
    )


@pytest.mark.parametrize(
    ("tasks", "role", "expected"),
    [
        (0, Role.EMBEDDED, []),
        (2, Role.EMBEDDED, [("warns", "2 of users, each")]),
        (2, Role.PSC, []),
        (Unread(reason="no psql"), Role.VCENTER, [("informs", "not checked: no psql")]),
    ],
)
def test_scheduled_tasks_of_users_are_counted(tasks, role, expected):
    """None is none; what could not be counted is told, and nothing is told of a PSC."""
    made = replace(node(), role=role, scheduled_tasks=tasks)

    told = [f for f in found(made) if f.id == "COST-SCHEDULED-TASKS"]

    assert [str(f.severity) for f in told] == [severity for severity, _ in expected]
    assert all(f.evidence.startswith(text) for f, (_, text) in zip(told, expected, strict=True))


def found(*nodes, taken=NOW, **held):
    """Return everything found in a domain of *nodes* whose directory is changed."""
    directory = replace(DirectoryCertificates(node=NODE, roots=(TRUSTED,)), **held)
    inventory = Inventory(
        domain=DOMAIN,
        taken=taken,
        nodes=nodes or (node(),),
        hosts=(),
        topology=None,
        problems=(),
        certificates=directory,
    )
    return [finding for check in CHECKS for finding in check(inventory)]


def hits(*nodes, **changes):
    """Return severity and id of what is found besides what every preflight tells."""
    return [(str(f.severity), f.id) for f in found(*nodes, **changes) if f.id not in COSTS]


def test_sound_certificates_have_no_finding():
    """Silence means looked at, and fine; what the repair costs is always told."""
    assert hits() == []
    assert sorted(f.id for f in found()) == COSTS


def test_domain_that_nobody_asked_about_certificates_has_no_finding():
    """Without certificates in the inventory nothing is judged."""
    bare = NodeInventory(fqdn=NODE, role=Role.EMBEDDED)
    inventory = Inventory(
        domain=DOMAIN, taken=NOW, nodes=(bare,), hosts=(), topology=None, problems=()
    )

    found = sorted(f.id for check in CHECKS for f in check(inventory))
    assert found == [*COSTS, "COST-SCHEDULED-TASKS"]  # nobody counted them


@pytest.mark.parametrize(
    ("end", "start", "expected"),
    [
        (31, -10, []),
        (29, -10, [("warns", "CERT-MACHINE-EXPIRING")]),
        (-1, -10, [("blocks", "CERT-MACHINE-EXPIRED")]),
        (100, 1, [("blocks", "CERT-MACHINE-EXPIRED")]),
    ],
)
def test_dates_of_the_machine_certificate(end, start, expected):
    """30 days ahead it warns; before its start it is as useless as after its end."""
    assert hits(node(shown=shown(tls(end, start=start)))) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["VC1.Lab.Example"], []),
        (["*.lab.example"], []),
        (["*.example"], ["CERT-MACHINE-NAME"]),
        (["other.lab.example"], ["CERT-MACHINE-NAME"]),
        (["192.0.2.1"], ["CERT-MACHINE-NAME"]),
        ([], ["CERT-MACHINE-NAME"]),
    ],
)
def test_names_of_the_machine_certificate(names, expected):
    """Case does not matter, a wildcard stands for one label, CN and addresses do not count."""
    assert [name for _, name in hits(node(shown=shown(tls(names=names))))] == expected


def test_management_port_may_have_its_own_certificate():
    """That is told; a directory with another one is a warning, and judged itself."""
    other, old = tls(300), tls(-1)

    assert hits(node(shown=shown(vami=other))) == [("informs", "CERT-PORTS-DIFFER")]
    assert hits(node(shown=shown(ldaps=other))) == [("warns", "CERT-PORTS-DIFFER")]
    assert hits(node(shown=shown(ldaps=old))) == [
        ("blocks", "CERT-MACHINE-EXPIRED"),
        ("warns", "CERT-PORTS-DIFFER"),
    ]


def user(*certificates):
    """Return a solution user."""
    return (SolutionUser(name="vpxd-1", subject="CN=vpxd-1", certificates=certificates),)


@pytest.mark.parametrize(
    ("certificates", "expected"),
    [
        ((), []),
        ((tls(-1),), [("blocks", "CERT-SOLUTION-EXPIRED")]),
        ((tls(-1), tls(365)), []),
        ((tls(5),), [("warns", "CERT-SOLUTION-EXPIRING")]),
        ((tls(-1, names=["gone.lab.example"]),), [("informs", "CERT-SOLUTION-EXPIRED")]),
        ((tls(-1, names=[]),), [("blocks", "CERT-SOLUTION-EXPIRED")]),
        ((b"junk",), [("warns", "CERT-MALFORMED")]),
    ],
    ids=["none", "expired", "renewed", "expiring", "of a removed node", "nameless", "junk"],
)
def test_solution_users(certificates, expected):
    """The newest certificate counts; what is left of a removed node stops nothing."""
    assert hits(solution_users=user(*certificates)) == expected


def trusted(*ders, crls=0):
    """Return the usual trusted root and an entry with *ders*."""
    extra = TrustedRoot(name="B", subject="", certificates=ders, crl_count=crls, crl_bytes=10)
    return (TRUSTED, extra)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (30, []),
        (31, [("warns", "TRUST-CRL-COUNT")]),
        (100, [("warns", "TRUST-CRL-COUNT")]),
        (101, [("blocks", "TRUST-CRL-COUNT")]),
    ],
)
def test_number_of_revocation_lists(number, expected):
    """More than 30 warns, more than 100 blocks."""
    assert hits(roots=trusted(crls=number)) == expected


def test_renewed_vmca_root_hides_its_expired_one():
    """An expired root of a node is harmless when its successor is there and it issued nothing
    that is in use; without a successor it blocks.
    """
    expired = pki.der(root("older", start=-900, end=-1))

    assert hits(roots=trusted(expired)) == [
        ("warns", "TRUST-ROOT-EXPIRED"),
        ("informs", "TRUST-ROOT-TWICE"),
    ]
    alone = replace(TRUSTED, certificates=(expired,))
    assert ("blocks", "VMCA-ROOT-EXPIRED") in hits(roots=(alone,))


def test_expired_vmca_root_that_issued_what_is_in_use_blocks():
    """A successor does not help certificates that the old one issued."""
    root("older", start=-900, end=-1)
    expired = root("older", start=-900, end=-1)
    machine = tls(by="older")

    found_now = hits(node(shown=shown(machine)), roots=trusted(pki.der(expired)))

    assert ("blocks", "VMCA-ROOT-EXPIRED") in found_now


def test_signer_below_a_listed_root_is_fine_without_the_root_in_its_chain():
    """A chain of leaf and intermediate, or a renewed root of the same key, is anchored."""
    renewed = pki.vmca_root(
        key("root"), domain=DOMAIN, host=NODE, not_before=days(-1), not_after=days(3000)
    )

    assert hits(roots=(replace(TRUSTED, certificates=(pki.der(renewed),)),)) == []
    assert hits(roots=()) == [("warns", "STS-ROOT-UNLISTED")]


def test_unread_roots_are_not_taken_for_missing_ones():
    """What could not be read is told as such, and nothing follows from it."""
    unread = (UnreadPart(what="trusted roots", reason="no"),)

    assert hits(roots=(), unread=unread) == [("warns", "CERT-NOT-CHECKED")]


def test_unread_things_are_told_once_for_each_reason():
    """Ports that need not be open inform; what belongs to every node warns."""
    unread = (
        UnreadPart(what="its SAML metadata", reason="refused"),
        UnreadPart(what="its JWKS", reason="refused"),
        UnreadPart(what="the certificate of its ldaps port", reason="no answer"),
    )

    told = [f for f in found(node(unread=unread)) if f.id == "CERT-NOT-CHECKED"]

    assert [(str(f.severity), f.evidence) for f in told] == [
        ("informs", "not checked: its SAML metadata, its JWKS: refused"),
        ("warns", "not checked: the certificate of its ldaps port: no answer"),
    ]


OLD_LEAF = pki.der(leaf("old"))


def jwk(der=None, modulus=""):
    """Return a published key."""
    return (PublishedKey(modulus=modulus, exponent=65537, leaf=der),)


@pytest.mark.parametrize(
    ("published", "keys", "expected"),
    [
        (OLD_LEAF, jwk(OLD_LEAF), ["STS-PUBLISHED-DIFFERS"]),
        (STS_LEAF, jwk(OLD_LEAF), ["STS-JWKS-DIFFERS"]),
        (None, jwk(OLD_LEAF), ["STS-JWKS-DIFFERS"]),
        (None, jwk(STS_LEAF), []),
        (STS_LEAF, (), []),
        (STS_LEAF, jwk(modulus=f"{key('leaf').public_key().public_numbers().n:x}"), []),
        (STS_LEAF, jwk(modulus="ab"), ["STS-JWKS-DIFFERS"]),
        (STS_LEAF, (*jwk(OLD_LEAF), *jwk(STS_LEAF)), []),
    ],
)
def test_published_leaf_and_keys(published, keys, expected):
    """Both are the signer's; without x5c the modulus tells; one of several keys is enough."""
    assert [name for _, name in hits(node(published=published, keys=keys))] == expected


def test_node_whose_directory_was_not_read_is_compared_with_another():
    """All directories hold the same, so one that was read stands for the others."""
    silent = replace(node(OTHER, shown=()), sts=None)
    stale = replace(node(OTHER, shown=(), published=OLD_LEAF, keys=()), sts=None)

    assert hits(node(), silent) == []
    assert hits(node(), stale) == [("warns", "STS-PUBLISHED-DIFFERS")]


def registered(*uris, trust=(MACHINE,)):
    """Return one registration with an endpoint for each of *uris*."""
    endpoints = tuple(LookupEndpoint(uri=uri, trust=trust) for uri in uris)
    return (LookupRegistration(name="S", kind="cs.vapi", product="", endpoints=endpoints),)


@pytest.mark.parametrize(
    ("registrations", "expected"),
    [
        (registered(f"https://{NODE}/sts"), []),
        (registered(f"https://{NODE}/sts", trust=(tls(7),)), ["LOOKUP-TRUST"]),
        (registered(f"https://{NODE.upper()}:443/sts", trust=(b"junk",)), ["LOOKUP-TRUST"]),
        (registered(f"https://{NODE}/sts", trust=(tls(7), MACHINE)), []),
        (registered(f"https://{NODE}/sts", trust=()), []),
        (registered(f"https://{NODE}:5480/", trust=(tls(7),)), []),
        (registered("https://nsx.lab.example/", trust=(tls(7),)), []),
        (registered("https://[broken", "https://vc1:port/", "", trust=(tls(7),)), []),
    ],
)
def test_trust_of_the_lookup_service(registrations, expected):
    """Only endpoints behind the node's own port 443 have to name its certificate."""
    assert [name for _, name in hits(registrations=registrations)] == expected


def source(*connections, kind="SYSTEM_DOMAIN"):
    """Return an identity source."""
    made = IdentitySource(
        name=DOMAIN, domain_type=kind, provider="", connections=connections, certificates=()
    )
    return (made,)


@pytest.mark.parametrize(
    ("sources", "controllers", "expected"),
    [
        (source("ldap://localhost:389"), 2, []),
        (source("ldap://LOCALHOST"), 2, []),
        (source(f"ldap://{NODE}:389"), 2, ["SSO-CONNECTION"]),
        (source("ldap://localhost:389", f"ldap://{NODE}"), 2, ["SSO-CONNECTION"]),
        (source(f"ldap://{NODE}:389"), 1, []),
        (source("ldap://dc1.example.org", kind="EXTERNAL_DOMAIN"), 2, []),
        (source("ldap://[broken"), 2, ["SSO-CONNECTION"]),
    ],
)
def test_connections_of_the_own_identity_source(sources, controllers, expected):
    """With several nodes each one asks its own directory; other sources are other people's."""
    nodes = (node(), node(OTHER, shown=()))[:controllers]

    assert [name for _, name in hits(*nodes, identity_sources=sources)] == expected


@pytest.mark.parametrize(
    ("owner", "expected"),
    [
        (ChainOwner.STS, []),
        (ChainOwner.SMART_CARD, [("informs", "CHAIN-SMART-CARD")]),
        (ChainOwner.EXTERNAL_IDP, [("informs", "CHAIN-EXTERNAL-IDP")]),
        (ChainOwner.UNKNOWN, [("informs", "CHAIN-UNKNOWN")]),
    ],
)
def test_chains_of_others_are_named(owner, expected):
    """Each one is told as untouchable, also when it holds no certificate."""
    chain = TrustedChain(dn="cn=x", owner=owner, chain=(ROOT, b"junk"))

    assert hits(chains=(chain,)) == expected


def test_links_are_judged_whatever_the_dates():
    """An expired chain in order holds; another order, a stranger or a lone leaf does not."""
    stranger = pki.der(root("stranger"))
    old = pki.der(leaf("past", start=-90, end=-1))

    assert check_links((old, ROOT)) == ()
    assert check_links((ROOT, old))
    assert check_links((old, stranger))
    assert check_links((old,))
    assert check_links((old, ROOT, ROOT))
    assert check_links((old, b"junk"))
    assert check_links(())


def test_names_come_in_lower_case():
    """DNS names of a certificate are compared without case."""
    certificate = parse(tls(names=["VC1.LAB.Example", "192.0.2.1"]))
    assert isinstance(certificate, Certificate)

    assert dns_names(certificate) == ("vc1.lab.example",)


ODD = st.one_of(
    st.binary(max_size=64),
    st.sampled_from([STS_LEAF, ROOT, MACHINE]),
    st.tuples(st.sampled_from([STS_LEAF, ROOT]), st.integers(0, 900), st.integers(0, 255)).map(
        lambda t: t[0][: t[1]] + bytes([t[2]]) + t[0][t[1] + 1 :]
    ),
)
SEVERAL = st.lists(ODD, max_size=3).map(tuple)


# cryptography < 51 only warns of what a later one refuses, such as a serial number below 1.
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@settings(max_examples=60)
@given(SEVERAL, SEVERAL, SEVERAL, ODD, st.text(max_size=30))
def test_no_bytes_and_no_text_break_a_check(one, two, three, der, text):
    """Malformed certificates, broken text and odd names give findings, never an exception."""
    sts = entries((credential_entry(1, one),), (chain_entry(1, two), chain_entry(None, three)))
    odd = replace(node(text, shown=shown(der), published=der, keys=jwk(der, text)), sts=sts)
    sources = (
        IdentitySource(
            name=text,
            domain_type="SYSTEM_DOMAIN",
            provider=text,
            connections=(text,),
            certificates=one,
        ),
    )
    certificates = {
        "solution_users": (SolutionUser(name=text, subject=text, certificates=two),),
        "roots": trusted(*three),
        "chains": (TrustedChain(dn=text, owner=ChainOwner.UNKNOWN, chain=one),),
        "registrations": registered(f"https://{text}/", text, trust=three),
        "identity_sources": sources,
    }

    made = found(odd, node(OTHER), **certificates)

    assert all(finding.evidence for finding in made)
