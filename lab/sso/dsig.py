"""Enveloped XML signatures as the STS makes them: exclusive c14n, RSA-SHA256, whole chain.

Source: XML Signature 1.1 sections 3 and 6.6.4, exc-c14n 1.0; the PrefixList "xs xsi" and the
chunked base64 are as in a token of a vCenter that govmomi keeps as test data
(sts/internal/types_test.go@v0.17.1).
"""

from __future__ import annotations

import base64
import copy
import hashlib
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree

from stsfix.lab import pki
from stsfix.lab.sso.names import DS, ENVELOPED, EXC_C14N, RSA_SHA256, SHA256

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFIXES = ("xs", "xsi")
_EC = {"ec": EXC_C14N}
_NS = {"ds": DS}


class SignatureInvalidError(Exception):
    """A signature that does not prove what it is asked for; the text says why."""


def parse(document: bytes | str) -> etree._Element:
    """Return the root of *document*.

    Raises:
        ValueError: It is not XML, or it has a document type.
    """
    raw = document.encode() if isinstance(document, str) else document
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    try:
        root = etree.fromstring(raw, parser)
    except etree.XMLSyntaxError as error:
        raise ValueError(str(error)) from error
    document_info: Any = root.getroottree().docinfo  # lxml-stubs lack doctype
    if document_info.doctype:
        raise ValueError("a document type is not allowed")
    return root


def canonical(element: etree._Element, prefixes: Sequence[str] = ()) -> bytes:
    """Return the exclusive canonical form of *element*, without comments and without its tail."""
    if prefixes:
        # lxml forgets inclusive prefixes that no parser has put into the document's dictionary.
        element = parse(etree.tostring(element, with_tail=False))
    return etree.tostring(
        element,
        method="c14n",
        exclusive=True,
        with_comments=False,
        inclusive_ns_prefixes=list(prefixes) or None,
        with_tail=False,
    )


def chunked(raw: bytes) -> str:
    """Return base64 in lines of 76 characters."""
    return "\n".join(textwrap.wrap(base64.b64encode(raw).decode(), 76))


def sign_enveloped(
    root: etree._Element, key: rsa.RSAPrivateKey, chain: Sequence[x509.Certificate]
) -> None:
    """Put a signature of *root* (which has an ID) behind its first child.

    KeyInfo carries the whole *chain*, leaf first. Nothing checks that *key* belongs to it: the
    STS does not either (DirectoryConfigStore.java, lightwave@a04d9171).
    """
    digest = hashlib.sha256(canonical(root, PREFIXES)).digest()
    signature = etree.Element(f"{{{DS}}}Signature", nsmap=_NS)
    info = _child(signature, "SignedInfo")
    _child(info, "CanonicalizationMethod", Algorithm=EXC_C14N)
    _child(info, "SignatureMethod", Algorithm=RSA_SHA256)
    reference = _child(info, "Reference", URI="#" + str(root.get("ID")))
    transforms = _child(reference, "Transforms")
    _child(transforms, "Transform", Algorithm=ENVELOPED)
    exclusive = _child(transforms, "Transform", Algorithm=EXC_C14N)
    prefix_list = etree.SubElement(exclusive, f"{{{EXC_C14N}}}InclusiveNamespaces", nsmap=_EC)
    prefix_list.set("PrefixList", " ".join(PREFIXES))
    _child(reference, "DigestMethod", Algorithm=SHA256)
    _child(reference, "DigestValue").text = base64.b64encode(digest).decode()
    value = _child(signature, "SignatureValue")
    data = _child(_child(signature, "KeyInfo"), "X509Data")
    for certificate in chain:
        _child(data, "X509Certificate").text = chunked(pki.der(certificate))
    root.insert(1, signature)
    value.text = chunked(key.sign(canonical(info), padding.PKCS1v15(), hashes.SHA256()))


