"""VECS, the certificate stores of one node; plain data on its disk.

Which stores a node has: the product's documentation and vCert name them (peers.md d); which of
them a PSC has besides ``machine`` is [K].
"""

from __future__ import annotations

import enum
import hashlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from stsfix.lab import pki
from stsfix.lab.seams import KeyPair

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stsfix.lab.disk import Role

MACHINE_SSL = "MACHINE_SSL_CERT"
MACHINE_ALIAS = "__MACHINE_CERT"
TRUSTED_ROOTS = "TRUSTED_ROOTS"
CRLS = "TRUSTED_ROOT_CRLS"
ENCIPHERMENT = "data-encipherment"
SMS = "SMS"
BACKUP = "BACKUP_STORE"
SYSTEM_STORES = (MACHINE_SSL, TRUSTED_ROOTS, CRLS)
"""Stores that vmafdd itself keeps: nobody can delete them."""

_NEWER = (7,)


class EntryKind(enum.StrEnum):
    """What an entry is; the value is vecs-cli's word for it (VecsMapEntryType)."""

    PRIVATE_KEY = "Private Key"
    SECRET_KEY = "Secret Key"  # noqa: S105 - vecs-cli's word
    TRUSTED = "Trusted Cert"
    CRL = "Certification Revocation List"


@dataclass(frozen=True, slots=True, kw_only=True)
class VecsEntry:
    """One entry. *certificates* is PEM, a leaf first (a CRL's PEM for a CRL); *key* is PEM, empty
    for what has none. *copied* is true of what vmafd brought from the directory.
    """

    alias: str
    kind: EntryKind
    certificates: bytes = b""
    key: bytes = b""
    copied: bool = False

    @property
    def pair(self) -> KeyPair:
        """Chain and key, for a TLS server."""
        return KeyPair(certificates_pem=self.certificates, key_pem=self.key)

    def chain(self) -> list[x509.Certificate]:
        """Return the certificates.

        Raises:
            ValueError: They are malformed, or there is none.
        """
        return x509.load_pem_x509_certificates(self.certificates)

    def key_matches(self) -> bool:
        """Tell whether the key is that of the first certificate.

        Raises:
            ValueError: Certificate or key is malformed.
        """
        return pki.private_key(self.key).public_key() == self.chain()[0].public_key()


def certificate_alias(certificate: x509.Certificate) -> str:
    """Return the alias of a certificate that got none: its SHA-1 in hex."""
    der = certificate.public_bytes(serialization.Encoding.DER)
    return hashlib.sha1(der, usedforsecurity=False).hexdigest()


class Vecs:
    """The stores of a node, safe to use from several threads; ``copy.deepcopy`` is independent."""

    def __init__(self, names: Iterable[str] = SYSTEM_STORES) -> None:
        self._lock = threading.RLock()
        self._stores: dict[str, dict[str, VecsEntry]] = {name: {} for name in names}
        self._granted: dict[str, dict[str, frozenset[str]]] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Vecs:
        twin = Vecs(())
        with self._lock:
            twin._stores = {name: dict(entries) for name, entries in self._stores.items()}
            twin._granted = {name: dict(users) for name, users in self._granted.items()}
        memo[id(self)] = twin
        return twin

    def names(self) -> list[str]:
        """Return the stores in the order they were made."""
        with self._lock:
            return list(self._stores)

    def entries(self, store: str) -> list[VecsEntry]:
        """Return the entries of *store*; none if there is no such store."""
        with self._lock:
            return list(self._stores.get(store, {}).values())

    def find(self, store: str, alias: str) -> VecsEntry | None:
        """Return the entry, None if there is none."""
        with self._lock:
            return self._stores.get(store, {}).get(alias)

    def create(self, store: str) -> bool:
        """Make an empty store; False if there is one."""
        with self._lock:
            if store in self._stores:
                return False
            self._stores[store] = {}
            return True

    def drop(self, store: str) -> None:
        """Delete a store with its entries; nothing happens without one."""
        with self._lock:
            self._stores.pop(store, None)
            self._granted.pop(store, None)

    def put(self, store: str, entry: VecsEntry) -> None:
        """Add *entry* to *store*, in place of one with its alias; the store is made if need be."""
        with self._lock:
            self._stores.setdefault(store, {})[entry.alias] = entry

    def remove(self, store: str, alias: str) -> bool:
        """Delete an entry; False if there was none."""
        with self._lock:
            return self._stores.get(store, {}).pop(alias, None) is not None

    def replace(self, store: str, entries: Iterable[VecsEntry]) -> None:
        """Let *store* hold exactly *entries*."""
        with self._lock:
            self._stores[store] = {entry.alias: entry for entry in entries}

    def granted(self, store: str) -> dict[str, frozenset[str]]:
        """Return who may do what (``read``, ``write``) with *store* besides root."""
        with self._lock:
            return dict(self._granted.get(store, {}))

    def grant(self, store: str, user: str, rights: frozenset[str]) -> None:
        """Let *user* have exactly *rights*."""
        with self._lock:
            users = self._granted.setdefault(store, {})
            users[user] = rights
            if not rights:
                del users[user]


def solution_users(role: Role, release: tuple[int, ...]) -> tuple[str, ...]:
    """Return the solution users of a node; each has a store of its name."""
    found = ["machine", "vsphere-webclient"]
    if role.has_vcenter:
        found += ["vpxd", "vpxd-extension"]
        if release >= _NEWER:
            found += ["hvc", "wcp"]
    return tuple(found)


def stores_of(role: Role, release: tuple[int, ...]) -> tuple[str, ...]:
    """Return the stores of a node as ``vecs-cli store list`` shows them."""
    found = [*SYSTEM_STORES, *solution_users(role, release)]
    if role.has_vcenter:
        found += ["APPLMGMT_PASSWORD", ENCIPHERMENT, SMS, "KMS_ENCRYPTION"]
    return (*found, BACKUP)
