"""What IDM reads of a tenant from its node's directory, with all the ways this can break.

Source: vmdir.md 3 (DirectoryConfigStore.java L320-380 and 4923-4932, ServerUtils.java L756,
lightwave@a04d9171).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from stsfix.lab.sso.saml import Signer

if TYPE_CHECKING:
    from stsfix.lab.seams import DirectoryEntry, DirectoryReader

TENANT = "vmwSTSTenant"
CREDENTIAL = "vmwSTSTenantCredential"
CHAIN = "vmwSTSTenantTrustedCertificateChain"
SERVICE_PRINCIPAL = "vmwServicePrincipal"
_INT_MAX = 2**31 - 1
_INTEGER = 0x02


class TenantBrokenError(Exception):
    """The tenant cannot be loaded; the text is the line IDM logs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """One tenant as the STS uses it. Without a credential there is no *signer*."""

    name: str
    signer: Signer | None
    chains: tuple[tuple[x509.Certificate, ...], ...]

    @property
    def anchors(self) -> tuple[x509.Certificate, ...]:
        """The first certificate of every trusted chain: what token signatures must lead to."""
        return tuple(chain[0] for chain in self.chains)


def domain_dn(domain: str) -> str:
    """Return the DN of an SSO domain: ``vsphere.local`` -> ``dc=vsphere,dc=local``."""
    return ",".join(f"dc={label}" for label in domain.split("."))


def tenant_dn(tenant: str, domain: str) -> str:
    """Return the DN of *tenant* in the directory of *domain*."""
    return f"cn={tenant},cn=Tenants,cn=IdentityManager,cn=Services,{domain_dn(domain)}"


def read_entries(
    directory: DirectoryReader, tenant: str, domain: str
) -> tuple[list[DirectoryEntry], list[DirectoryEntry]]:
    """Return the credential entries and the trusted chain entries.

    Raises:
        ConnectionError: vmdird does not run on the node.
    """
    base = tenant_dn(tenant, domain)
    return (
        directory.children(base, CREDENTIAL),
        directory.children(f"cn=TrustedCertificateChains,{base}", CHAIN),
    )


def load(
    name: str,
    base_dn: str,
    credentials: list[DirectoryEntry],
    chains: list[DirectoryEntry],
) -> Tenant:
    """Return the tenant that the entries below *base_dn* make.

    Raises:
        TenantBrokenError: An index is no number, the entry with the highest index has another
            name than IDM expects, or a key or certificate cannot be read. Validity dates, links
            of a chain and whether the key belongs to the certificate are not looked at.
    """
    return Tenant(
        name=name,
        signer=_signer(base_dn, credentials),
        chains=tuple(_certificates(entry) for entry in chains),
    )


def highest_index(dns: list[str]) -> int:
    """Return the highest index as IDM finds it, 0 at least: the text of each DN between its
    first ``-`` and its first ``,``.

    Raises:
        TenantBrokenError: That text is no Java int.
    """
    highest = 0
    for dn in dns:
        text = dn[dn.find("-") + 1 : dn.find(",")]
        if text:
            highest = max(highest, _java_int(text))
    return highest


def _java_int(text: str) -> int:
    digits = text[1:] if text[0] in "+-" else text
    if not (digits.isascii() and digits.isdigit()) or int(digits) > _INT_MAX:
        raise TenantBrokenError(f'java.lang.NumberFormatException: For input string: "{text}"')
    return int(text)


def _signer(base_dn: str, credentials: list[DirectoryEntry]) -> Signer | None:
    if not credentials:  # the lookup returns null and the tenant has no certificate [INFERRED]
        return None
    wanted = f"CN=TenantCredential-{highest_index([e.dn for e in credentials])},{base_dn}"
    for entry in credentials:
        if entry.dn.casefold() == wanted.casefold():
            return Signer(key=_key(entry), chain=_certificates(entry))
    raise TenantBrokenError(f"No such object: {wanted}")


def _certificates(entry: DirectoryEntry) -> tuple[x509.Certificate, ...]:
    try:
        chain = tuple(
            x509.load_der_x509_certificate(value)
            for value in entry.attributes.get("usercertificate", [])
        )
    except ValueError as error:
        raise TenantBrokenError(f"CertificateException in {entry.dn}: {error}") from error
    if not chain:
        raise TenantBrokenError(f"no userCertificate in {entry.dn}")
    return chain


def _key(entry: DirectoryEntry) -> rsa.RSAPrivateKey:
    values = entry.attributes.get("vmwstsprivatekey", [])
    if len(values) != 1 or not _is_pkcs8(values[0]):
        raise TenantBrokenError(f"InvalidKeySpecException in {entry.dn}")
    try:
        # Without the check of its primes, which takes 0.1 s: an STS loads keys often, and signs
        # with what the lab or stsfix made.
        key = serialization.load_der_private_key(
            values[0], None, unsafe_skip_rsa_key_validation=True
        )
    except (ValueError, TypeError) as error:
        raise TenantBrokenError(f"InvalidKeySpecException in {entry.dn}: {error}") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TenantBrokenError(f"InvalidKeySpecException in {entry.dn}: not RSA")
    return key


def _is_pkcs8(value: bytes) -> bool:
    """Tell PKCS#8 from PKCS#1: behind the version comes an AlgorithmIdentifier, not INTEGER.

    Java's PKCS8EncodedKeySpec takes nothing else, OpenSSL's loader would.
    """
    version = value.find(b"\x02\x01\x00", 1, 8)
    return version > 0 and len(value) > version + 3 and value[version + 3] != _INTEGER


def upn(user: str, domain: str) -> str:
    """Return user@domain for that, for the down-level form, and for a bare name."""
    if "\\" in user:
        given, _, name = user.partition("\\")
        return f"{name}@{given}"
    return user if "@" in user else f"{user}@{domain}"
