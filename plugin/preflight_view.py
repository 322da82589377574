"""What preflight's reports have in common: terminal, page and JSON say the same. Pure.

An `Inventory` says what was seen; this says what it means for a reader: which certificate is
valid until when, how each node is, who replicates with whom, which findings belong together.
"""

from __future__ import annotations

import enum
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stsfix.remediation.certificates import Certificate, Expiry, Malformed, classify, parse
from stsfix.remediation.checks import SOON
from stsfix.remediation.model import Severity
from stsfix.remediation.preflight import needs_repair, verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime, timedelta

    from stsfix.remediation.inventory import Inventory, NodeInventory
    from stsfix.remediation.model import Finding, StsEntry
    from stsfix.remediation.preflight import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseOutlook:
    """One phase of the repair to come. *typical* is how long it takes, *basis* how one knows.

    *down* tells whether logins fail during it because of the repair.
    """

    title: str
    typical: timedelta
    down: bool
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PreflightReport:
    """What preflight found, complete: every report is made from one of these.

    *needs_repair* tells whether the signing credential is not sound, or will not be soon.
    *version* is stsfix's own. *phases* is empty if the durations are not known.
    """

    inventory: Inventory
    findings: tuple[Finding, ...]
    verdict: Verdict
    needs_repair: bool
    version: str
    phases: tuple[PhaseOutlook, ...] = ()

    @classmethod
    def of(
        cls, inventory: Inventory, findings: Sequence[Finding], *, version: str
    ) -> PreflightReport:
        """Return the report of what was seen and found."""
        return cls(
            inventory=inventory,
            findings=tuple(findings),
            verdict=verdict(findings),
            needs_repair=needs_repair(inventory),
            version=version,
        )

    def count(self, severity: Severity) -> int:
        """Return how many findings have *severity*."""
        return sum(finding.severity is severity for finding in self.findings)


