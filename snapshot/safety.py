"""What makes it unsafe or impossible to stop, snapshot and revert these VMs on these hosts.

Pure: facts in, findings out, every check always runs. What each means is in `safety_rules`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING

from stsfix.snapshot.model import LockdownMode
from stsfix.snapshot.numbers import whole
from stsfix.snapshot.risk import Finder, Severity
from stsfix.snapshot.safety_rules import HOST_RULES, RULES, SPACE_RULES
from stsfix.snapshot.safety_vm import assess_vm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from stsfix.snapshot.model import DatastoreFacts, HostFacts, VmFacts
    from stsfix.snapshot.risk import Finding

__all__ = ["RULES", "assess", "assess_host", "assess_space", "assess_vm"]

found = Finder((*HOST_RULES, *SPACE_RULES))

SKEW_REFUSED = timedelta(seconds=60)
SKEW_WARNED = timedelta(seconds=5)
"""VMware Tools steps the guest's clock to the host's at start and at revert (VMware Tools 12.4
guide), so the host's clock decides whether tokens and Kerberos tickets are valid."""

GROWTH_BYTES = 10 * 2**30
"""Room for what one node writes until its snapshot is removed, unless somebody knows better (a rule
of thumb, unverified)."""

START_BYTES = 2**30
"""Without so much for each node a snapshot is not begun: it starts nearly empty, and the node
writes that much while it starts (unverified)."""

FREE_EDITIONS = frozenset({"esxBasic"})
"""Licence editions whose API takes no writes (name unverified; RestrictedVersion: pyvmomi #625)."""


LICENCE_WARNED = timedelta(days=7)
"""So long a run, a rollback and the release of its snapshots may take."""

SLOW = timedelta(seconds=5)
"""A question that a sound host answers in milliseconds."""

OLDEST = (6, 5)


def assess(
    hosts: Sequence[HostFacts], vms: Sequence[VmFacts], *, growth_bytes: int = GROWTH_BYTES
) -> tuple[Finding, ...]:
    """Return every risk of working on *vms*, which live on *hosts*; hosts first."""
    used = {facts.vm.host for facts in vms}
    risks: list[Finding] = []
    for host in hosts:
        if host.host in used or not vms:
            risks += assess_host(host)
    risks += assess_space(hosts, vms, growth_bytes=growth_bytes)
    for facts in vms:
        risks += assess_vm(facts)
    return tuple(risks)


def assess_host(facts: HostFacts) -> tuple[Finding, ...]:
    """Return the risks of working on one host directly."""
    return tuple(risk for check in _HOST_CHECKS for risk in check(facts))


def assess_space(
    hosts: Sequence[HostFacts], vms: Sequence[VmFacts], *, growth_bytes: int = GROWTH_BYTES
) -> tuple[Finding, ...]:
    """Return a risk for every datastore that is inaccessible or has too little room.

    A snapshot taken while off starts empty and grows with everything its VM writes until it is
    removed. Datastores of one name and size on two hosts count as one shared datastore: that
    errs on the safe side for local ones, which is why an operator can accept too little room for
    the growth. Too little to begin with is judged on each host by itself.
    """
    known = {(h.host, store.name): store for h in hosts for store in h.datastores}
    nodes: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
    here: Counter[tuple[tuple[str, int], str]] = Counter()
    stores: dict[tuple[str, int], DatastoreFacts] = {}
    risks: list[Finding] = []
    for facts in vms:
        for name in sorted({*facts.datastores, *(disk.datastore for disk in facts.disks)} - {""}):
            store = known.get((facts.vm.host, name))
            if store is None or not store.accessible or store.maintenance:
                risks.append(_inaccessible(facts, name))
                continue
            key = (store.name, store.capacity_bytes)
            nodes[key].append(facts.vm.name)
            here[key, facts.vm.host] += 1
            if key not in stores or store.free_bytes < stores[key].free_bytes:
                stores[key] = store
    for key, names in nodes.items():
        if stores[key].kind.lower() == "vsan":
            risks.append(found("SNAP-VSAN", key[0], f"Nodes on it: {', '.join(sorted(names))}."))
        most = max(count for (store_key, _), count in here.items() if store_key == key)
        if stores[key].free_bytes < START_BYTES * most:
            risks.append(_no_space("SNAP-NO-SPACE", stores[key], names, growth_bytes))
        elif stores[key].free_bytes < growth_bytes * len(names):
            risks.append(_no_space("SNAP-LITTLE-SPACE", stores[key], names, growth_bytes))
    return tuple(risks)


def _inaccessible(facts: VmFacts, name: str) -> Finding:
    return found(
        "SNAP-DATASTORE-INACCESSIBLE",
        str(facts.vm),
        f"Datastore {name} is absent, inaccessible or in maintenance on {facts.vm.host}.",
    )


