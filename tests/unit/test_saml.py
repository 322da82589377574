"""XML signatures of assertions: what is accepted, and every attack that is not."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signed_assertion import DS, ENVELOPED, EXC, MORE, SAML2, XMLENC, Recipe, sign, signer
from stsfix.remediation.errors import ProofError
from stsfix.remediation.logins.saml import verify_assertion
from stsfix.snapshot.secret import Secret

SHA1_SIGNATURE = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
SHA1_DIGEST = "http://www.w3.org/2000/09/xmldsig#sha1"
C14N_1_0 = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
XPATH = "http://www.w3.org/TR/1999/REC-xpath-19991116"
TYPED = (
    '<saml2:AttributeStatement><saml2:Attribute Name="g"><saml2:AttributeValue '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
    'xmlns:xs="http://www.w3.org/2001/XMLSchema" xsi:type="xs:string">a&amp;ö'
    "</saml2:AttributeValue></saml2:Attribute></saml2:AttributeStatement>"
)
ENVELOPE = (
    '<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:xs="http://www.w3.org/2001/XMLSchema"><S:Body>{}</S:Body></S:Envelope>'
)


def verify(document):
    """Verify bytes."""
    return verify_assertion(Secret(document), node="vc1.lab.example")


def refusal(document):
    """Return why *document* is refused."""
    with pytest.raises(ProofError) as caught:
        verify(document)
    return caught.value.reason


def test_reads_a_signed_assertion():
    """A sound assertion gives its leaf, subject and period."""
    token = verify(sign())

    assert token.leaf_sha256 == signer().sha256
    assert token.subject == "Administrator@VSPHERE.LOCAL"
    assert token.not_before == datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    assert token.not_on_or_after == datetime(2026, 3, 1, 12, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(signature_algorithm=f"{MORE}rsa-sha384", digest_algorithm=f"{MORE}sha384"),
        Recipe(signature_algorithm=f"{MORE}rsa-sha512", digest_algorithm=f"{XMLENC}sha512"),
        Recipe(attribute=TYPED, prefixes="xs"),
        Recipe(attribute=TYPED, prefixes="xs #default"),
        Recipe(after_signature="\n   "),
        Recipe(name_id="a&amp;b@c"),
    ],
    ids=["sha384", "sha512", "prefix-list", "default-prefix", "text-after-signature", "escaped"],
)
@pytest.mark.parametrize("outside", ["{}", ENVELOPE], ids=["bare", "in-a-message"])
def test_accepts_what_an_sts_may_send(recipe, outside):
    """Allowed algorithms, prefix lists and text next to the signature verify."""
    assert verify(sign(recipe, outside=outside)).leaf_sha256 == signer().sha256


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        (Recipe(signature_algorithm=SHA1_SIGNATURE), "signature algorithm"),
        (Recipe(digest_algorithm=SHA1_DIGEST), "digest algorithm"),
        (Recipe(canonicalization=C14N_1_0), "canonicalised exclusively"),
        (Recipe(canonicalization=f"{EXC}WithComments"), "canonicalised exclusively"),
        (Recipe(transforms=(ENVELOPED, EXC, XPATH)), "other transforms"),
        (Recipe(transforms=(ENVELOPED, f"{EXC}WithComments")), "other transforms"),
        (Recipe(transforms=(EXC,)), "other transforms"),
        (Recipe(transforms=(EXC, ENVELOPED)), "other transforms"),
        (Recipe(uri=""), "something else"),
        (Recipe(uri="#_2"), "something else"),
        (Recipe(uri="http://evil.example/"), "something else"),
        (Recipe(assertion_id="", uri="#"), "no ID"),
        (Recipe(chain_reversed=True), "first certificate's key"),
    ],
)
def test_refuses_what_no_sts_signs_like(recipe, reason):
    """A correctly computed signature of another shape proves nothing."""
    assert reason in refusal(sign(recipe))


def test_refuses_a_changed_byte():
    """One changed letter of the subject breaks the digest."""
    assert "digest differs" in refusal(sign().replace(b"Administrator@", b"administrator@"))


def test_refuses_a_changed_signed_info():
    """A digest that fits a changed assertion needs the key to be signed."""
    honest, forged = sign(), sign(Recipe(name_id="Mallory@VSPHERE.LOCAL"), by=signer("Mallory"))
    digest = re.findall(rb"<ds:DigestValue>.*?</ds:DigestValue>", forged)[0]
    swapped = re.sub(rb"<ds:DigestValue>.*?</ds:DigestValue>", digest, honest)

    assert "first certificate's key" in refusal(swapped.replace(b"Administrator@", b"Mallory@"))


def test_names_the_certificate_that_signed():
    """A token of another key verifies, as that key's: comparing is the caller's job."""
    assert verify(sign(by=signer("Mallory"))).leaf_sha256 == signer("Mallory").sha256


def test_refuses_another_certificate_in_front():
    """Putting the honest leaf before the forger's own does not make it the signer."""
    honest = b"<ds:X509Certificate>" + base64.b64encode(signer().leaf) + b"</ds:X509Certificate>"
    forged = sign(by=signer("Mallory")).replace(b"<ds:X509Data>", b"<ds:X509Data>" + honest)

    assert "first certificate's key" in refusal(forged)


