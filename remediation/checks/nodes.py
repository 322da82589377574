"""Checks of the domain's nodes: from the inventory to findings. Pure."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from stsfix.remediation.checks.replication import CHECKS as REPLICATION_CHECKS
from stsfix.remediation.checks.rules_nodes import RULES, VCHA_ADVICE
from stsfix.remediation.model import Platform
from stsfix.remediation.nodes.node_facts import (
    VCHA_PROFILE,
    Management,
    NodeFacts,
    PasswordAge,
    Unread,
)
from stsfix.remediation.nodes.service_names import ALWAYS, bare
from stsfix.snapshot.risk import Finder, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stsfix.remediation.inventory import Inventory, NodeInventory
    from stsfix.remediation.model import Finding
    from stsfix.remediation.nodes.node_facts import DiskSpace

__all__ = ["CHECKS", "RULES", "release_of", "version_of"]

found = Finder(RULES)

CLOCK_REFUSED = timedelta(seconds=60)
CLOCK_WARNED = timedelta(seconds=5)
"""The same limits as for hosts; a reading counts as wrong only beyond its own uncertainty."""

PASSWORD_WARNED = timedelta(days=7)
"""shadow itself warns 7 days ahead."""

_FULL, _NEARLY_FULL = 0.01, 0.05
"""Shares of a partition that are left (rules of thumb, unverified)."""

VMDIR_SOUND = frozenset({"normal", "standalone"})
"""States in which vmdird takes writes (vdcadmintool; Standalone: 7.0 and later, vCert)."""


def clocks_agree(inventory: Inventory) -> Iterator[Finding]:
    """Each node's clock against this workstation's, and against its host's."""
    for node in inventory.nodes:
        if isinstance(node.clock, Unread):
            continue
        skew, doubt = node.clock.skew, node.clock.uncertainty
        how = f"(read from {node.clock.source}, to {_seconds(doubt)})"
        yield from _clock("NODE-CLOCK", node.fqdn, skew, doubt, f"this workstation {how}")
        host = next((h for h in inventory.hosts if node.vm and h.host == node.vm.vm.host), None)
        if host is not None and host.clock_skew is not None:
            gap, both = skew - host.clock_skew, doubt + (host.round_trip or timedelta(0)) / 2
            yield from _clock("NODE-CLOCK-HOST", node.fqdn, gap, both, f"its host {host.host}")


def _clock(
    rule: str, fqdn: str, skew: timedelta, doubt: timedelta, whose: str
) -> Iterator[Finding]:
    certain = abs(skew) - doubt
    if certain > CLOCK_WARNED:
        side = "ahead of" if skew > timedelta(0) else "behind"
        severity = Severity.BLOCKS if certain > CLOCK_REFUSED else Severity.WARNS
        yield found(rule, fqdn, f"it is {_seconds(abs(skew))} {side} {whose}", severity=severity)


def _seconds(span: timedelta) -> str:
    seconds = span.total_seconds()
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"  # noqa: PLR2004 - readable


def vmdir_is_normal(inventory: Inventory) -> Iterator[Finding]:
    """Every directory takes writes."""
    for node, facts in _told(inventory):
        state = facts.vmdir_state
        if isinstance(state, str) and node.role.has_directory and state.lower() not in VMDIR_SOUND:
            yield found("VMDIR-STATE", node.fqdn, f"vdcadmintool says: {state}")


def nodes_are_themselves(inventory: Inventory) -> Iterator[Finding]:
    """Every guest was deployed under the name, or an address, of the node it was taken for."""
    for node, facts in _told(inventory):
        if not isinstance(facts.pnid, str) or not facts.pnid or node.vm is None:
            continue
        own = {node.fqdn.lower(), *(a.lower() for a in node.vm.summary.addresses)}
        if facts.pnid.lower() not in own:
            evidence = f"the guest of {node.vm.vm} says that it is {facts.pnid}"
            yield found("NODE-IDENTITY", node.fqdn, evidence)


def vms_are_of_one_node(inventory: Inventory) -> Iterator[Finding]:
    """No VM was taken for two nodes, as by one address or UUID in the tables of both."""
    for node in inventory.nodes:
        if node.vm is None:
            continue
        vm = node.vm.vm
        others = [n.fqdn for n in inventory.nodes if n is not node and n.vm and n.vm.vm == vm]
        if others:
            yield found("NODE-IDENTITY", node.fqdn, f"{vm} was taken for {', '.join(others)}, too")


