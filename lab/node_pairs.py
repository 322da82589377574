"""Keys and certificates of one node, as an installation leaves them; and its stores from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.x509.oid import NameOID

from stsfix.lab import pki, trusted_roots
from stsfix.lab.disk import NodeFile
from stsfix.lab.extensions import BY_MACHINE, BY_SOLUTION_USER, Extension, thumbprint
from stsfix.lab.trust import STARTED_DAYS_AGO, machine_certificate
from stsfix.lab.vecs import (
    BACKUP,
    ENCIPHERMENT,
    MACHINE_ALIAS,
    MACHINE_SSL,
    SMS,
    EntryKind,
    Vecs,
    VecsEntry,
    solution_users,
    stores_of,
)
from stsfix.lab.vmca import vmca_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cryptography.hazmat.primitives.asymmetric import rsa

    from stsfix.lab.disk import NodeDisk
    from stsfix.lab.seams import KeyPair
    from stsfix.lab.topology import NodePlan
    from stsfix.lab.trust import Authority, KeySource
    from stsfix.lab.vmdir.store import DirectoryStore

SMS_ALIAS = "sms_self_signed"
_OTHERS = (
    ("com.vmware.vcDr", "8.8.0", "VMware, Inc.", "https://srm1.lab.example:443/drserver/vcdr"),
    ("com.vmware.nsx.management.nsxt", "4.1", "VMware, Inc.", "https://nsx1.lab.example:443"),
    ("com.example.backup", "12.1", "Example Backup", "https://backup1.lab.example:9419"),
)
"""What other people have registered; keys of SRM and NSX as in vsphere.md 8, the rest made up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ages:
    """Days that are left to each kind of certificate of a node."""

    machine: float = 365.0
    users: float = 365.0
    encipherment: float = 365.0
    sms: float = 3650.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePairs:
    """*users* are solution users by store; their accounts have the same certificates."""

    machine: KeyPair
    users: Mapping[str, KeyPair]
    encipherment: KeyPair | None = None
    sms: KeyPair | None = None

    def account_certificates(self, machine_id: str) -> dict[str, x509.Certificate]:
        """Return what the directory holds of each solution user, by account name."""
        return {
            f"{store}-{machine_id}": x509.load_pem_x509_certificate(pair.certificates_pem)
            for store, pair in self.users.items()
        }

    def entries(self) -> Iterator[tuple[str, VecsEntry]]:
        """Yield store and entry of everything with a key."""
        yield MACHINE_SSL, _entry(MACHINE_ALIAS, self.machine)
        for store, pair in self.users.items():
            yield store, _entry(store, pair)
        if self.encipherment is not None:
            yield ENCIPHERMENT, _entry(ENCIPHERMENT, self.encipherment)
        if self.sms is not None:
            yield SMS, _entry(SMS_ALIAS, self.sms)


def _entry(alias: str, pair: KeyPair) -> VecsEntry:
    return VecsEntry(
        alias=alias,
        kind=EntryKind.PRIVATE_KEY,
        certificates=pair.certificates_pem,
        key=pair.key_pem,
    )


def keys_needed(node: NodePlan) -> int:
    """Return how many keys `make_pairs` takes for *node*."""
    return 3 if node.role.has_vcenter else 2


def make_pairs(
    keys: KeySource,
    authority: Authority,
    node: NodePlan,
    *,
    release: tuple[int, ...],
    domain: str,
    machine_id: str,
    ages: Ages,
    names: Sequence[str] = (),
    company: Authority | None = None,
) -> NodePairs:
    """Make all keys and certificates of *node*, signed by *authority*.

    Names of solution users are those of ``certool --genCIScert`` (vmca/certool/Handler.cpp). To
    save time the solution users of a node have one key until somebody renews them, and so have
    data-encipherment and SMS. With *company* that has issued the machine certificate.
    """
    issuer = company or authority
    machine = machine_certificate(keys, issuer, node.fqdn, days=ages.machine, names=names)
    key = keys.next()
    users = {
        store: _pair(
            key,
            authority,
            _user_name(f"{store}-{machine_id}", domain, machine_id),
            host=node.fqdn,
            days=ages.users,
        )
        for store in solution_users(node.role, release)
    }
    if not node.role.has_vcenter:
        return NodePairs(machine=machine, users=users)
    key = keys.next()
    enciphers = _pair(
        key,
        authority,
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, ENCIPHERMENT)]),
        host=node.fqdn,
        days=ages.encipherment,
        usages=("key_encipherment", "data_encipherment", "digital_signature"),
    )
    return NodePairs(
        machine=machine, users=users, encipherment=enciphers, sms=_self_signed(key, ages.sms)
    )


