"""One X.509 certificate: parse without crashing, class of expiry, what it says, whose key it has.

Pure: time and bytes are arguments. What a whole chain must be is in `certificate_chains`.
"""

from __future__ import annotations

import enum
import functools
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import AuthorityInformationAccessOID

from stsfix.remediation.pki import rsa_keys

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

_T = TypeVar("_T", bound=x509.ExtensionType)

MIN_RSA_BITS: Final = 2048
"""VMCASignedRequestPrivate refuses less (vmca/service/utils.c, Lightwave a04d9171)."""

STRONG_HASHES = frozenset({"sha256", "sha384", "sha512"})

# The DER of the OID rsaEncryption (RFC 8017 A.1): near the start of a PKCS#8 RSA key, absent from
# PKCS#1, which Java's PKCS8EncodedKeySpec does not read (ServerUtils.java L756).
_RSA_OID = bytes.fromhex("06092a864886f70d010101")
_PKCS8_HEAD = 32

_REMEMBERED = 2048
"""More certificates than a domain has, each of some 10 KB."""

_PARSE_ERRORS = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


class Expiry(enum.StrEnum):
    """Where a moment lies in a certificate's validity."""

    VALID = "valid"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """Bytes that are no usable certificate. *sha256* is theirs, lower-case hex."""

    sha256: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """One parsed certificate; dates are aware UTC, both ends are inside the validity.

    *sha256* is of the DER, 64 lower-case hex digits. *key_id* is the subject key identifier in
    upper-case hex, None if absent. *authority* is CA:TRUE in BasicConstraints; None if the
    extension is absent. *path_length* is that extension's. *signs_certificates* is KeyUsage's
    keyCertSign, None if the extension is absent. *rsa_bits* is None for any other kind of key.
    """

    der: bytes = field(repr=False)
    sha256: str
    version: int
    subject: str
    issuer: str
    not_before: datetime
    not_after: datetime
    key_id: str | None
    authority: bool | None
    path_length: int | None
    signs_certificates: bool | None
    rsa_bits: int | None
    signature_hash: str | None
    x509: x509.Certificate = field(repr=False, compare=False)

    @property
    def self_issued(self) -> bool:
        """True if subject and issuer are the same name."""
        return self.x509.subject == self.x509.issuer


def fingerprint(der: bytes) -> str:
    """Return the SHA-256 of *der*, 64 lower-case hex digits."""
    return hashlib.sha256(der).hexdigest()


def parse(der: bytes) -> Certificate | Malformed:
    """Return the certificate in *der*, or why there is none; never raises.

    Each check looks at the same few certificates: what was parsed is remembered.
    """
    return _parsed(der)


@functools.lru_cache(maxsize=_REMEMBERED)
def _parsed(der: bytes) -> Certificate | Malformed:
    try:
        return _certificate(x509.load_der_x509_certificate(der), der)
    except _PARSE_ERRORS as error:
        reason = str(error).split("\n", 1)[0][:120] or type(error).__name__
        return Malformed(sha256=fingerprint(der), reason=reason)


def _certificate(found: x509.Certificate, der: bytes) -> Certificate:
    constraints = _extension(found, x509.BasicConstraints)
    usage = _extension(found, x509.KeyUsage)
    key_id = _extension(found, x509.SubjectKeyIdentifier)
    key = found.public_key()
    signature_hash = found.signature_hash_algorithm
    return Certificate(
        der=der,
        sha256=fingerprint(der),
        version=found.version.value,
        subject=found.subject.rfc4514_string(),
        issuer=found.issuer.rfc4514_string(),
        not_before=found.not_valid_before_utc,
        not_after=found.not_valid_after_utc,
        key_id=key_id.digest.hex().upper() if key_id else None,
        authority=constraints.ca if constraints else None,
        path_length=constraints.path_length if constraints else None,
        signs_certificates=usage.key_cert_sign if usage else None,
        rsa_bits=key.key_size if isinstance(key, rsa.RSAPublicKey) else None,
        signature_hash=signature_hash.name if signature_hash else None,
        x509=found,
    )


def _extension(found: x509.Certificate, kind: type[_T]) -> _T | None:
    try:
        return found.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def classify(certificate: Certificate, now: datetime, soon: timedelta) -> Expiry:
    """Return the class of *certificate* at *now*; EXPIRING if it ends within *soon*.

    The STS takes both ends of the validity as valid (TokenLifetimeRemediator.java L75-105).
    """
    if now < certificate.not_before:
        return Expiry.NOT_YET_VALID
    if now > certificate.not_after:
        return Expiry.EXPIRED
    if now > certificate.not_after - soon:
        return Expiry.EXPIRING
    return Expiry.VALID


