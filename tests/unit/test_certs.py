"""What ``stsfix certs`` says: every place, its state, 80 columns, and a document by the schema."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings

from any_inventory import INVENTORIES
from reports import domain, validator
from sts_material import NODE, days, key, root
from stsfix.lab import pki
from stsfix.plugin.certs_places import Place
from stsfix.plugin.certs_view import State, certs_report
from stsfix.plugin.documents.certs import certs_document
from stsfix.plugin.output import json_document
from stsfix.plugin.terminal.certs import INDENT, certs_lines
from stsfix.remediation.inventory import Problem
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
from stsfix.remediation.nodes.extensions import Extension, thumbprint
from stsfix.remediation.nodes.node_facts import Unread
from stsfix.remediation.pki.authority import Authority
from stsfix.remediation.pki.vecs import EntryKind, NodeStores, StoreEntry

SOON = timedelta(days=30)
CERTS = "certs-1"
ROOT = pki.der(root())


def cert(name, end=365.0):
    """Return a certificate of VMCA, DER."""
    made = pki.vmca_leaf(
        key("certs"),
        issuer=root(),
        issuer_key=key("root"),
        common_name=name,
        not_before=days(-800),
        not_after=days(end),
        names=[NODE],
    )
    return pki.der(made)


MACHINE, VPXD = cert("machine"), cert("vpxd")


def crl(end):
    """Return a revocation list, PEM, that is updated *end* days from now."""
    made = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(root().subject)
        .last_update(days(-60))
        .next_update(days(end))
        .sign(key("root"), SHA256())
    )
    return made.public_bytes(Encoding.PEM)


def entry(store, *ders, alias="", kind=EntryKind.PRIVATE_KEY, lists=()):
    """Return an entry of a store."""
    return StoreEntry(
        store=store, alias=alias or store, kind=kind, certificates=tuple(ders), lists=lists
    )


def held(**changes):
    """Return what the directory of a sound domain holds."""
    sound = DirectoryCertificates(
        node=NODE,
        solution_users=(SolutionUser(name="vpxd-1", subject="", certificates=(VPXD,)),),
        roots=(
            TrustedRoot(name="AB12", subject="", certificates=(ROOT,), crl_count=1, crl_bytes=9),
        ),
        registrations=(
            LookupRegistration(
                name="x",
                kind="cs.identity",
                product="com.vmware.cis",
                endpoints=tuple(
                    LookupEndpoint(uri=f"https://{NODE}/{n}", trust=(MACHINE,)) for n in range(3)
                ),
            ),
        ),
    )
    return replace(sound, **changes)


def seen(*entries, sts_end=800, directory=None, **changes):
    """Return one embedded node that shows and stores what it should, with *entries* besides."""
    made = domain(1, end=sts_end)
    sound = (
        entry("MACHINE_SSL_CERT", MACHINE, alias="__MACHINE_CERT"),
        entry("vpxd", VPXD),
        entry("TRUSTED_ROOTS", ROOT, alias="ab12", kind=EntryKind.TRUSTED),
    )
    values: dict[str, Any] = {
        "certificates": NodeCertificates(shown=(ShownCertificate(port="https", leaf=MACHINE),)),
        "stores": NodeStores(
            stores=tuple(dict.fromkeys(e.store for e in (*sound, *entries))),
            entries=(*sound, *entries),
        ),
        "authority": Authority(
            node=NODE,
            chain=(ROOT,),
            certool=True,
            serves=True,
            serves_root=True,
            key_matches=True,
        ),
        "extensions": (Extension(key="com.vmware.vim.eam", thumbprint=thumbprint(VPXD)),),
    }
    node = replace(made.nodes[0], **(values | changes))
    return replace(made, nodes=(node,), certificates=directory or held())


def report(*entries, soon=SOON, **changes):
    """Return the report of `seen`."""
    return certs_report(seen(*entries, **changes), soon=soon)


def text(made, **how):
    """Return what a terminal of 80 columns without colour shows."""
    return "\n".join(line.text for line in certs_lines(made, width=80, **how))


def row(made, place, where):
    """Return the one row of this place."""
    [found] = [r for r in made.rows if r.place is place and r.where == where]
    return found


def test_every_place_has_a_row():
    """Directory, TLS port, VMCA and every store: each counts for itself."""
    made = report()

    assert {(r.node, r.place, r.where) for r in made.rows} == {
        ("", Place.CREDENTIAL, "TenantCredential-1"),
        ("", Place.STS_CHAIN, "TrustedCertChain-1"),
        ("", Place.SOLUTION_USER, "vpxd-1"),
        ("", Place.TRUSTED_ROOT, "AB12"),
        ("", Place.LOOKUP, "3 endpoints"),
        (NODE, Place.PORT, "443"),
        (NODE, Place.VMCA, "root.cer"),
        (NODE, Place.STORE, "MACHINE_SSL_CERT __MACHINE_CERT"),
        (NODE, Place.STORE, "vpxd vpxd"),
        (NODE, Place.STORE, "TRUSTED_ROOTS ab12"),
    }
    assert {r.state for r in made.rows} == {State.VALID}
    assert made.exit_code == 0


def test_the_article_s_one_liner_is_covered():
    """Each store, each alias and each end that it prints are on the screen."""
    shown = text(report(entry("SMS", cert("sms", 40), alias="sms_self_signed")))

    for store, alias, end in (
        ("MACHINE_SSL_CERT", "__MACHINE_CERT", 365),
        ("SMS", "sms_self_signed", 40),
    ):
        assert f"{store} {alias}" in shown
        assert f"{days(end):%Y-%m-%d}" in shown


@pytest.mark.parametrize(
    ("end", "soon", "state", "code"),
    [
        (-0.1, 30, State.EXPIRED, 2),
        (29, 30, State.EXPIRING, 1),
        (31, 30, State.VALID, 0),
        (31, 60, State.EXPIRING, 1),
    ],
)
def test_exit_code_follows_the_gravest(end, soon, state, code):
    """Expired is 2, soon is 1, whatever place it is at."""
    made = report(entry("SMS", cert("sms", end)), soon=timedelta(days=soon))

    assert row(made, Place.STORE, "SMS SMS").state is state
    assert made.exit_code == code


def test_bytes_that_are_no_certificate_are_not_fine():
    """They are shown, and the exit code says that not all is known."""
    made = report(entry("SMS", b"rubbish"))

    assert row(made, Place.STORE, "SMS SMS").state is State.MALFORMED
    assert made.exit_code == 1
    assert "BROKEN" in text(made)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"stores": Unread(reason="no vecs-cli")}, 1),
        ({"stores": NodeStores(unread=(UnreadPart(what="store vpxd", reason="cut off"),))}, 1),
        ({"authority": Unread(reason="no guest")}, 1),
        ({"extensions": Unread(reason="no psql")}, 0),
        (
            {"certificates": NodeCertificates(unread=(UnreadPart(what="its JWKS", reason="404"),))},
            0,
        ),
        (
            {
                "certificates": NodeCertificates(
                    unread=(UnreadPart(what="the certificate of its https port", reason="x"),)
                )
            },
            1,
        ),
        ({"directory": held(unread=(UnreadPart(what="trusted roots", reason="50"),))}, 1),
    ],
    ids=["stores", "store", "vmca", "psql", "jwks", "https", "directory"],
)
def test_what_was_not_read_is_said_and_counts(changes, code):
    """What should be there and was not read is never taken for fine."""
    made = report(**changes)

    assert len(made.not_read) == 1
    assert made.exit_code == code
    assert "NOT READ (1)" in text(made)
    assert made.not_read[0].reason in text(made)


def test_a_domain_that_could_not_be_read_is_not_fine():
    """No certificate at all is no good news."""
    nothing = replace(domain(1), nodes=(), certificates=None)
    problem = Problem(subject="vc1.lab.example", error="DirectoryLoginError", text="refused")

    made = certs_report(replace(nothing, problems=(problem,)), soon=SOON)

    assert made.exit_code == 1
    assert "refused" in text(made)


@pytest.mark.parametrize(
    ("users", "words"),
    [
        ((("vpxd-1", VPXD),), "as in the directory"),
        ((("vpxd-1", MACHINE),), "the directory has ANOTHER one"),
        ((("machine-1", MACHINE),), "no account in the directory"),
    ],
    ids=["same", "another", "none"],
)
def test_solution_users_say_whether_they_agree(users, words):
    """The store's certificate is compared with the account's."""
    accounts = tuple(SolutionUser(name=n, subject="", certificates=(d,)) for n, d in users)

    made = report(directory=held(solution_users=accounts))

    assert words in row(made, Place.STORE, "vpxd vpxd").used_by


def test_entries_that_only_one_directory_holds_are_its_own():
    """Directories that differ are not shown as one."""
    first, second = domain(2, end=800).nodes
    assert second.sts is not None
    odd = replace(second, sts=replace(second.sts, chains=()))
    made = certs_report(replace(domain(2), nodes=(first, odd)), soon=SOON)

    places = {(r.node, r.where) for r in made.rows}

    assert ("", "TenantCredential-1") in places
    assert (first.fqdn, "TrustedCertChain-1") in places


def test_revocation_lists_are_told():
    """How many, and how many are past their next update; what is no list is kept."""
    lists = (crl(-1), crl(30), b"rubbish")
    made = report(
        entry("TRUSTED_ROOT_CRLS", kind=EntryKind.REVOCATION_LIST, lists=lists, alias="a")
    )

    assert [(r.revoked, r.is_late) for r in made.lists] == [(0, True), (0, False), (None, False)]
    assert "Revocation lists: 3, 1 past their next update" in text(made)


@pytest.mark.parametrize(
    ("print_", "stores", "known"),
    [
        (thumbprint(VPXD), None, "known"),
        ("ab" * 20, None, "unknown"),
        ("", None, "none"),
        ("ab" * 20, Unread(reason="x"), "not checked"),
    ],
    ids=["known", "unknown", "none", "not-compared"],
)
def test_extensions_name_their_certificate(print_, stores, known):
    """The thumbprint is looked for among the node's own certificates."""
    extensions = (Extension(key="com.acme", thumbprint=print_),)
    changes = {"stores": stores} if stores else {}

    [found] = report(extensions=extensions, **changes).extensions

    assert found.known == known
    assert found.where == (("vpxd",) if known == "known" else ())


