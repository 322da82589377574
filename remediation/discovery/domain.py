"""Read everything preflight needs, in parallel, without changing anything or stopping early."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from stsfix.remediation.discovery.certificates import (
    read_directory,
    read_nodes,
    unread_directory,
)
from stsfix.remediation.discovery.nodes import (
    find_at_rest,
    find_stalled,
    with_front,
    with_guest,
)
from stsfix.remediation.discovery.stores import with_tools
from stsfix.remediation.errors import (
    DirectoryLoginError,
    DomainNotFoundError,
    PlainBindRefusedError,
)
from stsfix.remediation.errors_run import InterruptedRunError
from stsfix.remediation.inventory import (
    Inventory,
    NodeInventory,
    Problem,
    first_directory,
    locate_each,
)
from stsfix.remediation.model import Platform, Role, Transport
from stsfix.remediation.ports import Progress
from stsfix.snapshot.errors import OperationError
from stsfix.snapshot.safety import GROWTH_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stsfix.remediation.discovery.certificates import CertificateSources
    from stsfix.remediation.discovery.nodes import FrontReader, GuestReader
    from stsfix.remediation.discovery.stores import ToolsReader
    from stsfix.remediation.inventory_certificates import (
        DirectoryCertificates,
        NodeCertificates,
    )
    from stsfix.remediation.model import ReplicationStatus, Restart, Topology
    from stsfix.remediation.ports import Directory, ProgressHook
    from stsfix.snapshot.model import HostFacts, HostRef, VmFacts, VmId
    from stsfix.snapshot.ports import Clock, Hypervisor

logger = logging.getLogger(__name__)
T = TypeVar("T")

_AT_ONCE = 16
"""Hosts, and nodes, that are asked at the same time."""


def _own_ca(writer: str, platform: Platform) -> str:
    del writer, platform
    return "own-ca"


def _guest_operations(node: str) -> Transport:
    del node
    return Transport.GUEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Whom to ask. *directory* opens the vmdir of one node; *addresses* are configured ones.

    *vm_uuids* are instance UUIDs the operator named for nodes. *guest* and *front* may be None:
    then no node is asked itself, or over HTTPS. *patience* is how long directories that lag may
    take to move before they count as stalled. *tools* are asked for certificates on each node,
    unless None. *issuer* tells who signs if a given node is written to, *transport* how a node is
    to be asked itself. *restart* is whose services are to be restarted, None if nobody said;
    *growth_bytes* is as in `Inventory`.
    """

    domain: str
    nodes: tuple[str, ...]
    hypervisors: Mapping[HostRef, Hypervisor]
    directory: Callable[[str], Directory]
    addresses: Callable[[str], frozenset[str]]
    vm_uuids: Mapping[str, str]
    guest: GuestReader | None
    front: FrontReader | None
    clock: Clock
    progress: ProgressHook
    patience: timedelta = timedelta(seconds=30)
    certificates: CertificateSources | None = None
    tools: ToolsReader | None = None
    issuer: Callable[[str, Platform], str] = _own_ca
    transport: Callable[[str], Transport] = _guest_operations
    restart: Restart | None = None
    growth_bytes: int = GROWTH_BYTES


