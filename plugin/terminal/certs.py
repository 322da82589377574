"""Every certificate for people at a terminal: grouped by node, or the expired first. Pure.

A certificate that is at several places of one node is shown once, with all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography.x509.oid import NameOID

from stsfix.plugin.certs_places import Place
from stsfix.plugin.certs_view import State
from stsfix.plugin.terminal.runs import Line, wrapped
from stsfix.plugin.text import counted, printable
from stsfix.remediation.pki.certificates import Certificate, Malformed, algorithm

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cryptography import x509

    from stsfix.plugin.certs_view import CertsReport, Row

_WORDS: Final = {
    State.EXPIRED: ("EXPIRED", "bold red"),
    State.NOT_YET_VALID: ("NOT YET", "bold red"),
    State.MALFORMED: ("BROKEN", "bold red"),
    State.EXPIRING: ("soon", "yellow"),
    State.VALID: ("ok", ""),
}
INDENT: Final = " " * 22
_SHOWN: Final = 6
"""Places of one certificate that are spelled out."""

_PREFIXES: Final = {
    Place.CREDENTIAL: "",
    Place.STS_CHAIN: "",
    Place.PUBLISHED: "published in ",
    Place.PORT: "port ",
    Place.STORE: "",
    Place.VMCA: "VMCA ",
    Place.SOLUTION_USER: "solution user ",
    Place.TRUSTED_ROOT: "trusted root ",
    Place.OTHER_CHAIN: "",
    Place.LOOKUP: "lookup service, ",
    Place.IDENTITY_SOURCE: "identity source ",
}
_ORDER: Final = tuple(State)
DOMAIN: Final = "In the directory of the whole domain"


@dataclass(frozen=True, slots=True)
class _Group:
    """Rows of one certificate, on one node or on all."""

    rows: tuple[Row, ...]

    @property
    def first(self) -> Row:
        return self.rows[0]

    @property
    def urgency(self) -> tuple[int, str]:
        found = self.first.certificate
        end = found.not_after.isoformat() if isinstance(found, Certificate) else ""
        return _ORDER.index(self.first.state), end


def certs_lines(report: CertsReport, *, width: int, by_expiry: bool = False) -> Iterator[Line]:
    """Yield the summary, every certificate, what else there is, and what could not be read."""
    yield from _summary(report, width)
    if by_expiry:
        yield Line("")
        for group in sorted(_groups(report, each_node=False), key=lambda g: g.urgency):
            yield from _certificate(group, width, domain=report.domain)
    else:
        groups = _groups(report, each_node=True)
        for node, role in (("", ""), *report.nodes):
            own = [group for group in groups if group.first.node == node]
            yield Line("")
            yield from _heading(node, role, own, width)
            for group in own:
                yield from _certificate(group, width)
            yield from _beside(report, node, width)
    yield from _left(report, width)
    yield from _gaps(report, width)


def _summary(report: CertsReport, width: int) -> Iterator[Line]:
    yield from wrapped(f"SSO domain {report.domain}", width, style="bold")
    total = len({row.certificate.sha256 for row in report.rows})
    places = counted(len(report.rows), "place")
    yield from wrapped(
        f"{counted(total, 'certificate')} at {places}, {report.taken:%Y-%m-%d %H:%M} UTC", width
    )
    expired, broken = report.count(State.EXPIRED), report.count(State.MALFORMED)
    expiring = report.count(State.EXPIRING)
    parts = [f"{expired} expired", f"{expiring} within {report.soon.days} days of their end"]
    parts += [f"{report.count(State.NOT_YET_VALID)} not yet valid"]
    parts += [f"{broken} broken"] if broken else []
    style = "bold red" if expired or broken else "yellow" if expiring else "green"
    yield from wrapped(", ".join(parts), width, style=style)


def _groups(report: CertsReport, *, each_node: bool) -> list[_Group]:
    found: dict[tuple[str, str], list[Row]] = {}
    for row in report.rows:
        key = row.node if each_node else ""
        found.setdefault((key, row.certificate.sha256), []).append(row)
    return [_Group(tuple(rows)) for rows in found.values()]


def _heading(node: str, role: str, groups: Sequence[_Group], width: int) -> Iterator[Line]:
    name = f"{node} ({role})" if node else DOMAIN
    expired = sum(group.first.state is State.EXPIRED for group in groups)
    tail = f", {expired} expired" if expired else ""
    yield from wrapped(f"{name}: {counted(len(groups), 'certificate')}{tail}", width, style="bold")


def _certificate(group: _Group, width: int, *, domain: str = "") -> Iterator[Line]:
    """Yield one certificate; with *domain* each place says whose it is."""
    word, style = _WORDS[group.first.state]
    found = group.first.certificate
    end = f"{found.not_after:%Y-%m-%d}" if isinstance(found, Certificate) else "-"
    where = "; ".join(_places(group.rows) if not domain else _everywhere(group.rows, domain))
    head = f"  {word:<7} {end:<10}  "
    yield from _hung(head, where, width, style)
    detail = f"no certificate: {found.reason}" if isinstance(found, Malformed) else _about(found)
    yield from wrapped(detail, width, indent=INDENT)
    used = "; ".join(dict.fromkeys(row.used_by for row in group.rows))
    yield from wrapped(used, width, indent=INDENT)


def _about(found: Certificate) -> str:
    issuer = "itself" if found.self_issued else _name(found.x509.issuer)
    return f"{_name(found.x509.subject)}, {algorithm(found)}, issued by {issuer}"


def _name(name: x509.Name) -> str:
    """Return what tells a name from others: common name and organization, else all of it."""
    parts = {
        key: str(attribute.value)
        for key, oid in (("CN", NameOID.COMMON_NAME), ("O", NameOID.ORGANIZATION_NAME))
        for attribute in name.get_attributes_for_oid(oid)[:1]
    }
    if "CN" not in parts:
        return name.rfc4514_string() or "no name"
    # Each VMCA calls itself CA: only its host tells it from others (vmca selfca).
    organization = f", O={parts['O']}" if parts["CN"] == "CA" and "O" in parts else ""
    return f"CN={parts['CN']}{organization}"


def _hung(head: str, text: str, width: int, style: str) -> Iterator[Line]:
    lines = list(wrapped(text, width, indent=INDENT, style=style))
    yield Line(head + lines[0].text[len(head) :], style)
    yield from lines[1:]


def _everywhere(rows: Sequence[Row], domain: str) -> Iterator[str]:
    for node in dict.fromkeys(row.node for row in rows):
        own = ", ".join(_places([row for row in rows if row.node == node]))
        yield f"{own} on {node}" if node else f"{own} of {domain}"


def _places(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the places by kind, so that ten entries of one store are one clause."""
    kinds: dict[Place, list[str]] = {}
    for row in rows:
        kinds.setdefault(row.place, []).append(_once(row.where))
    for place, found in kinds.items():
        names = list(dict.fromkeys(found))
        shown = ", ".join(names[:_SHOWN])
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        yield f"{_PREFIXES[place]}{shown}{more}"


