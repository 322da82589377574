"""Judge an inventory: every finding, and whether the domain may be repaired. Pure."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from stsfix.remediation.checks.domain import SOON
from stsfix.remediation.checks.findings import CHECKS
from stsfix.remediation.checks.renewal import judged
from stsfix.remediation.checks.transports import restart_is_told, restart_of
from stsfix.remediation.claims import RUN_PREFIX
from stsfix.remediation.directory.sts_state import repair_reasons
from stsfix.remediation.errors_run import (
    DomainUnreadError,
    NothingToRepairError,
    PreflightBlockedError,
)
from stsfix.remediation.inventory import first_directory
from stsfix.remediation.model import NodePlan, RunSpec, Severity
from stsfix.remediation.renewal.plan import NO_RENEWAL
from stsfix.snapshot.safety import assess as assess_safety

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from stsfix.remediation.inventory import Inventory
    from stsfix.remediation.model import Finding, NodePlan
    from stsfix.remediation.renewal.plan import RenewalPlan

_ORDER = {Severity.BLOCKS: 0, Severity.WARNS: 1, Severity.INFORMS: 2}


class Verdict(enum.StrEnum):
    """What preflight says of a repair."""

    CLEAN = "can repair"
    WARNINGS = "can repair with warnings"
    BLOCKED = "must not"


def assess(inventory: Inventory, plan: RenewalPlan = NO_RENEWAL) -> tuple[Finding, ...]:
    """Return every finding, the gravest first; never stops at the first. *plan* is what a run
    would renew besides the STS credential.
    """
    found = [finding for check in CHECKS for finding in check(inventory)]
    found += restart_is_told(inventory, plan)
    vms = [node.vm for node in inventory.nodes if node.vm is not None]
    # Snapshots that are all a run's have a finding of their own, with other advice.
    ours = {str(vm.vm) for vm in vms if all(s.name.startswith(RUN_PREFIX) for s in vm.snapshots)}
    found += [
        finding
        for finding in assess_safety(inventory.hosts, vms, growth_bytes=inventory.growth_bytes)
        if finding.id != "SNAP-EXISTING" or finding.subject not in ours
    ]
    unique = dict.fromkeys(judged(found, inventory, plan))
    return tuple(sorted(unique, key=lambda f: (_ORDER[f.severity], f.id, f.subject)))


def verdict(findings: Sequence[Finding]) -> Verdict:
    """Return what the findings add up to."""
    severities = {finding.severity for finding in findings}
    if Severity.BLOCKS in severities:
        return Verdict.BLOCKED
    return Verdict.WARNINGS if Severity.WARNS in severities else Verdict.CLEAN


def needs_repair(inventory: Inventory) -> bool:
    """Tell whether any directory lacks a sound signing credential, or will soon."""
    entries = [node.sts for node in inventory.nodes if node.sts is not None]
    return bool(repair_reasons(entries, inventory.taken, soon=SOON))


def run_name(now: datetime, salt: str) -> str:
    """Return the name of a run started at *now*; *salt* tells two workstations apart.

    Letters, digits, dots and dashes only: other characters are escaped in snapshot names.
    """
    return f"{RUN_PREFIX}{now:%Y%m%dT%H%M%SZ}-{salt}"


def located_nodes(inventory: Inventory) -> tuple[NodePlan, ...]:
    """Return every node with its VM, nodes with a directory first.

    Raises:
        DomainUnreadError: Not every node was found, or not the VM of each.
    """
    missing = [f"{node.fqdn}: its VM was not found" for node in inventory.nodes if not node.vm]
    if missing or not inventory.nodes or inventory.topology is None:
        problems = [problem.text for problem in inventory.problems]
        raise DomainUnreadError(inventory.domain, dict.fromkeys([*problems, *missing]))
    nodes = [plan for node in inventory.nodes if (plan := node.plan) is not None]
    return tuple(sorted(nodes, key=lambda n: (not n.role.has_directory, n.fqdn)))


def writer_of(inventory: Inventory) -> str | None:
    """Return the one node that is written to: the first with a directory, by name;
    appliances before Windows nodes.
    """
    return first_directory(inventory.nodes)


def plan_run(
    inventory: Inventory,
    findings: Sequence[Finding],
    *,
    run: str,
    issuer: str,
    validity_days: int,
    retire: bool,
    force: bool,
    by: str = "",
    renewal: RenewalPlan = NO_RENEWAL,
) -> RunSpec:
    """Return what the run is to do.

    The writer is one concrete node, never a load balancer.

    Raises:
        PreflightBlockedError: Findings forbid it.
        NothingToRepairError: The signing credential is sound, nothing is renewed, and *force* is
            not set.
    """
    blocking = sorted({f.id for f in findings if f.severity is Severity.BLOCKS})
    if blocking:
        raise PreflightBlockedError(blocking)
    if not force and renewal.is_empty and not needs_repair(inventory):
        raise NothingToRepairError(inventory.domain)
    nodes = located_nodes(inventory)
    return RunSpec(
        run=run,
        domain=inventory.domain,
        writer=writer_of(inventory) or "",
        nodes=nodes,
        issuer=issuer,
        validity_days=validity_days,
        retire=retire,
        accepted=tuple(f"{f.id}:{f.subject}" for f in findings if f.accepted),
        by=by,
        renew=renewal.renew,
        renewals=renewal.renewals,
        new_roots=renewal.new_roots,
        restart=restart_of(inventory, renewal).restart,
    )