def test_reads_a_name_with_a_comment_whole():
    """A comment splits the text for careless readers; the whole name is returned."""
    document = sign(Recipe(name_id="administrator@vsphere.local.evil.example"))
    commented = document.replace(b"vsphere.local.evil", b"vsphere.local<!---->.evil")

    assert verify(commented).subject == "administrator@vsphere.local.evil.example"


def wrapped(outer: str) -> bytes:
    """Return an evil assertion with the honest one somewhere *outer* puts it."""
    honest = sign().decode()
    return outer.replace("HONEST", honest).replace("SAML2", SAML2).encode()


EVIL = (
    '<a:Assertion xmlns:a="SAML2" ID="_evil"><a:Subject><a:NameID>evil</a:NameID></a:Subject>{}'
    "</a:Assertion>"
)


@pytest.mark.parametrize(
    "outer",
    [
        EVIL.format("<a:Advice>HONEST</a:Advice>"),
        "<r>" + EVIL.format("") + "HONEST</r>",
        "<r>HONEST" + EVIL.format("") + "</r>",
        f'<r><ds:Object xmlns:ds="{DS}">HONEST</ds:Object>' + EVIL.format("") + "</r>",
    ],
    ids=["in-advice", "before", "after", "in-object"],
)
def test_refuses_a_second_assertion(outer):
    """Wherever the honest assertion was moved, a second one beside it is refused."""
    assert "2 assertions" in refusal(wrapped(outer))


def test_refuses_a_signature_moved_out():
    """The signature must be a direct child of what it signs."""
    document = sign().decode()
    signature = re.findall(r"<ds:Signature .*</ds:Signature>", document, re.DOTALL)[0]
    moved = f"<r>{document.replace(signature, '')}{signature}</r>"
    deeper = document.replace(signature, f"<x>{signature}</x>")

    assert "no direct child" in refusal(moved.encode())
    assert "no direct child" in refusal(deeper.encode())


def test_refuses_two_signatures():
    """With two signatures it is not clear which one counts."""
    document = sign().decode()
    signature = re.findall(r"<ds:Signature .*</ds:Signature>", document, re.DOTALL)[0]

    assert "2 signatures" in refusal(document.replace(signature, signature * 2).encode())


@pytest.mark.parametrize("name", ["ID", "Id", "id", "xml:id", "wsu:Id"])
def test_refuses_a_duplicate_id(name):
    """An ID that occurs twice, in whatever attribute, could mean another element."""
    outside = f'<r xmlns:wsu="urn:u"><x {name}="_1"/>{{}}</r>'

    assert "occurs twice" in refusal(outside.format(sign().decode()).encode())


def test_refuses_an_unsigned_assertion():
    """No signature, no token."""
    assert "0 signatures" in refusal(Recipe().assertion().encode())


def test_refuses_an_assertion_of_another_namespace():
    """SAML 1.1, or an element that only looks alike, is no assertion."""
    assert "0 assertions" in refusal(sign().replace(SAML2.encode(), b"urn:other"))


@pytest.mark.parametrize(
    "tamper",
    [
        (rb"<ds:KeyInfo>.*</ds:KeyInfo>", b""),
        (rb"<ds:X509Certificate>.*</ds:X509Certificate>", b""),
        (rb"<ds:X509Certificate>", b"<ds:X509Certificate>AAAA"),
        (rb"<ds:X509Certificate>", b"<ds:X509Certificate>!"),
        (rb"<ds:SignatureValue>", b"<ds:SignatureValue>\xc3\xb6"),
        (rb"<ds:Transforms>.*</ds:Transforms>", b""),
        (rb"<ds:SignatureMethod .*?/>", b""),
        (rb"<ds:SignedInfo ", b'<ds:SignedInfo xmlns:rel="relative/uri" rel:a="" '),
        (rb"<saml2:Assertion ", b"<!DOCTYPE a [<!ENTITY b 'c'>]><saml2:Assertion "),
        (rb"</saml2:Assertion>", b""),
    ],
)
def test_refuses_broken_tokens_by_name(tamper):
    """Whatever is missing or malformed ends in a ProofError, never another exception."""
    pattern, replacement = tamper
    broken = re.sub(pattern, replacement, sign(), count=1, flags=re.DOTALL)

    assert refusal(broken).startswith("the token is not proven")


SOUND = sign()


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@given(at=st.integers(0, len(SOUND) - 1), byte=st.integers(0, 255))
def test_one_changed_byte_never_changes_what_is_read(at, byte):
    """Any one changed byte is refused, or changes nothing that was signed.

    KeyInfo is not signed: another certificate of the same key shows by its fingerprint.
    """
    changed = SOUND[:at] + bytes([byte]) + SOUND[at + 1 :]

    try:
        token = verify(changed)
    except ProofError:
        return
    assert replace(token, leaf_sha256=signer().sha256) == verify(SOUND)


@given(st.binary(max_size=200))
def test_other_bytes_are_refused(content):
    """No input makes the verifier raise anything but ProofError."""
    assert refusal(content)


def test_never_prints_the_token():
    """A bearer token is a secret: errors do not quote it."""
    document = sign(Recipe(signature_algorithm=SHA1_SIGNATURE, name_id="topsecretname"))

    assert "topsecretname" not in refusal(document)
