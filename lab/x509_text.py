"""Certificates as OpenSSL prints them (X509_print), for the tools that show them so.

The layout is that of OpenSSL 1.1 and 3; older ones differ in blanks and in ``Public-Key``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID, NameOID

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

SHORT_NAMES = {
    NameOID.COMMON_NAME: "CN",
    NameOID.DOMAIN_COMPONENT: "DC",
    NameOID.COUNTRY_NAME: "C",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.LOCALITY_NAME: "L",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.EMAIL_ADDRESS: "emailAddress",
}
_USAGES = {
    "digital_signature": "Digital Signature",
    "content_commitment": "Non Repudiation",
    "key_encipherment": "Key Encipherment",
    "data_encipherment": "Data Encipherment",
    "key_agreement": "Key Agreement",
    "key_cert_sign": "Certificate Sign",
    "crl_sign": "CRL Sign",
}
_NAMES = {
    ExtensionOID.KEY_USAGE: "X509v3 Key Usage",
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME: "X509v3 Subject Alternative Name",
    ExtensionOID.SUBJECT_KEY_IDENTIFIER: "X509v3 Subject Key Identifier",
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER: "X509v3 Authority Key Identifier",
    ExtensionOID.BASIC_CONSTRAINTS: "X509v3 Basic Constraints",
    ExtensionOID.EXTENDED_KEY_USAGE: "X509v3 Extended Key Usage",
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS: "Authority Information Access",
}
_ACCESS = {AuthorityInformationAccessOID.CA_ISSUERS: "CA Issuers"}
_SMALL_SERIAL = 2**63


def when(moment: datetime) -> str:
    """Return an aware UTC *moment* as ASN1_TIME_print does."""
    return f"{moment:%b} {moment.day:2d} {moment:%H:%M:%S %Y} GMT"


def name(found: x509.Name, *, equals: str = "=", comma: str = ", ") -> str:
    """Return *found* on one line, in the order of the certificate."""
    parts = [
        f"{SHORT_NAMES.get(a.oid, a.oid.dotted_string)}{equals}{_shown(a.value)}" for a in found
    ]
    return comma.join(parts)


def oneline(found: x509.Name) -> str:
    """Return *found* as X509_NAME_oneline does: ``/CN=a/C=US``."""
    return "".join(
        f"/{SHORT_NAMES.get(a.oid, a.oid.dotted_string)}={_shown(a.value)}" for a in found
    )


def _shown(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def octets(content: bytes) -> str:
    """Return bytes as ``ab:cd``."""
    return ":".join(f"{byte:02x}" for byte in content)


def dump(certificate: x509.Certificate) -> str:
    """Return what ``openssl x509 -text -noout`` shows of *certificate*."""
    algorithm = _algorithm(certificate)
    lines = [
        "Certificate:",
        "    Data:",
        "        Version: 3 (0x2)",
        *_serial(certificate.serial_number),
        f"        Signature Algorithm: {algorithm}",
        f"        Issuer: {name(certificate.issuer)}",
        "        Validity",
        f"            Not Before: {when(certificate.not_valid_before_utc)}",
        f"            Not After : {when(certificate.not_valid_after_utc)}",
        f"        Subject: {name(certificate.subject)}",
        "        Subject Public Key Info:",
        *_key(certificate),
        "        X509v3 extensions:",
    ]
    for extension in certificate.extensions:
        title = _NAMES.get(extension.oid, extension.oid.dotted_string)
        lines.append(f"            {title}: {'critical' if extension.critical else ''}".rstrip(" "))
        lines += [f"                {line}" for line in _extension(extension.value)]
    lines += [f"    Signature Algorithm: {algorithm}", "    Signature Value:"]
    lines += _wrapped(certificate.signature, indent=8, width=18)
    return "\n".join(lines) + "\n"


def _algorithm(certificate: x509.Certificate) -> str:
    digest = certificate.signature_hash_algorithm
    return "unknown" if digest is None else f"{digest.name}WithRSAEncryption"


def _serial(number: int) -> list[str]:
    if number < _SMALL_SERIAL:
        return [f"        Serial Number: {number} (0x{number:x})"]
    content = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return ["        Serial Number:", f"            {octets(content)}"]


def _key(certificate: x509.Certificate) -> list[str]:
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        return [f"            Public Key Algorithm: {type(key).__name__}"]
    numbers = key.public_numbers()
    modulus = numbers.n.to_bytes((numbers.n.bit_length() + 8) // 8, "big")
    return [
        "            Public Key Algorithm: rsaEncryption",
        f"                Public-Key: ({key.key_size} bit)",
        "                Modulus:",
        *_wrapped(modulus, indent=20, width=15),
        f"                Exponent: {numbers.e} (0x{numbers.e:x})",
    ]


def _wrapped(content: bytes, *, indent: int, width: int) -> list[str]:
    text = octets(content)
    step = width * 3
    return [" " * indent + text[at : at + step] for at in range(0, len(text), step)]


def _extension(value: x509.ExtensionType) -> Iterable[str]:
    match value:
        case x509.KeyUsage():
            text = ", ".join(shown for field, shown in _USAGES.items() if getattr(value, field))
        case x509.SubjectAlternativeName():
            text = ", ".join(_general_name(n) for n in value)
        case x509.SubjectKeyIdentifier():
            text = octets(value.digest).upper()
        case x509.AuthorityKeyIdentifier():
            text = octets(value.key_identifier or b"").upper()
        case x509.BasicConstraints():
            text = f"CA:{'TRUE' if value.ca else 'FALSE'}"
            text += "" if value.path_length is None else f", pathlen:{value.path_length}"
        case x509.AuthorityInformationAccess():
            return [
                f"{_ACCESS.get(d.access_method, 'OCSP')} - {_general_name(d.access_location)}"
                for d in value
            ]
        case _:
            text = "<not shown by the lab>"
    return [text]


def _general_name(found: x509.GeneralName) -> str:
    match found:
        case x509.DNSName(value=value):
            return f"DNS:{value}"
        case x509.IPAddress(value=address):
            return f"IP Address:{address}"
        case x509.RFC822Name(value=value):
            return f"email:{value}"
        case x509.UniformResourceIdentifier(value=value):
            return f"URI:{value}"
        case _:
            return str(found)