def test_grouped_by_node_or_expired_first():
    """Normally the domain, then each node; on request the order is that of the ends."""
    made = report(entry("SMS", cert("sms", -2)), entry("data-encipherment", cert("enc", 10)))

    grouped = text(made).splitlines()
    sorted_ = [line for line in text(made, by_expiry=True).splitlines() if line[2:3].strip()]

    assert grouped[0] == "SSO domain vsphere.local"
    assert any(line.startswith("In the directory of the whole domain") for line in grouped)
    assert any(line.startswith(f"{NODE} (embedded): ") for line in grouped)
    assert sorted_[3].startswith(f"  EXPIRED {days(-2):%Y-%m-%d}")
    assert sorted_[4].startswith(f"  soon    {days(10):%Y-%m-%d}")
    assert f"on {NODE}" in text(made, by_expiry=True)


def test_places_of_one_certificate_are_one_paragraph():
    """What is renewed once is read once."""
    shown = text(report())

    assert "port 443; MACHINE_SSL_CERT __MACHINE_CERT" in shown


@settings(max_examples=60)
@given(INVENTORIES)
def test_nothing_breaks_lines_or_document(inventory):
    """Any text, any bytes and any date give lines of 80 columns and a document by the schema; only
    a word that is longer than a line stays whole, to be copied.
    """
    made = certs_report(inventory, soon=SOON)

    for by_expiry in (False, True):
        for line in certs_lines(made, width=80, by_expiry=by_expiry):
            assert "\n" not in line.text
            assert "\x1b" not in line.text
            assert len(line.text) <= 80 or max(map(len, line.text.split(" "))) > 80 - len(INDENT)
    document = json.loads(json_document(certs_document(made, version="0.1.0")))
    assert list(validator(CERTS).iter_errors(document)) == []


