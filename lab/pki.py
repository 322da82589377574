"""Certificates of the lab, in the shape VMCA makes them (vmdir.md 7); own code of the lab."""

from __future__ import annotations

import functools
import hashlib
import ipaddress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from stsfix.lab.seams import KeyPair

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

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

_UTC_TIME = "%y%m%d%H%M%SZ"
_BIT_STRING_HEAD = 5
"""Octets before a signature of 256: tag, three of length, and unused bits."""

_KEPT = 256
"""Keys that are remembered: more than one lab has."""

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
    return self_signed_root(
        key, subject=x509.Name(parts), not_before=not_before, not_after=not_after
    )


def self_signed_root(
    key: rsa.RSAPrivateKey, *, subject: x509.Name, not_before: datetime, not_after: datetime
) -> x509.Certificate:
    """Return a root with the extensions of VMCA's."""
    return authority(
        key,
        subject=subject,
        issuer=subject,
        issuer_key=key,
        not_before=not_before,
        not_after=not_after,
    )


def authority(
    key: rsa.RSAPrivateKey,
    *,
    subject: x509.Name,
    issuer: x509.Name,
    issuer_key: rsa.RSAPrivateKey,
    not_before: datetime,
    not_after: datetime,
) -> x509.Certificate:
    """Return a certificate of an authority, with the extensions of VMCA's root."""
    public = key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(key_usage("key_cert_sign", "crl_sign"), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    return builder.sign(issuer_key, hashes.SHA256())


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
    subject: x509.Name | None = None,
    usages: Sequence[str] = (),
) -> x509.Certificate:
    """Return a leaf as certool makes it: KU non-critical, SKI, AKI, where its issuer's certificates
    are, no EKU, SAN of *names* (DNS names, or IP addresses). Without *may_sign* KU grants no
    signature. *subject* replaces the name that has *common_name* only, *usages* the usual ones.
    """
    public = key.public_key()
    signing = ("digital_signature", "content_commitment") if may_sign else ()
    usage = key_usage(*(usages or (*signing, "key_encipherment")))
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject or x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
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
    if (host := _organization(issuer)) is not None:
        builder = builder.add_extension(issuer_address(host), critical=False)
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([general_name(n) for n in names]), critical=False
        )
    return builder.sign(issuer_key, hashes.SHA256())


def issuer_address(host: str) -> x509.AuthorityInformationAccess:
    """Return what VMCA of *host* writes into what it signs (VMCASetCSRAuthorityInfoAccess)."""
    where = x509.UniformResourceIdentifier(f"https://{host}/afd/vecs/ssl")
    access = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, where)
    return x509.AuthorityInformationAccess([access])


def _organization(root: x509.Certificate) -> str | None:
    """Return the host of a VMCA from its root's name, None if it is none's."""
    found = root.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return str(found[0].value) if found else None


def general_name(name: str) -> x509.GeneralName:
    """Return *name* as an IP address if it is one, else as a DNS name."""
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


@functools.lru_cache(maxsize=_KEPT)
def private_key(encoded: bytes) -> PrivateKeyTypes:
    """Return the unencrypted key in *encoded*, PEM or DER. Its primes are not checked, which takes
    50 ms and no appliance does [INFERRED]; a key that was read before is not read again.

    Raises:
        ValueError: There is no such key in it.
        TypeError: It is encrypted.
    """
    if encoded.lstrip().startswith(b"-----BEGIN"):
        return serialization.load_pem_private_key(
            encoded, password=None, unsafe_skip_rsa_key_validation=True
        )
    return serialization.load_der_private_key(
        encoded, password=None, unsafe_skip_rsa_key_validation=True
    )


def pkcs8(key: rsa.RSAPrivateKey) -> bytes:
    """Return the key as unencrypted PKCS#8 DER, the form vmwSTSPrivateKey has."""
    return key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def key_pair(key: rsa.RSAPrivateKey, chain: Sequence[x509.Certificate]) -> KeyPair:
    """Return PEM of *chain* and *key*, for a TLS server."""
    return KeyPair(certificates_pem=b"".join(pem(c) for c in chain), key_pem=key_pem(key))


def key_pem(key: rsa.RSAPrivateKey) -> bytes:
    """Return the key as unencrypted PKCS#8 PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def ended_at(
    made: x509.Certificate, key: rsa.RSAPrivateKey, not_after: datetime
) -> x509.Certificate:
    """Return *made*, signed anew by *key*, ending at *not_after* even if that is before its begin.

    `cryptography` refuses to build such a certificate; OpenSSL, and so VMCA, does not.
    """
    old = made.not_valid_after_utc.strftime(_UTC_TIME).encode()
    new = not_after.astimezone(UTC).strftime(_UTC_TIME).encode()
    tbs = made.tbs_certificate_bytes
    if tbs.count(old) != 1:
        raise ValueError("the end of the certificate is not found once in it")
    whole = der(made)
    start = whole.index(tbs) + len(tbs)
    algorithm = whole[start : len(whole) - len(made.signature) - _BIT_STRING_HEAD]
    head = whole[len(whole) - len(made.signature) - _BIT_STRING_HEAD : -len(made.signature)]
    changed = tbs.replace(old, new)
    signature = key.sign(changed, padding.PKCS1v15(), hashes.SHA256())
    outer = whole[: whole.index(tbs)]
    return x509.load_der_x509_certificate(outer + changed + algorithm + head + signature)


def days_from_now(days: float) -> datetime:
    """Return the moment *days* from now, whole seconds, aware UTC."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