def _child(parent: etree._Element, name: str, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{DS}}}{name}", attributes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What a signature proved: *content*, the canonical bytes, was signed by the key of the
    first of *certificates*. Read the content from there: comments in the original can cut its
    texts in two and leave the signature whole.
    """

    certificates: tuple[x509.Certificate, ...]
    content: bytes


def verify_enveloped(root: etree._Element) -> Signed:
    """Check that exactly *root* is signed by the key of the first certificate in its signature.

    Returns:
        The content and all certificates of KeyInfo. Nothing is said about trust in them.

    Raises:
        SignatureInvalidError: No signature as a child, more than one, another element signed,
            other algorithms, a wrong digest or a wrong signature.
    """
    signatures = root.findall("ds:Signature", _NS)
    if len(signatures) != 1:
        raise SignatureInvalidError(f"{len(signatures)} signatures")
    signature = signatures[0]
    certificates = _certificates(signature)
    info = _only(signature, "ds:SignedInfo")
    _require(info, "ds:CanonicalizationMethod", EXC_C14N)
    _require(info, "ds:SignatureMethod", RSA_SHA256)
    check_signature(signature, certificates[0], canonical(info))
    reference = _only(info, "ds:Reference")
    if reference.get("URI") != "#" + root.get("ID", ""):
        raise SignatureInvalidError("the signature covers another element")
    _require(reference, "ds:DigestMethod", SHA256)
    expected = _decoded(_only(reference, "ds:DigestValue"))
    content = _without_signature(root, _prefixes(reference))
    if hashlib.sha256(content).digest() != expected:
        raise SignatureInvalidError("the digest does not match")
    return Signed(certificates=certificates, content=content)


def check_signature(
    signature: etree._Element, certificate: x509.Certificate, signed: bytes
) -> None:
    """Check SignatureValue of *signature* over *signed* with the key of *certificate*.

    Raises:
        SignatureInvalidError: It does not verify.
    """
    public = certificate.public_key()
    if not isinstance(public, rsa.RSAPublicKey):
        raise SignatureInvalidError("the signer's key is not RSA")
    value = _decoded(_only(signature, "ds:SignatureValue"))
    try:
        public.verify(value, signed, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature as error:
        raise SignatureInvalidError("the signature value does not verify") from error


def _certificates(signature: etree._Element) -> tuple[x509.Certificate, ...]:
    found = signature.findall("ds:KeyInfo/ds:X509Data/ds:X509Certificate", _NS)
    if not found:
        raise SignatureInvalidError("no certificate in KeyInfo")
    try:
        return tuple(x509.load_der_x509_certificate(_decoded(item)) for item in found)
    except ValueError as error:
        raise SignatureInvalidError(f"a certificate of KeyInfo is malformed: {error}") from error


def _prefixes(reference: etree._Element) -> list[str]:
    transforms = _only(reference, "ds:Transforms").findall("ds:Transform", _NS)
    if [item.get("Algorithm") for item in transforms] != [ENVELOPED, EXC_C14N]:
        raise SignatureInvalidError("unexpected transforms")
    listed = transforms[1].find("ec:InclusiveNamespaces", _EC)
    return [] if listed is None else listed.get("PrefixList", "").split()


def _without_signature(root: etree._Element, prefixes: Sequence[str]) -> bytes:
    bare = copy.deepcopy(root)
    signature = _only(bare, "ds:Signature")
    previous = signature.getprevious()
    if signature.tail and previous is not None:  # the transform leaves text around it
        previous.tail = (previous.tail or "") + signature.tail
    bare.remove(signature)
    return canonical(bare, prefixes)


def _only(parent: etree._Element, path: str) -> etree._Element:
    found = parent.findall(path, _NS)
    if len(found) != 1:
        raise SignatureInvalidError(f"{len(found)} elements {path}")
    return found[0]


def _require(parent: etree._Element, path: str, algorithm: str) -> None:
    if _only(parent, path).get("Algorithm") != algorithm:
        raise SignatureInvalidError(f"unexpected algorithm in {path}")


def _decoded(element: etree._Element) -> bytes:
    try:
        return base64.b64decode("".join((element.text or "").split()), validate=True)
    except ValueError as error:
        raise SignatureInvalidError("malformed base64") from error