def no_vcha(inventory: Inventory) -> Iterator[Finding]:
    """No node is part of vCenter HA; the folder alone is a hint, not a proof."""
    for node, facts in _told(inventory):
        if isinstance(facts.vcha, Unread) or not facts.vcha:
            continue
        signs = "; ".join(facts.vcha)
        if VCHA_PROFILE in facts.vcha:
            yield found("NODE-VCHA", node.fqdn, signs)
        else:
            evidence = f"unverified sign: {signs}; vMon does not start the profile HACore"
            yield found(
                "NODE-VCHA",
                node.fqdn,
                evidence,
                severity=Severity.WARNS,
                advice=f"Make sure that vCenter HA is not configured there. {VCHA_ADVICE}",
            )


def no_gateway(inventory: Inventory) -> Iterator[Finding]:
    """Every embedded node or PSC has a vmdird. What its directory says counts more than a path."""
    for node, facts in _told(inventory):
        if _is_gateway(node, facts):
            evidence = (
                f"it says {facts.node_type}, the program vmdird is not at its path, and no "
                "directory answered"
            )
            yield found("NODE-GATEWAY", node.fqdn, evidence)


def _is_gateway(node: NodeInventory, facts: NodeFacts) -> bool:
    answered = node.root_dse is not None or node.sts is not None
    says = node.role_verified and node.role.has_directory and facts.vmdird_installed is False
    return says and not answered


def passwords_last(inventory: Inventory) -> Iterator[Finding]:
    """Root's password of every node outlives the run and its rollback."""
    today = inventory.taken.date()
    for node, facts in _told(inventory):
        age = facts.password
        if not isinstance(age, PasswordAge):
            continue
        if age.must_change:
            yield found("ROOT-PASSWORD-EXPIRED", node.fqdn, "chage says: must be changed")
        elif age.expires is not None and age.expires <= today:
            yield found("ROOT-PASSWORD-EXPIRED", node.fqdn, f"it ended on {age.expires}")
        elif age.expires is not None and age.expires - today <= PASSWORD_WARNED:
            yield found("ROOT-PASSWORD-EXPIRING", node.fqdn, f"it ends on {age.expires}")


def disks_have_room(inventory: Inventory) -> Iterator[Finding]:
    """The partitions that services write to have room."""
    for node, facts in _told(inventory):
        for disk in () if isinstance(facts.disks, Unread) else facts.disks:
            share = disk.free_bytes / disk.capacity_bytes if disk.capacity_bytes else 1.0
            if share < _NEARLY_FULL:
                severity = Severity.BLOCKS if share < _FULL else Severity.WARNS
                yield found("NODE-DISK-FULL", node.fqdn, _room(disk), severity=severity)


def _room(disk: DiskSpace) -> str:
    free, whole = disk.free_bytes / 2**20, disk.capacity_bytes / 2**20
    return f"{disk.mount} has {free:.0f} MiB of {whole:.0f} MiB left"


def core_runs(inventory: Inventory) -> Iterator[Finding]:
    """vmafdd, and vmdird where there is a directory, run."""
    for node in inventory.nodes:
        down = [name for name in _stopped(node) if bare(name) in ALWAYS[node.platform]]
        if down and not (isinstance(node.facts, NodeFacts) and _is_gateway(node, node.facts)):
            yield found("SERVICES-CORE-DOWN", node.fqdn, f"stopped: {', '.join(down)}")


def _stopped(node: NodeInventory) -> tuple[str, ...]:
    return node.services.stopped if node.services is not None else ()


def _directory_is_down(node: NodeInventory) -> bool:
    """The directory is the last of the services that always run."""
    return ALWAYS[node.platform][-1] in {bare(name) for name in _stopped(node)}


