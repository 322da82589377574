"""WS-Trust 1.3 Issue over SOAP 1.1: the request for a bearer token, and what comes back.

Source: vmdir.md 5, derived from Lightwave's STSService.wsdl and STS (vmidentity); the WS-Trust 1.3
and WS-Security 1.0 UsernameToken profiles of OASIS. Elements are matched by local name: the
prefix and, for some faults, the namespace are the JAX-WS runtime's choice [INFERRED].
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from lxml import etree

from stsfix.remediation.errors import ProofError, SigningCertificateError, SsoLoginError
from stsfix.remediation.web.xml import XmlRefusedError, children, descendants, local_name, parse
from stsfix.remediation.web.xml import text_of as _text_of
from stsfix.snapshot.secret import Secret
from stsfix.snapshot.words import shortened

if TYPE_CHECKING:
    from stsfix.snapshot.errors import FaultError

WAY = "sts-token"
ISSUE_ACTION = "http://docs.oasis-open.org/ws-sx/ws-trust/200512/RST/Issue"
REQUEST_VALIDITY = timedelta(seconds=600)
"""How long the request itself is valid (default of VMware's wsTrustClient)."""

_SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
_WST = "http://docs.oasis-open.org/ws-sx/ws-trust/200512"
_OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
_WSSE = f"{_OASIS}wssecurity-secext-1.0.xsd"
_WSU = f"{_OASIS}wssecurity-utility-1.0.xsd"
_PASSWORD_TEXT = f"{_OASIS}username-token-profile-1.0#PasswordText"
_BEARER = f"{_WST}/Bearer"
_SAML2 = "urn:oasis:names:tc:SAML:2.0:assertion"
_RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
_TOKEN_PATH = (
    "Body",
    "RequestSecurityTokenResponseCollection",
    "RequestSecurityTokenResponse",
    "RequestedSecurityToken",
    "Assertion",
)
_EXPIRED_TEXT = "Signing certificate is not valid"
_TEXT_LIMIT = 600
"""Characters of a fault's text that are kept; the longest known one has about 330."""


def build_issue_request(
    user: str,
    password: Secret[str],
    *,
    now: datetime,
    lifetime: timedelta,
) -> Secret[bytes]:
    """Return the SOAP envelope that asks for a bearer token valid from *now* for *lifetime*.

    Args:
        user: UPN, ``administrator@vsphere.local``.
        password: Any characters XML can carry; they are escaped here.
        now: This workstation's clock, aware; the STS tolerates 10 minutes by default.
        lifetime: How long the token is wanted; the STS may shorten it.

    Raises:
        ValueError: User or password hold control characters, which XML cannot carry.
    """
    envelope = etree.Element(f"{{{_SOAP}}}Envelope", nsmap={"S": _SOAP})
    header = etree.SubElement(envelope, f"{{{_SOAP}}}Header")
    security = etree.SubElement(header, f"{{{_WSSE}}}Security", nsmap={"wsse": _WSSE, "wsu": _WSU})
    security.set(f"{{{_SOAP}}}mustUnderstand", "1")
    _add_period(security, "Timestamp", _WSU, now, REQUEST_VALIDITY)
    login = etree.SubElement(security, f"{{{_WSSE}}}UsernameToken")
    name = etree.SubElement(login, f"{{{_WSSE}}}Username")
    secret = etree.SubElement(login, f"{{{_WSSE}}}Password", Type=_PASSWORD_TEXT)
    try:
        name.text = user
        secret.text = password.reveal()
    except ValueError:
        raise ValueError("user or password hold characters that XML cannot carry") from None
    body = etree.SubElement(envelope, f"{{{_SOAP}}}Body")
    _add_request(body, now, lifetime)
    return Secret(etree.tostring(envelope, encoding="UTF-8", xml_declaration=True))


def _add_request(body: etree._Element, now: datetime, lifetime: timedelta) -> None:
    asked = etree.SubElement(body, f"{{{_WST}}}RequestSecurityToken", nsmap={"wst": _WST})
    _add(asked, "TokenType", _SAML2)
    _add(asked, "RequestType", f"{_WST}/Issue")
    _add_period(asked, "Lifetime", _WST, now, lifetime)
    _add(asked, "KeyType", _BEARER)
    _add(asked, "SignatureAlgorithm", _RSA_SHA256)


def _add(parent: etree._Element, name: str, text: str) -> None:
    etree.SubElement(parent, f"{{{_WST}}}{name}").text = text


def _add_period(
    parent: etree._Element, name: str, namespace: str, start: datetime, length: timedelta
) -> None:
    period = etree.SubElement(parent, f"{{{namespace}}}{name}", nsmap={"wsu": _WSU})
    etree.SubElement(period, f"{{{_WSU}}}Created").text = _instant(start)
    etree.SubElement(period, f"{{{_WSU}}}Expires").text = _instant(start + length)


def _instant(moment: datetime) -> str:
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def parse_issue_response(
    content: bytes,
    *,
    node: str,
    user: str,
    password: Secret[str],
) -> Secret[bytes]:
    """Return the one assertion of an Issue response, as a document of its own, unverified.

    Args:
        content: Body of the HTTP answer, whatever its status.
        node: Whom it came from, for messages.
        user: Whom the token was asked for, for messages.
        password: Blotted out of whatever text the STS sends back.

    Raises:
        SigningCertificateError: The STS says its signing certificate is not valid.
        SsoLoginError: The STS refused user or password.
        ProofError: Any other fault, or no answer of a WS-Trust service.
    """
    try:
        root = parse(content)
    except XmlRefusedError as error:
        raise ProofError(node, WAY, f"the STS answered no SOAP ({error})") from None
    for fault in descendants(root, "Fault"):
        code, text = _fault_of(fault)
        raise classify_fault(code, _printable(text, password), node=node, user=user)
    found = list(descendants(root, "Assertion"))
    if len(found) != 1 or _path(found[0]) != ("Envelope", *_TOKEN_PATH):
        raise ProofError(node, WAY, f"{len(found)} assertions in the answer, or one out of place")
    # Namespaces in scope are written along, so that prefixes in values keep their meaning.
    return Secret(etree.tostring(found[0], encoding="UTF-8", with_tail=False))


def classify_fault(code: str, text: str, *, node: str, user: str) -> FaultError:
    """Return the error that a fault with local name *code* and *text* means.

    InvalidTimeRange has two causes; only the text tells them apart
    (TokenLifetimeRemediator.java, vmdir.md 4.1 and 4.2).
    """
    if code == "InvalidTimeRange" and _EXPIRED_TEXT in text:
        return SigningCertificateError(node, text)
    if code == "FailedAuthentication":
        return SsoLoginError(node, user, text)
    if code in {"MessageExpired", "InvalidTimeRange"}:
        reason = f"clock skew between this workstation and the node ({code}: {text})"
        return ProofError(node, WAY, reason)
    return ProofError(node, WAY, f"{code}: {text}")


def _fault_of(fault: etree._Element) -> tuple[str, str]:
    """Read a SOAP 1.1 fault, or the last subcode and the reason of a SOAP 1.2 one."""
    codes = children(fault, "faultcode") or list(descendants(fault, "Value"))
    texts = children(fault, "faultstring") or list(descendants(fault, "Text"))
    code = _text_of(codes[-1]).strip().rpartition(":")[2] if codes else "Fault"
    return code, _text_of(texts[0]).strip() if texts else ""


def _path(element: etree._Element) -> tuple[str, ...]:
    above = [local_name(parent) for parent in element.iterancestors()]
    return (*reversed(above), local_name(element))


def _printable(text: str, password: Secret[str]) -> str:
    plain = password.reveal()
    safe = text.replace(plain, "***") if plain else text
    joined = " ".join(safe.split())
    return shortened("".join(c for c in joined if c.isprintable()), _TEXT_LIMIT)
