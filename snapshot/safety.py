"""What makes it unsafe or impossible to stop, snapshot and revert these VMs on these hosts.

Pure: facts in, risks out, every check always runs. Sources: VMware's guides and KBs as named at
each check; none of it was run against a real host.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING

from stsfix.snapshot.model import LockdownMode
from stsfix.snapshot.risk import Risk
from stsfix.snapshot.safety_vm import assess_vm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from stsfix.snapshot.model import DatastoreFacts, HostFacts, VmFacts

__all__ = ["Risk", "assess", "assess_host", "assess_space", "assess_vm"]

SKEW_REFUSED = timedelta(seconds=60)
SKEW_WARNED = timedelta(seconds=5)
"""VMware Tools steps the guest's clock to the host's at start and at revert (VMware Tools 12.4
guide), so the host's clock decides whether tokens and Kerberos tickets are valid."""

GROWTH_BYTES = 10 * 2**30
"""Room for what one node writes until its snapshot is removed (a rule of thumb, unverified)."""

FREE_EDITIONS = frozenset({"esxBasic"})
"""Licence editions whose API takes no writes (name unverified; RestrictedVersion: pyvmomi #625)."""


def assess(
    hosts: Sequence[HostFacts], vms: Sequence[VmFacts], *, growth_bytes: int = GROWTH_BYTES
) -> tuple[Risk, ...]:
    """Return every risk of working on *vms*, which live on *hosts*; hosts first."""
    used = {facts.vm.host for facts in vms}
    found: list[Risk] = []
    for host in hosts:
        if host.host in used or not vms:
            found += assess_host(host)
    found += assess_space(hosts, vms, growth_bytes=growth_bytes)
    for facts in vms:
        found += assess_vm(facts)
    return tuple(found)


def assess_host(facts: HostFacts) -> tuple[Risk, ...]:
    """Return the risks of working on one host directly."""
    return tuple(risk for check in _HOST_CHECKS for risk in check(facts))


def assess_space(
    hosts: Sequence[HostFacts], vms: Sequence[VmFacts], *, growth_bytes: int = GROWTH_BYTES
) -> tuple[Risk, ...]:
    """Return a risk for every datastore that is inaccessible or has too little room.

    A snapshot taken while off starts empty and grows with everything its VM writes until it is
    removed. Datastores of one name and size on two hosts count as one shared datastore: that
    errs on the safe side for local ones.
    """
    known = {(h.host, store.name): store for h in hosts for store in h.datastores}
    nodes: defaultdict[tuple[str, int], list[str]] = defaultdict(list)
    stores: dict[tuple[str, int], DatastoreFacts] = {}
    found: list[Risk] = []
    for facts in vms:
        for name in sorted({*facts.datastores, *(disk.datastore for disk in facts.disks)} - {""}):
            store = known.get((facts.vm.host, name))
            if store is None or not store.accessible:
                found.append(_inaccessible(facts, name))
                continue
            key = (store.name, store.capacity_bytes)
            nodes[key].append(facts.vm.name)
            if key not in stores or store.free_bytes < stores[key].free_bytes:
                stores[key] = store
    for key, names in nodes.items():
        if stores[key].free_bytes < growth_bytes * len(names):
            found.append(_no_space(stores[key], names, growth_bytes))
    return tuple(found)


def _inaccessible(facts: VmFacts, name: str) -> Risk:
    return Risk(
        id="SNAP-DATASTORE-INACCESSIBLE",
        severity="blocks",
        subject=str(facts.vm),
        evidence=f"Datastore {name} is not accessible on {facts.vm.host}.",
        why="A VM on it can neither be snapshotted nor powered on again.",
        advice="Bring the datastore back, then run preflight again.",
    )


def _no_space(store: DatastoreFacts, names: Sequence[str], growth_bytes: int) -> Risk:
    wanted = growth_bytes * len(names)
    return Risk(
        id="SNAP-NO-SPACE",
        severity="blocks",
        subject=store.name,
        evidence=(
            f"{_gib(store.free_bytes)} free, {_gib(wanted)} wanted for {', '.join(sorted(names))}."
        ),
        why="Snapshots grow until they are released; a full datastore stops every VM on it.",
        advice=f"Free {_gib(wanted - store.free_bytes)} on {store.name}.",
    )


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"


def _host_clock(facts: HostFacts) -> Iterator[Risk]:
    skew = facts.clock_skew
    if skew is not None and abs(skew) <= SKEW_WARNED:
        return
    if skew is None:
        evidence = "The host did not tell its time."
    else:
        side = "ahead of" if skew > timedelta(0) else "behind"
        evidence = f"The host is {abs(skew).total_seconds():.0f} s {side} this workstation."
    yield Risk(
        id="HOST-CLOCK",
        severity="blocks" if skew is not None and abs(skew) > SKEW_REFUSED else "warns",
        subject=facts.host,
        evidence=evidence,
        why="Guests take the host's time at power-on and at revert, and tokens depend on it.",
        advice="Set the clocks of host and workstation by the same NTP server.",
    )


def _host_lockdown(facts: HostFacts) -> Iterator[Risk]:
    # vSphere 6.7 Security guide, "Lockdown Mode Behavior"; KB 425190. The login worked, so the
    # user is an exception user; in strict mode no console is left if that ends during a run.
    if facts.lockdown in {LockdownMode.NORMAL, LockdownMode.STRICT}:
        strict = facts.lockdown is LockdownMode.STRICT
        yield Risk(
            id="HOST-LOCKDOWN",
            severity="blocks" if strict else "warns",
            subject=facts.host,
            evidence=f"The host is in {'strict' if strict else 'normal'} lockdown mode.",
            why="With vCenter down only exception users can work on it"
            + (", and not even the console helps." if strict else "."),
            advice="Leave lockdown mode for the time of the run.",
        )


def _host_maintenance(facts: HostFacts) -> Iterator[Risk]:
    if facts.maintenance:  # vSphere 6.0 Host Client guide, p. 24
        yield Risk(
            id="HOST-MAINTENANCE",
            severity="blocks",
            subject=facts.host,
            evidence="The host is in maintenance mode.",
            why="It refuses to power on any VM.",
            advice="Exit maintenance mode.",
        )


def _host_licence(facts: HostFacts) -> Iterator[Risk]:
    if facts.licence_edition in FREE_EDITIONS:
        yield Risk(
            id="HOST-LICENCE",
            severity="blocks",
            subject=facts.host,
            evidence=f"The licence edition is {facts.licence_edition}.",
            why="Its API refuses every change (RestrictedVersion).",
            advice="Assign a licence that allows API writes.",
        )
    elif facts.licence_edition == "eval":
        yield Risk(
            id="HOST-LICENCE",
            severity="warns",
            subject=facts.host,
            evidence="The host runs in evaluation mode.",
            why="Once the evaluation has ended the API refuses changes (RestrictedVersion).",
            advice="Check in the Host Client that it lasts longer than the run.",
        )


def _host_managed(facts: HostFacts) -> Iterator[Risk]:
    if facts.managed_by:
        yield Risk(
            id="HOST-MANAGED",
            severity="informs",
            subject=facts.host,
            evidence=f"The host is managed by vCenter {facts.managed_by}.",
            why="A vCenter that still runs may move or change VMs during the run (DRS, HA).",
            advice="If that vCenter is up, set DRS of these VMs to manual for the time of the run.",
        )


_HOST_CHECKS: tuple[Callable[[HostFacts], Iterator[Risk]], ...] = (
    _host_clock,
    _host_lockdown,
    _host_maintenance,
    _host_licence,
    _host_managed,
)