class Discovery:
    """One look at a whole domain. Collects problems instead of raising them."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._problems: list[Problem] = []
        self._login_refused = False
        self._topologies: dict[str, Topology] = {}

    def discover(self) -> Inventory:
        """Return everything that could be read; what could not is among its problems."""
        sources = self._sources
        taken = sources.clock.now()
        # Two pools: 64 hosts must not keep the nodes waiting.
        with (
            ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="hosts") as hosts_pool,
            ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="nodes") as pool,
        ):
            pending = [
                hosts_pool.submit(self._tried, host, hypervisor.observe_host)
                for host, hypervisor in sources.hypervisors.items()
            ]
            topology = self._read_topology()
            names = _node_names(topology, sources.nodes)
            shown = pool.submit(self._read_shown, names)
            held = pool.submit(self._read_certificates, names)
            nodes = tuple(pool.map(lambda item: self._read_node(*item), names.items()))
            nodes = tuple(pool.map(self._with_later_usn, nodes))
            at_rest = find_at_rest(nodes, self._has_news)
            standing = find_stalled(
                nodes,
                self._replication_of,
                sources.clock,
                patience=sources.patience,
                at_rest=at_rest,
            )
            hosts = tuple(facts for facts in (p.result() for p in pending) if facts is not None)
            nodes = self._with_machines(nodes, hosts, pool)
            nodes = tuple(
                replace(node, certificates=shown.result().get(node.fqdn, node.certificates))
                for node in nodes
            )
            nodes = tuple(pool.map(self._with_guest, nodes))
        return Inventory(
            domain=sources.domain,
            taken=taken,
            nodes=nodes,
            hosts=hosts,
            topology=topology,
            problems=tuple(self._problems),
            stalled=tuple(sorted(standing)),
            at_rest=tuple(sorted(at_rest)),
            configured=sources.nodes,
            certificates=held.result(),
            issuer=self._issuer(nodes),
            restart=self._sources.restart,
            growth_bytes=self._sources.growth_bytes,
        )

    def _issuer(self, nodes: Sequence[NodeInventory]) -> str:
        writer = first_directory(nodes) or ""
        platforms = {node.fqdn: node.platform for node in nodes}
        return self._sources.issuer(writer, platforms.get(writer, Platform.APPLIANCE))

    def _tried(self, subject: str, call: Callable[[], T]) -> T | None:
        self._sources.progress(Progress(step="preflight", subject=subject, text="reading"))
        try:
            return call()
        except InterruptedRunError:
            raise
        except OperationError as error:
            self._add(subject, error)
            return None

    def _add(self, subject: str, error: OperationError) -> None:
        logger.debug("%s: %s", subject, error)
        self._problems.append(Problem(subject=subject, error=type(error).__name__, text=str(error)))

    def _read_topology(self) -> Topology | None:
        """Ask the configured nodes in turn; one refused password ends it (rule l)."""
        sources = self._sources
        for name in sources.nodes:
            self._sources.progress(Progress(step="preflight", subject=name, text="reading"))
            try:
                topology = sources.directory(name).read_topology()
            except (DirectoryLoginError, PlainBindRefusedError) as error:
                self._add(name, error)
                self._login_refused = True
                return None
            except InterruptedRunError:
                raise
            except OperationError as error:
                self._add(name, error)
                continue
            if topology.domain != sources.domain.lower():
                self._add(name, DomainNotFoundError(name, sources.domain, topology.domain))
                return None
            self._topologies[name.lower()] = topology
            return topology
        return None

    def _read_node(self, fqdn: str, role: Role) -> NodeInventory:
        node = with_front(NodeInventory(fqdn=fqdn, role=role), self._sources.front)
        if not role.has_directory or self._login_refused:
            return node
        directory = self._sources.directory(fqdn)
        root_dse = self._tried(fqdn, directory.read_root_dse)
        if root_dse is None:
            return node
        listed = self._topologies.get(fqdn) or self._tried(fqdn, directory.read_topology)
        return replace(
            node,
            root_dse=root_dse,
            listed=listed,
            sts=self._tried(fqdn, directory.read_sts_entries),
            replication=self._replication_of(fqdn),
        )

    def _read_shown(self, names: Mapping[str, Role]) -> dict[str, NodeCertificates]:
        sources = self._sources.certificates
        return read_nodes(sources, names) if sources is not None else {}

    def _read_certificates(self, names: Mapping[str, Role]) -> DirectoryCertificates | None:
        """Ask the directory that told the topology first: its login works."""
        if self._sources.certificates is None:
            return None
        asked = [name for name in self._topologies if name in names]
        asked += [name for name, role in names.items() if role.has_directory and name not in asked]
        if not self._topologies:
            return unread_directory("no directory could be read")
        return read_directory(self._sources.directory(name) for name in asked)

    def _replication_of(self, fqdn: str) -> ReplicationStatus | None:
        return self._tried(fqdn, self._sources.directory(fqdn).read_replication_status)

    def _has_news(self, fqdn: str, usn: int, invocation_id: str) -> bool | None:
        directory = self._sources.directory(fqdn)
        return self._tried(
            fqdn, partial(directory.has_changes_after, usn, invocation_id=invocation_id)
        )

    def _with_later_usn(self, node: NodeInventory) -> NodeInventory:
        """Read the node's USN again, after every vector was read: so a partner that has seen
        more than the node has written is no matter of who was asked first.
        """
        if node.replication is None:
            return node
        later = self._replication_of(node.fqdn)
        if later is None:
            return node
        return replace(node, replication=replace(node.replication, usn=later.usn))

    def _with_machines(
        self,
        nodes: Sequence[NodeInventory],
        hosts: Sequence[HostFacts],
        pool: ThreadPoolExecutor,
    ) -> tuple[NodeInventory, ...]:
        sources = self._sources
        places = locate_each(
            [node.fqdn for node in nodes],
            hosts,
            addresses=sources.addresses,
            instance_uuids=sources.vm_uuids,
        )
        located = [replace(node, location=places[node.fqdn]) for node in nodes]
        by_host: dict[HostRef, list[VmId]] = {}
        for node in located:
            if node.location.found is not None:
                vm = node.location.found.vm
                by_host.setdefault(vm.host, []).append(vm)
        seen = pool.map(
            lambda item: self._tried(
                item[0], partial(sources.hypervisors[item[0]].observe_vms, item[1])
            ),
            by_host.items(),
        )
        facts: dict[VmId, VmFacts] = {f.vm: f for several in seen for f in several or ()}
        return tuple(
            replace(node, vm=facts.get(found.vm)) if (found := node.location.found) else node
            for node in located
        )

    def _with_guest(self, node: NodeInventory) -> NodeInventory:
        transport = self._sources.transport(node.fqdn)
        seen = with_guest(node, self._sources.guest, self._tried, transport)
        return with_tools(seen, self._sources.tools)


def _node_names(topology: Topology | None, configured: Sequence[str]) -> dict[str, Role]:
    """Return every node of the domain with the role its place in the directory suggests.

    With entries in ou=Computers there are vCenters on external PSCs, so a domain controller is
    taken for a PSC; the node's own word replaces the guess later.
    """
    if topology is None:
        return {name.lower(): Role.EMBEDDED for name in configured}
    controller = Role.PSC if topology.computers else Role.EMBEDDED
    names = dict.fromkeys(topology.controllers, controller)
    return names | dict.fromkeys(
        (name for name in topology.computers if name not in names), Role.VCENTER
    )