def releases_agree(inventory: Inventory) -> Iterator[Finding]:
    """All nodes are of one release, and tell one functional level."""
    told = {node.fqdn: version for node in inventory.nodes if (version := version_of(node))}
    releases = {_release(version) for version in told.values()} - {None}
    if len(releases) > 1:
        evidence = ", ".join(f"{fqdn} {version}" for fqdn, version in sorted(told.items()))
        yield found("NODE-VERSION-MIXED", inventory.domain, evidence)
    levels = {
        node.fqdn: node.root_dse.functional_level
        for node in inventory.nodes
        if node.root_dse is not None and node.root_dse.functional_level is not None
    }
    if len(set(levels.values())) > 1:
        evidence = ", ".join(f"{fqdn} {level}" for fqdn, level in sorted(levels.items()))
        yield found("DOMAIN-LEVEL-MIXED", inventory.domain, evidence)


def version_of(node: NodeInventory) -> str:
    """Return the version from the directory, else from vCenter, from the guest's files, or from its
    management interface; empty if nobody tells it.
    """
    if node.root_dse is not None and node.root_dse.version:
        return node.root_dse.version
    if not isinstance(node.about, Unread):
        return node.about.version
    if isinstance(node.facts, NodeFacts) and isinstance(node.facts.build, str):
        return node.facts.build
    if isinstance(node.management, Management) and isinstance(node.management.version, str):
        return node.management.version
    return ""


def _release(version: str) -> tuple[str, str] | None:
    match = re.match(r"([0-9]{1,3})\.([0-9]{1,3})(?:\.|$)", version)
    return (match.group(1), match.group(2)) if match else None


def release_of(node: NodeInventory) -> tuple[int, int] | None:
    """Return the release that *node* tells, such as (8, 0); None if it tells none."""
    release = _release(version_of(node))
    return None if release is None else (int(release[0]), int(release[1]))


def configured_nodes_are_listed(inventory: Inventory) -> Iterator[Finding]:
    """Whoever was named in the configuration is a node of the domain."""
    if inventory.topology is None:
        return
    known = {*inventory.topology.controllers, *inventory.topology.computers}
    for name in sorted({name.lower() for name in inventory.configured} - known):
        evidence = "it is in sso.nodes, and neither a domain controller nor a computer"
        yield found("NODE-NOT-IN-DOMAIN", name, evidence)


def everything_is_told(inventory: Inventory) -> Iterator[Finding]:
    """What a node did not tell is not taken for fine."""
    for node in inventory.nodes:
        missing = [f"{what}: {why.reason}" for what, why in _untold(node)]
        if missing:
            evidence = "not checked: " + "; ".join(missing)
            yield found("NODE-NOT-CHECKED", node.fqdn, evidence)


def _untold(node: NodeInventory) -> Iterator[tuple[str, Unread]]:
    if isinstance(node.clock, Unread):
        yield "clock", node.clock
    elif node.clock.uncertainty > CLOCK_WARNED:
        yield "clock", Unread(reason=f"known to {_seconds(node.clock.uncertainty)} only")
    facts = node.facts
    if isinstance(facts, Unread):
        yield "everything in its guest", facts
        return
    asked: dict[str, object] = {"partitions": facts.disks}
    if node.platform is Platform.APPLIANCE:
        asked["root's password"] = facts.password
    elif node.role.has_vcenter:
        asked["where its database is"] = facts.database
    if node.services is None:
        asked["services"] = (
            facts.services
            if isinstance(facts.services, Unread)
            else Unread(reason="service-control listed none")
        )
    if node.role.has_vcenter:
        asked["vCenter HA"] = facts.vcha
    if node.role.has_directory:
        asked["the program vmdird"] = facts.vmdird_installed
        if not _is_gateway(node, facts) and not _directory_is_down(node):
            asked["state of vmdir"] = facts.vmdir_state
    yield from ((what, fact) for what, fact in asked.items() if isinstance(fact, Unread))


def _told(inventory: Inventory) -> Iterator[tuple[NodeInventory, NodeFacts]]:
    for node in inventory.nodes:
        if isinstance(node.facts, NodeFacts):
            yield node, node.facts


CHECKS: tuple[Callable[[Inventory], Iterator[Finding]], ...] = (
    clocks_agree,
    vmdir_is_normal,
    no_vcha,
    nodes_are_themselves,
    vms_are_of_one_node,
    no_gateway,
    passwords_last,
    disks_have_room,
    core_runs,
    releases_agree,
    configured_nodes_are_listed,
    everything_is_told,
    *REPLICATION_CHECKS,
)
