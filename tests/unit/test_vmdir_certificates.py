"""What vmdir's entries say of certificates is read whole, and nothing in them can break it."""

from __future__ import annotations

import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sts_material import leaf, root
from stsfix.lab import pki
from stsfix.remediation.directory import dn
from stsfix.remediation.directory.ldap_connection import Entry
from stsfix.remediation.directory.vmdir_certificates import (
    from_base64,
    from_pem,
    owner_of,
    read_certificates,
)
from stsfix.remediation.errors import DirectoryFaultError, DirectoryUnreachableError
from stsfix.remediation.inventory_certificates import VALUE_LIMIT, ChainOwner

DOMAIN = "vsphere.local"
TENANT = dn.tenant(DOMAIN)
LEAF, ROOT = pki.der(leaf()), pki.der(root())
PEM = pki.pem(root())


def entry(name, **attributes):
    """Return an entry; attributes are lists of bytes."""
    values = {key.lower(): tuple(found) for key, found in attributes.items()}
    return Entry(dn=name, attributes=values)


def searching(**found):
    """Return a search that answers *found* by object class, an exception by raising it."""

    def search(base, of_class, attributes, *, deep):
        answer = found.get(of_class, ())
        if isinstance(answer, Exception):
            raise answer
        return answer

    return search


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (PEM, (ROOT,)),
        (b"some text\n" + PEM + b"more text\n" + pki.pem(leaf()), (ROOT, LEAF)),
        (PEM.replace(b"\n", b"\r\n"), (ROOT,)),
        (PEM[:-10], (PEM[:-10],)),
        (ROOT, (ROOT,)),
        (b"", (b"",)),
    ],
    ids=["one", "two with text", "CRLF", "cut", "DER", "empty"],
)
def test_pem_text_is_taken_apart(value, expected):
    """Each block is a certificate; what has no block stays as it is."""
    found = from_pem(value)

    assert found == expected


def test_many_beginnings_without_an_end_take_no_time():
    """Text made to be slow is not."""
    started = time.thread_time()

    from_pem(b"-----BEGIN CERTIFICATE-----" * 400_000)
    from_pem(b"-----BEGIN CERTIFICATE----------END CERTIFICATE-----" * 100_000)

    assert time.thread_time() - started < 2


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (base64.b64encode(LEAF), LEAF),
        (base64.encodebytes(LEAF), LEAF),
        (b"no base64!", b"no base64!"),
        (b"\xff\xfe", b"\xff\xfe"),
    ],
)
def test_base64_is_decoded_or_kept(value, expected):
    """White space does not matter; other bytes are kept, to be called malformed later."""
    found = from_base64(value)

    assert found == expected


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        (f"cn=TrustedCertChain-1,cn=TrustedCertificateChains,{TENANT}", ChainOwner.STS),
        (f"CN=x, CN=TRUSTEDCERTIFICATECHAINS , {TENANT.upper()}", ChainOwner.STS),
        (
            (
                "cn=DefaultClientCertCAStore,cn=ClientCertAuthnTrustedCAs,cn=Default,"
                f"cn=ClientCertificatePolicies,{TENANT}"
            ),
            ChainOwner.SMART_CARD,
        ),
        (
            f"cn=TrustedCertChain-1,cn=TrustedCertificateChains,cn=a\\,b,cn=ExternalIdpConfigs,{TENANT}",
            ChainOwner.EXTERNAL_IDP,
        ),
        (f"cn=TrustedCertChain-1,cn=IdmCertificates,{TENANT}", ChainOwner.UNKNOWN),
        (f"cn=TrustedCertChain-1,{TENANT}", ChainOwner.UNKNOWN),
        (TENANT, ChainOwner.UNKNOWN),
        ("", ChainOwner.UNKNOWN),
    ],
)
def test_place_tells_whose_a_chain_is(name, owner):
    """Only what is right below the tenant's own container belongs to the STS."""
    found = owner_of(name, TENANT)

    assert found is owner


def test_refused_part_costs_that_part_only():
    """A search that vmdird refuses is told; the others are read."""
    refused = DirectoryFaultError("vc1", "search", 53, "Full scan of Entry DB is required.")
    user = entry("cn=machine-1,cn=ServicePrincipals", userCertificate=[LEAF])

    found = read_certificates(
        "vc1", DOMAIN, searching(vmwCertificationAuthority=refused, vmwServicePrincipal=[user])
    )

    assert [part.what for part in found.unread] == ["trusted roots"]
    assert not found.has_read("trusted roots")
    assert [u.certificates for u in found.solution_users] == [(LEAF,)]


def test_lost_directory_is_no_refused_part():
    """A connection that is gone ends the whole reading."""
    lost = DirectoryUnreachableError("vc1", "connection reset")

    with pytest.raises(DirectoryUnreachableError):
        read_certificates("vc1", DOMAIN, searching(vmwServicePrincipal=lost))


def test_huge_values_are_cut():
    """What is far too long for a certificate is not kept whole, and is none."""
    huge = b"x" * 10_000_000
    user = entry("cn=machine-1,cn=ServicePrincipals", userCertificate=[huge], cn=[huge])
    authority = entry(
        "cn=A,cn=Certificate-Authorities",
        cACertificate=[huge],
        cACertificateDN=[huge],
        certificateRevocationList=[huge],
    )

    found = read_certificates(
        "vc1", DOMAIN, searching(vmwServicePrincipal=[user], vmwCertificationAuthority=[authority])
    )

    assert found.solution_users[0].certificates == (huge[:VALUE_LIMIT],)
    assert found.roots[0].certificates == (huge[:VALUE_LIMIT],)
    assert len(found.roots[0].subject) == 1000
    assert (found.roots[0].crl_count, found.roots[0].crl_bytes) == (1, len(huge))


def test_endpoints_find_their_registration_whatever_the_spelling():
    """Parents are compared as DNs; an endpoint without one is left out."""
    service = entry("cn=S,cn=Sites", vmwLKUPType=[b"cs.identity"])
    ours = entry("cn=Endpoint0, CN=s, CN=sites", vmwLKUPURI=[b"https://vc1/sts"])
    orphan = entry("cn=Endpoint0,cn=other,cn=Sites", vmwLKUPURI=[b"https://vc2/sts"])

    found = read_certificates(
        "vc1",
        DOMAIN,
        searching(vmwLKUPServiceRegistration=[service], vmwLKUPEndpointRegistration=[orphan, ours]),
    )

    assert [e.uri for r in found.registrations for e in r.endpoints] == ["https://vc1/sts"]


BYTES = st.lists(st.binary(max_size=80), max_size=3)


@given(st.text(max_size=40), BYTES, BYTES)
def test_any_entry_can_be_read(name, one, other):
    """No DN and no value of an entry makes the reader raise."""
    attributes = (
        dn.CN,
        dn.CERTIFICATE,
        dn.SUBJECT_DN,
        dn.CA_CERTIFICATE,
        dn.CA_CERTIFICATE_DN,
        dn.REVOCATION_LIST,
        dn.CONNECTION_STRINGS,
        dn.LOOKUP_URI,
        dn.LOOKUP_TRUST,
        dn.LOOKUP_TYPE,
    )
    values = dict.fromkeys(attributes, one) | {dn.LOOKUP_TRUST: other, dn.STORE_NAME: other}
    odd = entry(name, **values)

    found = read_certificates("vc1", DOMAIN, lambda *_, **__: [odd, odd])

    assert found.unread == ()
    assert len(found.chains) == 2
