"""What a node's own authority (VMCA) is asked for and gives: values, and the check of what came.

Pure: bytes, names and time are arguments.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from stsfix.remediation.pki import certificate_chains, certificates, issuing, rsa_keys

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric import rsa

    from stsfix.snapshot.secret import Secret

Way = Literal["csr", "key", "root-key"]
"""How a certificate was signed: from a request alone, with the key on the node for a moment, or
here with VMCA's own key.
"""

Subject = tuple[tuple[str, str], ...]
"""A name as (attribute, value), in order; attributes are the keys of `SUBJECT_KEYS`."""

SUBJECT_KEYS: Final = {
    "CN": "Name",
    "DC": "DomainComponent",
    "C": "Country",
    "L": "Locality",
    "ST": "State",
    "O": "Organization",
    "OU": "OrgUnit",
}
"""Attributes that certool can write, with the key of each in its configuration file
(AddConfigOptions in vmca/certool/certool.cpp, Lightwave a04d9171).
"""

CLIPPED: Final = timedelta(days=1)
"""A certificate that ends so much earlier than asked was cut: certool takes ten years from ten
minutes ago (VMCA_DEFAULT_CERT_VALIDITY), which is no cut of ten years from now.
"""

_SPECIAL: Final = frozenset(",#")
"""A comma separates values (VMCACreateCertificateName), # begins a comment (Boost)."""

_TEXT_LIMIT: Final = 64
"""Longest value of a common name, and of the other attributes (RFC 5280, appendix A.1)."""


_VMCA_ISSUER: Final = "/afd/vecs/ssl"
"""End of the issuer's address that VMCA writes into what it signs (vmca/service/utils.c,
Lightwave a04d9171)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRequest:
    """A leaf that VMCA is to sign: STS signer, machine SSL and solution users alike.

    Its key usage is what certool gives: digitalSignature, nonRepudiation and keyEncipherment
    (HandleGenCert). *subject* may name an attribute more than once, but for CN; VMCA puts them
    into its own order (VMCACreateCertificateName). *key_pkcs8* is an RSA key as unencrypted
    PKCS#8 DER. *not_before* and *not_after* are wanted; certool chooses its own.
    """

    subject: Subject
    dns_names: tuple[str, ...]
    ip_addresses: tuple[str, ...] = ()
    not_before: datetime
    not_after: datetime
    key_pkcs8: Secret[bytes] = field(repr=False)

    def __post_init__(self) -> None:
        keys = [key for key, _ in self.subject]
        if keys.count("CN") != 1 or not set(keys) <= SUBJECT_KEYS.keys():
            raise ValueError(f"certool cannot write a subject of {keys}")
        for value in (*(v for _, v in self.subject), *self.dns_names, *self.ip_addresses):
            if not value.isprintable() or value != value.strip() or not value:
                raise ValueError(f"{value!r} cannot stand in a configuration file of certool")
            if not _SPECIAL.isdisjoint(value):
                raise ValueError(f"certool would take {value!r} for something else")
        if any(len(value) > _TEXT_LIMIT for _, value in self.subject):
            raise ValueError(f"a value of the subject has more than {_TEXT_LIMIT} characters")
        if self.not_after <= self.not_before:
            raise ValueError("a certificate ends after it begins")

    @property
    def common_name(self) -> str:
        """The CN of the subject."""
        return dict(self.subject)["CN"]

    def private_key(self) -> rsa.RSAPrivateKey:
        """Return the key.

        Raises:
            ValueError: It is no RSA key in unencrypted PKCS#8 DER.
        """
        return rsa_keys.own_key(self.key_pkcs8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Something about an authority that could not be found out; *reason* is one sentence."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """VMCA of one node, as far as it could be read without changing anything.

    *chain* is what it issues with, DER, the issuing certificate first and the root last: the
    certificates of root.cer in this order. *unread* says why it is empty. *certool* tells whether
    the program is there, *serves* whether VMCA answered it, *serves_root* whether what it answered
    with is the first certificate of *chain*, *key_matches* whether its key file belongs to that.
    *takes_requests* tells whether this certool signs a certificate request, so that no key has
    to be sent.
    """

    node: str
    chain: tuple[bytes, ...] = ()
    unread: str = ""
    certool: bool | Unknown
    serves: bool | Unknown
    serves_root: bool | Unknown
    key_matches: bool | Unknown
    takes_requests: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedCertificate:
    """What came back, checked by `check_signed`: *chain* is DER, leaf first, root last.

    *remarks* are sentences for people.
    """

    chain: tuple[bytes, ...]
    way: Way
    remarks: tuple[str, ...] = ()

    @property
    def leaf(self) -> bytes:
        """The certificate that was asked for."""
        return self.chain[0]


def signing_request(request: CertificateRequest) -> bytes:
    """Return *request* as PKCS#10 in PEM; the key signs it and is not in it.

    Raises:
        ValueError: The key is none, or a name cannot be written.
    """
    builder = x509.CertificateSigningRequestBuilder().subject_name(issuing.name_of(request.subject))
    key = request.private_key()
    for extension in issuing.leaf_extensions(
        key.public_key(), dns_names=request.dns_names, ip_addresses=request.ip_addresses
    ):
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


def check_signed(
    chain: Sequence[bytes], request: CertificateRequest, now: datetime
) -> tuple[str, ...]:
    """Return everything that is wrong with *chain* as the answer to *request*; empty if nothing.

    The leaf has our public key, our common name and every DNS name asked for, is no CA, and the
    chain holds together, is in time at *now* and ends in a root.
    """
    problems = list(certificate_chains.check_chain(chain, now))
    leaf = certificates.parse(chain[0]) if chain else None
    if not isinstance(leaf, certificates.Certificate):
        return (*problems, "there is no certificate") if not problems else tuple(problems)
    ours = request.private_key().public_key()
    if certificates.key_bytes(leaf) != ours.public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    ):
        problems.append(f"{leaf.subject} has another key than the one that was sent")
    if leaf.authority:
        problems.append(f"{leaf.subject} is a CA certificate")
    named = leaf.x509.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if request.common_name not in {str(attribute.value) for attribute in named}:
        problems.append(f"{leaf.subject} does not name {request.common_name}")
    missing = {n.lower() for n in request.dns_names} - set(certificates.dns_names(leaf))
    if missing:
        problems.append(f"{leaf.subject} lacks the names {', '.join(sorted(missing))}")
    return tuple(problems)


def is_clipped(leaf: bytes, request: CertificateRequest) -> bool:
    """Tell whether *leaf* ends earlier than *request* asked for, by more than `CLIPPED`."""
    found = certificates.parse(leaf)
    if not isinstance(found, certificates.Certificate):
        return False
    return found.not_after < request.not_after - CLIPPED


def names_vmca(leaf: certificates.Certificate, owners: frozenset[str]) -> bool:
    """Tell whether *leaf* says that a VMCA of one of *owners* issued it.

    VMCA's root is CN=CA, O=<host> (certool's selfca), and what it signs points to the host's
    list of roots; neither is proof, and neither is believed for anything but this: a
    certificate of such an issuer is no custom one.
    """
    issuer = {(a.rfc4514_attribute_name, str(a.value).lower()) for a in leaf.x509.issuer}
    if ("CN", "ca") in issuer and any(("O", owner) in issuer for owner in owners):
        return True
    places = {f"https://{owner}{_VMCA_ISSUER}" for owner in owners}
    return not places.isdisjoint(address.lower() for address in certificates.issuer_addresses(leaf))
