"""What a node's own tools told, as objects of the ``--json`` document: stores, VMCA, extensions.

Pure. A certificate is named by its SHA-256, a key of the document's ``certificates``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.plugin.certs_lists import extensions_of
from stsfix.plugin.documents.parts import JsonObject, fingerprints
from stsfix.remediation.nodes.node_facts import Unread
from stsfix.remediation.pki.authority import Unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stsfix.remediation.inventory import NodeInventory
    from stsfix.remediation.pki.authority import Authority
    from stsfix.remediation.pki.vecs import NodeStores


def tools_object(node: NodeInventory) -> JsonObject:
    """Return the fields of a node that its own tools told; None where nothing of it was read."""
    return {
        "stores": None if isinstance(node.stores, Unread) else _stores(node.stores),
        "vmca": None if isinstance(node.authority, Unread) else _vmca(node.authority),
        "extensions": None
        if isinstance(node.extensions, Unread)
        else [
            {
                "key": row.key,
                "sha1": row.thumbprint or None,
                "known": row.known,
                "stores": list(row.where),
            }
            for row in extensions_of(node)
        ],
    }


def tools_unread(node: NodeInventory) -> Iterator[tuple[str, str]]:
    """Yield what should have been told and was not, and why."""
    if isinstance(node.stores, Unread):
        yield "stores", node.stores.reason
    else:
        for part in node.stores.unread:
            yield f"stores: {part.what}", part.reason
    if node.role.has_directory:
        authority = node.authority
        if isinstance(authority, Unread):
            yield "vmca", authority.reason
        else:
            if authority.unread:
                yield "vmca.chain", authority.unread
            for name, fact in _facts(authority).items():
                if isinstance(fact, Unknown):
                    yield f"vmca.{name}", fact.reason
    if node.role.has_vcenter and isinstance(node.extensions, Unread):
        yield "extensions", node.extensions.reason


def _stores(stores: NodeStores) -> list[JsonObject]:
    held: dict[str, list[JsonObject]] = {name: [] for name in stores.stores}
    for entry in stores.entries:
        held.setdefault(entry.store, []).append(
            {
                "alias": entry.alias,
                "kind": entry.kind,
                "holds_key": entry.holds_key,
                "certificates": fingerprints(entry.certificates),
                "crl_count": len(entry.lists),
            }
        )
    return [{"store": name, "entries": entries} for name, entries in held.items()]


def _vmca(authority: Authority) -> JsonObject:
    facts = _facts(authority).items()
    return {
        "chain": fingerprints(authority.chain),
        **{name: None if isinstance(fact, Unknown) else fact for name, fact in facts},
        "takes_requests": authority.takes_requests,
    }


def _facts(authority: Authority) -> dict[str, bool | Unknown]:
    return {
        "certool": authority.certool,
        "serves": authority.serves,
        "serves_root": authority.serves_root,
        "key_matches": authority.key_matches,
    }
