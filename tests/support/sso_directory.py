"""A vmdir in memory for the SSO parts of the lab, and tenants made of real certificates."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.x509.oid import NameOID

from ready_keys import another_key
from stsfix.lab import pki
from stsfix.lab.seams import DirectoryEntry, KeyPair

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa

DOMAIN_DN = "dc=vsphere,dc=local"
TENANT_DN = f"cn=vsphere.local,cn=Tenants,cn=IdentityManager,cn=Services,{DOMAIN_DN}"
CHAINS_DN = f"cn=TrustedCertificateChains,{TENANT_DN}"
ADMINISTRATOR = "administrator@vsphere.local"
PASSWORD = "VMware1!<&>"

ROOT_KEY = another_key()
SIGNER_KEY = another_key()
OTHER_KEY = another_key()
ROOT = pki.vmca_root(
    ROOT_KEY,
    domain="vsphere.local",
    host="vc1.lab.example",
    not_before=pki.days_from_now(-3650),
    not_after=pki.days_from_now(3650),
)


def leaf(
    *,
    days: float = 365,
    since: float = -30,
    key: rsa.RSAPrivateKey = SIGNER_KEY,
    name: str = "ssoserverSign",
    names: tuple[str, ...] = (),
) -> x509.Certificate:
    """Return a certificate below `ROOT`, valid from *since* to *days* days from now."""
    return pki.vmca_leaf(
        key,
        issuer=ROOT,
        issuer_key=ROOT_KEY,
        common_name=name,
        not_before=pki.days_from_now(since),
        not_after=pki.days_from_now(days),
        names=names,
    )


def node_tls(*, days: float = 365) -> KeyPair:
    """Return a machine certificate for 127.0.0.1."""
    names = ("127.0.0.1", "localhost")
    machine = leaf(days=days, key=OTHER_KEY, name="vc1.lab.example", names=names)
    return pki.key_pair(OTHER_KEY, [machine, ROOT])


def common_name(certificate: x509.Certificate) -> str:
    """Return the common name of the subject."""
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


@dataclass
class MemoryDirectory:
    """Entries by DN; *down* makes every read fail as a stopped vmdird does."""

    entries: dict[str, tuple[str, dict[str, list[bytes]]]] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=lambda: {ADMINISTRATOR: PASSWORD})
    down: bool = False

    def children(self, base_dn: str, object_class: str) -> list[DirectoryEntry]:
        self._check()
        return [
            DirectoryEntry(dn=dn, attributes={k: list(v) for k, v in attributes.items()})
            for dn, (found_class, attributes) in self.entries.items()
            if dn.partition(",")[2].lower() == base_dn.lower()
            and found_class.lower() == object_class.lower()
        ]

    def password_matches(self, upn: str, password: str) -> bool:
        self._check()
        return self.passwords.get(upn.lower()) == password

    def _check(self) -> None:
        if self.down:
            raise ConnectionError("vmdird does not run")

    def add_credential(
        self,
        index: int | str,
        *chain: x509.Certificate,
        key: rsa.RSAPrivateKey = SIGNER_KEY,
        prefix: str = "TenantCredential-",
    ) -> None:
        """Add a signing credential; *index* may be any text."""
        self.entries[f"cn={prefix}{index},{TENANT_DN}"] = (
            "vmwSTSTenantCredential",
            {
                "cn": [f"{prefix}{index}".encode()],
                "usercertificate": [pki.der(certificate) for certificate in chain],
                "vmwstsprivatekey": [pki.pkcs8(key)],
            },
        )

    def add_chain(self, index: int | str, *chain: x509.Certificate) -> None:
        """Add a trusted chain."""
        self.entries[f"cn=TrustedCertChain-{index},{CHAINS_DN}"] = (
            "vmwSTSTenantTrustedCertificateChain",
            {
                "cn": [f"TrustedCertChain-{index}".encode()],
                "usercertificate": [pki.der(certificate) for certificate in chain],
            },
        )

    def add_principal(self, name: str, certificate: x509.Certificate) -> None:
        """Add a solution user."""
        self.entries[f"cn={name},cn=ServicePrincipals,{DOMAIN_DN}"] = (
            "vmwServicePrincipal",
            {"cn": [name.encode()], "usercertificate": [pki.der(certificate)]},
        )


def sound_directory(certificate: x509.Certificate | None = None) -> MemoryDirectory:
    """Return a directory whose credential 1 and chain 1 are *certificate* (default: valid)."""
    directory = MemoryDirectory()
    certificate = certificate or leaf()
    directory.add_credential(1, certificate, ROOT)
    directory.add_chain(1, certificate, ROOT)
    return directory