class Health(enum.StrEnum):
    """How a node is, in one word, the gravest that applies."""

    BLOCKED = "blocked"
    EXPIRED = "expired"
    WARNING = "warning"
    UNREAD = "not read"
    GOOD = "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeState:
    """How one node is. *signer* is a clause about its STS signing certificate, may be empty."""

    health: Health
    signer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A replication agreement between two host names, *first* < *second*.

    *mutual* is False if only one side lists the other, *sound* is False if a finding about
    replication names one of them.
    """

    first: str
    second: str
    mutual: bool
    sound: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """One distinct certificate and every place where it was seen.

    *group* and *title* are for people; *nodes* are host names. *expiry* is None if the bytes
    are no certificate.
    """

    group: str
    title: str
    nodes: tuple[str, ...]
    certificate: Certificate | Malformed
    expiry: Expiry | None
    signs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingGroup:
    """Findings with one id and severity; never empty. *advice* is None if theirs differ."""

    id: str
    severity: Severity
    title: str
    why: str
    source: str
    advice: str | None
    findings: tuple[Finding, ...]


SIGNERS = "STS signing credentials"
CHAINS = "Trusted STS chains"
AUTHORITIES = "CA certificates of the STS"
GROUPS = (SIGNERS, CHAINS, AUTHORITIES)
"""Groups of certificates in the order in which they matter."""


def entry_name(entry: StsEntry) -> str:
    """Return the first RDN's value of *entry*'s DN, for people."""
    return entry.dn.split(",", 1)[0].partition("=")[2] or entry.dn


def sees(entry: StsEntry, node: NodeInventory) -> bool:
    """Tell whether *entry* is what signs on *node*."""
    return node.sts is not None and entry == node.sts.signing()


def validities(inventory: Inventory) -> tuple[Validity, ...]:
    """Return every distinct certificate of the inventory, by group, then by its end."""
    seen: dict[str, list[tuple[str, str, str, bool, bytes]]] = {}
    for node in inventory.nodes:
        for group, title, signs, der in _certificates(node):
            key = parse(der).sha256
            seen.setdefault(key, []).append((group, title, node.fqdn, signs, der))
    found = [_validity(places, inventory.taken) for places in seen.values()]
    return tuple(sorted(found, key=_by_group_and_end))


def _certificates(node: NodeInventory) -> Iterator[tuple[str, str, bool, bytes]]:
    """Yield group, title, whether it signs now, and DER."""
    if node.sts is None:
        return
    for entry in (*node.sts.credentials, *node.sts.chains):
        own = SIGNERS if entry.kind == "credential" else CHAINS
        for position, der in enumerate(entry.chain):
            found = parse(der)
            authority = isinstance(found, Certificate) and bool(found.authority)
            group = AUTHORITIES if authority or position else own
            yield group, entry_name(entry), position == 0 and sees(entry, node), der


def _validity(places: Sequence[tuple[str, str, str, bool, bytes]], now: datetime) -> Validity:
    certificate = parse(places[0][4])
    return Validity(
        group=min((place[0] for place in places), key=GROUPS.index),
        title=", ".join(dict.fromkeys(place[1] for place in places)),
        nodes=tuple(dict.fromkeys(place[2] for place in places)),
        certificate=certificate,
        expiry=None if isinstance(certificate, Malformed) else classify(certificate, now, SOON),
        signs=any(place[3] for place in places),
    )


def _by_group_and_end(validity: Validity) -> tuple[int, bool, str, str]:
    certificate = validity.certificate
    end = "" if isinstance(certificate, Malformed) else certificate.not_after.isoformat()
    return GROUPS.index(validity.group), not validity.signs, end, validity.title


def node_state(node: NodeInventory, report: PreflightReport) -> NodeState:
    """Return how *node* is: its findings, its signing certificate, what could not be read."""
    names = {node.fqdn} | ({str(node.vm.vm), node.vm.vm.name} if node.vm else set())
    severities = {f.severity for f in report.findings if f.subject in names}
    leaf, expiry = _signer(node, report.inventory.taken)
    if Severity.BLOCKS in severities:
        health = Health.BLOCKED
    elif expiry is Expiry.EXPIRED:
        health = Health.EXPIRED
    elif Severity.WARNS in severities or expiry in {Expiry.EXPIRING, Expiry.NOT_YET_VALID}:
        health = Health.WARNING
    elif (node.role.has_directory and node.sts is None) or node.vm is None:
        health = Health.UNREAD
    else:
        health = Health.GOOD
    return NodeState(health=health, signer=_signer_words(node, leaf, report.inventory.taken))


def _signer(
    node: NodeInventory, now: datetime
) -> tuple[Certificate | Malformed | None, Expiry | None]:
    entry = node.sts.signing() if node.sts is not None else None
    leaf = parse(entry.chain[0]) if entry is not None and entry.chain else None
    return leaf, classify(leaf, now, SOON) if isinstance(leaf, Certificate) else None


def _signer_words(node: NodeInventory, leaf: Certificate | Malformed | None, now: datetime) -> str:
    if not node.role.has_directory:
        return "no STS of its own"
    if node.sts is None:
        return "STS not read"
    if not isinstance(leaf, Certificate):
        return "no readable STS certificate"
    return f"STS {validity_words(leaf, now)}"


def validity_words(certificate: Certificate, now: datetime) -> str:
    """Return a clause such as ``expired 3 days ago (2026-11-20)``."""
    expiry = classify(certificate, now, SOON)
    if expiry is Expiry.EXPIRED:
        return f"expired {distance(now - certificate.not_after)} ago ({day(certificate.not_after)})"
    if expiry is Expiry.NOT_YET_VALID:
        begins = distance(certificate.not_before - now)
        return f"valid only in {begins} ({day(certificate.not_before)})"
    return f"valid for {distance(certificate.not_after - now)} (to {day(certificate.not_after)})"


def day(moment: datetime) -> str:
    """Return *moment* as a date; works before the year 1000 too."""
    return moment.date().isoformat()


_YEAR, _MONTH = 365.25, 30.44
_TWO_YEARS, _TWO_MONTHS, _TWO_DAYS = 730, 61, 2


def distance(span: timedelta) -> str:
    """Return a positive *span* in its largest sensible unit, rounded down: ``3 days``."""
    days = span.total_seconds() / 86400
    for limit, size, unit in (
        (_TWO_YEARS, _YEAR, "years"),
        (_TWO_MONTHS, _MONTH, "months"),
        (_TWO_DAYS, 1, "days"),
        (2 / 24, 1 / 24, "hours"),
    ):
        if days >= limit:
            return f"{int(days / size)} {unit}"
    return f"{max(1, int(days * 1440))} min"


def links(report: PreflightReport) -> tuple[Link, ...]:
    """Return every replication agreement of the domain, each pair once."""
    topology = report.inventory.topology
    if topology is None:
        return ()
    named = {(server.name, p) for server in topology.servers for p in server.partners}
    bad = {
        f.subject
        for f in report.findings
        if f.id.startswith("REPL-") and f.severity is Severity.BLOCKS
    }
    pairs = sorted({(min(pair), max(pair)) for pair in named if pair[0] != pair[1]})
    return tuple(
        Link(
            first=first,
            second=second,
            mutual={(first, second), (second, first)} <= named,
            sound=not {first, second} & bad,
        )
        for first, second in pairs
    )


def grouped(findings: Sequence[Finding], severity: Severity) -> tuple[FindingGroup, ...]:
    """Return the findings of *severity* in groups of one id, in the order they have."""
    chosen = sorted((f for f in findings if f.severity is severity), key=lambda f: f.id)
    return tuple(
        _group(identifier, tuple(several))
        for identifier, several in itertools.groupby(chosen, key=lambda f: f.id)
    )


def _group(identifier: str, several: tuple[Finding, ...]) -> FindingGroup:
    first = several[0]
    advices = {finding.advice for finding in several}
    return FindingGroup(
        id=identifier,
        severity=first.severity,
        title=first.title,
        why=first.why,
        source=first.source,
        advice=first.advice if len(advices) == 1 else None,
        findings=several,
    )


def expired(inventory: Inventory) -> tuple[Validity, ...]:
    """Return every certificate that is past its end."""
    return tuple(v for v in validities(inventory) if v.expiry is Expiry.EXPIRED)


def shortened(text: str, limit: int) -> str:
    """Return *text*, cut in its middle to *limit* characters: names differ at both ends."""
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 2
    return f"{text[: limit - 1 - tail]}…{text[len(text) - tail :]}"
