"""Findings about stores, VMCA and extensions follow from the inventory alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from memory_hypervisor import MemoryClock, MemoryHost
from sts_material import DOMAIN, NODE, NOW, days, key, root
from stsfix.lab import pki
from stsfix.remediation.checks.preflight import assess
from stsfix.remediation.checks.stores import CHECKS
from stsfix.remediation.inventory import Inventory, Location, NodeInventory
from stsfix.remediation.inventory_certificates import (
    DirectoryCertificates,
    LookupEndpoint,
    LookupRegistration,
    NodeCertificates,
    ShownCertificate,
    SolutionUser,
    TrustedRoot,
    UnreadPart,
)
from stsfix.remediation.model import Role, Severity, Transport
from stsfix.remediation.nodes.extensions import Extension, thumbprint
from stsfix.remediation.nodes.node_facts import NodeFacts, Unread
from stsfix.remediation.pki.authority import Authority, Unknown
from stsfix.remediation.pki.vecs import EntryKind, NodeStores, StoreEntry

OTHER = "vc2.lab.example"
ROOT = pki.der(root())
STORES = ("MACHINE_SSL_CERT", "TRUSTED_ROOTS", "TRUSTED_ROOT_CRLS", "vpxd", "vpxd-extension")


def cert(name="machine", end=365.0):
    """Return a certificate of VMCA, DER; *end* is days from NOW."""
    made = pki.vmca_leaf(
        key(name),
        issuer=root(),
        issuer_key=key("root"),
        common_name=name,
        not_before=days(-400),
        not_after=days(end),
        names=[NODE],
    )
    return pki.der(made)


MACHINE, VPXD, EXTENSION = cert(), cert("vpxd"), cert("vpxd-extension")
FRESH = cert("fresh", 700)
ESX = MemoryHost("esx1.lab.example", MemoryClock())
VM = ESX.observe_vms([ESX.add_vm("vc1")])[0]


def entry(store, der, alias="", kind=EntryKind.PRIVATE_KEY):
    """Return an entry; its alias is the store's name unless given."""
    return StoreEntry(store=store, alias=alias or store, kind=kind, certificates=(der,))


def sound_stores(*more, without=()):
    """Return the stores of a sound node, with *more* entries, without some stores'."""
    entries = (
        entry("MACHINE_SSL_CERT", MACHINE, "__MACHINE_CERT"),
        entry("vpxd", VPXD),
        entry("vpxd-extension", EXTENSION),
        entry("TRUSTED_ROOTS", ROOT, "ab12", EntryKind.TRUSTED),
        StoreEntry(
            store="TRUSTED_ROOT_CRLS",
            alias="ab12",
            kind=EntryKind.REVOCATION_LIST,
            lists=(b"-----BEGIN X509 CRL-----",),
        ),
    )
    kept = tuple(e for e in entries if e.store not in without)
    return NodeStores(stores=STORES, entries=(*kept, *more))


def authority(**changes):
    """Return a sound VMCA, but for *changes*."""
    values: dict[str, Any] = {
        "node": NODE,
        "chain": (ROOT,),
        "certool": True,
        "serves": True,
        "serves_root": True,
        "key_matches": True,
    }
    return Authority(**(values | changes))


def node(fqdn=NODE, **changes):
    """Return a sound embedded node."""
    values: dict[str, Any] = {
        "certificates": NodeCertificates(shown=(ShownCertificate(port="https", leaf=MACHINE),)),
        "facts": NodeFacts(),
        "stores": sound_stores(),
        "authority": authority(node=fqdn),
        "extensions": (Extension(key="com.vmware.vim.eam", thumbprint=thumbprint(EXTENSION)),),
    }
    return NodeInventory(fqdn=fqdn, role=Role.EMBEDDED, **(values | changes))


HELD = DirectoryCertificates(
    node=NODE,
    solution_users=(
        SolutionUser(name="vpxd-1", subject="", certificates=(VPXD,)),
        SolutionUser(name="vpxd-extension-1", subject="", certificates=(EXTENSION,)),
    ),
    roots=(
        TrustedRoot(name="A", subject="/CN=CA", certificates=(ROOT,), crl_count=1, crl_bytes=1),
    ),
)


def inventory(*nodes, held=HELD, issuer="vmca"):
    """Return a domain of *nodes*, a sound one if there are none."""
    return Inventory(
        domain=DOMAIN,
        taken=NOW,
        nodes=nodes or (node(),),
        hosts=(),
        topology=None,
        problems=(),
        certificates=held,
        issuer=issuer,
    )


