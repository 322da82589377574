"""The servers behind a node's services, built for each boot from what is on its disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import TYPE_CHECKING

from cryptography import x509

from stsfix.lab.services import Verdict
from stsfix.lab.sso.front import NodeFront
from stsfix.lab.sso.publish import PREFIXES, PublishService
from stsfix.lab.sso.sts import StsService
from stsfix.lab.vmdir.server import VmdirServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.lab.appliance import Appliance
    from stsfix.lab.clock import LabClock
    from stsfix.lab.disk import NodeDisk
    from stsfix.lab.faults import FaultBook
    from stsfix.lab.services import Program


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePorts:
    """Ports of one node on 127.0.0.1, the same after every boot."""

    https: int
    ldaps: int
    ldap: int


@dataclass(kw_only=True)
class Network:
    """What connects the nodes: the clock and the faults of the lab, ports, and each other."""

    clock: LabClock
    faults: FaultBook
    ports: dict[str, NodePorts]
    nodes: dict[str, Appliance] = field(default_factory=dict)
    directories: dict[str, VmdirServer] = field(default_factory=dict)

    def sts_of(self, fqdn: str) -> StsService | None:
        """Return the running STS of node *fqdn*, None if there is none now."""
        node = self.nodes.get(fqdn)
        parts = None if node is None else node.parts
        if parts is None or parts.sts is None or not parts.sts.running:
            return None
        return parts.sts

    def is_starting(self, fqdn: str) -> bool:
        """True while node *fqdn* is off or still starts its services."""
        node = self.nodes.get(fqdn)
        return node is not None and not node.settled


class NodeParts:
    """The servers of one boot of one node; `programs` and `gates` are keyed by service name."""

    def __init__(self, disk: NodeDisk, network: Network) -> None:
        self.sts: StsService | None = None
        self.vmdir: VmdirServer | None = None
        self.programs: dict[str, Program] = {}
        self.gates: dict[str, Callable[[], Verdict]] = {}
        self._disk = disk
        self._network = network
        ports = network.ports[disk.fqdn]
        self.front = NodeFront(disk.fqdn, ports.https, disk.machine, faults=network.faults)
        for name in ("vmware-envoy", "vmware-rhttpproxy"):
            self.programs[name] = self.front
        if disk.role.has_directory:
            self._add_directory(ports)
        if disk.role.has_vcenter:
            self._add_vcenter()

    def _offset(self) -> timedelta:
        return timedelta(seconds=self._disk.clock_offset_s)

    def _add_directory(self, ports: NodePorts) -> None:
        disk, network = self._disk, self._network
        self.vmdir = VmdirServer(
            disk.fqdn,
            lambda: disk.directory,
            port=ports.ldaps,
            plain_port=ports.ldap,
            tls=disk.machine,
            clock=network.clock,
            faults=network.faults,
            registry=network.directories,
            age=disk.age,
        )
        self.sts = StsService(
            disk.fqdn,
            self.vmdir.reader(),
            disk.domain,
            clock=network.clock,
            clock_offset=self._offset,
            faults=network.faults,
        )
        self.front.route("/sts", self.sts)
        pages = PublishService(self.sts, with_x5c=disk.release >= (6, 7))
        for prefix in PREFIXES:
            self.front.route(prefix, pages)
        self.programs |= {"vmdird": self.vmdir, "vmware-stsd": self.sts}

    def _add_vcenter(self) -> None:
        self.gates |= {"vmware-vpxd-svcs": self._may_start, "vmware-vpxd": self._may_start}

    def _may_start(self) -> Verdict:
        """Both need a token and a machine certificate in its time (peers.md c1)."""
        disk, network = self._disk, self._network
        machine = x509.load_pem_x509_certificate(disk.machine.certificates_pem)
        now = network.clock.now().astimezone(UTC) + self._offset()
        if not machine.not_valid_before_utc <= now <= machine.not_valid_after_utc:
            return Verdict.NO
        sts = network.sts_of(disk.psc)
        if sts is None:
            elsewhere = disk.psc != disk.fqdn and network.is_starting(disk.psc)
            return Verdict.NOT_YET if elsewhere else Verdict.NO
        return Verdict.READY if sts.refusal() is None else Verdict.NO
