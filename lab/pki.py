"""Certificates of the lab, in the shape VMCA makes them (vmdir.md 7); own code of the lab."""

from __future__ import annotations

import hashlib
import ipaddress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from stsfix.lab.seams import KeyPair

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEY_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


BITS = 2048
"""Size of an RSA key unless somebody asks for another."""


def new_key(bits: int = BITS) -> rsa.RSAPrivateKey:
    """Make an RSA key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def key_usage(*granted: str) -> x509.KeyUsage:
    """Return a KeyUsage with exactly *granted*."""
    return x509.KeyUsage(**{name: name in granted for name in _KEY_USAGES})


def vmca_root(
    key: rsa.RSAPrivateKey,
    *,
    domain: str,
    host: str,
    not_before: datetime,
    not_after: datetime,
) -> x509.Certificate:
    """Return a self-signed root that looks like VMCA's selfca."""
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, "CA")]
    parts += [x509.NameAttribute(NameOID.DOMAIN_COMPONENT, dc) for dc in domain.split(".")]
    parts += [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
        x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "California"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, host),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "VMware Engineering"),
    ]
    name = x509.Name(parts)
    public = key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(key_usage("key_cert_sign", "crl_sign"), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    return builder.sign(key, hashes.SHA256())


def vmca_leaf(
    key: rsa.RSAPrivateKey,
    *,
    issuer: x509.Certificate,
    issuer_key: rsa.RSAPrivateKey,
    common_name: str,
    not_before: datetime,
    not_after: datetime,
    names: Sequence[str] = (),
    may_sign: bool = True,
) -> x509.Certificate:
    """Return a leaf as certool makes it: KU non-critical, SKI, AKI, no EKU, SAN of *names*
    (DNS names, or IP addresses). Without *may_sign* KU grants no signature.
    """
    public = key.public_key()
    signing = ("digital_signature", "content_commitment") if may_sign else ()
    usage = key_usage(*signing, "key_encipherment")
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .issuer_name(issuer.subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(usage, critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(n) for n in names]), critical=False
        )
    return builder.sign(issuer_key, hashes.SHA256())


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def der(certificate: x509.Certificate) -> bytes:
    """Return the certificate's DER."""
    return certificate.public_bytes(serialization.Encoding.DER)


def pem(certificate: x509.Certificate) -> bytes:
    """Return the certificate's PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def sha256(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of the DER, lower-case hex."""
    return hashlib.sha256(der(certificate)).hexdigest()


def pkcs8(key: rsa.RSAPrivateKey) -> bytes:
    """Return the key as unencrypted PKCS#8 DER, the form vmwSTSPrivateKey has."""
    return key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def key_pair(key: rsa.RSAPrivateKey, chain: Sequence[x509.Certificate]) -> KeyPair:
    """Return PEM of *chain* and *key*, for a TLS server."""
    return KeyPair(
        certificates_pem=b"".join(pem(c) for c in chain),
        key_pem=key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def days_from_now(days: float) -> datetime:
    """Return the moment *days* from now, whole seconds, aware UTC."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