def findings(made):
    """Return every finding of *made*."""
    return [finding for check in CHECKS for finding in check(made)]


def ids(made):
    """Return the ids of every finding, with B, W or I for its severity."""
    return sorted(f"{f.id} {f.severity.value[0]}" for f in findings(made))


def test_a_sound_node_has_no_finding():
    """Nothing is told of what is as it should be."""
    assert ids(inventory()) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"serves": False}, ["VMCA-DOWN b"]),
        ({"certool": False, "serves": False}, ["VMCA-NO-CERTOOL b"]),
        ({"serves_root": False}, ["VMCA-ROOT-DIFFERS b"]),
        ({"key_matches": False}, ["VMCA-KEY b"]),
        ({"chain": (), "unread": "no such file"}, ["VMCA-UNREAD b"]),
        ({"chain": (b"x",)}, ["VMCA-UNREAD b"]),
        (
            {"chain": (pki.der(root("gone", -900, -1)),)},
            ["VMCA-ROOT-EXPIRED b", "VMCA-ROOT-UNLISTED i"],
        ),
        (
            {"chain": (pki.der(root("short", -900, 1800)),)},
            ["VMCA-ROOT-SHORT w", "VMCA-ROOT-UNLISTED i"],
        ),
        ({"serves_root": Unknown(reason="?"), "key_matches": Unknown(reason="?")}, []),
    ],
    ids=["down", "certool", "differs", "key", "unread", "malformed", "expired", "short", "unknown"],
)
def test_vmca_of_the_writer_forbids_a_run(changes, expected):
    """What would make the signing fail is found before anything is changed."""
    assert ids(inventory(node(authority=authority(**changes)))) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"serves": False}, ["VMCA-DOWN w"]),
        ({"key_matches": False}, ["VMCA-KEY w"]),
        ({"certool": False}, ["VMCA-NO-CERTOOL i"]),
        ({"chain": (pki.der(root("short", -900, 1800)),)}, ["VMCA-ROOT-UNLISTED i"]),
    ],
    ids=["down", "key", "certool", "short"],
)
def test_other_vmca_only_warns(changes, expected):
    """Another node's VMCA, or any with another issuer, signs nothing in this run."""
    trouble = node(OTHER, authority=authority(node=OTHER, **changes))

    assert ids(inventory(node(), trouble)) == expected
    assert ids(inventory(replace(trouble, fqdn=NODE), issuer="own-ca")) == expected


def test_vmca_that_nobody_asked_forbids_only_where_it_signs():
    """If its tools did not tell nobody knows; with another issuer nobody needs to."""
    silent = node(authority=Unread(reason="the tools said noise"))

    assert ids(inventory(silent)) == ["VMCA-UNREAD b"]
    assert ids(inventory(silent, issuer="own-ca")) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"location": Location()}, {"NODE-NOT-FOUND"}),
        ({"location": Location(live=(VM.summary, VM.summary))}, {"NODE-AMBIGUOUS"}),
        ({"location": Location(live=(VM.summary,)), "vm": VM}, {"NODE-ROLE-UNVERIFIED"}),
        (
            {"location": Location(live=(VM.summary,)), "vm": VM, "transport": Transport.VAMI},
            {"VMCA-UNREAD"},
        ),
        (
            {"location": Location(live=(VM.summary,)), "vm": VM, "role_verified": True},
            {"VMCA-UNREAD"},
        ),
    ],
)
def test_of_a_guest_out_of_reach_one_finding_forbids_a_run(changes, expected):
    """That nothing is known of it forbids a run once, and always."""
    lost = Unread(reason="no guest")
    made = inventory(node(facts=lost, authority=lost, stores=lost, **changes))

    blocks = {f.id for f in assess(made) if f.severity is Severity.BLOCKS}

    assert blocks & {"NODE-NOT-FOUND", "NODE-AMBIGUOUS", "NODE-ROLE-UNVERIFIED", "VMCA-UNREAD"} == (
        expected
    )


