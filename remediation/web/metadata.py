"""What an STS publishes to anybody: SAML metadata and a JSON Web Key Set.

Source: Lightwave WebssoMetadataController, SAMLExporter and JWKSController (vmdir.md 4.3).
Elements are matched by local name because SAMLExporter creates them without namespaces.
Unverified on a real vCenter: that both are anonymous in 6.5-8.0 (vsphere.md 10, question 1).
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import TYPE_CHECKING, Any

from cryptography import x509

from stsfix.remediation.inventory_certificates import PublishedKey
from stsfix.remediation.web.xml import XmlRefusedError, children, descendants, parse, text_of

if TYPE_CHECKING:
    from lxml import etree


_KEYS_READ = 100
"""Keys of a JWKS that are looked at; an STS publishes one (JWKSController.java L69-110)."""

_MODULUS_BITS = 16384
_EXPONENT_BITS = 64
"""Limits of OpenSSL to keys that verify anything (OPENSSL_RSA_MAX_MODULUS_BITS and
_MAX_PUBEXP_BITS in rsa.h). JSON could not be written of a much greater exponent.
"""


class MetadataError(ValueError):
    """The answer is not what an STS publishes; the text says what is wrong with it."""


def parse_signing_chain(content: bytes) -> tuple[bytes, ...]:
    """Return the chain (DER, leaf first) of the first IdP signing key in SAML metadata.

    Raises:
        MetadataError: No metadata, no signing key in it, or a certificate that is none.
    """
    try:
        root = parse(content)
    except XmlRefusedError as error:
        raise MetadataError(f"no SAML metadata ({error})") from None
    for role in descendants(root, "IDPSSODescriptor"):
        for key in children(role, "KeyDescriptor"):
            # Without a use a key serves for signing too (SAML metadata 2.0, 2.4.1.1).
            if key.get("use", "signing") == "signing":
                chain = tuple(_certificate(text_of(c)) for c in _certificates(key))
                if chain:
                    return chain
    raise MetadataError("SAML metadata without a signing certificate of the identity provider")


def _certificates(key: etree._Element) -> list[etree._Element]:
    return list(descendants(key, "X509Certificate"))


def _certificate(text: str) -> bytes:
    try:
        der = base64.b64decode("".join(text.split()), validate=True)
        x509.load_der_x509_certificate(der)
    except (binascii.Error, ValueError):
        raise MetadataError("a published certificate cannot be read") from None
    return der


def parse_jwks(content: bytes) -> tuple[PublishedKey, ...]:
    """Return the RSA keys of a JWKS, in its order.

    Raises:
        MetadataError: No JWKS, or an RSA key that is incomplete or larger than any.
    """
    try:
        keys = json.loads(content)["keys"][:_KEYS_READ]
        return tuple(_key(key) for key in keys if key.get("kty") == "RSA")
    except MetadataError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise MetadataError("no JSON Web Key Set") from None


def _key(key: Any) -> PublishedKey:
    chain = key.get("x5c") or []
    return PublishedKey(
        modulus=f"{_number(key['n'], _MODULUS_BITS):x}",
        exponent=_number(key["e"], _EXPONENT_BITS),
        leaf=_certificate(chain[0]) if chain else None,
    )


def _number(text: str, bits: int) -> int:
    padded = text + "=" * (-len(text) % 4)
    number = int.from_bytes(base64.b64decode(padded, altchars=b"-_", validate=True), "big")
    if number.bit_length() > bits:
        raise MetadataError(f"a published key has a number of more than {bits} bits")
    return number
