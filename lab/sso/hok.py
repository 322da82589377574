"""The signed request for a holder-of-key token: which certificate made it.

Source: vmdir.md 5 (STSService.wsdl, lightwave@a04d9171): exclusive c14n only, same-document
references, Timestamp and Body (or the request in it) covered, a BinarySecurityToken as key.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from cryptography import x509

from stsfix.lab.sso import dsig
from stsfix.lab.sso.names import DS, EXC_C14N, RSA_SHA256, SHA256, WSSE, WSU
from stsfix.lab.sso.wstrust import NS, IssueRequest, StsFault

if TYPE_CHECKING:
    from lxml import etree

_NS = {**NS, "ds": DS}
_ID = f"{{{WSU}}}Id"


def signing_certificate(request: IssueRequest) -> x509.Certificate:
    """Return the certificate whose key signed *request*; nothing is said about its owner.

    Raises:
        StsFault: wsse:InvalidSecurity or wsse:FailedCheck.
    """
    signature = request.security.find("ds:Signature", _NS)
    if signature is None:
        raise StsFault(WSSE, "InvalidSecurity")
    certificate = _certificate(request, signature)
    info = signature.find("ds:SignedInfo", _NS)
    if info is None or _algorithms(info) != [EXC_C14N, RSA_SHA256]:
        raise StsFault(WSSE, "FailedCheck")
    try:
        dsig.check_signature(signature, certificate, dsig.canonical(info))
    except dsig.SignatureInvalidError as error:
        raise StsFault(WSSE, "FailedCheck") from error
    covered = [_referenced(request, item) for item in info.findall("ds:Reference", _NS)]
    body = request.envelope.find("s:Body", _NS)
    wanted = (
        [request.security.find("wsu:Timestamp", _NS)],
        [body, request.envelope.find("s:Body/wst:RequestSecurityToken", _NS)],
    )
    if not all(any(item is one for item in covered for one in ones) for ones in wanted):
        raise StsFault(WSSE, "FailedCheck")
    return certificate


def _certificate(request: IssueRequest, signature: etree._Element) -> x509.Certificate:
    reference = signature.find("ds:KeyInfo/wsse:SecurityTokenReference/wsse:Reference", _NS)
    target = "" if reference is None else reference.get("URI", "")
    for token in request.security.findall("wsse:BinarySecurityToken", _NS):
        if target == "#" + token.get(_ID, ""):
            try:
                return x509.load_der_x509_certificate(base64.b64decode(token.text or ""))
            except ValueError as error:
                raise StsFault(WSSE, "InvalidSecurityToken") from error
    raise StsFault(WSSE, "InvalidSecurity")


def _algorithms(info: etree._Element) -> list[str]:
    return [item.get("Algorithm", "") for item in info if item.get("Algorithm")]


def _referenced(request: IssueRequest, reference: etree._Element) -> etree._Element:
    target = reference.get("URI", "").removeprefix("#")
    found = [item for item in request.envelope.iter() if target and item.get(_ID) == target]
    transforms = [
        item.get("Algorithm") for item in reference.findall("ds:Transforms/ds:Transform", _NS)
    ]
    method = reference.find("ds:DigestMethod", _NS)
    if len(found) != 1 or transforms != [EXC_C14N] or method is None:
        raise StsFault(WSSE, "FailedCheck")
    digest = base64.b64encode(hashlib.sha256(dsig.canonical(found[0])).digest()).decode()
    written = "".join(reference.findtext("ds:DigestValue", "", _NS).split())
    if method.get("Algorithm") != SHA256 or digest != written:
        raise StsFault(WSSE, "FailedCheck")
    return found[0]
