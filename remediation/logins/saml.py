"""The XML signature of a SAML 2.0 assertion, verified here, and what the assertion says.

What is believed is only what was signed: subject and times are read from the canonical bytes
whose digest was compared, parsed anew. Source: XML Signature 1.1, Exclusive XML Canonicalization
1.0, SAML 2.0 core 5.4; for wrapping attacks Somorovsky et al., "On Breaking SAML" (2012).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree

from stsfix.remediation.errors import ProofError
from stsfix.remediation.model import VerifiedToken
from stsfix.remediation.web.xml import XmlRefusedError, parse, text_of
from stsfix.snapshot.words import shortened

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stsfix.snapshot.secret import Secret

_SAML2 = "{urn:oasis:names:tc:SAML:2.0:assertion}"
_DS = "{http://www.w3.org/2000/09/xmldsig#}"
_EXC_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
_ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
_XMLENC = "http://www.w3.org/2001/04/xmlenc#"
_SIGNATURES: dict[str, hashes.HashAlgorithm] = {
    f"{_MORE}rsa-sha256": hashes.SHA256(),
    f"{_MORE}rsa-sha384": hashes.SHA384(),
    f"{_MORE}rsa-sha512": hashes.SHA512(),
}
_DIGESTS = {f"{_XMLENC}sha256": "sha256", f"{_MORE}sha384": "sha384", f"{_XMLENC}sha512": "sha512"}
_XML_ID = "{http://www.w3.org/XML/1998/namespace}id"


class _NotProvenError(Exception):
    """Why the signature proves nothing; one clause without any of the token's content."""


@dataclass(frozen=True, slots=True)
class _Reference:
    """The one Reference: what was digested how."""

    digest: bytes
    algorithm: str
    prefixes: tuple[str, ...]


def verify_assertion(document: Secret[bytes], *, node: str) -> VerifiedToken:
    """Verify the one assertion of *document* and return what its signed content says.

    Proven afterwards: the assertion, whole, was signed by the key of the first certificate of
    its KeyInfo (the leaf; the STS sends its chain along, leaf first). Not proven: that this
    leaf is a trusted one - comparing it is the caller's job; KeyInfo itself is not signed, so
    another certificate of the same key would show by its fingerprint - and that the times are now.

    Args:
        document: An assertion or a message around it; a bearer token, hence secret.
        node: Whom it came from, for the result and for messages.

    Raises:
        ProofError: Not exactly one assertion with exactly one signature over all of it by an
            allowed algorithm, or the signature does not verify.
    """
    try:
        return _verified(document.reveal(), node)
    except (_NotProvenError, XmlRefusedError) as error:
        raise ProofError(node, "sts-token", f"the token is not proven: {error}") from None


def _verified(document: bytes, node: str) -> VerifiedToken:
    root = parse(document)
    assertion = _only(root.iter(f"{_SAML2}Assertion"), "assertion")
    signature = _only(root.iter(f"{_DS}Signature"), "signature")
    if signature.getparent() is not assertion:
        raise _NotProvenError("the signature is no direct child of the assertion")
    _check_ids(root, assertion)
    leaf = _check_signed_info(signature)
    reference = _read_reference(signature, assertion.get("ID", ""))
    # From here on the tree is changed: the enveloped-signature transform.
    _take_out(signature)
    canonical = _canonical(assertion, reference.prefixes)
    digest = hashlib.new(reference.algorithm, canonical).digest()
    if not hmac.compare_digest(digest, reference.digest):
        raise _NotProvenError("the digest differs: the assertion was changed")
    return _read_token(canonical, node, hashlib.sha256(leaf).hexdigest())


def _only(found: Iterable[etree._Element], what: str) -> etree._Element:
    elements = list(found)
    if len(elements) != 1:
        raise _NotProvenError(f"{len(elements)} {what}s instead of one")
    return elements[0]


def _child(parent: etree._Element, name: str) -> etree._Element:
    return _only(parent.findall(name), etree.QName(name).localname)


def _check_ids(root: etree._Element, assertion: etree._Element) -> None:
    if not assertion.get("ID"):
        raise _NotProvenError("the assertion has no ID")
    seen = Counter(
        value
        for element in root.iter(etree.Element)
        for name, value in element.attrib.items()
        if name == _XML_ID or etree.QName(name).localname.lower() == "id"
    )
    if any(count > 1 for count in seen.values()):
        raise _NotProvenError("an ID occurs twice")


