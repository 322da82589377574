"""Nodes with certificate stores, for what decides about renewals."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from sts_material import DOMAIN, days, key
from stsfix.lab import pki
from stsfix.remediation.model import Role
from stsfix.remediation.pki import vecs
from stsfix.remediation.pki.certificates import fingerprint
from stsfix.remediation.pki.vecs import EntryKind, NodeStores, StoreEntry
from stsfix.remediation.renewal.plan import NodeLook

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography import x509

VC1, VC2, PSC = "vc1.lab.example", "vc2.lab.example", "psc1.lab.example"
MACHINE_IDS = {VC1: "11111111-aaaa", VC2: "22222222-bbbb", PSC: "33333333-cccc"}
USERS = ("machine", "vsphere-webclient", "vpxd", "vpxd-extension")


@functools.cache
def vmca(host: str = VC1, end: float = 2000, name: str = "") -> x509.Certificate:
    """Return the root of the VMCA of *host*, which ends in *end* days."""
    return pki.vmca_root(
        key(f"vmca-{name or host}"),
        domain=DOMAIN,
        host=host,
        not_before=days(-1000),
        not_after=days(end),
    )


@functools.cache
def issued(
    common_name: str,
    end: float,
    *,
    host: str = VC1,
    root_end: float = 2000,
    names: tuple[str, ...] = (),
    ca: str = "",
) -> bytes:
    """Return a certificate (DER) of the VMCA of *host*, or of the stranger *ca*."""
    root = vmca(ca or host, root_end, ca)
    leaf = pki.vmca_leaf(
        key("leaf"),
        issuer=root,
        issuer_key=key(f"vmca-{ca or host}"),
        common_name=common_name,
        not_before=days(-700),
        not_after=days(end),
        names=names or (host,),
    )
    return pki.der(leaf)


def entry(store: str, *certificates: bytes, alias: str = "") -> StoreEntry:
    """Return an entry with a key."""
    name = alias or (vecs.MACHINE_ALIAS if store == vecs.MACHINE_SSL else store)
    return StoreEntry(
        store=store, alias=name, kind=EntryKind.PRIVATE_KEY, certificates=certificates
    )


def stores(*entries: StoreEntry, extra: tuple[str, ...] = ()) -> NodeStores:
    """Return the stores of these entries."""
    return NodeStores(stores=(*dict.fromkeys(e.store for e in entries), *extra), entries=entries)


def look(
    fqdn: str = VC1,
    *,
    ends: Mapping[str, float] | None = None,
    role: Role = Role.EMBEDDED,
    signer: str = "",
    root_end: float = 2000,
    more: tuple[StoreEntry, ...] = (),
    users: tuple[str, ...] = USERS,
) -> NodeLook:
    """Return a node whose certificates are in order but for *ends*: days left, by store."""
    left = dict.fromkeys((*users, vecs.MACHINE_SSL), 400.0) | dict(ends or {})
    host = signer or fqdn
    found = [
        entry(store, issued(f"{store}-{fqdn}", end, host=host, root_end=root_end, names=(fqdn,)))
        for store, end in left.items()
    ]
    chain = (pki.der(vmca(fqdn, root_end)),) if role.has_directory else ()
    return NodeLook(
        fqdn=fqdn,
        role=role,
        stores=stores(*found, *more),
        vmca=chain,
        controller=host,
        machine_id=MACHINE_IDS[fqdn],
    )


def accounts(*nodes: NodeLook) -> dict[str, tuple[bytes, ...]]:
    """Return the directory's solution users of *nodes*."""
    return {
        f"{e.store}-{node.machine_id}": e.certificates
        for node in nodes
        if node.stores is not None
        for e in node.stores.entries
        if e.store in USERS
    }


def sha256(node: NodeLook, store: str) -> str:
    """Return the fingerprint of the leaf in *store*."""
    assert node.stores is not None
    found = next(e for e in node.stores.entries if e.store == store)
    return fingerprint(found.certificates[0])
