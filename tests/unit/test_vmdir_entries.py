"""What vmdir's entries and status lines mean."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sts_material import DOMAIN, credential, key, root
from stsfix.lab import pki
from stsfix.remediation.directory import vmdir_entries
from stsfix.remediation.directory.ldap_connection import Entry, plain_text
from stsfix.remediation.model import ReplicationStatus

OLD = credential("old", start=-800, end=-1)

LINES = [
    "Server Name: VC1.lab.example",
    "USN: 5120",
    "Replication Cycle Count: 1234",
    "InvocationID: 1111-2222",
    "UtdVector: 3333-4444:4321,5555-6666:17,",
    "RAProcessedUSN Vector: vc2.lab.example|4321,",
    "MaxOriginatingUSN: 5119",
]


def _entry(name="cn=x,dc=local", **attributes):
    return Entry(dn=name, attributes={k.lower(): tuple(v) for k, v in attributes.items()})


@pytest.mark.parametrize("lines", [LINES, LINES[::-1], [" " + line + " " for line in LINES]])
def test_status_lines_in_any_order(lines):
    """Order and surrounding spaces do not matter; the trailing comma is no part."""
    assert vmdir_entries.replication_status(lines) == ReplicationStatus(
        server="vc1.lab.example",
        usn=5120,
        invocation_id="1111-2222",
        up_to_date={"3333-4444": 4321, "5555-6666": 17},
        processed={"vc2.lab.example": 4321},
        max_originating=5119,
        cycles=1234,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Unknown", None),
        (" unknown ", None),
        ("", None),
        (",", None),
        ("a:1", {"a": 1}),
        ("a:1,", {"a": 1}),
        ("a:1,b:x,c:3", {"a": 1, "c": 3}),
        ("a:b:1", {"a:b": 1}),
        (":1", None),
        ("a:-1", None),
        ("a:" + "9" * 5000, None),
    ],
)
def test_vector(text, expected):
    """Usable parts are kept, Unknown and nothing usable are None."""
    assert vmdir_entries.vector(text) == expected


def _meta(made, by="me", attribute="cn"):
    return f"{attribute}:4308:1:{by}:20261123163941.0Z:{made}".encode()


@pytest.mark.parametrize(
    ("attributes", "news"),
    [
        ({"attributeMetaData": [_meta(11)]}, True),
        ({"attributeMetaData": [_meta(10)]}, False),
        ({"attributeMetaData": [_meta(3), _meta(12)]}, True),
        ({"attributeMetaData": [_meta(99, by="other")]}, False),
        ({"attributeMetaData": [_meta("?")]}, True),
        ({"attributeMetaData": [_meta(3), b"noise"]}, True),
        ({}, True),
        ({"objectClass": [b"top", b"vmwDirServer"], "attributeMetaData": [_meta(11)]}, False),
        ({"objectClass": [b"VMWReplicationAgreement"], "attributeMetaData": [_meta(11)]}, False),
    ],
    ids=[
        "after",
        "seen",
        "one attribute after",
        "of another node",
        "no number",
        "of another form",
        "none told",
        "server entry",
        "agreement",
    ],
)
def test_news_are_own_later_changes_that_are_sent(attributes, news):
    """Entries of a node's own affairs are none; what cannot be told is."""
    assert vmdir_entries.is_news(_entry(**attributes), 10, "me") is news


@given(st.lists(st.binary()), st.integers(), st.text())
def test_any_metadata_gives_an_answer(values, usn, invocation_id):
    """No bytes make it fail."""
    entry = _entry(attributeMetaData=values)

    assert vmdir_entries.is_news(entry, usn, invocation_id) in {True, False}


@given(st.lists(st.text()))
def test_status_of_any_lines_is_a_value(lines):
    """No line makes the parser fail."""
    found = vmdir_entries.replication_status(lines)

    assert found.usn >= 0
    assert found.up_to_date is None or all(usn >= 0 for usn in found.up_to_date.values())


@given(st.dictionaries(st.uuids().map(str), st.integers(0, 2**63), min_size=1))
def test_vector_is_read_back(given_vector):
    """What vmdird writes is read as it is."""
    text = "".join(f"{key}:{usn}," for key, usn in given_vector.items())

    assert vmdir_entries.vector(text) == given_vector


