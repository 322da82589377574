"""The servers behind a node's services, built for each boot from what is on its disk."""

from __future__ import annotations

import contextlib
import functools
import logging
import ssl
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509

from stsfix.lab import pki, trusted_roots
from stsfix.lab.certificate_gate import USERS, CertificateGate
from stsfix.lab.event_loop import EventLoop
from stsfix.lab.service_logs import ServiceLogs
from stsfix.lab.services import StartFailedError, Verdict
from stsfix.lab.sso import login_page
from stsfix.lab.sso.front import NodeFront
from stsfix.lab.sso.lifetime import TokenPolicy
from stsfix.lab.sso.publish import PREFIXES, PublishService
from stsfix.lab.sso.sts import StsService
from stsfix.lab.vami import Vami
from stsfix.lab.vcenter_parts import VcenterParts
from stsfix.lab.vmafd import Vmafd
from stsfix.lab.vmca import Vmca
from stsfix.lab.vmdir.server import VmdirServer
from stsfix.lab.vmware_tools import Reach
from stsfix.lab.zones import ZONES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from stsfix.lab.appliance import Appliance
    from stsfix.lab.clock import LabClock
    from stsfix.lab.disk import NodeDisk
    from stsfix.lab.faults import FaultBook
    from stsfix.lab.services import Program
    from stsfix.lab.sso.client import ClientService
    from stsfix.lab.sso.vapi import VapiService
    from stsfix.lab.sso.vcenter import VcenterService
    from stsfix.lab.vmdir.store import DirectoryStore

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePorts:
    """Ports of one node on 127.0.0.1, the same after every boot."""

    https: int
    ldaps: int
    ldap: int
    vami: int
    ssh: int
    sts: int


@dataclass(kw_only=True)
class Network:
    """What connects the nodes: the clock and the faults of the lab, ports, and each other."""

    clock: LabClock
    faults: FaultBook
    ports: dict[str, NodePorts]
    loop: EventLoop = field(default_factory=lambda: EventLoop("lab-loop"))
    nodes: dict[str, Appliance] = field(default_factory=dict)
    directories: dict[str, VmdirServer] = field(default_factory=dict)

    def sts_of(self, fqdn: str) -> StsService | None:
        """Return the running STS of node *fqdn*, None if there is none now."""
        node = self.nodes.get(fqdn)
        parts = None if node is None else node.parts
        if parts is None or parts.sts is None or not parts.sts.running:
            return None
        return parts.sts

    def directory_of(self, fqdn: str) -> DirectoryStore | None:
        """Return the directory of node *fqdn* while its vmdird runs."""
        server = self.directories.get(fqdn)
        return None if server is None or not server.running else server.get_store()

    def vmca_of(self, fqdn: str) -> Vmca | None:
        """Return the VMCA of node *fqdn*, None while the node is off or if it has none."""
        node = self.nodes.get(fqdn)
        parts = None if node is None else node.parts
        return None if parts is None else parts.vmca

    def shown_by(self, fqdn: str) -> bytes | None:
        """Return the leaf (DER) that node *fqdn* shows on port 443 now."""
        node = self.nodes.get(fqdn)
        pair = None if node is None or node.parts is None else node.parts.front.shown
        if pair is None:
            return None
        return pki.der(x509.load_pem_x509_certificate(pair.certificates_pem))

    def is_starting(self, fqdn: str) -> bool:
        """True while node *fqdn* is off or still starts its services."""
        node = self.nodes.get(fqdn)
        return node is not None and not node.settled


class NetworkReach(Reach):
    """What the tools of a node find over *network*."""

    def __init__(self, network: Network) -> None:
        self._network = network

    def vmdird(self, fqdn: str) -> VmdirServer | None:
        """See Reach."""
        return self._network.directories.get(fqdn)

    def vmca(self, fqdn: str) -> Vmca | None:
        """See Reach."""
        return self._network.vmca_of(fqdn)


class _Front:
    """Starts and stops a front as a service; a key that is another's is the service's failure."""

    def __init__(self, front: NodeFront) -> None:
        self._front = front

    def start(self) -> None:
        try:
            self._front.start()
        except ssl.SSLError as error:
            raise StartFailedError(f"MACHINE_SSL_CERT cannot be used: {error}") from error

    def stop(self) -> None:
        self._front.stop()


class _Sts:
    """Starts and stops an STS, and its own port where the release has one."""

    def __init__(self, sts: StsService, own: NodeFront | None) -> None:
        self._sts = sts
        self._own = own

    def start(self) -> None:
        self._sts.start()
        if self._own is not None:
            with contextlib.suppress(ssl.SSLError):  # its port stays closed, the STS runs
                self._own.start()

    def stop(self) -> None:
        if self._own is not None:
            self._own.stop()
        self._sts.stop()