def _once(where: str) -> str:
    """Return ``vpxd`` for alias vpxd in store vpxd."""
    store, _, alias = where.partition(" ")
    return store if alias == store else where


def _beside(report: CertsReport, node: str, width: int) -> Iterator[Line]:
    """Yield revocation lists, extensions and stores without certificates of *node*."""
    lists = [row for row in report.lists if row.node == node]
    if lists:
        late = sum(row.is_late for row in lists)
        tail = f", {late} past their next update" if late else ""
        text = f"Revocation lists: {len(lists)}{tail}"
        yield from wrapped(text, width, indent="  ", hang="  ", style="yellow" if late else "")
    known = [row for row in report.extensions if row.node == node and row.thumbprint]
    for row in known:
        place = f"as in {', '.join(row.where)}" if row.where else "of NO certificate of this node"
        if row.known == "not checked":
            place = "not compared"
        yield from wrapped(
            f"Extension {row.key}: thumbprint {row.thumbprint}, {place}",
            width,
            indent="  ",
            hang="  ",
            style="yellow" if row.known == "unknown" else "",
        )
    empty = [row.store for row in report.stores if row.node == node and not row.certificates]
    if empty:
        text = f"Stores without certificates: {', '.join(empty)}"
        yield from wrapped(text, width, indent="  ", hang="  ")


def _left(report: CertsReport, width: int) -> Iterator[Line]:
    """Yield what has to be renewed, and is not by a run, with the reason."""
    nodes: dict[tuple[str, str], list[str]] = {}
    for row in report.rows:
        if row.left and row.is_due:
            nodes.setdefault((row.where.split(" ")[0], row.left), []).append(row.node)
    if nodes:
        yield Line("")
        yield Line("NOT RENEWED BY stsfix run --renew", "bold yellow")
    for (store, reason), found in nodes.items():
        text = f"{store} on {', '.join(dict.fromkeys(found))}: {reason}"
        yield from wrapped(text, width, indent="  ", hang="  ", style="yellow")


def _gaps(report: CertsReport, width: int) -> Iterator[Line]:
    if not report.not_read:
        return
    yield Line("")
    yield Line(f"NOT READ ({len(report.not_read)})", "bold yellow")
    for gap in report.not_read:
        text = f"{printable(gap.node or report.domain)}: {gap.what}: {gap.reason}"
        style = "yellow" if gap.needed else ""
        yield from wrapped(text, width, indent="  ", hang="  ", style=style)