def test_root_dse_without_attributes_is_empty():
    """An old or foreign server gives empty texts, not an error."""
    found = vmdir_entries.root_dse(_entry(""))

    assert (found.domain_dn, found.admin_dn, found.functional_level) == ("", "", None)


def test_sts_entry_judges_the_key_and_forgets_it():
    """The entry tells whether the key matches, and holds no byte of it."""
    secret = OLD.key_pkcs8.reveal()
    read = _entry(
        "cn=TenantCredential-4,cn=x",
        userCertificate=OLD.chain,
        vmwSTSPrivateKey=[secret],
        objectGUID=[b"guid"],
        uSNChanged=[b"77"],
    )

    found = vmdir_entries.sts_entry("credential", read)

    assert (found.index, found.chain, found.key_matches) == (4, OLD.chain, True)
    assert (found.object_guid, found.usn) == ("guid", 77)
    assert repr(secret)[2:60] not in repr(found)


@pytest.mark.parametrize(
    ("certificates", "keys"),
    [
        ([], [b"key"]),
        (OLD.chain, []),
        (OLD.chain, [b"not a key"]),
        (OLD.chain, [pki.pkcs8(key("another"))]),
        ([b"not a certificate"], [OLD.key_pkcs8.reveal()]),
    ],
    ids=["no-chain", "no-key", "garbage-key", "other-key", "garbage-leaf"],
)
def test_key_that_cannot_sign_does_not_match(certificates, keys):
    """Anything but a key of the first certificate is a mismatch, never a crash."""
    read = _entry(userCertificate=certificates, vmwSTSPrivateKey=keys)

    assert vmdir_entries.sts_entry("credential", read).key_matches is False


def test_topology_skips_what_has_no_place():
    """Servers elsewhere and agreements without a host are left out; names are lower case."""
    servers = "cn=Servers,cn=S,cn=Sites,cn=Configuration,dc=x"
    agreements = f"cn=Replication Agreements,cn=PSC1,{servers}"

    found = vmdir_entries.topology(
        DOMAIN,
        controllers=[_entry("cn=PSC1,ou=Domain Controllers,dc=x")],
        computers=[],
        servers=[_entry(f"cn=PSC1,{servers}", invocationId=[b"id"]), _entry("cn=odd,dc=x")],
        agreements=[
            _entry(f"labeledURI=a,{agreements}", labeledURI=[b"ldap://PSC2"]),
            _entry(f"labeledURI=b,{agreements}", labeledURI=[b"nonsense"]),
        ],
    )

    assert found.controllers == ("psc1",)
    assert [(s.name, s.site, s.invocation_id, s.partners) for s in found.servers] == [
        ("psc1", "S", "id", ("psc2",))
    ]


@pytest.mark.parametrize(
    ("value", "holds"),
    [
        (pki.pem(root()), True),
        (pki.der(root()), True),
        (pki.pem(root("other-root")) + pki.pem(root()), True),
        (pki.pem(root("other-root")), False),
        (b"", False),
        (b"garbage", False),
    ],
    ids=["pem", "der", "second", "other", "empty", "garbage"],
)
def test_holds_certificate(value, holds):
    """PEM text as vmdir has it, and DER in case, are compared as certificates."""
    assert vmdir_entries.holds_certificate(value, pki.der(root())) is holds


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl command here")
def test_one_line_name_is_openssls(tmp_path):
    """OpenSSL's own command prints the same line."""
    (tmp_path / "root.pem").write_bytes(pki.pem(root()))

    printed = subprocess.run(
        ["openssl", "x509", "-noout", "-subject", "-nameopt", "compat", "-in", "root.pem"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert printed.strip() == "subject=" + vmdir_entries.one_line(root().subject)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Entry already exists", "Entry already exists"),
        ("value (0\x82\x04\xbd\x02\x01) refused", "value (0[...]"),
        ("cut\x00here", "cut[...]"),
        ("x" * 500, "x" * 155 + "[...]"),
        ("", ""),
        ("é", ""),
    ],
)
def test_plain_text_shows_no_value(text, shown):
    """A server's text is cut at the first character that could be part of a key."""
    assert plain_text(text) == shown
