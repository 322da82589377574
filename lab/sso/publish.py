"""What an STS tells anybody who asks: SAML metadata, JWKS, health, trusted chains.

Source: vmdir.md 4.3 (WebssoMetadataController.java L57-120, SAMLExporter.java L144-195,
JWKSController.java L69-110, CertificateResource.java L92-130, lightwave@a04d9171). Whether the
proxy of the product routes ``/idm`` is unknown.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree

from stsfix.lab import pki
from stsfix.lab.https import Reply, Request
from stsfix.lab.sso import dsig
from stsfix.lab.sso.names import DS, SAML2_BINDING, SAML2_METADATA, SAML2_PROTOCOL

if TYPE_CHECKING:
    from stsfix.lab.sso.sts import StsService
    from stsfix.lab.sso.tenant import Tenant

PREFIXES = ("/websso", "/openidconnect", "/idm")
"""Where a front must route to `PublishService`."""

_METADATA = "/websso/SAML2/Metadata"
_HEALTH = "/websso/HealthStatus"
_JWKS = "/openidconnect/jwks"
_TENANT = "/idm/tenant/"
_JSON = "application/json;charset=UTF-8"
_NOT_FOUND = Reply(status=404, content_type="text/html", body=b"<html>Not Found</html>")


class PublishService:
    """The anonymous pages of the STS's web applications; they run when the STS runs.

    They show the tenant the STS has cached: after a write that broke the tenant that is still
    the certificate from before (vmdir.md 3.5).

    Args:
        sts: The STS of the node.
        with_x5c: False leaves ``x5c`` out of the JWKS, as builds before 2017 do.
        other_key: A certificate (DER) for the JWKS instead of the signer's.
    """

    def __init__(
        self, sts: StsService, *, with_x5c: bool = True, other_key: bytes | None = None
    ) -> None:
        self._sts = sts
        self._other_key = other_key
        self._with_x5c = with_x5c

    @property
    def running(self) -> bool:
        """True while the STS runs."""
        return self._sts.running

    def handle(self, request: Request) -> Reply:
        """Answer a GET."""
        path, _, query = request.path.partition("?")
        if request.method not in {"GET", "HEAD"}:
            return Reply(status=405)
        if path == _HEALTH:
            return Reply(content_type="application/xml", body=_health())
        if path == _METADATA or path.startswith(_METADATA + "/"):
            return self._metadata(path.removeprefix(_METADATA).strip("/"))
        if path == _JWKS or path.startswith(_JWKS + "/"):
            return self._jwks(path.removeprefix(_JWKS).strip("/"))
        if path.startswith(_TENANT) and path.endswith("/certificates"):
            name = path.removeprefix(_TENANT).removesuffix("/certificates")
            return self._certificates(name, query)
        return _NOT_FOUND

    def _tenant(self, name: str) -> Tenant | None:
        if name and name.casefold() != self._sts.tenant_name.casefold():
            return None
        return self._sts.tenant

    def _metadata(self, name: str) -> Reply:
        tenant = self._tenant(name)
        if tenant is None or tenant.signer is None:
            page = b"<html><body><h1>HTTP Status 400 - Bad Request</h1></body></html>"
            return Reply(status=400, content_type="text/html;charset=utf-8", body=page)
        return Reply(
            content_type="application/samlmetadata+xml",
            # The product names this file after the default tenant, whatever the tenant.
            headers=(("Content-Disposition", "attachment; filename=vsphere.local.xml"),),
            body=_metadata(self._sts.node, tenant.name, tenant.signer.chain),
        )

    def _jwks(self, name: str) -> Reply:
        tenant = self._tenant(name)
        leaf = None if tenant is None or tenant.signer is None else tenant.signer.chain[0]
        if leaf is not None and self._other_key is not None:
            leaf = x509.load_der_x509_certificate(self._other_key)
        key = None if leaf is None else _jwk(leaf, with_x5c=self._with_x5c)
        if key is None:
            return Reply(status=400, content_type=_JSON, body=b'{"error":"invalid_request"}')
        return Reply(content_type=_JSON, body=json.dumps({"keys": [key]}).encode())

    def _certificates(self, name: str, query: str) -> Reply:
        tenant = self._tenant(name)
        if tenant is None:
            return Reply(status=404, content_type=_JSON, body=b'{"error":"not_found"}')
        chains = tenant.chains if "scope=TENANT" in query.split("&") else ()
        if "granularity=LEAF" in query.split("&"):
            chains = tuple(chain[:1] for chain in chains)
        shown = [
            {"certificates": [{"encoded": pki.pem(item).decode()} for item in chain]}
            for chain in chains
        ]
        return Reply(content_type=_JSON, body=json.dumps(shown).encode())


def _metadata(node: str, tenant: str, chain: tuple[x509.Certificate, ...]) -> bytes:
    root = etree.Element(f"{{{SAML2_METADATA}}}EntityDescriptor", nsmap={"md": SAML2_METADATA})
    root.set("entityID", f"https://{node}/websso/SAML2/Metadata/{tenant}")
    etree.SubElement(root, f"{{{SAML2_METADATA}}}Extensions")
    for role, service in (
        ("IDPSSODescriptor", "SingleSignOnService"),
        ("SPSSODescriptor", "AssertionConsumerService"),
    ):
        descriptor = etree.SubElement(root, f"{{{SAML2_METADATA}}}{role}")
        descriptor.set("protocolSupportEnumeration", SAML2_PROTOCOL)
        key = etree.SubElement(descriptor, f"{{{SAML2_METADATA}}}KeyDescriptor", use="signing")
        key_info = etree.SubElement(key, f"{{{DS}}}KeyInfo", nsmap={"ds": DS})
        data = etree.SubElement(key_info, f"{{{DS}}}X509Data")
        for certificate in chain:
            shown = etree.SubElement(data, f"{{{DS}}}X509Certificate")
            shown.text = dsig.chunked(pki.der(certificate))
        endpoint = etree.SubElement(descriptor, f"{{{SAML2_METADATA}}}{service}")
        endpoint.set("Binding", SAML2_BINDING + "HTTP-POST")
        endpoint.set("Location", f"https://{node}/websso/SAML2/SSO/{tenant}")
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _jwk(leaf: x509.Certificate, *, with_x5c: bool) -> dict[str, object] | None:
    public = leaf.public_key()
    if not isinstance(public, rsa.RSAPublicKey):
        return None
    numbers = public.public_numbers()
    key: dict[str, object] = {
        "kty": "RSA",
        "use": "sig",
        "alg": "RS256",
        "n": _base64url(numbers.n),
        "e": _base64url(numbers.e),
    }
    if with_x5c:
        key["x5c"] = [base64.b64encode(pki.der(leaf)).decode()]
    return key


def _base64url(number: int) -> str:
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _health() -> bytes:
    return (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b'<vimhealth schemaVersion="1.0"><health id="websso"><status>GREEN</status>'
        b"</health></vimhealth>\n"
    )
