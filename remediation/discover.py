"""Read everything preflight needs, in parallel, without changing anything or stopping early."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from stsfix.remediation.errors import (
    DirectoryLoginError,
    DomainNotFoundError,
    InterruptedRunError,
    PlainBindRefusedError,
)
from stsfix.remediation.inventory import Inventory, NodeInventory, Problem, locate
from stsfix.remediation.model import NodePlan, Role
from stsfix.remediation.ports import Progress
from stsfix.snapshot.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stsfix.remediation.model import Topology
    from stsfix.remediation.ports import Directory, ProgressHook, ServiceControl
    from stsfix.snapshot.model import HostFacts, HostRef, VmFacts, VmId
    from stsfix.snapshot.ports import Clock, Hypervisor

logger = logging.getLogger(__name__)
T = TypeVar("T")

NODE_TYPES = {
    "embedded": Role.EMBEDDED,
    "infrastructure": Role.PSC,
    "management": Role.VCENTER,
}
"""/etc/vmware/deployment.node.type (seen in VMware's own fixsts and vCert scripts)."""


class NodeTypeReader(Protocol):
    """Reads what a node says it is."""

    def read_node_type(self, node: NodePlan) -> str:
        """Return the text of /etc/vmware/deployment.node.type of *node*, stripped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Whom to ask. *directory* opens the vmdir of one node; *addresses* are configured ones.

    *vm_uuids* are instance UUIDs the operator named for nodes. *shell* and *services* may be
    None: then nothing is run in any guest.
    """

    domain: str
    nodes: tuple[str, ...]
    hypervisors: Mapping[HostRef, Hypervisor]
    directory: Callable[[str], Directory]
    addresses: Callable[[str], frozenset[str]]
    vm_uuids: Mapping[str, str]
    shell: NodeTypeReader | None
    services: ServiceControl | None
    clock: Clock
    progress: ProgressHook


class Discovery:
    """One look at a whole domain. Collects problems instead of raising them."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._problems: list[Problem] = []
        self._login_refused = False

    def discover(self) -> Inventory:
        """Return everything that could be read; what could not is among its problems."""
        sources = self._sources
        taken = sources.clock.now()
        with ThreadPoolExecutor(max_workers=16) as pool:
            pending = [
                pool.submit(self._tried, host, hypervisor.observe_host)
                for host, hypervisor in sources.hypervisors.items()
            ]
            topology = self._read_topology()
            names = _node_names(topology, sources.nodes)
            nodes = tuple(pool.map(lambda item: self._read_node(*item), names.items()))
            hosts = tuple(facts for facts in (p.result() for p in pending) if facts is not None)
            nodes = tuple(pool.map(self._with_later_usn, nodes))
        nodes = self._with_machines(nodes, hosts)
        with ThreadPoolExecutor(max_workers=16) as pool:
            nodes = tuple(pool.map(self._with_guest, nodes))
        return Inventory(
            domain=sources.domain,
            taken=taken,
            nodes=nodes,
            hosts=hosts,
            topology=topology,
            problems=tuple(self._problems),
        )

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
            except OperationError as error:
                self._add(name, error)
                continue
            if topology.domain != sources.domain.lower():
                self._add(name, DomainNotFoundError(name, sources.domain, topology.domain))
                return None
            return topology
        return None

    def _read_node(self, fqdn: str, role: Role) -> NodeInventory:
        node = NodeInventory(fqdn=fqdn, role=role)
        if not role.has_directory or self._login_refused:
            return node
        directory = self._sources.directory(fqdn)
        root_dse = self._tried(fqdn, directory.read_root_dse)
        if root_dse is None:
            return node
        return replace(
            node,
            root_dse=root_dse,
            sts=self._tried(fqdn, directory.read_sts_entries),
            replication=self._tried(fqdn, directory.read_replication_status),
        )

    def _with_later_usn(self, node: NodeInventory) -> NodeInventory:
        """Read the node's USN again, after every vector was read: so a partner that has seen
        more than the node has written is no matter of who was asked first.
        """
        if node.replication is None:
            return node
        directory = self._sources.directory(node.fqdn)
        later = self._tried(node.fqdn, directory.read_replication_status)
        if later is None:
            return node
        return replace(node, replication=replace(node.replication, usn=later.usn))

    def _with_machines(
        self, nodes: Sequence[NodeInventory], hosts: Sequence[HostFacts]
    ) -> tuple[NodeInventory, ...]:
        sources = self._sources
        located = [
            replace(
                node,
                location=locate(
                    node.fqdn,
                    hosts,
                    addresses=sources.addresses(node.fqdn),
                    instance_uuid=sources.vm_uuids.get(node.fqdn),
                ),
            )
            for node in nodes
        ]
        by_host: dict[HostRef, list[VmId]] = {}
        for node in located:
            if node.location.found is not None:
                vm = node.location.found.vm
                by_host.setdefault(vm.host, []).append(vm)
        facts: dict[VmId, VmFacts] = {}
        for host, vms in by_host.items():
            seen = self._tried(host, partial(sources.hypervisors[host].observe_vms, vms))
            facts |= {fact.vm: fact for fact in seen or ()}
        return tuple(
            replace(node, vm=facts.get(found.vm)) if (found := node.location.found) else node
            for node in located
        )

    def _with_guest(self, node: NodeInventory) -> NodeInventory:
        sources = self._sources
        if node.vm is None or sources.shell is None or not node.vm.guest_operations_ready:
            return node
        plan = NodePlan(fqdn=node.fqdn, role=node.role, vm=node.vm.vm)
        shell, control = sources.shell, sources.services
        text = self._tried(node.fqdn, partial(shell.read_node_type, plan))
        if text is None:
            return node
        role = NODE_TYPES.get(text)
        report = self._tried(node.fqdn, partial(control.read_services, plan)) if control else None
        return replace(
            node,
            role=role or node.role,
            role_verified=role is not None,
            services=report,
        )


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
