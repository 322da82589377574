"""What preflight saw: one frozen value. Locating a node among the VMs of the hosts is pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from stsfix.remediation.directory.replication import lags
from stsfix.remediation.inventory_certificates import NodeCertificates
from stsfix.remediation.model import NodePlan, Platform
from stsfix.remediation.nodes.node_facts import NOT_ASKED, Database, NodeFacts
from stsfix.snapshot.model import VmListing
from stsfix.snapshot.safety import GROWTH_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime, timedelta

    from stsfix.remediation.directory.replication import Lag
    from stsfix.remediation.inventory_certificates import DirectoryCertificates
    from stsfix.remediation.model import (
        ReplicationStatus,
        Restart,
        Role,
        RootDse,
        StsEntries,
        Topology,
        Transport,
    )
    from stsfix.remediation.nodes.extensions import Extension
    from stsfix.remediation.nodes.node_facts import ClockReading, Management, Unread, VCenterAbout
    from stsfix.remediation.pki.authority import Authority
    from stsfix.remediation.pki.vecs import NodeStores
    from stsfix.remediation.ports import ServiceReport
    from stsfix.snapshot.model import HostFacts, HostRef, VmFacts, VmSummary

NODE_CONNECTED = "connected"
"""vim.VirtualMachine.ConnectionState of a VM that this host really holds; every other value is
a stale or unusable registration (vSphere API reference, VirtualMachineConnectionState)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that could not be read: *error* is the error's class name, *text* its sentence.

    *subject* is the host or node it is about.
    """

    subject: str
    error: str
    text: str


UNNAMED: Final = frozenset({"localhost", "photon", "photon-machine"})
"""Host names of a machine that was given none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where a node's VM was looked for. *live* are connected registrations that match by guest
    host name, address or VM name; *stale* match too, but the host does not hold them. *namesakes*
    match by VM name alone, and their guests say that they are somebody else.
    """

    live: tuple[VmSummary, ...] = ()
    stale: tuple[VmSummary, ...] = ()
    namesakes: tuple[VmSummary, ...] = ()

    @property
    def found(self) -> VmSummary | None:
        """The one live match; None if there is none or more than one."""
        return self.live[0] if len(self.live) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeInventory:
    """One node of the domain: what its directory, its VM and its guest said.

    *role* is from the node's own deployment.node.type if *role_verified*, else a guess from
    where the directory lists it. Anything that could not be read is None, with a Problem, or an
    `Unread` with its reason. *listed* is the domain as this node's own directory tells it: each
    node knows its own agreements best (they are not replicated, vmdir.md 6.5). *clock* is the
    most precise reading of the node's clock, *transport* how it was asked itself, None if nothing
    got through. *stores*, *authority* (nodes with a directory), *extensions* and
    *scheduled_tasks* (how many users have; vCenters) are from its own tools, and from nowhere if no
    command runs there;
    *management* is from its management interface, if it was asked by that.
    """

    fqdn: str
    role: Role
    role_verified: bool = False
    root_dse: RootDse | None = None
    sts: StsEntries | None = None
    replication: ReplicationStatus | None = None
    location: Location = field(default_factory=Location)
    vm: VmFacts | None = None
    services: ServiceReport | None = None
    listed: Topology | None = None
    facts: NodeFacts | Unread = NOT_ASKED
    clock: ClockReading | Unread = NOT_ASKED
    about: VCenterAbout | Unread = NOT_ASKED
    certificates: NodeCertificates = field(default_factory=NodeCertificates)
    stores: NodeStores | Unread = NOT_ASKED
    authority: Authority | Unread = NOT_ASKED
    transport: Transport | None = None
    management: Management | Unread = NOT_ASKED
    extensions: tuple[Extension, ...] | Unread = NOT_ASKED
    scheduled_tasks: int | Unread = NOT_ASKED

    @property
    def platform(self) -> Platform:
        """What its host says the guest is; an appliance as long as its VM was not found."""
        return Platform.APPLIANCE if self.vm is None else platform_of(self.vm)

    @property
    def plan(self) -> NodePlan | None:
        """What a run works with; None if its VM was not found."""
        if self.vm is None:
            return None
        database = self.facts.database if isinstance(self.facts, NodeFacts) else NOT_ASKED
        return NodePlan(
            fqdn=self.fqdn,
            role=self.role,
            vm=self.vm.vm,
            platform=self.platform,
            external_database=isinstance(database, Database) and not database.is_local,
            ran=self.services.under_way if self.services is not None else (),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """Everything preflight saw of one SSO domain. *taken* is this workstation's clock.

    *stalled* are pairs (consumer, supplier) of directories that lagged and caught up nothing
    while they were watched, *at_rest* pairs that seem to lag and lack nothing. *certificates* is
    what one of the directories holds besides the STS entries; None if nobody asked. *configured*
    are the nodes the operator named. *issuer* is who signs if a run writes: ``vmca``, ``own-ca`` or
    ``files``. *restart* is whose services the operator wants restarted, None if that was not said.
    *growth_bytes* is the room that the snapshot of one node may come to need.
    """

    domain: str
    taken: datetime
    nodes: tuple[NodeInventory, ...]
    hosts: tuple[HostFacts, ...]
    topology: Topology | None
    problems: tuple[Problem, ...]
    stalled: tuple[tuple[str, str], ...] = ()
    at_rest: tuple[tuple[str, str], ...] = ()
    configured: tuple[str, ...] = ()
    certificates: DirectoryCertificates | None = None
    issuer: str = "own-ca"
    restart: Restart | None = None
    growth_bytes: int = GROWTH_BYTES

    def lags(self) -> tuple[Lag, ...]:
        """Return how far each directory is behind each other one that told its status."""
        statuses = {n.fqdn: n.replication for n in self.nodes if n.replication is not None}
        return lags(statuses)

    def host_skew(self, node: NodeInventory) -> timedelta | None:
        """Return the clock skew of the host that *node* runs on, None if nobody knows."""
        host = node.vm.vm.host if node.vm is not None else None
        return next((h.clock_skew for h in self.hosts if h.host == host), None)

    def node(self, fqdn: str) -> NodeInventory:
        """Return the node *fqdn*; LookupError if the domain has none such."""
        for node in self.nodes:
            if node.fqdn == fqdn:
                return node
        raise LookupError(fqdn)

    def host(self, host: HostRef) -> HostFacts:
        """Return the facts of *host*; LookupError if it could not be read."""
        for facts in self.hosts:
            if facts.host == host:
                return facts
        raise LookupError(host)


def platform_of(vm: VmFacts) -> Platform:
    """Return what the guest of *vm* is, as its host says."""
    return Platform.WINDOWS if vm.is_windows else Platform.APPLIANCE


def first_directory(nodes: Sequence[NodeInventory]) -> str | None:
    """Return the first node with a directory, by name: the one that is written to. Appliances
    come before Windows nodes, whose VMCA cannot be asked.
    """
    order = sorted(
        (node.platform is Platform.WINDOWS, node.fqdn) for node in nodes if node.role.has_directory
    )
    return order[0][1] if order else None


def locate(
    fqdn: str,
    hosts: Sequence[HostFacts],
    *,
    addresses: frozenset[str] = frozenset(),
    instance_uuid: str | None = None,
) -> Location:
    """Find the VM of node *fqdn* among everything the hosts run.

    A VM matches by its guest host name, one of the node's *addresses*, or, if its guest does not
    say that it is another machine, by its VM name (the FQDN or its first label). With
    *instance_uuid* only that VM matches: the operator decided.
    """
    matches = [
        summary
        for host in hosts
        for summary in host.vms
        if (
            summary.vm.instance_uuid == instance_uuid
            if instance_uuid is not None
            else _matches(fqdn, summary, addresses)
        )
    ]
    live = tuple(s for s in matches if s.connection == NODE_CONNECTED)
    return Location(
        live=live,
        stale=tuple(s for s in matches if s not in live),
        namesakes=tuple(
            summary
            for host in hosts
            for summary in host.vms
            if _has_name(fqdn, summary) and summary not in matches
        ),
    )


def locate_each(
    nodes: Sequence[str],
    hosts: Sequence[HostFacts],
    *,
    addresses: Callable[[str], frozenset[str]],
    instance_uuids: Mapping[str, str],
) -> dict[str, Location]:
    """Return `locate` of each of *nodes*; looks at every VM once, however many nodes there are."""
    wanted = {n.lower() for n in nodes} | {n.lower().split(".", 1)[0] for n in nodes}
    wanted |= {address.lower() for node in nodes for address in addresses(node)}
    wanted |= {uuid.lower() for uuid in instance_uuids.values()}
    near = [replace(host, vms=_with_any_of(frozenset(wanted), host.vms)) for host in hosts]
    return {
        node: locate(node, near, addresses=addresses(node), instance_uuid=instance_uuids.get(node))
        for node in nodes
    }


def _with_any_of(texts: frozenset[str], vms: Sequence[VmSummary]) -> Sequence[VmSummary]:
    """Leave out VMs that are no node for sure, where that is cheap."""
    return vms.with_any_of(texts) if isinstance(vms, VmListing) else vms


def _matches(fqdn: str, summary: VmSummary, addresses: frozenset[str]) -> bool:
    wanted = fqdn.lower()
    if summary.hostname.lower() == wanted:
        return True
    if addresses & set(summary.addresses):
        return True
    return _has_name(fqdn, summary) and not _is_somebody_else(fqdn, summary)


def _has_name(fqdn: str, summary: VmSummary) -> bool:
    wanted = fqdn.lower()
    return summary.vm.name.lower() in {wanted, wanted.split(".", 1)[0]}


def _is_somebody_else(fqdn: str, summary: VmSummary) -> bool:
    """Tell whether the guest has a host name of its own that is not the node's; the names that
    an appliance has before it is given one say nothing.
    """
    told, wanted = summary.hostname.lower(), fqdn.lower()
    if not told or told.split(".", 1)[0] in UNNAMED:
        return False
    return told != wanted if "." in told else told != wanted.split(".", 1)[0]


def foreign_runs(inventory: Inventory, *, prefix: str) -> Mapping[str, tuple[str, ...]]:
    """Return the names of snapshots that a run of stsfix left, each with its nodes."""
    runs: dict[str, list[str]] = {}
    for node in inventory.nodes:
        for snapshot in node.vm.snapshots if node.vm else ():
            if snapshot.name.startswith(prefix):
                runs.setdefault(snapshot.name, []).append(node.fqdn)
    return {name: tuple(nodes) for name, nodes in sorted(runs.items())}
