"""What preflight says of a renewal: the plan for an inventory, and findings that it changes. Pure.

A renewal is judged only when it is asked for; without the question its findings do not exist, and
what it would mend keeps its severity.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from stsfix.remediation.checks.rules_renewal import RULES
from stsfix.remediation.model import Platform, Renew, Severity
from stsfix.remediation.nodes.node_facts import NodeFacts, Unread
from stsfix.remediation.pki.authority import Authority
from stsfix.remediation.pki.certificates import Certificate, parse
from stsfix.remediation.pki.vecs import NodeStores
from stsfix.remediation.renewal.plan import NodeLook, RenewalPlan, plan_renewals
from stsfix.snapshot.risk import Finder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from stsfix.remediation.inventory import Inventory, NodeInventory
    from stsfix.remediation.model import Finding

__all__ = ["RULES"]

found = Finder(RULES)

_NODE_RULES: Final = frozenset(
    {
        "CERT-MACHINE-EXPIRED",
        "CERT-MACHINE-EXPIRING",
        "CERT-MACHINE-NAME",
        "CERT-PORTS-DIFFER",
        "CERT-STORE-SHOWN",
        "LOOKUP-TRUST",
    }
)
"""Findings about a node that a new machine certificate of it settles."""

_USER_RULES: Final = frozenset(
    {"CERT-SOLUTION-EXPIRED", "CERT-SOLUTION-EXPIRING", "CERT-SOLUTION-DIFFERS"}
)
"""Findings about a solution user, or about the stores of a node, that new ones settle."""

_ROOT_RULES: Final = frozenset({"VMCA-ROOT-EXPIRED", "VMCA-ROOT-EXPIRING", "VMCA-ROOT-SHORT"})
"""Findings about the root of a VMCA that a new one settles."""

_NO_CHANGE: Final = "COST-NO-TLS-CHANGE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What an operator asks a run to renew besides the STS credential."""

    renew: Renew = Renew.NONE
    new_vmca_root: bool = False


NOTHING: Final = Wish()
"""An STS-only repair."""


def renewal_of(inventory: Inventory, wish: Wish) -> RenewalPlan:
    """Return what a run would renew of what was seen."""
    held = inventory.certificates
    told = held is not None and held.has_read("solution users")
    users = held.solution_users if held is not None else ()
    accounts = {user.name: user.certificates for user in users} if told else None
    return plan_renewals(
        [_look(node) for node in inventory.nodes],
        accounts,
        renew=wish.renew,
        new_vmca_root=wish.new_vmca_root,
        now=inventory.taken,
    )


def _look(node: NodeInventory) -> NodeLook:
    facts = node.facts if isinstance(node.facts, NodeFacts) else NodeFacts()
    return NodeLook(
        fqdn=node.fqdn,
        role=node.role,
        stores=node.stores if isinstance(node.stores, NodeStores) else None,
        unread=node.stores.reason if isinstance(node.stores, Unread) else "",
        vmca=node.authority.chain if isinstance(node.authority, Authority) else (),
        hindrance=_hindrance(node.authority) if isinstance(node.authority, Authority) else "",
        controller=_word(facts.controller),
        machine_id=_word(facts.machine_id),
        pnid=_word(facts.pnid),
        windows=node.platform is Platform.WINDOWS,
    )


def _hindrance(seen: Authority) -> str:
    """Return why this VMCA cannot sign; what is not known hinders nothing."""
    reasons = {
        "there is no certool": seen.certool is False,
        "certool --getrootca failed: vmcad does not answer": seen.serves is False,
        "it issues with another root than root.cer: restart vmcad": seen.serves_root is False,
        "privatekey.pem does not belong to root.cer": seen.key_matches is False,
    }
    return "; ".join(reason for reason, holds in reasons.items() if holds)


def _word(fact: str | Unread) -> str:
    return fact if isinstance(fact, str) else ""


def judged(
    findings: Iterable[Finding], inventory: Inventory, plan: RenewalPlan
) -> tuple[Finding, ...]:
    """Return *findings* as they are if a run carries *plan* out: with what is to be said of it,
    and those that it settles only informing.
    """
    if plan.renew is Renew.NONE:
        return tuple(findings)
    settles = _Settled.of(inventory, plan)
    kept = [settles.judge(finding) for finding in findings]
    if any(renewal.is_machine for renewal in plan.renewals):
        kept = [finding for finding in kept if finding.id != _NO_CHANGE]
    return (*kept, *_about(inventory, plan))


def _about(inventory: Inventory, plan: RenewalPlan) -> Iterator[Finding]:
    nodes = dict.fromkeys(renewal.node for renewal in plan.renewals)
    for fqdn in nodes:
        parts = [
            f"{planned.renewal.store} ({planned.why})"
            for planned in plan.planned
            if planned.renewal.node == fqdn
        ]
        yield found("RENEW-PLAN", fqdn, ", ".join(parts))
    for fqdn in plan.new_roots:
        yield found("RENEW-ROOT-NEW", fqdn, "the certificate it issues with ends, or has ended")
    machines = [renewal.node for renewal in plan.renewals if renewal.is_machine]
    if machines:
        changed = f"the machine certificate of {', '.join(machines)} is renewed"
        yield found("COST-TLS-CHANGE", inventory.domain, changed)
    for obstacle in plan.obstacles:
        severity = Severity.WARNS if obstacle.mild else None
        yield found(obstacle.rule, obstacle.subject, obstacle.evidence, severity=severity)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settled:
    """What a plan settles: machine certificates of *machines*, accounts, all solution users of
    *users* that have an account, and roots by node and key id.
    """

    machines: frozenset[str]
    accounts: frozenset[str]
    users: frozenset[str]
    roots: frozenset[str]

    @classmethod
    def of(cls, inventory: Inventory, plan: RenewalPlan) -> _Settled:
        left = {o.subject for o in plan.obstacles if o.rule == "RENEW-NO-ACCOUNT"}
        users = {r.node for r in plan.renewals if not r.is_machine}
        roots = {*plan.new_roots, *_key_ids(inventory, plan.new_roots)}
        return cls(
            machines=frozenset(r.node for r in plan.renewals if r.is_machine),
            accounts=frozenset(r.principal for r in plan.renewals if r.principal),
            users=frozenset(n for n in users if not any(s.endswith(f" on {n}") for s in left)),
            roots=frozenset(roots),
        )

    def judge(self, finding: Finding) -> Finding:
        """Return *finding*, only informing if the plan settles it."""
        subject = finding.subject
        settled = (
            (finding.id in _NODE_RULES and subject in self.machines)
            or (finding.id in _USER_RULES and subject in self.accounts | self.users)
            or (finding.id in _ROOT_RULES and subject in self.roots)
        )
        if not settled:
            return finding
        return replace(
            finding,
            severity=Severity.INFORMS,
            evidence=f"{finding.evidence}; this run renews it",
            advice="Nothing to do: this run renews it.",
        )


def _key_ids(inventory: Inventory, nodes: Sequence[str]) -> Iterator[str]:
    """Yield what a finding calls the roots of these nodes' VMCAs: key id, or fingerprint."""
    for node in inventory.nodes:
        if node.fqdn in nodes and isinstance(node.authority, Authority):
            for der in node.authority.chain:
                root = parse(der)
                if isinstance(root, Certificate):
                    yield root.key_id or root.sha256[:16]
