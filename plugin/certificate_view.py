"""Every distinct certificate of an inventory: where it is, what for, until when. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stsfix.remediation.checks.domain import SOON
from stsfix.remediation.checks.stores import is_solution_user
from stsfix.remediation.directory import dn
from stsfix.remediation.inventory_certificates import ChainOwner
from stsfix.remediation.nodes.node_facts import Unread
from stsfix.remediation.pki.certificates import Certificate, Expiry, Malformed, classify, parse
from stsfix.remediation.pki.vecs import MACHINE_SSL, TRUSTED_ROOTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime, timedelta

    from stsfix.remediation.inventory import Inventory, NodeInventory
    from stsfix.remediation.inventory_certificates import DirectoryCertificates

SIGNERS = "STS signing credentials"
CHAINS = "Trusted STS chains"
TLS = "TLS of the nodes (machine SSL)"
USERS = "Solution users"
AUTHORITIES = "CA certificates"
OTHERS = "Trusted for others, never touched"
LOOKUP = "Lookup service"
STORES = "Other certificates in the nodes' stores"
GROUPS = (SIGNERS, CHAINS, TLS, USERS, AUTHORITIES, OTHERS, LOOKUP, STORES)
"""What a certificate is for, in the order in which it matters."""


_LINE = 24
"""Characters of the names of places that a picture has room for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """One distinct certificate and every place where it was seen.

    *group* and *places* are for people; *nodes* are host names, empty if the whole domain holds
    it. *expiry* is None if the bytes are no certificate. *signs* tells whether an STS signs
    with it now.
    """

    group: str
    places: tuple[str, ...]
    nodes: tuple[str, ...]
    certificate: Certificate | Malformed
    expiry: Expiry | None
    signs: bool = False

    @property
    def title(self) -> str:
        """The places that fit on a line, how many there are besides, and whether it signs."""
        shown = list(self.places[:1])
        for place in self.places[1:]:
            if len(", ".join([*shown, place])) > _LINE:
                break
            shown.append(place)
        more = f" +{len(self.places) - len(shown)}" if len(shown) < len(self.places) else ""
        return f"{', '.join(shown)}{more}{' (signs now)' if self.signs else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    group: str
    title: str
    der: bytes
    node: str = ""
    signs: bool = False


def validities(inventory: Inventory) -> tuple[Validity, ...]:
    """Return every distinct certificate of the inventory, by group, then by its end."""
    seen: dict[bytes, list[_Place]] = {}
    for place in _places(inventory):
        seen.setdefault(place.der, []).append(place)
    found = [_validity(places, inventory.taken) for places in seen.values()]
    return tuple(sorted(found, key=_by_group_and_end))


def _places(inventory: Inventory) -> Iterator[_Place]:
    for node in inventory.nodes:
        yield from _of_sts(node)
        yield from _shown(node)
        yield from _in_tools(node)
    if inventory.certificates is not None:
        yield from _of_directory(inventory.certificates)


def _of_sts(node: NodeInventory) -> Iterator[_Place]:
    if node.sts is None:
        return
    signing = node.sts.signing()
    for entry in (*node.sts.credentials, *node.sts.chains):
        own = SIGNERS if entry.kind == "credential" else CHAINS
        for position, der in enumerate(entry.chain):
            yield _Place(
                group=_group(der, AUTHORITIES if position else own),
                title=dn.name_of(entry.dn),
                node=node.fqdn,
                der=der,
                signs=position == 0 and entry == signing,
            )


def _group(der: bytes, otherwise: str) -> str:
    found = parse(der)
    return AUTHORITIES if isinstance(found, Certificate) and found.authority else otherwise


def _shown(node: NodeInventory) -> Iterator[_Place]:
    for shown in node.certificates.shown:
        yield _Place(group=TLS, title=shown.port, node=node.fqdn, der=shown.leaf)
    if node.certificates.published is not None:
        yield _Place(
            group=SIGNERS, title="SAML metadata", node=node.fqdn, der=node.certificates.published
        )
    for key in node.certificates.keys:
        if key.leaf is not None:
            yield _Place(group=SIGNERS, title="JWKS", node=node.fqdn, der=key.leaf)


