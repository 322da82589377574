"""A domain whose credential is written already, with services to be restarted."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

import sts_material
from memory_directory import MemoryDomain
from memory_exports import MemoryExports
from memory_logins import MemoryLogins
from renewal_bench import NowClock
from reports import vm_of
from stsfix.remediation.errors import ServiceRestartError
from stsfix.remediation.model import NodePlan, Role
from stsfix.remediation.pki.certificates import fingerprint
from stsfix.remediation.ports import READ_LIMIT, Observed, ServiceReport
from stsfix.remediation.restarts import NodeRestart, restart_of
from stsfix.remediation.steps.context import Limits, StepContext
from stsfix.remediation.steps.services import RestartServices
from worlds import node, spec

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from stsfix.remediation.nodes.service_expectation import LeftDown
    from stsfix.remediation.ports import IssuedCredential, Issuer
    from stsfix.remediation.steps.tools import RenewalTools
    from stsfix.snapshot.coordinator import Coordinator
    from stsfix.snapshot.model import VmFacts, VmId

PSC1, PSC2, VC = "psc1.lab.example", "psc2.lab.example", "vc1.lab.example"
EXTERNAL = (node(VC, Role.VCENTER), node(PSC2, Role.PSC), node(PSC1, Role.PSC))
OLD, OLD_SOUND, NEW = (
    sts_material.credential(name, start=-700, end=end)
    for name, end in (("old", -1), ("old-sound", 20), ("new", 700))
)
SECOND = timedelta(seconds=1)


class MemoryServices:
    """A fake `ServiceControl`. *broken* are services that do not start, by node, until they are
    taken out; *pending* are starting when services are listed; *left* do not run after a restart,
    *kept* could not be stopped for it.
    Nodes *by_hand* have no transport. *log* is who was restarted, in order.
    """

    def __init__(self) -> None:
        self.broken: dict[str, tuple[str, ...]] = {}
        self.stopped: dict[str, tuple[str, ...]] = {}
        self.pending: tuple[str, ...] = ()
        self.left: tuple[LeftDown, ...] = ()
        self.kept: tuple[str, ...] = ()
        self.by_hand: set[str] = set()
        self.log: list[str] = []
        self.running: tuple[str, ...] = ("vmafdd",)
        self.ran: dict[str, list[tuple[str, ...]]] = {}
        self.violations: list[str] = []
        self.restarted: Callable[[str], object] = self.log.append
        self._lock = threading.Lock()

    def is_by_hand(self, node: NodePlan) -> bool:
        return node.fqdn in self.by_hand

    def read_services(self, node: NodePlan, *, limit: timedelta = READ_LIMIT) -> ServiceReport:
        self._reached(node)
        stopped = self.stopped.get(node.fqdn, ())
        return ServiceReport(
            node=node.fqdn, running=self.running, stopped=stopped, pending=self.pending
        )

    def restart_all(
        self, node: NodePlan, *, limit: timedelta, ran: Collection[str] = ()
    ) -> ServiceReport:
        self._reached(node)
        self.ran.setdefault(node.fqdn, []).append(tuple(ran))
        with self._lock:
            self.restarted(node.fqdn)
        if down := self.broken.get(node.fqdn):
            raise ServiceRestartError(node.fqdn, down, evidence=[f"log of {node.fqdn}"])
        came = self.stopped.pop(node.fqdn, ())
        return ServiceReport(
            node=node.fqdn,
            running=("vmafdd", *came),
            stopped=(),
            started=came,
            left=self.left,
            kept=self.kept,
        )

    def _reached(self, node: NodePlan) -> None:
        if self.is_by_hand(node):
            self.violations.append(f"{node.fqdn} has no transport")


class RestartBench:
    """The step, its notes, and what was told."""

    def __init__(self, *nodes: NodePlan, old: IssuedCredential = OLD) -> None:
        nodes = nodes or EXTERNAL
        directories = sorted(n.fqdn for n in nodes if n.role.has_directory)
        self.domain = MemoryDomain(*directories)
        self.domain.seed(1, old)
        self.domain.seed(2, NEW)
        self.leaves: dict[str, bytes | None] = dict.fromkeys(directories, NEW.chain[0])
        self.logins = MemoryLogins(self.leaves)
        self.services = MemoryServices()
        self.noted: dict[str, str] = {}
        self.told: list[str] = []
        self.booted = datetime(2026, 1, 2, tzinfo=UTC)
        limit = timedelta(seconds=30)
        self.context = StepContext(
            spec=replace(spec(), nodes=nodes, writer=directories[0]),
            coordinator=cast("Coordinator", self),
            directory=self.domain.directory,
            logins=self.logins,
            services=self.services,
            issuer=lambda: cast("Issuer", None),
            exports=MemoryExports(),
            renewal=cast("RenewalTools", None),
            node_clock=lambda _: None,
            publish_root=True,
            clock=NowClock(),
            limits=Limits(
                boot=limit,
                replication=limit,
                publish=limit,
                services=limit,
                logins=limit,
                poll=SECOND,
            ),
            hook=lambda event: self.told.append(f"{event.subject} {event.text}"),
        )

    def observe(self, vms: Sequence[VmId]) -> dict[VmId, VmFacts]:
        """Return when the VMs were powered on, as `Coordinator.observe` does."""
        return {vm: replace(vm_of(vm.name, vm.host), booted=self.booted) for vm in vms}

    @property
    def step(self) -> RestartServices:
        """The step as a new process makes it."""
        return RestartServices(self.context, lambda: OURS)

    def do(self) -> None:
        self.step.do(dict(self.noted), self.noted.__setitem__)

    def of(self, fqdn: str) -> NodeRestart:
        """Return what was noted of a node."""
        return restart_of(self.context.spec.node(fqdn), self.noted)

    def probe(self) -> Observed:
        return self.step.probe(dict(self.noted))


OURS = frozenset({fingerprint(NEW.chain[0])})
