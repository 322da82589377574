"""Where the certificates of an inventory are, each place for itself. Pure."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from stsfix.remediation.checks.stores import ENCIPHERMENT, SMS, is_backup, is_solution_user
from stsfix.remediation.directory import dn
from stsfix.remediation.inventory_certificates import ChainOwner
from stsfix.remediation.nodes.node_facts import Unread
from stsfix.remediation.pki.vecs import MACHINE_SSL, TRUSTED_ROOTS, EntryKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from stsfix.remediation.inventory import Inventory, NodeInventory
    from stsfix.remediation.inventory_certificates import (
        DirectoryCertificates,
        LookupRegistration,
        SolutionUser,
    )
    from stsfix.remediation.pki.vecs import StoreEntry


class Place(enum.StrEnum):
    """What kind of place holds a certificate."""

    CREDENTIAL = "STS credential"
    STS_CHAIN = "STS chain"
    PUBLISHED = "published by the STS"
    PORT = "TLS port"
    STORE = "certificate store"
    VMCA = "VMCA"
    SOLUTION_USER = "solution user"
    TRUSTED_ROOT = "trusted root"
    OTHER_CHAIN = "chain of others"
    LOOKUP = "lookup service"
    IDENTITY_SOURCE = "identity source"


PORTS: Final = {"https": "443", "ldaps": "636", "vami": "5480"}
"""A port as people call it, whatever number it was reached at."""

Found = tuple[str, Place, str, str, bytes]
"""Node (empty for what every directory holds), kind of place, its name, what for, bytes."""


def certificates_at(inventory: Inventory) -> Iterator[Found]:
    """Yield every certificate at every place, what the directories hold first."""
    yield from _sts(inventory)
    if inventory.certificates is not None:
        yield from _held(inventory.certificates)
        yield from _lookup(inventory.certificates.registrations)
    for node in inventory.nodes:
        yield from _shown(node)
        yield from _tools(node, inventory.certificates)


def _sts(inventory: Inventory) -> Iterator[Found]:
    """Yield STS entries: those of every directory once, those of some under each node's name."""
    each = {node.fqdn: list(_of_sts(node)) for node in inventory.nodes if node.sts is not None}
    for found in dict.fromkeys(found for several in each.values() for found in several):
        holders = [fqdn for fqdn, several in each.items() if found in several]
        for node in ("",) if len(holders) == len(each) else holders:
            yield (node, *found[1:])


def _held(held: DirectoryCertificates) -> Iterator[Found]:
    for user in held.solution_users:
        for der in user.certificates:
            yield "", Place.SOLUTION_USER, user.name, "login of this solution user", der
    for root in held.roots:
        for der in root.certificates:
            yield "", Place.TRUSTED_ROOT, root.name, "trusted by every node", der
    for chain in held.chains:
        if chain.owner is not ChainOwner.STS:
            name = chain.dn.split(",", 1)[0].partition("=")[2] or chain.dn
            for der in chain.chain:
                yield "", Place.OTHER_CHAIN, name, f"trusted for {chain.owner}", der
    for source in held.identity_sources:
        for der in source.certificates:
            yield "", Place.IDENTITY_SOURCE, source.name, "LDAPS of this identity source", der


def _of_sts(node: NodeInventory) -> Iterator[Found]:
    if node.sts is None:
        return
    signing = node.sts.signing()
    for entry in node.sts.credentials:
        for position, der in enumerate(entry.chain):
            used = "issuer of the STS certificate"
            if not position:
                used = "STS: signs tokens" if entry == signing else "STS: does not sign"
            yield "", Place.CREDENTIAL, dn.name_of(entry.dn), used, der
    for entry in node.sts.chains:
        for position, der in enumerate(entry.chain):
            used = "issuer of the STS certificate" if position else "STS: tokens it trusts"
            yield "", Place.STS_CHAIN, dn.name_of(entry.dn), used, der


def _lookup(registrations: Iterable[LookupRegistration]) -> Iterator[Found]:
    counts: dict[bytes, int] = {}
    for registration in registrations:
        for endpoint in registration.endpoints:
            for der in endpoint.trust:
                counts[der] = counts.get(der, 0) + 1
    for der, count in counts.items():
        where = f"{count} endpoint{'s' if count > 1 else ''}"
        yield "", Place.LOOKUP, where, "trust anchor of services", der


def _shown(node: NodeInventory) -> Iterator[Found]:
    seen = node.certificates
    for shown in seen.shown:
        yield node.fqdn, Place.PORT, PORTS[shown.port], "TLS", shown.leaf
    if seen.published is not None:
        yield node.fqdn, Place.PUBLISHED, "SAML metadata", "STS: signs tokens", seen.published
    for key in seen.keys:
        if key.leaf is not None:
            yield node.fqdn, Place.PUBLISHED, "JWKS", "STS: signs tokens", key.leaf


def _tools(node: NodeInventory, held: DirectoryCertificates | None) -> Iterator[Found]:
    if not isinstance(node.authority, Unread):
        for der in node.authority.chain:
            yield node.fqdn, Place.VMCA, "root.cer", "VMCA signs with it", der
    if not isinstance(node.stores, Unread):
        users = held.solution_users if held and held.has_read("solution users") else None
        for entry in node.stores.entries:
            used = _used_by(entry, users)
            for position, der in enumerate(entry.certificates):
                own = used if not position else "sent with the certificate it issued"
                yield node.fqdn, Place.STORE, f"{entry.store} {entry.alias}", own, der


def _used_by(entry: StoreEntry, users: tuple[SolutionUser, ...] | None) -> str:
    known = {
        MACHINE_SSL: "TLS of the node's services",
        TRUSTED_ROOTS: "trusted by this node",
        ENCIPHERMENT: "guest customization",
        SMS: "storage providers (SMS)",
        "STS_INTERNAL_SSL_CERT": "TLS inside the STS (before 6.5)",
    }
    if is_backup(entry):
        return "nothing: a backup"
    if entry.store in known:
        return known[entry.store]
    if entry.kind is EntryKind.TRUSTED or not is_solution_user(entry) or not entry.holds_key:
        return "unknown"
    return f"solution user {entry.store}{_agreement(entry, users)}"


def _agreement(entry: StoreEntry, users: tuple[SolutionUser, ...] | None) -> str:
    """Return whether the directory knows the solution user of *entry* by its certificate."""
    if users is None:
        return ""
    own = [u for u in users if u.name == entry.store or u.name.startswith(f"{entry.store}-")]
    if any(entry.certificates[0] in user.certificates for user in own):
        return ", as in the directory"
    return ", the directory has ANOTHER one" if own else ", no account in the directory"