def _no_space(rule: str, store: DatastoreFacts, names: Sequence[str], growth_bytes: int) -> Finding:
    wanted = max(growth_bytes, START_BYTES) * len(names)
    return found(
        rule,
        store.name,
        f"{_gib(store.free_bytes)} free, {_gib(wanted)} wanted for {', '.join(sorted(names))}.",
        advice=f"Free {_gib(wanted - store.free_bytes)} on {store.name}"
        + (
            "."
            if rule == "SNAP-NO-SPACE"
            else "; or accept this, watch the datastore, and release the snapshots soon."
        ),
    )


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"


def _host_clock(facts: HostFacts) -> Iterator[Finding]:
    skew = facts.clock_skew
    if skew is None:
        return
    # The host read its clock at some moment of the round trip: so much of it is no proof.
    proven = abs(skew) - (facts.round_trip or timedelta(0)) / 2
    if proven > SKEW_WARNED:
        side = "ahead of" if skew > timedelta(0) else "behind"
        yield found(
            "HOST-CLOCK",
            facts.host,
            f"The host is {abs(skew).total_seconds():.0f} s {side} this workstation.",
            severity=Severity.BLOCKS if proven > SKEW_REFUSED else Severity.WARNS,
        )


def _host_lockdown(facts: HostFacts) -> Iterator[Finding]:
    # The login worked, so the user is an exception user; in strict mode no console is left if
    # that ends during a run.
    if facts.lockdown is LockdownMode.STRICT:
        yield found("HOST-LOCKDOWN", facts.host, "The host is in strict lockdown mode.")
    elif facts.lockdown is LockdownMode.NORMAL:
        evidence = "The host is in normal lockdown mode."
        yield found("HOST-LOCKDOWN", facts.host, evidence, severity=Severity.WARNS)


def _host_maintenance(facts: HostFacts) -> Iterator[Finding]:
    if facts.maintenance:
        yield found("HOST-MAINTENANCE", facts.host, "The host is in maintenance mode.")


def _host_licence(facts: HostFacts) -> Iterator[Finding]:
    if facts.licence_edition in FREE_EDITIONS:
        evidence = f"The licence edition is {facts.licence_edition}."
        yield found("HOST-LICENCE", facts.host, evidence)
        return
    left = facts.licence_left
    if left is not None and left < LICENCE_WARNED:
        yield found(
            "HOST-LICENCE",
            facts.host,
            f"The licence {facts.licence_edition} ends in {left.total_seconds() / 3600:.0f} h."
            if left > timedelta(0)
            else f"The licence {facts.licence_edition} has ended.",
            severity=Severity.WARNS if left > timedelta(0) else Severity.BLOCKS,
        )
    elif left is None and facts.licence_edition == "eval":
        yield found(
            "HOST-LICENCE",
            facts.host,
            "The host runs in evaluation mode and does not tell for how long.",
            severity=Severity.WARNS,
            advice="Check in the Host Client that it lasts longer than the run.",
        )


def _host_time_service(facts: HostFacts) -> Iterator[Finding]:
    if facts.ntp_running is False:
        yield found("HOST-NTP", facts.host, "The service ntpd does not run.")
    elif facts.ntp_running and not facts.ntp_servers:
        yield found("HOST-NTP", facts.host, "No NTP server is configured.")


def _host_speed(facts: HostFacts) -> Iterator[Finding]:
    if facts.round_trip is not None and facts.round_trip > SLOW:
        seconds = facts.round_trip.total_seconds()
        yield found("HOST-SLOW", facts.host, f"Asked for its time it took {seconds:.1f} s.")


def _host_version(facts: HostFacts) -> Iterator[Finding]:
    numbers = tuple(n for part in facts.version.split(".")[:2] if (n := whole(part)) is not None)
    if numbers and numbers < OLDEST:
        yield found("HOST-OLD", facts.host, f"It is version {facts.version}.")


def _host_silence(facts: HostFacts) -> Iterator[Finding]:
    untold = {
        "its version": not facts.version,
        "its time": facts.clock_skew is None,
        "lockdown mode": facts.lockdown is LockdownMode.UNKNOWN,
        "licence": not facts.licence_edition,
        "whether NTP runs": facts.ntp_running is None,
    }
    names = [name for name, unknown in untold.items() if unknown]
    if names:
        yield found("HOST-NOT-CHECKED", facts.host, f"Not told: {', '.join(names)}.")


def _host_managed(facts: HostFacts) -> Iterator[Finding]:
    if facts.managed_by:
        evidence = f"The host is managed by vCenter {facts.managed_by}."
        yield found("HOST-MANAGED", facts.host, evidence)


_HOST_CHECKS: tuple[Callable[[HostFacts], Iterator[Finding]], ...] = (
    _host_clock,
    _host_lockdown,
    _host_maintenance,
    _host_licence,
    _host_time_service,
    _host_speed,
    _host_version,
    _host_silence,
    _host_managed,
)
