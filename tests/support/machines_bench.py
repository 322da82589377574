"""A PSC and its vCenter on two hosts in memory, and the step context of a run about them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import sts_material
from memory_directory import MemoryDomain
from memory_exports import MemoryExports
from memory_hypervisor import MemoryClock, MemoryHost
from memory_logins import MemoryLogins
from stsfix.remediation.model import NodePlan, Role
from stsfix.remediation.newcomers import known_nodes
from stsfix.remediation.steps.context import Limits, StepContext
from stsfix.remediation.steps.machines import PowerOn
from stsfix.snapshot.coordinator import Coordinator
from stsfix.snapshot.fleet import Limits as FleetLimits
from stsfix.snapshot.model import PowerState
from worlds import spec

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.remediation.ports import Facts, Issuer, ServiceControl, Step
    from stsfix.remediation.steps.tools import RenewalTools

PSC, VC = "psc1.lab.example", "vc1.lab.example"
BOOT = timedelta(seconds=600)
PUBLISH = timedelta(seconds=60)


def powering_on(context: StepContext, before: Callable[[], Facts] = dict) -> PowerOn:
    """Return the step of a run whose domain had no node but its own."""
    return PowerOn(context, known_nodes(context.spec, {}), before)


class Bench:
    """A PSC and its vCenter on two hosts, and what happened in which order."""

    def __init__(self) -> None:
        self.clock = MemoryClock()
        self.hosts = [MemoryHost(f"esx{n}.lab.example", self.clock) for n in (1, 2)]
        self.psc = self.hosts[0].add_vm("psc1", disk={"certificate": "old"})
        self.vc = self.hosts[1].add_vm("vc1", disk={"database": "old"})
        self.foreign = self.hosts[0].add_vm("web01")
        domain = MemoryDomain(PSC)
        domain.seed(1, sts_material.credential("old", start=-700, end=-1))
        self.domain = domain
        self.logins = MemoryLogins({PSC: b"leaf"})
        self.elsewhere: set[str] = set()
        """Nodes that are another machine than the VM of theirs."""
        domain.is_off = self.logins.is_off = self._is_off
        self.told: list[str] = []
        self.notes: dict[str, str] = {}
        self.context = self.make_context()

    def make_context(self) -> StepContext:
        """Return a new context of the two nodes."""
        nodes = (
            NodePlan(fqdn=VC, role=Role.VCENTER, vm=self.vc),
            NodePlan(fqdn=PSC, role=Role.PSC, vm=self.psc),
        )
        limit = timedelta(seconds=120)
        return StepContext(
            spec=replace(spec(), writer=PSC, nodes=nodes),
            coordinator=Coordinator(
                {host.host: host for host in self.hosts},
                self.clock,
                FleetLimits(),
                progress=lambda vm, text: self.told.append(f"{vm.name} {text}"),
            ),
            directory=self.domain.directory,
            logins=self.logins,
            services=cast("ServiceControl", None),
            issuer=lambda: cast("Issuer", None),
            exports=MemoryExports(),
            renewal=cast("RenewalTools", None),
            node_clock=lambda _: None,
            publish_root=True,
            clock=self.clock,
            limits=Limits(
                boot=BOOT,
                replication=limit,
                publish=PUBLISH,
                services=limit,
                logins=limit,
                poll=timedelta(seconds=5),
            ),
            hook=lambda event: self.told.append(f"{event.subject} {event.text}".strip()),
        )

    def _is_off(self, fqdn: str) -> bool:
        machine = self.hosts[0].vm(self.psc) if fqdn == PSC else self.hosts[1].vm(self.vc)
        return machine.power is not PowerState.ON and fqdn not in self.elsewhere

    def do(self, step: Step) -> None:
        """Do *step* with all notes so far."""
        step.do(dict(self.notes), self.notes.__setitem__)

    def undo(self, step: Step) -> None:
        """Take *step* back."""
        step.undo(dict(self.notes), self.notes.__setitem__)

    def power(self) -> dict[str, PowerState]:
        """Return who is on."""
        return {
            "psc": self.hosts[0].vm(self.psc).power,
            "vc": self.hosts[1].vm(self.vc).power,
            "web01": self.hosts[0].vm(self.foreign).power,
        }

    def violations(self) -> list[str]:
        """Return what must never happen and did."""
        return [line for host in self.hosts for line in host.violations]

    def position(self, text: str) -> int:
        """Return when *text* was told."""
        return next(i for i, line in enumerate(self.told) if text in line)
