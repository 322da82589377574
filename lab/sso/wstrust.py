"""WS-Trust 1.3 over SOAP 1.1 as the STS speaks it: requests read, answers and faults written.

Source: vmdir.md 5 (STSService.wsdl, SOAPFaultHandler.java, lightwave@a04d9171).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from stsfix.lab.sso import dsig
from stsfix.lab.sso.names import (
    DS,
    RSA_SHA256,
    SAML2,
    SOAP,
    WSSE,
    WST,
    WST_BEARER,
    WST_ISSUE,
    WST_PUBLIC_KEY,
    WSU,
)
from stsfix.lab.sso.saml import instant, parse_instant

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from lxml import etree

NS = {"s": SOAP, "wsse": WSSE, "wsu": WSU, "wst": WST, "saml2": SAML2}

_DEFAULT_TEXT: Mapping[str, str] = {
    "InvalidSecurity": "An error was discovered processing the <wsse:Security> header.",
    "InvalidSecurityToken": "An invalid security token was provided",
    "FailedCheck": "The signature or decryption was invalid",
    "InvalidRequest": "The request was invalid or malformed.",
    "RequestFailed": "The specified request failed.",
}


class StsFault(Exception):  # noqa: N818 - a fault of the protocol, not an error of the lab
    """What the STS answers instead of a token: a fault code and its text."""

    def __init__(self, namespace: str, code: str, text: str = "") -> None:
        self.namespace = namespace
        self.code = code
        self.text = text or _DEFAULT_TEXT.get(code, code)
        super().__init__(f"ns0:{code}: {self.text}")


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueRequest:
    """A request to issue a token, before anything about it was checked.

    *username* is empty for a request that a key signed; *envelope* and *security* are for the
    one who checks that signature. *start* and *end* are None when there is no Lifetime.
    """

    envelope: etree._Element
    security: etree._Element
    created: datetime
    expires: datetime
    username: str
    password: str
    start: datetime | None
    end: datetime | None
    public_key: bool | None
    delegatable: bool
    renewable: bool

    @property
    def signed(self) -> bool:
        """True if the Security header has an XML signature."""
        return self.security.find(f"{{{DS}}}Signature") is not None


def parse(body: bytes) -> IssueRequest:
    """Read a SOAP request.

    Raises:
        StsFault: wsse:InvalidSecurity without a usable Security header; wst:InvalidRequest for
            anything but an Issue request.
    """
    try:
        envelope = dsig.parse(body)
    except ValueError as error:
        raise StsFault(WST, "InvalidRequest") from error
    security = envelope.findall("s:Header/wsse:Security", NS)
    if len(security) != 1:
        raise StsFault(WSSE, "InvalidSecurity")
    created, expires = _period(security[0], "wsu:Timestamp", "InvalidSecurity", WSSE)
    if created is None or expires is None:
        raise StsFault(WSSE, "InvalidSecurity")
    token = envelope.find("s:Body/wst:RequestSecurityToken", NS)
    if token is None or _text(token, "wst:RequestType") != WST_ISSUE:
        raise StsFault(WST, "InvalidRequest")
    start, end = _period(token, "wst:Lifetime", "InvalidRequest", WST)
    renewing = token.find("wst:Renewing", NS)
    return IssueRequest(
        envelope=envelope,
        security=security[0],
        created=created,
        expires=expires,
        username=_text(security[0], "wsse:UsernameToken/wsse:Username"),
        password=_text(security[0], "wsse:UsernameToken/wsse:Password"),
        start=start,
        end=end,
        public_key=_key_type(_text(token, "wst:KeyType")),
        delegatable=_text(token, "wst:Delegatable") == "true",
        renewable=renewing is not None and renewing.get("Allow") == "true",
    )


def _key_type(text: str) -> bool | None:
    if not text:
        return None
    if text not in {WST_BEARER, WST_PUBLIC_KEY}:
        raise StsFault(WST, "InvalidRequest")
    return text == WST_PUBLIC_KEY


def _text(parent: etree._Element, path: str) -> str:
    return parent.findtext(path, "", NS)


def _period(
    parent: etree._Element, path: str, code: str, namespace: str
) -> tuple[datetime | None, datetime | None]:
    ends = [_text(parent, f"{path}/wsu:{name}") for name in ("Created", "Expires")]
    try:
        first, last = (parse_instant(end) if end else None for end in ends)
    except ValueError as error:
        raise StsFault(namespace, code) from error
    return first, last


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """A token with what its answer says beside it."""

    assertion: str
    start: datetime
    end: datetime
    public_key: bool
    delegatable: bool
    renewable: bool


def answer(token: IssuedToken) -> bytes:
    """Return the SOAP answer that carries *token*."""
    key_type = WST_PUBLIC_KEY if token.public_key else WST_BEARER
    renewable = str(token.renewable).lower()
    # The assertion goes in as text: parsing it again could move namespace declarations.
    return (
        f'<S:Envelope xmlns:S="{SOAP}"><S:Body>'
        f'<RequestSecurityTokenResponseCollection xmlns="{WST}" xmlns:ns2="{WSU}">'
        "<RequestSecurityTokenResponse>"
        f"<TokenType>{SAML2}</TokenType>"
        f"<Lifetime><ns2:Created>{instant(token.start)}</ns2:Created>"
        f"<ns2:Expires>{instant(token.end)}</ns2:Expires></Lifetime>"
        f"<RequestedSecurityToken>{token.assertion}</RequestedSecurityToken>"
        f'<Renewing Allow="{renewable}" OK="false"/>'
        f"<KeyType>{key_type}</KeyType>"
        f"<SignatureAlgorithm>{RSA_SHA256}</SignatureAlgorithm>"
        f"<Delegatable>{str(token.delegatable).lower()}</Delegatable>"
        "</RequestSecurityTokenResponse></RequestSecurityTokenResponseCollection>"
        "</S:Body></S:Envelope>"
    ).encode()


def fault(error: StsFault) -> bytes:
    """Return the SOAP fault for *error*: exactly two texts, which pyVim.sso relies on."""
    return (
        f'<S:Envelope xmlns:S="{SOAP}"><S:Body><S:Fault>'
        f'<faultcode xmlns:ns0="{error.namespace}">ns0:{error.code}</faultcode>'
        f"<faultstring>{escape(error.text)}</faultstring>"
        "</S:Fault></S:Body></S:Envelope>"
    ).encode()
