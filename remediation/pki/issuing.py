"""Make a root and a signing leaf in the shape VMCA gives them; key and time are arguments.

Source of the profile: vmca/service/utils.c (VMCASignedRequestPrivate) and certool's defaults,
Lightwave a04d9171; RSA, SHA-256, leaf with key usage digitalSignature + nonRepudiation +
keyEncipherment, no extended key usage, SKI + AKI, one DNS name.
"""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

BACKDATE: Final = timedelta(hours=24)
"""How far notBefore lies in the past: clocks of nodes may be behind this workstation's.
VMCA itself takes up to two weeks.
"""

LEAF_NAME: Final = "ssoserverSign"
"""The product's own subject for this certificate (IdentityManager.java L7483)."""

_ATTRIBUTES: Final = {
    "CN": NameOID.COMMON_NAME,
    "DC": NameOID.DOMAIN_COMPONENT,
    "C": NameOID.COUNTRY_NAME,
    "L": NameOID.LOCALITY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
}

_MAX_NAME = 64
_USAGES = (
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


def new_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return a fresh RSA key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def pkcs8(key: rsa.RSAPrivateKey) -> bytes:
    """Return *key* as unencrypted PKCS#8 DER, the form of vmwSTSPrivateKey."""
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def make_root(
    key: rsa.RSAPrivateKey,
    *,
    domain: str,
    node: str,
    not_before: datetime,
    not_after: datetime,
) -> x509.Certificate:
    """Return a self-signed root for *key* with VMCA's extensions.

    Its subject names its own key: two roots of one name and different keys in one trust store
    make path building ambiguous, also with VMCA's own ``CN=CA``.

    Raises:
        ValueError: A date or name cannot be written into a certificate.
    """
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    parts = [(NameOID.COMMON_NAME, f"stsfix CA {key_id.digest.hex()[:12]}")]
    parts += [(NameOID.DOMAIN_COMPONENT, label) for label in domain.split(".")]
    parts += [
        (NameOID.ORGANIZATION_NAME, node[:_MAX_NAME]),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "stsfix"),
    ]
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])
    return _self_signed(key, name, not_before, not_after)


def _self_signed(
    key: rsa.RSAPrivateKey, name: x509.Name, not_before: datetime, not_after: datetime
) -> x509.Certificate:
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return (
        _builder(name, name, key.public_key(), not_before, not_after)
        .add_extension(key_id, critical=False)
        .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )


def make_vmca_root(
    key: rsa.RSAPrivateKey,
    *,
    domain: str,
    node: str,
    not_before: datetime,
    not_after: datetime,
) -> x509.Certificate:
    """Return a self-signed root for VMCA of *node*, as ``certool --selfca`` makes it.

    CN=CA and O=<host> are VMCA's; the unit names the key, because the old root of that name stays
    among the trusted ones (see `make_root`).

    Source: HandleCreateSelfSignedCA in vmca/certool/Handler.cpp, Lightwave a04d9171.

    Raises:
        ValueError: A date or name cannot be written into a certificate.
    """
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    name = name_of(
        (
            ("CN", "CA"),
            *(("DC", label) for label in domain.split(".")),
            ("C", "US"),
            ("ST", "California"),
            ("O", node[:_MAX_NAME]),
            ("OU", f"VMware Engineering {key_id.digest.hex()[:12]}"),
        )
    )
    return _self_signed(key, name, not_before, not_after)


def name_of(subject: Sequence[tuple[str, str]]) -> x509.Name:
    """Return the X.509 name of *subject*: (attribute, value), in order.

    Raises:
        ValueError: An attribute is unknown, or a value cannot be written.
    """
    unknown = {key for key, _ in subject} - _ATTRIBUTES.keys()
    if unknown:
        raise ValueError(f"unknown attributes {sorted(unknown)}")
    return x509.Name([x509.NameAttribute(_ATTRIBUTES[key], value) for key, value in subject])


def leaf_extensions(
    key: rsa.RSAPublicKey, *, dns_names: Sequence[str], ip_addresses: Sequence[str] = ()
) -> tuple[x509.ExtensionType, ...]:
    """Return the extensions of a leaf with *key* that do not depend on its issuer.

    Raises:
        ValueError: A name or address cannot be written into a certificate.
    """
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in dns_names]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in ip_addresses]
    return (
        _usage("digital_signature", "content_commitment", "key_encipherment"),
        *([x509.SubjectAlternativeName(names)] if names else []),
        x509.SubjectKeyIdentifier.from_public_key(key),
    )


def make_leaf(
    key: rsa.RSAPublicKey,
    *,
    issuer: x509.Certificate,
    issuer_key: rsa.RSAPrivateKey,
    subject: Sequence[tuple[str, str]],
    dns_names: Sequence[str],
    ip_addresses: Sequence[str] = (),
    not_before: datetime,
    not_after: datetime,
) -> x509.Certificate:
    """Return a leaf for *key* with VMCA's extensions, signed with *issuer_key*.

    Raises:
        ValueError: A date or name cannot be written into a certificate.
    """
    builder = _builder(name_of(subject), issuer.subject, key, not_before, not_after)
    extensions = leaf_extensions(key, dns_names=dns_names, ip_addresses=ip_addresses)
    for extension in (*extensions, _authority_key(issuer, issuer_key.public_key())):
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(issuer_key, SHA256())


def leaf_dates(
    authorities: Sequence[x509.Certificate],
    *,
    now: datetime,
    validity: timedelta,
    backdate: timedelta = BACKDATE,
) -> tuple[datetime, datetime]:
    """Return notBefore and notAfter of a leaf below *authorities*: never outside any of theirs.

    Raises:
        ValueError: Nothing is left of *validity*, or it reaches past the year 9999.
    """
    try:
        wanted = (now - backdate, now + validity)
    except OverflowError as error:
        raise ValueError(f"the validity of {validity.days} days is too long") from error
    # X.509 dates have whole seconds; rounding down keeps notAfter inside the root's.
    not_before = max([wanted[0], *(c.not_valid_before_utc for c in authorities)])
    not_after = min([wanted[1], *(c.not_valid_after_utc for c in authorities)])
    not_before, not_after = not_before.replace(microsecond=0), not_after.replace(microsecond=0)
    if not_after <= now or not_before > now:
        raise ValueError(f"no validity is left between {not_before} and {not_after}")
    return not_before, not_after


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: rsa.RSAPublicKey,
    not_before: datetime,
    not_after: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )


def _authority_key(
    issuer: x509.Certificate, public: rsa.RSAPublicKey
) -> x509.AuthorityKeyIdentifier:
    """Point at the issuer's own SKI if it has one: it need not be the SHA-1 of its key."""
    try:
        own = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(public)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _usage(*granted: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{name: name in granted for name in _USAGES})
