"""Trusted roots between a directory and a node: VMCA publishes them, vmafd copies them into VECS.

Source: vmca/common/ldap.c and vmafd/server/vmafd/rootfetch.c (Lightwave): values are PEM text, an
entry's cn is the subject key identifier; what vmafd copied once, it takes away again when the
directory has it no more, and what people put into TRUSTED_ROOTS themselves stays.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from cryptography import x509

from stsfix.lab import pki
from stsfix.lab.vecs import CRLS, TRUSTED_ROOTS, EntryKind, VecsEntry, certificate_alias
from stsfix.lab.x509_text import oneline

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from stsfix.lab.vecs import Vecs
    from stsfix.lab.vmdir.store import DirectoryStore, Entry

_CLASSES = [b"vmwCertificationAuthority", b"pkiCA", b"top"]

_REMEMBERED = 512
"""Values that are parsed once: vmafd looks at all of them every few seconds of the field."""


def key_id(certificate: x509.Certificate) -> str:
    """Return the subject key identifier as vmdir writes it: upper-case hex."""
    identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return identifier.value.digest.hex().upper()


def container(store: DirectoryStore) -> str:
    """Return the DN above the trusted roots."""
    return f"cn=Certificate-Authorities,cn=Configuration,{store.identity.domain_dn}"


def root_entries(store: DirectoryStore) -> list[Entry]:
    """Return the entries of trusted roots."""
    with store.lock:
        return store.children(container(store))


def publish(store: DirectoryStore, roots: Sequence[x509.Certificate], now: datetime) -> None:
    """Let *store* have an entry of each of *roots*, as VMCA makes it."""
    with store.lock:
        writer = store.identity.administrator_dn
        for root in roots:
            name = key_id(root)
            entry_dn = f"cn={name},{container(store)}"
            found = store.find(entry_dn)
            values = {
                "cACertificate": [pki.pem(root)],
                "cACertificateDN": [oneline(root.subject).encode()],
            }
            if found is not None:
                store.modify(found, values, writer, now)
                continue
            classes = {"objectClass": list(_CLASSES), "cn": [name.encode()]}
            store.add(entry_dn, {**classes, **values}, writer, now)


def copies_of(store: DirectoryStore) -> dict[str, list[VecsEntry]]:
    """Return what vmafd copies of *store*, by the name of the store in VECS."""
    roots, lists = {}, {}
    for entry in root_entries(store):
        for found in _certificates(entry):
            alias = certificate_alias(found)
            roots[alias] = VecsEntry(
                alias=alias, kind=EntryKind.TRUSTED, certificates=pki.pem(found), copied=True
            )
        for pem in entry.attributes.get("certificateRevocationList", []):
            alias = entry.attributes["cn"][0].decode().lower()
            lists[alias] = VecsEntry(alias=alias, kind=EntryKind.CRL, certificates=pem, copied=True)
    return {TRUSTED_ROOTS: list(roots.values()), CRLS: list(lists.values())}


def copy_to(vecs: Vecs, store: DirectoryStore) -> None:
    """Let TRUSTED_ROOTS and TRUSTED_ROOT_CRLS follow *store*."""
    for name, copies in copies_of(store).items():
        aliases = {entry.alias for entry in copies}
        own = [e for e in vecs.entries(name) if not e.copied and e.alias not in aliases]
        vecs.replace(name, [*own, *copies])


def _certificates(entry: Entry) -> Iterator[x509.Certificate]:
    for pem in entry.attributes.get("cACertificate", []):
        yield from _parsed(pem)


@functools.lru_cache(maxsize=_REMEMBERED)
def _parsed(pem: bytes) -> tuple[x509.Certificate, ...]:
    try:
        return tuple(x509.load_pem_x509_certificates(pem))
    except ValueError:
        return ()
