"""Certificate requests as certool makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from stsfix.lab import pki, vmca
from stsfix.lab.vmca import VmcaError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryptography.hazmat.primitives.asymmetric import rsa

SUBJECT = {
    "Name": NameOID.COMMON_NAME,
    "DomainComponent": NameOID.DOMAIN_COMPONENT,
    "Country": NameOID.COUNTRY_NAME,
    "State": NameOID.STATE_OR_PROVINCE_NAME,
    "Locality": NameOID.LOCALITY_NAME,
    "Organization": NameOID.ORGANIZATION_NAME,
    "OrgUnit": NameOID.ORGANIZATIONAL_UNIT_NAME,
}
"""In the order VMCA writes them."""


def public_pem(key: rsa.RSAPrivateKey) -> bytes:
    """Return the public half of *key*."""
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def request_of(
    values: Mapping[str, str], key: rsa.RSAPrivateKey, *, usages: Sequence[str]
) -> x509.CertificateSigningRequest:
    """Return a request with the names of *values* (UpdateReqData)."""
    parts = []
    for name, oid in SUBJECT.items():
        between = "." if name == "DomainComponent" else ","
        texts = values.get(name, "").split(between)
        parts += [x509.NameAttribute(oid, text.strip()) for text in texts if text.strip()]
    if not parts:
        raise VmcaError(vmca.INVALID_CSR_FIELD)
    hosts = [*values.get("Hostname", "").split(","), *values.get("IPAddress", "").split(",")]
    names: list[x509.GeneralName] = [pki.general_name(h.strip()) for h in hosts if h.strip()]
    if values.get("Email"):
        names.append(x509.RFC822Name(values["Email"]))
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(parts))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if usages:
        builder = builder.add_extension(pki.key_usage(*usages), critical=False)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return builder.add_extension(identifier, critical=False).sign(key, hashes.SHA256())
