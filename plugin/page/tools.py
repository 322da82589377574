"""What each node's own tools told, as one compact HTML table: stores, VMCA, extensions. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from stsfix.plugin.certificate_view import validity_words
from stsfix.plugin.certs_lists import extensions_of
from stsfix.plugin.documents.tools import tools_unread
from stsfix.plugin.page.tables import table
from stsfix.plugin.text import counted
from stsfix.remediation.checks.domain import SOON
from stsfix.remediation.nodes.node_facts import Unread
from stsfix.remediation.pki.certificates import Expiry, Malformed, classify, parse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from stsfix.plugin.certs_lists import Known
    from stsfix.plugin.page.markup import Markup
    from stsfix.remediation.inventory import Inventory, NodeInventory
    from stsfix.remediation.pki.authority import Authority
    from stsfix.remediation.pki.vecs import NodeStores

_KNOWN: Final[dict[Known, str]] = {
    "known": "known by a certificate of this node",
    "unknown": "known by NO certificate of this node",
    "none": "without a thumbprint",
    "not checked": "not compared",
}


def tools_table(inventory: Inventory) -> Markup | None:
    """Return a row for each node whose tools told anything; None if none did."""
    rows = [_row(node, inventory.taken) for node in inventory.nodes if _asked(node)]
    if not rows:
        return None
    headers = ("Node", "Stores", "VMCA", "Extensions", "Not read")
    columns = len(headers) if any(row[-1] for row in rows) else len(headers) - 1
    shown = [row[:columns] for row in rows]
    return table("What each node's own tools told", headers[:columns], shown)


def _asked(node: NodeInventory) -> bool:
    told = (node.stores, node.authority, node.extensions)
    return not all(isinstance(part, Unread) for part in told)


def _row(node: NodeInventory, now: datetime) -> tuple[str, ...]:
    return (
        node.fqdn,
        "" if isinstance(node.stores, Unread) else _stores(node.stores, now),
        "" if isinstance(node.authority, Unread) else "; ".join(_vmca(node.authority, now)),
        ", ".join(_extensions(node)),
        "; ".join(what for what, _ in tools_unread(node)),
    )


def _stores(stores: NodeStores, now: datetime) -> str:
    held = {der for entry in stores.entries for der in entry.certificates}
    found = [parse(der) for der in held]
    malformed = sum(isinstance(certificate, Malformed) for certificate in found)
    states = Counter(
        classify(certificate, now, SOON)
        for certificate in found
        if not isinstance(certificate, Malformed)
    )
    parts = [
        counted(len(stores.stores), "store"),
        counted(len(held), "certificate"),
        f"{states[Expiry.EXPIRED]} expired",
    ]
    parts += [f"{states[Expiry.EXPIRING]} ending soon"] if states[Expiry.EXPIRING] else []
    parts += [f"{malformed} broken"] if malformed else []
    return ", ".join(parts)


def _vmca(authority: Authority, now: datetime) -> Iterator[str]:
    root = parse(authority.chain[0]) if authority.chain else None
    if root is not None:
        if isinstance(root, Malformed):
            yield "root cannot be read"
        else:
            yield f"root {validity_words(root, now)}"
    for fact, good, bad in (
        (authority.certool, "", "certool is NOT there"),
        (authority.serves, "answers", "does NOT answer"),
        (authority.serves_root, "", "answers with ANOTHER root"),
        (authority.key_matches, "its key matches", "its key does NOT match"),
    ):
        words = {True: good, False: bad}.get(fact, "") if isinstance(fact, bool) else ""
        if words:
            yield words


def _extensions(node: NodeInventory) -> Iterator[str]:
    counts = Counter(row.known for row in extensions_of(node))
    for known, words in _KNOWN.items():
        if counts[known]:
            yield f"{counts[known]} {words}"
