"""SAML metadata and JWKS of an STS."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signed_assertion import signer
from stsfix.lab import pki
from stsfix.remediation.web.metadata import MetadataError, parse_jwks, parse_signing_chain

LEAF, ROOT = (pki.der(certificate) for certificate in signer().chain)


def certificate(der, *, lines=True):
    """Return an X509Certificate element as SAMLExporter writes it."""
    text = base64.encodebytes(der).decode() if lines else base64.b64encode(der).decode()
    return f"<ds:X509Certificate>\n  {text}\t</ds:X509Certificate>"


def key(*ders, use=' use="signing"'):
    """Return a KeyDescriptor."""
    inside = "".join(certificate(der) for der in ders)
    return (
        f"<KeyDescriptor{use}><ds:KeyInfo><ds:X509Data>{inside}</ds:X509Data></ds:KeyInfo>"
        "</KeyDescriptor>"
    )


def document(idp, sp="", root="EntityDescriptor", namespace=""):
    """Return metadata with that content."""
    entity = f"<IDPSSODescriptor>{idp}</IDPSSODescriptor><SPSSODescriptor>{sp}</SPSSODescriptor>"
    if root == "EntitiesDescriptor":
        entity = f"<EntityDescriptor>{entity}</EntityDescriptor>"
    return (
        f'<{root} xmlns:ds="http://www.w3.org/2000/09/xmldsig#"{namespace}>{entity}</{root}>'
    ).encode()


@pytest.mark.parametrize(
    "content",
    [
        document(key(LEAF, ROOT)),
        document(key(LEAF, ROOT), namespace=' xmlns="urn:oasis:names:tc:SAML:2.0:metadata"'),
        document(key(LEAF, ROOT), root="EntitiesDescriptor"),
        document(key(ROOT, use=' use="encryption"') + key(LEAF, ROOT)),
        document(key(LEAF, ROOT, use="")),
        document(key() + key(LEAF, ROOT)),
        document(key(LEAF, ROOT), sp=key(ROOT)),
    ],
    ids=["plain", "namespace", "entities", "encryption-first", "no-use", "empty-first", "sp"],
)
def test_reads_the_identity_providers_chain(content):
    """The chain comes from the signing key of the identity provider, leaf first."""
    assert parse_signing_chain(content) == (LEAF, ROOT)


@pytest.mark.parametrize(
    "content",
    [
        document(""),
        document("", sp=key(LEAF)),
        document(key(LEAF, use=' use="encryption"')),
        document(key(b"no certificate")),
        document(key(LEAF).replace("MII", "!!!")),
        b"<html>Bad Request</html>",
        b"",
        b"<!DOCTYPE a><a/>",
    ],
)
def test_refuses_other_answers(content):
    """An answer without a readable signing certificate is an error, never a guess."""
    with pytest.raises(MetadataError):
        parse_signing_chain(content)


def jwk(**changes):
    """Return the key of a JWKS."""
    numbers = signer().key.public_key().public_numbers()
    encoded = {
        name: base64.urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))
        .decode()
        .rstrip("=")
        for name, value in (("n", numbers.n), ("e", numbers.e))
    }
    return {"kty": "RSA", "use": "sig", "alg": "RS256", **encoded, **changes}


@pytest.mark.parametrize("chain", [None, [base64.b64encode(LEAF).decode()]], ids=["v1.0", "x5c"])
def test_reads_jwks_with_and_without_certificates(chain):
    """Modulus and exponent always; the leaf with builds since 2017."""
    content = json.dumps({"keys": [jwk(x5c=chain) if chain else jwk(), {"kty": "EC"}]})

    (published,) = parse_jwks(content.encode())

    assert int(published.modulus, 16) == signer().key.public_key().public_numbers().n
    assert published.exponent == 65537
    assert published.leaf == (LEAF if chain else None)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys": 1}',
        b'{"keys": ["RSA"]}',
        b'{"keys": [{"kty": "RSA"}]}',
        json.dumps({"keys": [jwk(n=1)]}).encode(),
        json.dumps({"keys": [jwk(n="\xe4")]}).encode(),
        json.dumps({"keys": [jwk(x5c=["AAAA"])]}).encode(),
        json.dumps({"keys": [jwk(x5c=5)]}).encode(),
        b"[" * 100000,
    ],
)
def test_refuses_other_jwks(content):
    """Whatever is no complete JWKS is an error."""
    with pytest.raises(MetadataError):
        parse_jwks(content)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(content):
    """No answer makes the readers raise anything else."""
    with pytest.raises(MetadataError):
        parse_signing_chain(content)
    with pytest.raises(MetadataError):
        parse_jwks(content)
