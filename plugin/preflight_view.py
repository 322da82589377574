"""What preflight's reports have in common: terminal, page and JSON say the same. Pure.

An `Inventory` says what was seen; this says what it means for a reader: how each node is, who
replicates with whom, which findings belong together. Certificates are in `certificate_view`.
"""

from __future__ import annotations

import enum
import itertools
import math
import shlex
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from stsfix.plugin.certificate_view import validity_words
from stsfix.remediation.checks.domain import SOON
from stsfix.remediation.checks.findings import RULES
from stsfix.remediation.checks.preflight import needs_repair, verdict
from stsfix.remediation.model import Renew, Severity, Transport
from stsfix.remediation.nodes.node_facts import Unread
from stsfix.remediation.pki.certificates import Certificate, Expiry, Malformed, classify, parse
from stsfix.remediation.renewal.plan import NO_RENEWAL
from stsfix.snapshot.model import LockdownMode, PowerState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from stsfix.remediation.checks.preflight import Verdict
    from stsfix.remediation.durations import Phase
    from stsfix.remediation.inventory import Inventory, NodeInventory
    from stsfix.remediation.model import Finding
    from stsfix.remediation.renewal.plan import RenewalPlan


TRANSPORT_WORDS = {
    Transport.AUTO: "",
    Transport.GUEST: "",
    Transport.SSH: "over SSH",
    Transport.VAMI: "over VAMI: services only",
    Transport.NONE: "not asked itself",
}
"""How a node was asked; what is usual is left out."""

POWER_WORDS = {PowerState.ON: "on", PowerState.OFF: "OFF", PowerState.SUSPENDED: "SUSPENDED"}
"""A VM's power as people say it; what needs attention is in capitals."""