def _user_name(name: str, domain: str, machine_id: str) -> x509.Name:
    parts = [
        (NameOID.COMMON_NAME, name),
        *((NameOID.DOMAIN_COMPONENT, label) for label in domain.split(".")),
        (NameOID.COUNTRY_NAME, "US"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, f"mID-{machine_id}"),
    ]
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


def _pair(
    key: rsa.RSAPrivateKey,
    authority: Authority,
    subject: x509.Name,
    *,
    host: str,
    days: float,
    usages: Sequence[str] = (),
) -> KeyPair:
    leaf = pki.vmca_leaf(
        key,
        issuer=authority.certificate,
        issuer_key=authority.key,
        common_name="",
        subject=subject,
        usages=usages,
        not_before=pki.days_from_now(-STARTED_DAYS_AGO),
        not_after=pki.days_from_now(days),
        names=[host],
    )
    return pki.key_pair(key, [leaf])


def _self_signed(key: rsa.RSAPrivateKey, days: float) -> KeyPair:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "SMS")])
    made = pki.self_signed_root(
        key,
        subject=subject,
        not_before=pki.days_from_now(-STARTED_DAYS_AGO),
        not_after=pki.days_from_now(days),
    )
    return pki.key_pair(key, [made])


def make_stores(
    node: NodePlan, release: tuple[int, ...], pairs: NodePairs, directory: DirectoryStore
) -> Vecs:
    """Return the stores of *node*; trusted roots are those of *directory*, its controller's."""
    vecs = Vecs(stores_of(node.role, release))
    for store, entry in pairs.entries():
        vecs.put(store, entry)
    trusted_roots.copy_to(vecs, directory)
    return vecs


def write_authority(disk: NodeDisk, authority: Authority) -> None:
    """Put root and key of a node's VMCA where vmcad reads them."""
    root, key = vmca_files(disk)
    content = b"".join(pki.pem(c) for c in authority.chain)
    disk.files[root] = NodeFile(content=content, mode=0o600)
    disk.files[key] = NodeFile(content=pki.key_pem(authority.key), mode=0o600)


def registered_extensions(pairs: NodePairs, *, others: bool) -> dict[str, Extension]:
    """Return what a vCenter has registered; with *others* products of other people, too."""
    named = dict.fromkeys(BY_SOLUTION_USER, pairs.users["vpxd-extension"])
    named |= dict.fromkeys(BY_MACHINE, pairs.machine)
    found = [
        Extension(
            ext_id=key,
            version="1.0",
            company="VMware, Inc.",
            thumbprint=thumbprint(x509.load_pem_x509_certificate(pair.certificates_pem)),
        )
        for key, pair in named.items()
    ]
    if others:
        found += [
            Extension(ext_id=key, version=version, company=company, url=url)
            for key, version, company, url in _OTHERS
        ]
    return {extension.ext_id: extension for extension in found}


def leave_behind(disk: NodeDisk, authority: Authority) -> None:
    """Put into the stores of *disk* what upgrades and certificate-manager left, long expired.

    Names: the legacy store is named by vCert (peers.md d), backups by certificate-manager.
    """
    key = authority.key
    old = pki.vmca_leaf(
        key,
        issuer=authority.certificate,
        issuer_key=key,
        common_name=disk.fqdn,
        not_before=pki.days_from_now(-2000),
        not_after=pki.days_from_now(-900),
        names=[disk.fqdn],
    )
    pair = pki.key_pair(key, [old])
    disk.vecs.put("STS_INTERNAL_SSL_CERT", _entry(MACHINE_ALIAS, pair))
    disk.vecs.put(BACKUP, _entry(f"bkp_{MACHINE_ALIAS}", pair))
