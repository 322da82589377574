"""Certificates and STS entries for tests, made by the lab's own code (not the product's)."""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ready_keys import another_key
from stsfix.lab import pki
from stsfix.remediation.model import StsEntries, StsEntry
from stsfix.remediation.ports import IssuedCredential
from stsfix.snapshot.secret import Secret

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DOMAIN = "vsphere.local"
NODE = "vc1.lab.example"


@functools.cache
def _key(name: str, bits: int) -> rsa.RSAPrivateKey:
    del name
    return another_key(bits)


def key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return the one key of that *name* and size in this test process."""
    return _key(name, bits)


def days(number: float) -> datetime:
    """Return the moment *number* days after NOW."""
    return NOW + timedelta(days=number)


@functools.cache
def root(name: str = "root", start: float = -1000, end: float = 2000) -> x509.Certificate:
    """Return a VMCA-like root; *start* and *end* are days from NOW."""
    return pki.vmca_root(
        key(name), domain=DOMAIN, host=NODE, not_before=days(start), not_after=days(end)
    )


@functools.cache
def leaf(
    name: str = "leaf",
    *,
    ca: str = "root",
    start: float = -1,
    end: float = 700,
    bits: int = 2048,
) -> x509.Certificate:
    """Return a signing leaf issued by the root of that name."""
    return pki.vmca_leaf(
        key(name, bits),
        issuer=root(ca),
        issuer_key=key(ca),
        common_name="ssoserverSign",
        not_before=days(start),
        not_after=days(end),
        names=[NODE],
    )


def credential(name: str = "leaf", *, start: float = -1, end: float = 700) -> IssuedCredential:
    """Return leaf, root and the leaf's key."""
    return IssuedCredential(
        chain=(pki.der(leaf(name, start=start, end=end)), pki.der(root())),
        key_pkcs8=Secret(pki.pkcs8(key(name))),
    )


def credential_entry(
    index: int | None,
    chain: tuple[bytes, ...],
    *,
    key_matches: bool = True,
    name: str | None = None,
) -> StsEntry:
    """Return a credential as a directory would be read."""
    cn = name or f"TenantCredential-{index}"
    return StsEntry(
        kind="credential",
        dn=f"cn={cn},cn=vsphere.local,cn=Tenants,cn=IdentityManager,cn=Services,dc=vsphere,dc=local",
        index=index,
        chain=chain,
        object_guid=f"guid-{cn}",
        usn=1,
        key_matches=key_matches,
    )


def chain_entry(index: int | None, chain: tuple[bytes, ...]) -> StsEntry:
    """Return a trusted chain as a directory would be read."""
    return StsEntry(
        kind="chain",
        dn=f"cn=TrustedCertChain-{index},cn=TrustedCertificateChains,cn=vsphere.local",
        index=index,
        chain=chain,
        object_guid=f"guid-chain-{index}",
        usn=1,
    )


def entries(
    credentials: tuple[StsEntry, ...], chains: tuple[StsEntry, ...], node: str = NODE
) -> StsEntries:
    """Return what one node's directory holds."""
    return StsEntries(node=node, credentials=credentials, chains=chains)