class NodeParts:
    """The servers of one boot of one node; `programs` and `gates` are keyed by service name."""

    def __init__(self, disk: NodeDisk, network: Network) -> None:
        self.sts: StsService | None = None
        self.vmdir: VmdirServer | None = None
        self.vcenter: VcenterService | None = None
        self.vapi: VapiService | None = None
        self.client: ClientService | None = None
        self.vmca: Vmca | None = None
        self.programs: dict[str, Program] = {}
        self.gates: dict[str, Callable[[], Verdict]] = {}
        self._needs: dict[str, Callable[[], Verdict]] = {}
        self._disk = disk
        self._network = network
        self.logs = ServiceLogs(disk, self._now)
        ports = network.ports[disk.fqdn]
        self.front = self._front(ports.https)
        for name in ("vmware-envoy", "vmware-rhttpproxy"):
            self.programs[name] = _Front(self.front)
        self.vami = Vami(
            disk=disk,
            port=ports.vami,
            tls=lambda: disk.shown.get("vami", disk.machine),
            faults=network.faults,
            now=lambda: network.clock.now() + self._offset(),
        )
        self.programs["applmgmt"] = self.vami.backend
        self.vmafd = Vmafd(
            disk.vecs,
            lambda: network.directory_of(disk.psc),
            network.clock,
            stale=disk.roots_stale,
        )
        disk.roots_stale = False
        self.programs["vmafdd"] = self.vmafd
        if disk.role.has_directory:
            self._add_directory(ports)
        if disk.role.has_vcenter:
            self._add(VcenterParts(disk, network, self.front, self.logs))
        self.certificates = CertificateGate(
            disk=disk,
            directory=lambda: network.directory_of(disk.psc),
            shown=network.shown_by,
            now=self._now,
        )
        self.gates |= {name: functools.partial(self._gate, name) for name in USERS}

    def _add(self, parts: VcenterParts) -> None:
        self.vcenter, self.vapi, self.client = parts.vcenter, parts.vapi, parts.client
        self.programs |= parts.programs
        self._needs = parts.needs

    def _front(self, port: int) -> NodeFront:
        disk = self._disk
        return NodeFront(
            disk.fqdn,
            port,
            lambda: disk.machine,
            faults=self._network.faults,
            now=self._now,
            older=disk.release < (7,),
        )

    def _offset(self) -> timedelta:
        return timedelta(seconds=self._disk.clock_offset_s)

    def _add_directory(self, ports: NodePorts) -> None:
        disk, network = self._disk, self._network
        self.vmdir = VmdirServer(
            disk.fqdn,
            lambda: disk.directory,
            port=ports.ldaps,
            plain_port=ports.ldap,
            tls=lambda: disk.shown.get("ldaps", disk.machine),
            clock=network.clock,
            faults=network.faults,
            registry=network.directories,
            age=disk.age,
            write_refused=self.logs.write_refused,
        )
        self.vmdir.replicator.limit = disk.pull_limit
        self.vmdir.read_only = disk.vmdir_state == "Read only"
        self.sts = StsService(
            disk.fqdn,
            self.vmdir.reader(),
            disk.domain,
            clock=network.clock,
            clock_offset=self._offset,
            faults=network.faults,
            policy=TokenPolicy(zone=ZONES[disk.zone]),
            logs=self.logs,
            stale=disk.sts_stale,
            keeps=disk.sts_keeps,
        )
        disk.sts_stale = False
        self.front.route("/sts", self.sts)
        pages = PublishService(self.sts, with_x5c=disk.release >= (6, 7), other_key=disk.jwks_key)
        for prefix in PREFIXES:
            self.front.route(prefix, pages)
        self.front.route(login_page.PREFIX, login_page.LoginPage(self.sts, self.logs))
        own = self._front(ports.sts) if disk.release < (7,) else None
        if own is not None:
            own.route("/sts", self.sts)
        self.vmca = Vmca(disk, now=self._now, publish=self._publish_roots)
        self.programs |= {
            "vmdird": self.vmdir,
            "vmware-stsd": _Sts(self.sts, own),
            "vmcad": self.vmca,
        }

    def _now(self) -> datetime:
        return self._network.clock.now() + self._offset()

    def _publish_roots(self, roots: Sequence[x509.Certificate]) -> None:
        store = self._network.directory_of(self._disk.fqdn)
        if store is not None:
            trusted_roots.publish(store, roots, self._network.clock.now())

    def _gate(self, service: str) -> Verdict:
        """Say whether *service* may start: room, certificates, then a token if it needs one.

        vmafd copies within a minute what a boot takes longer for: a fast lab must not differ.
        """
        if self.vmafd.running:
            self.vmafd.refresh()
        if not self.logs.has_room:
            return Verdict.NO
        if (refusal := self.certificates.refusal(service)) is not None:
            if self._controller_is_starting():
                return Verdict.NOT_YET
            self.logs.certificate_refused(service, refusal)
            logger.info("%s: %s refuses to start: %s", self._disk.fqdn, service, refusal)
            return Verdict.NO
        needed = self._needs.get(service)
        return Verdict.READY if needed is None else needed()

    def _controller_is_starting(self) -> bool:
        """True on an external vCenter whose PSC has no directory yet, and will have one."""
        disk, network = self._disk, self._network
        if disk.psc == disk.fqdn or network.directory_of(disk.psc) is not None:
            return False
        return network.is_starting(disk.psc)