def test_expired_root_that_the_directory_lists_is_told_there():
    """One root, one finding: `checks_certificates` judges what the directory holds."""
    gone = pki.der(root("gone", -900, -1))
    listed = TrustedRoot(name="G", subject="", certificates=(gone,), crl_count=0, crl_bytes=0)
    held = replace(HELD, roots=(*HELD.roots, listed))
    stores = sound_stores(entry("TRUSTED_ROOTS", gone, "g", EntryKind.TRUSTED))
    made = inventory(node(authority=authority(chain=(gone,)), stores=stores), held=held)

    assert ids(made) == []


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (-1, ["CERT-MACHINE-EXPIRED b", "CERT-STORE-SHOWN w"]),
        (20, ["CERT-MACHINE-EXPIRING w", "CERT-STORE-SHOWN w"]),
        (300, ["CERT-STORE-SHOWN w"]),
    ],
)
def test_machine_certificate_in_the_store(end, expected):
    """What services will show after the restart counts, not what they show now."""
    fresh = entry("MACHINE_SSL_CERT", cert("fresh", end), "__MACHINE_CERT")
    made = node(stores=sound_stores(fresh, without=("MACHINE_SSL_CERT",)))

    assert ids(inventory(made)) == expected


@pytest.mark.parametrize(
    ("trust", "expected"),
    [
        ((MACHINE,), ["CERT-STORE-SHOWN w", "LOOKUP-TRUST w"]),
        ((MACHINE, FRESH), ["CERT-STORE-SHOWN w"]),
        ((FRESH,), ["CERT-STORE-SHOWN w"]),
    ],
)
def test_lookup_trust_counts_once_services_restart(trust, expected):
    """What is trusted now and not after the restart of a run; the reverse is judged elsewhere."""
    fresh = entry("MACHINE_SSL_CERT", FRESH, "__MACHINE_CERT")
    endpoint = LookupEndpoint(uri=f"https://{NODE}/sts", trust=trust)
    registration = LookupRegistration(
        name="r", kind="cs.identity", product="x", endpoints=(endpoint,)
    )

    made = node(stores=sound_stores(fresh, without=("MACHINE_SSL_CERT",)))

    assert ids(inventory(made, held=replace(HELD, registrations=(registration,)))) == expected


def test_machine_certificate_of_a_port_that_is_down():
    """Nothing is shown, and the store tells why."""
    dead = entry("MACHINE_SSL_CERT", cert("fresh", -1), "__MACHINE_CERT")
    made = node(
        stores=sound_stores(dead, without=("MACHINE_SSL_CERT",)), certificates=NodeCertificates()
    )

    assert ids(inventory(made)) == ["CERT-MACHINE-EXPIRED b"]


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (-1, ["CERT-SOLUTION-DIFFERS w", "CERT-SOLUTION-EXPIRED b"]),
        (20, ["CERT-SOLUTION-DIFFERS w", "CERT-SOLUTION-EXPIRING w"]),
        (300, ["CERT-SOLUTION-DIFFERS w"]),
    ],
)
def test_solution_user_that_the_directory_knows_otherwise(end, expected):
    """The store's key logs in; if the directory names another, it cannot."""
    made = node(stores=sound_stores(entry("vpxd", cert("new", end)), without=("vpxd",)))

    assert ids(inventory(made)) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("vpxd-1", "vpxd-extension-1"), []),
        (("VPXD-1", "vpxd-extension-1"), []),
        (("renamed", "vpxd-extension-1"), []),
        (("vpxd-2", "vpxd-extension-1"), []),
    ],
)
def test_solution_user_is_known_by_its_account_or_its_certificate(names, expected):
    """An account of another name that holds the certificate is its own, as for a renewal."""
    users = tuple(
        SolutionUser(name=name, subject="", certificates=(held,))
        for name, held in zip(names, (VPXD, EXTENSION), strict=True)
    )
    made = node(facts=NodeFacts(machine_id="1"))

    assert ids(inventory(made, held=replace(HELD, solution_users=users))) == expected


def test_solution_user_whose_account_is_lost_cannot_log_in():
    """Accounts of other nodes, and of users with longer names, are not its own."""
    others = (
        SolutionUser(name="vpxd-2", subject="", certificates=(cert("other"),)),
        SolutionUser(name="vpxd-extension-1", subject="", certificates=(EXTENSION,)),
    )
    held = replace(HELD, solution_users=others)

    [lost] = findings(inventory(node(facts=NodeFacts(machine_id="1")), held=held))
    unread = replace(held, unread=(UnreadPart(what="solution users", reason="no"),))

    assert (lost.id, lost.severity) == ("CERT-SOLUTION-DIFFERS", Severity.WARNS)
    assert lost.evidence == "vpxd: the directory has no account vpxd-1"
    assert ids(inventory(node(facts=NodeFacts(machine_id="1")), held=unread)) == []