def issued_by(child: Certificate, parent: Certificate) -> bool:
    """Tell whether *parent*'s name and key made *child*."""
    try:
        child.x509.verify_directly_issued_by(parent.x509)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def path_up(start: Certificate, found: Sequence[Certificate]) -> list[Certificate]:
    """Return *start* and its issuers among *found*, in order, whatever the order of *found*.

    Ends at a self-signed certificate or where no issuer is there.
    """
    chain = [start]
    while not issued_by(chain[-1], chain[-1]):
        above = [c for c in found if c not in chain and issued_by(chain[-1], c)]
        if not above:
            break
        chain.append(above[0])
    return chain


def key_matches(key_pkcs8: bytes, leaf: bytes) -> bool:
    """Tell whether *key_pkcs8* is an unencrypted PKCS#8 RSA key in DER and belongs to *leaf*.

    Proven by a SHA256withRSA signature made and verified, as the identity service's own API does
    (IdentityManager.java L1154). Never raises; nothing of the key leaves.
    """
    certificate = parse(leaf)
    if isinstance(certificate, Malformed) or _RSA_OID not in key_pkcs8[:_PKCS8_HEAD]:
        return False
    public = certificate.x509.public_key()
    if not isinstance(public, rsa.RSAPublicKey):
        return False
    probe = b"does this key belong to this certificate"
    try:
        key = rsa_keys.key_of(key_pkcs8, public)
        scheme, hashed = padding.PKCS1v15(), SHA256()
        signature = key.sign(probe, scheme, hashed) if key else b""
        public.verify(signature, probe, scheme, hashed)
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature):
        return False
    return True


def weakness(certificate: Certificate) -> str | None:
    """Return what is weak about *certificate*, None if nothing is.

    Nobody verifies a root's signature over itself, so its hash does not matter.
    """
    bits, hashed = certificate.rsa_bits, certificate.signature_hash
    if bits is not None and bits < MIN_RSA_BITS:
        return f"an RSA key of only {bits} bits"
    if hashed is not None and hashed not in STRONG_HASHES and not certificate.self_issued:
        return f"a signature with {hashed}"
    return None


def key_bytes(certificate: Certificate) -> bytes:
    """Return the DER of the certificate's public key (SubjectPublicKeyInfo)."""
    key = certificate.x509.public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


_USAGES: Final = (
    ("digital_signature", "digitalSignature"),
    ("content_commitment", "nonRepudiation"),
    ("key_encipherment", "keyEncipherment"),
    ("data_encipherment", "dataEncipherment"),
    ("key_agreement", "keyAgreement"),
    ("key_cert_sign", "keyCertSign"),
    ("crl_sign", "cRLSign"),
)


def key_usages(certificate: Certificate) -> tuple[str, ...] | None:
    """Return what its key may be used for, in RFC 5280's words; None if it does not say."""
    usage = _extension(certificate.x509, x509.KeyUsage)
    if usage is None:
        return None
    return tuple(word for name, word in _USAGES if getattr(usage, name))


def algorithm(certificate: Certificate) -> str:
    """Return key and signature for people: ``RSA 2048, sha256``."""
    key = f"RSA {certificate.rsa_bits}" if certificate.rsa_bits else "no RSA"
    return f"{key}, {certificate.signature_hash or 'unknown hash'}"


def modulus_of(certificate: Certificate) -> str | None:
    """Return the modulus of its RSA key, lower-case hex without leading zeros; else None."""
    key = certificate.x509.public_key()
    return f"{key.public_numbers().n:x}" if isinstance(key, rsa.RSAPublicKey) else None


def dns_names(certificate: Certificate) -> tuple[str, ...]:
    """Return the DNS names among the subject alternative names, in lower case."""
    names = _extension(certificate.x509, x509.SubjectAlternativeName)
    found = names.get_values_for_type(x509.DNSName) if names else []
    return tuple(name.lower() for name in found)


def ip_addresses(certificate: Certificate) -> tuple[str, ...]:
    """Return the IP addresses among the subject alternative names."""
    names = _extension(certificate.x509, x509.SubjectAlternativeName)
    found = names.get_values_for_type(x509.IPAddress) if names else []
    return tuple(str(address) for address in found)


def issuer_addresses(certificate: Certificate) -> tuple[str, ...]:
    """Return where its issuer can be fetched, as it says itself (AuthorityInformationAccess)."""
    access = _extension(certificate.x509, x509.AuthorityInformationAccess)
    return tuple(
        str(entry.access_location.value)
        for entry in access or ()
        if entry.access_method == AuthorityInformationAccessOID.CA_ISSUERS
    )


def may_sign(certificate: Certificate) -> bool | None:
    """Tell whether KeyUsage allows signatures over data; None without that extension."""
    usage = _extension(certificate.x509, x509.KeyUsage)
    return usage.digital_signature if usage else None
