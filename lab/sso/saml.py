"""SAML 2.0 assertions of the lab's STS: made, signed, and verified as vCenter does.

The shape is that of a token of a real vCenter which govmomi keeps as test data
(sts/internal/types_test.go@v0.17.1). Own code of the lab: the product verifies with its own.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from lxml import etree

from stsfix.lab import pki
from stsfix.lab.sso import dsig
from stsfix.lab.sso.names import (
    CONFIRM_BEARER,
    CONFIRM_HOK,
    DS,
    SAML2,
    UPN_FORMAT,
    XS,
    XSI,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from cryptography.hazmat.primitives.asymmetric import rsa

_NS = {"saml2": SAML2}
_NSMAP = {"saml2": SAML2, "xs": XS, "xsi": XSI}
_URI_FORMAT = "urn:oasis:names:tc:SAML:2.0:attrname-format:uri"
_GROUPS = "http://rsa.com/schemas/attr-names/2009/01/GroupIdentity"
_IS_SOLUTION = "http://vmware.com/schemas/attr-names/2011/07/isSolution"
_PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"  # noqa: S105 - a URI
_TLS_CLIENT = "urn:oasis:names:tc:SAML:2.0:ac:classes:TLSClient"
_MAX_PATH = 10  # intermediates; KeyInfo of another's token must not keep us busy


class TokenRejectedError(Exception):
    """A token that must not be accepted; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """What signs: an RSA key and its chain, leaf first. They need not match each other."""

    key: rsa.RSAPrivateKey
    chain: tuple[x509.Certificate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSpec:
    """What a token says. *hok_certificate* makes it holder-of-key."""

    issuer: str
    subject: str
    groups: tuple[str, ...] = ()
    issued: datetime
    start: datetime
    end: datetime
    solution: bool = False
    delegatable: bool = False
    hok_certificate: x509.Certificate | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedToken:
    """What a token said whose signature, trust and dates were found good.

    A *holder_of_key* token is worth nothing without a proof of its key, which nobody looked at.
    """

    token_id: str
    subject: str
    holder_of_key: bool
    not_before: datetime
    not_on_or_after: datetime
    signer: x509.Certificate


def instant(moment: datetime) -> str:
    """Return *moment* as xs:dateTime in UTC with milliseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def parse_instant(text: str) -> datetime:
    """Return the moment of an xs:dateTime, aware UTC.

    Raises:
        ValueError: It is none, or it has no time zone.
    """
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is None:
        raise ValueError(f"no time zone in {text!r}")
    return moment.astimezone(UTC)


def issue(spec: TokenSpec, signer: Signer) -> str:
    """Return a signed assertion that says *spec*."""
    root = etree.Element(f"{{{SAML2}}}Assertion", nsmap=_NSMAP)
    root.set("ID", f"_{uuid.uuid4()}")
    root.set("IssueInstant", instant(spec.issued))
    root.set("Version", "2.0")
    issuer = _add(root, "Issuer", spec.issuer)
    issuer.set("Format", "urn:oasis:names:tc:SAML:2.0:nameid-format:entity")
    _add_subject(root, spec)
    conditions = _add(root, "Conditions")
    conditions.set("NotBefore", instant(spec.start))
    conditions.set("NotOnOrAfter", instant(spec.end))
    if spec.delegatable:
        _add(conditions, "ProxyRestriction").set("Count", "10")
    authentication = _add(root, "AuthnStatement")
    authentication.set("AuthnInstant", instant(spec.issued))
    _add(
        _add(authentication, "AuthnContext"),
        "AuthnContextClassRef",
        _TLS_CLIENT if spec.solution else _PASSWORD,
    )
    statement = _add(root, "AttributeStatement")
    _add_attribute(statement, "Groups", _GROUPS, spec.groups)
    _add_attribute(statement, "Subject Type", _IS_SOLUTION, (str(spec.solution).lower(),))
    dsig.sign_enveloped(root, signer.key, signer.chain)
    return etree.tostring(root, encoding="unicode")


def _add_subject(root: etree._Element, spec: TokenSpec) -> None:
    subject = _add(root, "Subject")
    _add(subject, "NameID", spec.subject).set("Format", UPN_FORMAT)
    confirmation = _add(subject, "SubjectConfirmation")
    if spec.hok_certificate is None:
        confirmation.set("Method", CONFIRM_BEARER)
        _add(confirmation, "SubjectConfirmationData").set("NotOnOrAfter", instant(spec.end))
        return
    confirmation.set("Method", CONFIRM_HOK)
    confirmed = _add(confirmation, "SubjectConfirmationData")
    confirmed.set(f"{{{XSI}}}type", "saml2:KeyInfoConfirmationDataType")
    key_info = etree.SubElement(confirmed, f"{{{DS}}}KeyInfo", nsmap={"ds": DS})
    holder = etree.SubElement(key_info, f"{{{DS}}}X509Data")
    certificate = etree.SubElement(holder, f"{{{DS}}}X509Certificate")
    certificate.text = dsig.chunked(pki.der(spec.hok_certificate))


def _add_attribute(
    statement: etree._Element, friendly: str, name: str, values: Sequence[str]
) -> None:
    attribute = _add(statement, "Attribute")
    attribute.set("FriendlyName", friendly)
    attribute.set("Name", name)
    attribute.set("NameFormat", _URI_FORMAT)
    for value in values:
        _add(attribute, "AttributeValue", value).set(f"{{{XSI}}}type", "xs:string")


def _add(parent: etree._Element, name: str, text: str | None = None) -> etree._Element:
    child = etree.SubElement(parent, f"{{{SAML2}}}{name}")
    child.text = text
    return child


def verify(
    token: str | bytes,
    *,
    anchors: Collection[x509.Certificate],
    now: datetime,
    tolerance: timedelta = timedelta(minutes=10),
) -> VerifiedToken:
    """Return what *token* says, if it may be accepted.

    The signer must be one of *anchors* or have a path of issuers to one; dates of anchors and
    path do not count, the token's own do (vmdir.md 3.4: X509TrustChainKeySelector.java,
    AuthnOnlyTokenValidator.java L122-130, lightwave@a04d9171).

    Args:
        token: The assertion as XML.
        anchors: The leaf of every trusted chain.
        now: Time of the node that verifies.
        tolerance: Clock tolerance on both ends.

    Raises:
        TokenRejectedError: It must not be accepted.
    """
    try:
        root = dsig.parse(token)
    except ValueError as error:
        raise TokenRejectedError(f"not XML: {error}") from error
    if root.tag != f"{{{SAML2}}}Assertion":
        raise TokenRejectedError("not an assertion")
    try:
        signed = dsig.verify_enveloped(root)
    except dsig.SignatureInvalidError as error:
        raise TokenRejectedError(f"signature: {error}") from error
    if not _trusted(signed.certificates, anchors):
        name = signed.certificates[0].subject.rfc4514_string()
        raise TokenRejectedError(f"the signing certificate {name} is not trusted")
    verified = _content(dsig.parse(signed.content), signed.certificates[0])
    if not verified.not_before - tolerance <= now < verified.not_on_or_after + tolerance:
        raise TokenRejectedError(f"not valid at {instant(now)}")
    return verified


def _trusted(path: Sequence[x509.Certificate], anchors: Collection[x509.Certificate]) -> bool:
    current = path[0]
    for _ in range(_MAX_PATH):
        if current in anchors:
            return True
        if any(_issued(anchor, current) for anchor in anchors):
            return True
        above = next((c for c in path if c != current and _issued(c, current)), None)
        if above is None:
            return False
        current = above
    return False


def _issued(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints)
        certificate.verify_directly_issued_by(authority)
    except (x509.ExtensionNotFound, ValueError, TypeError, InvalidSignature):
        return False
    return constraints.value.ca


def _content(root: etree._Element, signer: x509.Certificate) -> VerifiedToken:
    conditions = root.find("saml2:Conditions", _NS)
    name = root.find("saml2:Subject/saml2:NameID", _NS)
    confirmation = root.find("saml2:Subject/saml2:SubjectConfirmation", _NS)
    if conditions is None or name is None or not name.text or confirmation is None:
        raise TokenRejectedError("no conditions or no subject")
    try:
        return VerifiedToken(
            token_id=root.get("ID", ""),
            subject=name.text,
            holder_of_key=confirmation.get("Method") != CONFIRM_BEARER,
            not_before=parse_instant(conditions.get("NotBefore", "")),
            not_on_or_after=parse_instant(conditions.get("NotOnOrAfter", "")),
            signer=signer,
        )
    except ValueError as error:
        raise TokenRejectedError(f"malformed dates: {error}") from error