def test_document_is_what_the_schema_says():
    """Every field of a full document is described, and no private key is in it."""
    made = report(
        entry("TRUSTED_ROOT_CRLS", kind=EntryKind.REVOCATION_LIST, lists=(crl(1),), alias="a"),
        entry("SMS", b"rubbish"),
    )

    found = json.loads(json_document(certs_document(made, version="0.1.0")))

    assert list(validator(CERTS).iter_errors(found)) == []
    assert found["summary"]["malformed"] == 1
    assert found["stores"][0] == {
        "node": NODE,
        "store": "MACHINE_SSL_CERT",
        "entries": 1,
        "certificates": 1,
    }


def test_what_no_run_renews_is_told_with_its_reason():
    """Where it is due, under a heading of its own; in the document wherever it is."""
    ended, sound = cert("data-encipherment", end=-1), cert("sms")
    made = report(entry("data-encipherment", ended), entry("SMS", sound), entry("vpxd", VPXD))

    told = text(made).partition("NOT RENEWED BY stsfix run --renew\n")[2]
    rows = certs_document(made, version="0.1.0")["certificates"]

    assert told.startswith(f"  data-encipherment on {NODE}: its key protects passwords")
    assert "SMS" not in told
    assert {row["where"].split(" ")[0] for row in rows if row["not_renewed"]} == {
        "data-encipherment",
        "SMS",
    }
    assert "NOT RENEWED" not in text(report(entry("SMS", sound), entry("vpxd", VPXD)))