def _in_tools(node: NodeInventory) -> Iterator[_Place]:
    """Yield what the node's own tools told: VMCA's root, and every store."""
    if not isinstance(node.authority, Unread):
        for der in node.authority.chain:
            yield _Place(group=AUTHORITIES, title="VMCA root", node=node.fqdn, der=der)
    if isinstance(node.stores, Unread):
        return
    for entry in node.stores.entries:
        group = STORES
        if entry.store == MACHINE_SSL:
            group = TLS
        elif entry.store == TRUSTED_ROOTS:
            group = AUTHORITIES
        elif entry.holds_key and is_solution_user(entry):
            group = USERS
        for position, der in enumerate(entry.certificates):
            own = _group(der, AUTHORITIES) if position else group
            yield _Place(group=own, title=entry.store, node=node.fqdn, der=der)


def _of_directory(held: DirectoryCertificates) -> Iterator[_Place]:
    """Yield what the directories hold for the whole domain."""
    for user in held.solution_users:
        yield from _each(user.certificates, USERS, user.name)
    for root in held.roots:
        yield from _each(root.certificates, AUTHORITIES, "trusted root")
    for chain in held.chains:
        name = chain.dn.split(",", 1)[0].partition("=")[2] or chain.dn
        if chain.owner is ChainOwner.STS:
            yield from _each(chain.chain[:1], CHAINS, name)
            yield from _each(chain.chain[1:], AUTHORITIES, name)
        else:
            yield from _each(chain.chain, OTHERS, f"{name} ({chain.owner})")
    for source in held.identity_sources:
        yield from _each(source.certificates, OTHERS, f"identity source {source.name}")
    for registration in held.registrations:
        for endpoint in registration.endpoints:
            yield from _each(endpoint.trust, LOOKUP, "lookup service")


def _each(certificates: Sequence[bytes], group: str, title: str) -> Iterator[_Place]:
    for der in certificates:
        yield _Place(group=group, title=title, der=der)


def _validity(places: Sequence[_Place], now: datetime) -> Validity:
    certificate = parse(places[0].der)
    return Validity(
        group=min((place.group for place in places), key=GROUPS.index),
        places=tuple(dict.fromkeys(place.title for place in places)),
        nodes=tuple(dict.fromkeys(place.node for place in places if place.node)),
        certificate=certificate,
        expiry=None if isinstance(certificate, Malformed) else classify(certificate, now, SOON),
        signs=any(place.signs for place in places),
    )


def _by_group_and_end(validity: Validity) -> tuple[int, bool, str, str]:
    certificate = validity.certificate
    end = "" if isinstance(certificate, Malformed) else certificate.not_after.isoformat()
    return GROUPS.index(validity.group), not validity.signs, end, validity.places[0]


def expired(inventory: Inventory) -> tuple[Validity, ...]:
    """Return every certificate that is past its end."""
    return tuple(v for v in validities(inventory) if v.expiry is Expiry.EXPIRED)


def validity_words(certificate: Certificate, now: datetime, *, dated: bool = True) -> str:
    """Return a clause such as ``expired 3 days ago (2026-11-20)``, the date only if *dated*."""
    expiry = classify(certificate, now, SOON)
    date, words, to = certificate.not_after, "", ""
    if expiry is Expiry.EXPIRED:
        words = f"expired {distance(now - date)} ago"
    elif expiry is Expiry.NOT_YET_VALID:
        date = certificate.not_before
        words = f"valid only in {distance(date - now)}"
    else:
        words, to = f"valid for {distance(date - now)}", "to "
    return f"{words} ({to}{day(date)})" if dated else words


def day(moment: datetime) -> str:
    """Return *moment* as a date; works before the year 1000 too."""
    return moment.date().isoformat()


_UNITS = (
    (730.5, 365.25, "years"),
    (61, 30.44, "months"),
    (2, 1, "days"),
    (2 / 24, 1 / 24, "hours"),
)
"""From how many days on, how many days each, and the unit's name."""


def distance(span: timedelta) -> str:
    """Return a positive *span* in its largest sensible unit, rounded down: ``3 days``."""
    days = span.total_seconds() / 86400
    for least, size, unit in _UNITS:
        if days >= least:
            return f"{int(days / size + 1e-9)} {unit}"
    return f"{max(1, int(days * 1440))} min"