def test_solution_user_without_an_account_is_only_dated():
    """A store of some product is no solution user that differs."""
    made = node(stores=sound_stores(entry("backup-product", cert("x", -1))))

    assert ids(inventory(made)) == ["CERT-SOLUTION-EXPIRED b"]


@pytest.mark.parametrize(
    ("store", "kind", "expected"),
    [
        ("data-encipherment", EntryKind.PRIVATE_KEY, ["CERT-ENCIPHERMENT-EXPIRED w"]),
        ("SMS", EntryKind.PRIVATE_KEY, ["CERT-SMS-EXPIRED w"]),
        ("SMS", EntryKind.TRUSTED, ["CERT-SMS-EXPIRED w"]),
        ("BACKUP_STORE", EntryKind.PRIVATE_KEY, ["CERT-STORE-EXPIRED i"]),
        ("BACKUP_STORE_H5C", EntryKind.PRIVATE_KEY, ["CERT-STORE-EXPIRED i"]),
        ("STS_INTERNAL_SSL_CERT", EntryKind.PRIVATE_KEY, ["CERT-STORE-EXPIRED i"]),
        ("TRUSTED_ROOTS", EntryKind.TRUSTED, []),
    ],
)
def test_other_stores(store, kind, expected):
    """Each kind of store has its own meaning; trusted roots are judged by the directory."""
    made = node(stores=sound_stores(entry(store, cert("x", -1), "alias", kind)))

    assert ids(inventory(made)) == expected


def test_bytes_that_are_no_certificate_are_told():
    """A store that holds rubbish is not taken for fine."""
    made = node(stores=sound_stores(entry("SMS", b"rubbish")))

    assert ids(inventory(made)) == ["CERT-MALFORMED w"]


def test_root_that_a_node_lacks():
    """Every node copies the directory's roots; one that is missing is told."""
    made = node(stores=sound_stores(without=("TRUSTED_ROOTS",)))
    [finding] = findings(inventory(made))

    assert (finding.id, finding.severity) == ("TRUST-STORE-LACKS", Severity.WARNS)
    assert "1 of 1" in finding.evidence


@pytest.mark.parametrize(
    ("count", "expected"),
    [(29, []), (30, ["TRUST-CRL-COUNT w"]), (100, ["TRUST-CRL-COUNT b"])],
)
def test_flood_of_lists_on_a_node_only(count, expected):
    """More than thirty warn, more than a hundred forbid; one is there already."""
    lists = tuple(
        StoreEntry(
            store="TRUSTED_ROOT_CRLS",
            alias=str(number),
            kind=EntryKind.REVOCATION_LIST,
            lists=(b"x",),
        )
        for number in range(count)
    )

    assert ids(inventory(node(stores=sound_stores(*lists)))) == expected


@pytest.mark.parametrize(
    ("name", "print_", "expected"),
    [
        ("com.vmware.vim.eam", "ab" * 20, ["EXTENSION-THUMBPRINT w"]),
        ("com.vmware.vim.eam", "", []),
        ("com.acme.product", "ab" * 20, []),
    ],
    ids=["lost", "none", "foreign"],
)
def test_extension_that_cannot_log_in(name, print_, expected):
    """Only VMware's own have a certificate on the node; others' thumbprints are theirs."""
    made = node(extensions=(Extension(key=name, thumbprint=print_),))

    assert ids(inventory(made)) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"stores": Unread(reason="no vecs-cli")}, ["CERT-NOT-CHECKED w"]),
        (
            {"stores": NodeStores(unread=(UnreadPart(what="store vpxd", reason="cut"),))},
            ["CERT-NOT-CHECKED w"],
        ),
        ({"extensions": Unread(reason="no psql")}, ["CERT-NOT-CHECKED i"]),
        (
            {
                "stores": Unread(reason="x"),
                "extensions": Unread(reason="x"),
                "facts": Unread(reason="x"),
            },
            [],
        ),
    ],
    ids=["stores", "one-store", "extensions", "nothing-runs"],
)
def test_what_was_not_read_is_told_once(changes, expected):
    """Each gap has its reason; why no command runs at all is a finding of another check."""
    assert ids(inventory(node(**changes))) == expected


def test_nothing_of_the_directory_is_needed():
    """Without the directory the stores are judged alone."""
    assert ids(inventory(held=None)) == []
