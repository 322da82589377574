"""Why nobody can log in: from evidence to named causes, the gravest first. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stsfix.remediation.diagnosis import certificates, nodes
from stsfix.remediation.diagnosis.causes import BY_ID, RANK, STS_CAUSES
from stsfix.remediation.diagnosis.certificates import NOW, span
from stsfix.remediation.diagnosis.evidence import TokenAnswer
from stsfix.remediation.diagnosis.lines import DOWN_PAGES, place, quotes
from stsfix.remediation.diagnosis.model import (
    Confidence,
    Diagnosis,
    NamedCause,
    Quote,
    Suspect,
    Unchecked,
)
from stsfix.remediation.diagnosis.nodes import DATABASE, stopped_services
from stsfix.remediation.inventory_certificates import UnreadPart
from stsfix.remediation.nodes.node_facts import Unread
from stsfix.remediation.nodes.service_names import bare
from stsfix.remediation.pki.certificates import Certificate, Expiry, classify, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from stsfix.remediation.diagnosis.evidence import Evidence
    from stsfix.remediation.diagnosis.lines import Placed
    from stsfix.remediation.inventory import Inventory, NodeInventory

RULES: Final = (*certificates.RULES, *nodes.RULES)

_LOW: Final = frozenset({"vmafdd", "vmdird", "vmcad", DATABASE})
"""Services that run whatever certificates say."""

_LOW_CAUSES: Final = frozenset({"DISK-FULL", "VMDIR-READ-ONLY", "NODE-DOWN", "CLOCK-WRONG"})
_STOPPED: Final = "services that do not run: "
_HISTORY: Final = 2
"""Lines of one kind and log that are told as history."""


def diagnose(evidence: Evidence) -> Diagnosis:
    """Return every cause that *evidence* proves or suggests; equal evidence, equal diagnosis."""
    suspects = [suspect for rule in RULES for suspect in rule(evidence)]
    suspects = list(dict.fromkeys(_without_vague(suspects)))
    found = quotes(evidence)
    placed, history = place(evidence, suspects, found)
    suspects += _services(evidence, [*suspects, *_told_by_lines(placed)], found)
    pages = [quote for quote in found if quote.kind in DOWN_PAGES]
    causes = [
        _named(evidence, cause, suspects, placed, pages)
        for cause in sorted(
            {s.cause for s in suspects} | {c for p in placed if p.alone for c in p.causes},
            key=RANK.__getitem__,
        )
    ]
    inventory = evidence.inventory
    return Diagnosis(
        domain=inventory.domain,
        taken=inventory.taken,
        causes=tuple(causes),
        history=tuple(_newest(history, _HISTORY)),
        sound=tuple(_sound(evidence)),
        unchecked=tuple(dict.fromkeys(_unchecked(evidence))),
    )


def _without_vague(suspects: Sequence[Suspect]) -> Iterator[Suspect]:
    """Leave out that an STS refuses where it is known why."""
    known = STS_CAUSES - {"STS-REFUSES"} | {"CLOCK-WRONG", "VMDIR-READ-ONLY"}
    nodes = {suspect.node for suspect in suspects if suspect.cause in known}
    for suspect in suspects:
        if suspect.cause != "STS-REFUSES" or suspect.node not in nodes:
            yield suspect


def _told_by_lines(placed: Sequence[Placed]) -> Iterator[Suspect]:
    """Yield what only lines name: it proves nothing, and may be why services do not run."""
    for line in placed:
        if line.alone:
            for cause in line.causes:
                yield Suspect(cause=cause, node=line.quote.node, proof="")


def _services(
    evidence: Evidence, suspects: Sequence[Suspect], found: Sequence[Quote]
) -> Iterator[Suspect]:
    """Services that do not run: for a cause that was found, or for none."""
    for node in evidence.inventory.nodes:
        down = stopped_services(node)
        explaining = _explaining(evidence.inventory, node, suspects)
        # Nothing but these keeps the lowest services down; what needs them is down with them.
        low = any(bare(name) in _LOW for name in down)
        if low:
            explaining = [s for s in explaining if s.cause in _LOW_CAUSES]
        if down and explaining:
            first = min(explaining, key=lambda s: RANK[s.cause])
            proof = f"{_STOPPED}{', '.join(down)}"
            yield Suspect(cause=first.cause, node=node.fqdn, proof=proof, since=first.since)
        elif down:
            yield Suspect(
                cause="SERVICES-DOWN", node=node.fqdn, proof=f"{_STOPPED}{', '.join(down)}"
            )
        elif node.services is None and not explaining:
            for page in found:
                if page.node == node.fqdn and page.kind in DOWN_PAGES:
                    yield Suspect(cause="SERVICES-DOWN", node=node.fqdn, proof=page.where)


def _explaining(
    inventory: Inventory, node: NodeInventory, suspects: Sequence[Suspect]
) -> list[Suspect]:
    """Return what can keep services of *node* down: its own trouble, its STS's and its PSC's."""
    above = {n.fqdn for n in inventory.nodes if n.role.has_directory}
    own = {node.fqdn} | (set() if node.role.has_directory else above)
    return [s for s in suspects if s.node in own or s.cause in STS_CAUSES]


def _named(
    evidence: Evidence,
    cause: str,
    suspects: Sequence[Suspect],
    placed: Sequence[Placed],
    pages: Sequence[Quote],
) -> NamedCause:
    mine = [s for s in suspects if s.cause == cause]
    lines = [p.quote for p in placed if cause in p.causes]
    nodes = [s.node for s in mine] or [quote.node for quote in lines]
    explained = {s.node for s in mine if cause == "SERVICES-DOWN" or s.proof.startswith(_STOPPED)}
    lines += [page for page in pages if page.node in explained]
    order = {node.fqdn: rank for rank, node in enumerate(evidence.inventory.nodes)}
    return NamedCause(
        cause=BY_ID[cause],
        confidence=Confidence.PROVEN if _is_proven(cause, mine) else Confidence.LOG_ONLY,
        nodes=tuple(sorted(dict.fromkeys(nodes), key=lambda n: (order.get(n, len(order)), n))),
        proofs=tuple(_sentences(mine)),
        lines=tuple(_newest(lines, 1)),
    )


def _is_proven(cause: str, mine: Sequence[Suspect]) -> bool:
    """Services that are down prove no other cause: they only are what it explains."""
    return any(cause == "SERVICES-DOWN" or not s.proof.startswith(_STOPPED) for s in mine)


def _sentences(suspects: Iterable[Suspect]) -> Iterator[str]:
    """Yield what proves a cause, once where several nodes share it."""
    nodes: dict[str, list[str]] = {}
    for suspect in suspects:
        named = nodes.setdefault(suspect.proof, [])
        if suspect.node not in named:
            named.append(suspect.node)
    yield from (f"{', '.join(names)}: {proof}" for proof, names in nodes.items())


def _newest(lines: Iterable[Quote], count: int) -> list[Quote]:
    """Return the newest *count* of each kind, node and place; answers of now come first."""
    kept: dict[tuple[str, str, str], list[Quote]] = {}
    for quote in dict.fromkeys(lines):
        kept.setdefault((quote.node, quote.where, quote.kind), []).append(quote)
    newest = [quote for group in kept.values() for quote in sorted(group, key=_age)[:count]]
    return sorted(newest, key=_age)


def _age(quote: Quote) -> float:
    """Sort key: what is newer comes first."""
    moment = quote.written or quote.changed
    return -moment.timestamp() if moment is not None else float("-inf")


def _sound(evidence: Evidence) -> Iterator[str]:
    """Yield what was seen to work, for who reads that nothing is wrong."""
    inventory = evidence.inventory
    for node in inventory.nodes:
        signing = node.sts.signing() if node.sts is not None else None
        leaf = parse(signing.chain[0]) if signing is not None and signing.chain else None
        if isinstance(leaf, Certificate) and classify(leaf, inventory.taken, NOW) is Expiry.VALID:
            yield f"{node.fqdn}: the STS certificate is valid {span(leaf)}"
        answer = evidence.of(node.fqdn).token
        if isinstance(answer, TokenAnswer) and answer.issued:
            yield f"{node.fqdn}: its STS issues tokens"


def _unchecked(evidence: Evidence) -> Iterator[Unchecked]:
    """Yield what could not be read; nothing of it is taken for sound."""
    inventory = evidence.inventory
    for problem in inventory.problems:
        yield Unchecked(subject=problem.subject, what="everything it knows", reason=problem.text)
    for node in inventory.nodes:
        yield from _unread_node(node)
        told = evidence.of(node.fqdn)
        parts = [*([told.logs] if isinstance(told.logs, UnreadPart) else told.logs.unread)]
        parts += [answer for answer in told.web if isinstance(answer, UnreadPart)]
        parts += [told.token] if isinstance(told.token, UnreadPart) else []
        for part in parts:
            yield Unchecked(subject=node.fqdn, what=part.what, reason=part.reason)
    yield from _unread_domain(inventory)


def _unread_node(node: NodeInventory) -> Iterator[Unchecked]:
    if isinstance(node.clock, Unread):
        yield Unchecked(subject=node.fqdn, what="clock", reason=node.clock.reason)
    if isinstance(node.facts, Unread):
        what = "services, partitions and state of vmdir"
        yield Unchecked(subject=node.fqdn, what=what, reason=node.facts.reason)
    elif node.services is None:
        yield Unchecked(subject=node.fqdn, what="services", reason="service-control listed none")
    for part in node.certificates.unread:
        if "vami" not in part.what:
            yield Unchecked(subject=node.fqdn, what=part.what, reason=part.reason)


def _unread_domain(inventory: Inventory) -> Iterator[Unchecked]:
    if inventory.topology is None:
        reason = "no configured node told who belongs to the domain"
        yield Unchecked(subject=inventory.domain, what="other nodes", reason=reason)
    held = inventory.certificates
    if held is not None:
        for part in held.unread:
            subject = held.node or inventory.domain
            yield Unchecked(subject=subject, what=part.what, reason=part.reason)
