"""What else stands beside certificates: revocation lists, extensions, stores. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from stsfix.remediation.nodes.extensions import thumbprint
from stsfix.remediation.nodes.node_facts import Unread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from stsfix.remediation.inventory import Inventory, NodeInventory

Known = Literal["known", "unknown", "none", "not checked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRow:
    """A revocation list in a store. *next_update* None is never; *issuer* is empty, and *revoked*
    None, if the bytes are no list.
    """

    node: str
    where: str
    issuer: str
    next_update: datetime | None
    revoked: int | None
    is_late: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionRow:
    """A registered extension. *known* tells whether the node has the certificate of its
    thumbprint, *where* in which stores.
    """

    node: str
    key: str
    thumbprint: str
    known: Known
    where: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreRow:
    """A store of a node, and how much is in it."""

    node: str
    store: str
    entries: int
    certificates: int


def list_rows(inventory: Inventory) -> Iterator[ListRow]:
    """Yield every revocation list of every node's stores."""
    for node in inventory.nodes:
        if isinstance(node.stores, Unread):
            continue
        for entry in node.stores.entries:
            for pem in entry.lists:
                yield _list_row(node.fqdn, f"{entry.store} {entry.alias}", pem, inventory.taken)


def _list_row(node: str, where: str, pem: bytes, now: datetime) -> ListRow:
    try:
        found = x509.load_pem_x509_crl(pem)
        issuer, end, revoked = (
            found.issuer.rfc4514_string(),
            found.next_update_utc,
            len(found),
        )
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return ListRow(
            node=node, where=where, issuer="", next_update=None, revoked=None, is_late=False
        )
    late = end is not None and end < now
    return ListRow(
        node=node, where=where, issuer=issuer, next_update=end, revoked=revoked, is_late=late
    )


def extension_rows(inventory: Inventory) -> Iterator[ExtensionRow]:
    """Yield every extension of every vCenter, with the certificate it is known by."""
    for node in inventory.nodes:
        yield from extensions_of(node)


def extensions_of(node: NodeInventory) -> Iterator[ExtensionRow]:
    """Yield every extension of one vCenter; none if they were not read."""
    places = None if isinstance(node.stores, Unread) else _thumbprints(node)
    for extension in () if isinstance(node.extensions, Unread) else node.extensions:
        where = (places or {}).get(extension.thumbprint, [])
        known: Known = "known" if where else "unknown"
        if not extension.thumbprint:
            known = "none"
        elif places is None:
            known = "not checked"
        yield ExtensionRow(
            node=node.fqdn,
            key=extension.key,
            thumbprint=extension.thumbprint,
            known=known,
            where=tuple(where),
        )


def _thumbprints(node: NodeInventory) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for entry in () if isinstance(node.stores, Unread) else node.stores.entries:
        if entry.certificates and entry.holds_key:
            found.setdefault(thumbprint(entry.certificates[0]), []).append(entry.store)
    return found


def store_rows(inventory: Inventory) -> Iterator[StoreRow]:
    """Yield every store that was read, also an empty one."""
    for node in inventory.nodes:
        if isinstance(node.stores, Unread):
            continue
        entries = Counter(entry.store for entry in node.stores.entries)
        held = Counter(e.store for e in node.stores.entries for _ in e.certificates)
        for store in node.stores.stores:
            yield StoreRow(
                node=node.fqdn, store=store, entries=entries[store], certificates=held[store]
            )