LOCKDOWN_WORDS = {
    LockdownMode.DISABLED: "off",
    LockdownMode.NORMAL: "NORMAL",
    LockdownMode.STRICT: "STRICT",
    LockdownMode.UNKNOWN: "unknown",
}
"""A host's lockdown mode as people say it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreflightReport:
    """What preflight found, complete: every report is made from one of these.

    *needs_repair* tells whether the signing credential is not sound, or will not be soon.
    *version* is stsfix's own. *phases* is empty if the durations are not known. *renewal* is what
    a run would renew besides.
    """

    inventory: Inventory
    findings: tuple[Finding, ...]
    verdict: Verdict
    needs_repair: bool
    version: str
    phases: tuple[Phase, ...] = ()
    renewal: RenewalPlan = NO_RENEWAL

    @classmethod
    def of(
        cls,
        inventory: Inventory,
        findings: Sequence[Finding],
        *,
        version: str,
        phases: Sequence[Phase] = (),
        renewal: RenewalPlan = NO_RENEWAL,
    ) -> PreflightReport:
        """Return the report of what was seen and found."""
        return cls(
            inventory=inventory,
            findings=tuple(findings),
            verdict=verdict(findings),
            needs_repair=needs_repair(inventory),
            version=version,
            phases=tuple(phases),
            renewal=renewal,
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
class FindingGroup:
    """Findings with one id and severity; never empty. *advice* is None if theirs differ."""

    id: str
    severity: Severity
    title: str
    why: str
    source: str
    advice: str | None
    findings: tuple[Finding, ...]


def node_state(node: NodeInventory, report: PreflightReport) -> NodeState:
    """Return how *node* is: its findings, its signing certificate, what could not be read.

    A vCenter without an STS of its own is as well as those of the domain: no one logs in to it
    without them.
    """
    now = report.inventory.taken
    names = {node.fqdn} | ({str(node.vm.vm), node.vm.vm.name} if node.vm else set())
    severities = {f.severity for f in report.findings if f.subject in names}
    asked = (node,) if node.role.has_directory else report.inventory.nodes
    expiries = {_signer(one, now)[1] for one in asked}
    if Severity.BLOCKS in severities:
        health = Health.BLOCKED
    elif Expiry.EXPIRED in expiries:
        health = Health.EXPIRED
    elif Severity.WARNS in severities or expiries & {Expiry.EXPIRING, Expiry.NOT_YET_VALID}:
        health = Health.WARNING
    elif (node.role.has_directory and node.sts is None) or node.vm is None:
        health = Health.UNREAD
    else:
        health = Health.GOOD
    over = Expiry.EXPIRED in expiries
    return NodeState(health=health, signer=_signer_words(node, now, over=over))


def _signer(
    node: NodeInventory, now: datetime
) -> tuple[Certificate | Malformed | None, Expiry | None]:
    entry = node.sts.signing() if node.sts is not None else None
    leaf = parse(entry.chain[0]) if entry is not None and entry.chain else None
    return leaf, classify(leaf, now, SOON) if isinstance(leaf, Certificate) else None


def _signer_words(node: NodeInventory, now: datetime, *, over: bool) -> str:
    if not node.role.has_directory:
        return "relies on an expired STS" if over else "relies on the STS of a PSC"
    if node.sts is None:
        return "STS not read"
    leaf, _ = _signer(node, now)
    if not isinstance(leaf, Certificate):
        return "no readable STS certificate"
    return f"STS {validity_words(leaf, now, dated=False)}"


def version_words(node: NodeInventory) -> str:
    """Return what version the node is, by its vCenter and its directory; empty if unknown."""
    directory = node.root_dse.version if node.root_dse is not None else ""
    if isinstance(node.about, Unread):
        return directory
    about = f"{node.about.version} build {node.about.build}"
    if not directory or node.about.version.startswith(directory):
        return about
    return f"{about}, directory {directory}"


def links(report: PreflightReport) -> tuple[Link, ...]:
    """Return every replication agreement of the domain, each pair once.

    A node's own directory knows its agreements best: they are not replicated (vmdir.md 6.5).
    """
    named = set(_agreements(report.inventory))
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


def _agreements(inventory: Inventory) -> Iterator[tuple[str, str]]:
    own = {
        server.name: server
        for node in inventory.nodes
        if node.listed is not None
        for server in node.listed.servers
        if server.name == node.fqdn
    }
    listed = inventory.topology.servers if inventory.topology is not None else ()
    for server in ({server.name: server for server in listed} | own).values():
        for partner in server.partners:
            yield server.name, partner


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


def risk_words(group: FindingGroup) -> str:
    """Return the option by which what the findings forbid can be risked, empty if it cannot."""
    rule = RULES.get(group.id)
    if group.severity is not Severity.BLOCKS or rule is None or not rule.acceptable:
        return ""
    one = shlex.quote(f"{group.id}:{group.findings[0].subject}")
    if len(group.findings) == 1:
        return f"Or take the risk: --accept {one}"
    return f"Or take the risk of all: --accept {group.id}; of one: --accept {one}"


def shortened(text: str, limit: int, *, gap: str = "…") -> str:
    """Return *text*, cut in its middle to *limit* characters: names differ at both ends."""
    if len(text) <= limit:
        return text
    room = max(limit - len(gap), 0)
    tail = room // 2
    return f"{text[: room - tail]}{gap}{text[len(text) - tail :]}"


def about(span: timedelta) -> str:
    """Return a duration that nobody knows exactly, in minutes, rounded up: ``about 1 h 5 min``."""
    hours, minutes = divmod(math.ceil(span.total_seconds() / 60), 60)
    if not hours:
        return f"about {minutes} min"
    return f"about {hours} h {minutes} min" if minutes else f"about {hours} h"


def total(phases: Sequence[Phase]) -> timedelta:
    """Return how long all *phases* take, one after the other."""
    return sum((phase.takes for phase in phases), timedelta(0))


def asked_again(report: PreflightReport) -> str:
    """Return the options that ask for the same renewals and accept the same risks, each after a
    blank.
    """
    accepted = sorted({f"{f.id}:{f.subject}" for f in report.findings if f.accepted})
    risks = (f" --accept {shlex.quote(each)}" for each in accepted)
    return "".join([_asked(report.renewal), *risks])


def _asked(plan: RenewalPlan) -> str:
    """Return the options that ask for *plan* again, each after a blank."""
    root = " --new-vmca-root" if plan.new_roots else ""
    implied = plan.renew is Renew.NONE or (root and plan.renew is Renew.EXPIRED)
    return root if implied else f"{root} --renew {plan.renew}"
