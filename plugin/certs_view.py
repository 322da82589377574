"""Every certificate of a domain at every place: what ``stsfix certs`` shows. Pure.

`certificate_view` counts each distinct certificate once; here every place counts, because each is
renewed, removed or restarted on its own.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from stsfix.plugin.certs_lists import (
    ExtensionRow,
    ListRow,
    extension_rows,
    list_rows,
    store_rows,
)
from stsfix.plugin.certs_places import Place, certificates_at
from stsfix.remediation.nodes.node_facts import Unread
from stsfix.remediation.pki.certificates import Certificate, Expiry, Malformed, classify, parse
from stsfix.remediation.renewal.plan import LEFT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta

    from stsfix.plugin.certs_lists import StoreRow
    from stsfix.remediation.inventory import Inventory, NodeInventory


class State(enum.StrEnum):
    """How a certificate is, the gravest first."""

    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"
    MALFORMED = "malformed"
    EXPIRING = "expiring"
    VALID = "valid"


_STATES: Final = {
    Expiry.EXPIRED: State.EXPIRED,
    Expiry.NOT_YET_VALID: State.NOT_YET_VALID,
    Expiry.EXPIRING: State.EXPIRING,
    Expiry.VALID: State.VALID,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A certificate at one place. *node* is empty for what every directory of the domain holds.

    *where* names the place within its kind, *used_by* says what for, for people. *left* is why no
    run renews what is there; empty: one does, or the question does not arise.
    """

    node: str
    place: Place
    where: str
    used_by: str
    certificate: Certificate | Malformed
    state: State
    left: str = ""

    @property
    def is_due(self) -> bool:
        """True if it is out of its time, or will be soon."""
        return self.state in {State.EXPIRED, State.NOT_YET_VALID, State.EXPIRING}


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRead:
    """Something that could not be read. *needed* is False for what may well not be there."""

    node: str
    what: str
    reason: str
    needed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CertsReport:
    """Everything ``stsfix certs`` says. *soon* is from when on a certificate ends soon."""

    domain: str
    taken: datetime
    soon: timedelta
    nodes: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]
    lists: tuple[ListRow, ...]
    extensions: tuple[ExtensionRow, ...]
    stores: tuple[StoreRow, ...]
    not_read: tuple[NotRead, ...]

    def count(self, state: State) -> int:
        """Return how many distinct certificates are in *state*."""
        return len({row.certificate.sha256 for row in self.rows if row.state is state})

    @property
    def exit_code(self) -> int:
        """2 if something has expired, 1 if something ends soon or is not known, else 0."""
        states = {row.state for row in self.rows}
        if State.EXPIRED in states:
            return 2
        unsound = states & {State.NOT_YET_VALID, State.MALFORMED, State.EXPIRING}
        return int(bool(unsound) or not self.rows or any(gap.needed for gap in self.not_read))


def certs_report(inventory: Inventory, *, soon: timedelta) -> CertsReport:
    """Return what *inventory* tells of certificates; *soon* is how far ahead is looked."""
    parsed: dict[bytes, Certificate | Malformed] = {}
    rows = []
    for node, place, where, used_by, der in dict.fromkeys(certificates_at(inventory)):
        if der not in parsed:
            parsed[der] = parse(der)
        certificate = parsed[der]
        state = State.MALFORMED
        if isinstance(certificate, Certificate):
            state = _STATES[classify(certificate, inventory.taken, soon)]
        rows.append(
            Row(
                node=node,
                place=place,
                where=where,
                used_by=used_by,
                certificate=certificate,
                state=state,
                left=LEFT.get(where.split(" ")[0], "") if place is Place.STORE else "",
            )
        )
    return CertsReport(
        domain=inventory.domain,
        taken=inventory.taken,
        soon=soon,
        nodes=tuple((node.fqdn, node.role.value) for node in inventory.nodes),
        rows=tuple(rows),
        lists=tuple(list_rows(inventory)),
        extensions=tuple(extension_rows(inventory)),
        stores=tuple(store_rows(inventory)),
        not_read=tuple(_not_read(inventory)),
    )


def _not_read(inventory: Inventory) -> Iterator[NotRead]:
    for problem in inventory.problems:
        yield NotRead(node=problem.subject, what="reading", reason=problem.text, needed=True)
    held = inventory.certificates
    for part in held.unread if held is not None else ():
        yield NotRead(node="", what=part.what, reason=part.reason, needed=True)
    for node in inventory.nodes:
        for part in node.certificates.unread:
            needed = part.what.endswith(("https port", "ldaps port"))
            yield NotRead(node=node.fqdn, what=part.what, reason=part.reason, needed=needed)
        yield from _tools_not_read(node)


def _tools_not_read(node: NodeInventory) -> Iterator[NotRead]:
    if isinstance(node.stores, Unread):
        parts = [("its certificate stores", node.stores.reason)]
    else:
        parts = [(part.what, part.reason) for part in node.stores.unread]
    for what, reason in parts:
        yield NotRead(node=node.fqdn, what=what, reason=reason, needed=True)
    if node.role.has_directory:
        reason = (
            node.authority.reason if isinstance(node.authority, Unread) else node.authority.unread
        )
        if reason:
            yield NotRead(node=node.fqdn, what="its VMCA root", reason=reason, needed=True)
    if node.role.has_vcenter and isinstance(node.extensions, Unread):
        yield NotRead(
            node=node.fqdn,
            what="thumbprints of its extensions",
            reason=node.extensions.reason,
            needed=False,
        )