def _check_signed_info(signature: etree._Element) -> bytes:
    """Verify SignedInfo with the first certificate of KeyInfo and return that one's DER."""
    signed_info = _child(signature, f"{_DS}SignedInfo")
    method = _child(signed_info, f"{_DS}CanonicalizationMethod")
    if method.get("Algorithm") != _EXC_C14N:
        raise _NotProvenError("SignedInfo is not canonicalised exclusively")
    named = _child(signed_info, f"{_DS}SignatureMethod").get("Algorithm", "")
    algorithm = _SIGNATURES.get(named)
    if algorithm is None:
        raise _NotProvenError(f"signature algorithm {shortened(named, 80)!r} is not allowed")
    signed = _canonical(signed_info, _prefixes(method))
    value = _decoded(_child(signature, f"{_DS}SignatureValue"))
    leaf = _first_certificate(signature)
    try:
        _public_key(leaf).verify(value, signed, padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        raise _NotProvenError("the signature is not one of the first certificate's key") from None
    return leaf


def _first_certificate(signature: etree._Element) -> bytes:
    key_info = _child(signature, f"{_DS}KeyInfo")
    first = next(key_info.iter(f"{_DS}X509Certificate"), None)
    if first is None:
        raise _NotProvenError("the signature carries no certificate")
    return _decoded(first)


def _public_key(leaf: bytes) -> rsa.RSAPublicKey:
    try:
        key = x509.load_der_x509_certificate(leaf).public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise _NotProvenError("the first certificate cannot be read") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise _NotProvenError("the first certificate's key is no RSA key")
    return key


def _read_reference(signature: etree._Element, wanted: str) -> _Reference:
    signed_info = _child(signature, f"{_DS}SignedInfo")
    reference = _child(signed_info, f"{_DS}Reference")
    if reference.get("URI") != f"#{wanted}":
        raise _NotProvenError("the signature refers to something else than the assertion")
    steps = _child(reference, f"{_DS}Transforms").findall("*")
    if [step.tag for step in steps] != [f"{_DS}Transform"] * 2 or [
        step.get("Algorithm") for step in steps
    ] != [_ENVELOPED, _EXC_C14N]:
        raise _NotProvenError("other transforms than enveloped-signature and exc-c14n")
    named = _child(reference, f"{_DS}DigestMethod").get("Algorithm", "")
    if named not in _DIGESTS:
        raise _NotProvenError(f"digest algorithm {shortened(named, 80)!r} is not allowed")
    return _Reference(
        digest=_decoded(_child(reference, f"{_DS}DigestValue")),
        algorithm=_DIGESTS[named],
        prefixes=_prefixes(steps[1]),
    )


def _prefixes(method: etree._Element) -> tuple[str, ...]:
    """Return the InclusiveNamespaces of an exc-c14n method; nothing else may be inside."""
    inside = method.findall("*")
    if not inside:
        return ()
    if len(inside) != 1 or inside[0].tag != f"{{{_EXC_C14N}}}InclusiveNamespaces":
        raise _NotProvenError("a canonicalisation with unknown parameters")
    return tuple(inside[0].get("PrefixList", "").split())


def _canonical(element: etree._Element, prefixes: tuple[str, ...]) -> bytes:
    try:
        return etree.tostring(
            element,
            method="c14n",
            exclusive=True,
            with_comments=False,
            inclusive_ns_prefixes=list(prefixes) or None,
            with_tail=False,
        )
    except (etree.LxmlError, ValueError):
        raise _NotProvenError("it has no canonical form") from None


def _take_out(signature: etree._Element) -> None:
    """Remove *signature* but not the text after it, which lxml would take along."""
    parent = signature.getparent()
    if parent is None:
        raise _NotProvenError("the signature is the document")
    tail = signature.tail or ""
    before = signature.getprevious()
    if before is None:
        parent.text = (parent.text or "") + tail
    else:
        before.tail = (before.tail or "") + tail
    parent.remove(signature)


def _decoded(element: etree._Element) -> bytes:
    try:
        return base64.b64decode("".join(text_of(element).split()), validate=True)
    except (binascii.Error, ValueError):
        name = etree.QName(element).localname
        raise _NotProvenError(f"{name} is no base64") from None


def _read_token(canonical: bytes, node: str, leaf_sha256: str) -> VerifiedToken:
    assertion = parse(canonical)
    subject = _child(assertion, f"{_SAML2}Subject")
    name = text_of(_child(subject, f"{_SAML2}NameID")).strip()
    conditions = _child(assertion, f"{_SAML2}Conditions")
    return VerifiedToken(
        node=node,
        leaf_sha256=leaf_sha256,
        subject=name,
        not_before=_moment(conditions.get("NotBefore", "")),
        not_on_or_after=_moment(conditions.get("NotOnOrAfter", "")),
    )


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):  # at the ends of time a zone leads beyond them
        raise _NotProvenError("the assertion has no valid period") from None
