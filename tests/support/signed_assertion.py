"""Makes signed SAML assertions, right and wrong in every way a test asks for."""

from __future__ import annotations

import base64
import functools
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree

from ready_keys import another_key
from stsfix.lab import pki

if TYPE_CHECKING:
    from cryptography import x509

SAML2 = "urn:oasis:names:tc:SAML:2.0:assertion"
DS = "http://www.w3.org/2000/09/xmldsig#"
EXC = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
MORE = "http://www.w3.org/2001/04/xmldsig-more#"
XMLENC = "http://www.w3.org/2001/04/xmlenc#"
RSA_SHA256 = f"{MORE}rsa-sha256"
SHA256 = f"{XMLENC}sha256"


@dataclass(frozen=True, kw_only=True)
class Signer:
    """A key with its chain, leaf first."""

    key: rsa.RSAPrivateKey
    chain: tuple[x509.Certificate, ...]

    @property
    def leaf(self) -> bytes:
        """DER of the leaf."""
        return pki.der(self.chain[0])

    @property
    def sha256(self) -> str:
        """Fingerprint of the leaf."""
        return pki.sha256(self.chain[0])


@functools.cache
def signer(name: str = "STS") -> Signer:
    """Return a signer below a root of its own; the same one for the same name."""
    start, end = pki.days_from_now(-1), pki.days_from_now(3650)
    root_key = another_key()
    root = pki.vmca_root(
        root_key, domain="vsphere.local", host="vc1.lab.example", not_before=start, not_after=end
    )
    key = another_key()
    leaf = pki.vmca_leaf(
        key,
        issuer=root,
        issuer_key=root_key,
        common_name=name,
        not_before=start,
        not_after=end,
    )
    return Signer(key=key, chain=(leaf, root))


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How an assertion is made; the defaults are what an STS does."""

    assertion_id: str = "_1"
    name_id: str = "Administrator@VSPHERE.LOCAL"
    attribute: str = ""
    signature_algorithm: str = RSA_SHA256
    digest_algorithm: str = SHA256
    transforms: tuple[str, ...] = (ENVELOPED, EXC)
    canonicalization: str = EXC
    uri: str | None = None
    after_signature: str = ""
    prefixes: str = ""
    chain_reversed: bool = False

    def assertion(self, inside: str = "") -> str:
        """Return the XML with *inside* where the signature belongs."""
        return (
            f'<saml2:Assertion xmlns:saml2="{SAML2}" ID="{self.assertion_id}" Version="2.0" '
            'IssueInstant="2026-03-01T12:00:00.000Z">'
            "<saml2:Issuer>https://vc1.lab.example/websso/SAML2/Metadata/vsphere.local"
            f"</saml2:Issuer>{inside}{self.after_signature}"
            "<saml2:Subject><saml2:NameID "
            f'Format="http://schemas.xmlsoap.org/claims/UPN">{self.name_id}</saml2:NameID>'
            "</saml2:Subject>"
            '<saml2:Conditions NotBefore="2026-03-01T12:00:00.000Z" '
            'NotOnOrAfter="2026-03-01T12:05:00.000Z"/>'
            f"{self.attribute}</saml2:Assertion>"
        )


def _hash(algorithm: str) -> hashes.HashAlgorithm:
    for suffix, found in (("384", hashes.SHA384()), ("512", hashes.SHA512())):
        if algorithm.endswith(suffix):
            return found
    return hashes.SHA1() if algorithm.endswith("sha1") else hashes.SHA256()


def canonical(xml: bytes | etree._Element, prefixes: str = "") -> bytes:
    """Return exclusive canonical XML without comments."""
    element = etree.fromstring(xml) if isinstance(xml, bytes) else xml
    return etree.tostring(
        element,
        method="c14n",
        exclusive=True,
        with_comments=False,
        inclusive_ns_prefixes=prefixes.split() or None,
    )


def sign(recipe: Recipe | None = None, by: Signer | None = None, outside: str = "{}") -> bytes:
    """Return the signed assertion; *outside* is the XML around it with one ``{}``."""
    recipe = recipe or Recipe()
    by = by or signer()
    unsigned = etree.fromstring(outside.format(recipe.assertion()).encode())
    target = next(unsigned.iter(f"{{{SAML2}}}Assertion"))
    digest = hashlib.new(
        _hash(recipe.digest_algorithm).name, canonical(target, recipe.prefixes)
    ).digest()
    signed_info = _signed_info(recipe, digest)
    value = by.key.sign(
        canonical(signed_info.encode()), padding.PKCS1v15(), _hash(recipe.signature_algorithm)
    )
    chain = by.chain[::-1] if recipe.chain_reversed else by.chain
    certificates = "".join(
        f"<ds:X509Certificate>{_b64(pki.der(c))}</ds:X509Certificate>" for c in chain
    )
    signature = (
        f'<ds:Signature xmlns:ds="{DS}">{signed_info}'
        f"<ds:SignatureValue>{_b64(value)}</ds:SignatureValue>"
        f"<ds:KeyInfo><ds:X509Data>{certificates}</ds:X509Data></ds:KeyInfo></ds:Signature>"
    )
    return outside.format(recipe.assertion(signature)).encode()


def _signed_info(recipe: Recipe, digest: bytes) -> str:
    uri = f"#{recipe.assertion_id}" if recipe.uri is None else recipe.uri
    inclusive = (
        f'<ec:InclusiveNamespaces xmlns:ec="{EXC}" PrefixList="{recipe.prefixes}"/>'
        if recipe.prefixes
        else ""
    )
    steps = "".join(
        f'<ds:Transform Algorithm="{name}">{inclusive if name == EXC else ""}</ds:Transform>'
        for name in recipe.transforms
    )
    return (
        f'<ds:SignedInfo xmlns:ds="{DS}">'
        f'<ds:CanonicalizationMethod Algorithm="{recipe.canonicalization}"/>'
        f'<ds:SignatureMethod Algorithm="{recipe.signature_algorithm}"/>'
        f'<ds:Reference URI="{uri}"><ds:Transforms>{steps}</ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{recipe.digest_algorithm}"/>'
        f"<ds:DigestValue>{_b64(digest)}</ds:DigestValue></ds:Reference></ds:SignedInfo>"
    )


def _b64(content: bytes) -> str:
    text = base64.b64encode(content).decode()
    return "\n".join(text[at : at + 76] for at in range(0, len(text), 76))
