"""Two ESXi hosts in memory with a coordinator over them, for tests of snapshots and power."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from memory_hypervisor import MemoryClock, MemoryHost
from stsfix.snapshot.coordinator import Coordinator, Limits
from stsfix.snapshot.model import PowerState

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from memory_vm import MemoryVm
    from stsfix.snapshot.model import SnapshotSet, VmId

RUN = "stsfix-run-1"


@dataclass
class World:
    """Two hosts with a linked vCenter each, and somebody else's VM."""

    clock: MemoryClock = field(default_factory=MemoryClock)
    noted: dict[str, str] = field(default_factory=dict)
    told: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        # Any: tests replace what a host answers
        self.esx1: Any = MemoryHost("esx1", self.clock)
        self.esx2: Any = MemoryHost("esx2", self.clock)
        self.vc1 = self.esx1.add_vm("vc1", disk={"credential": "old"})
        self.vc2 = self.esx2.add_vm("vc2", disk={"credential": "old"})
        self.foreign = self.esx1.add_vm("mail", disk={"mail": 1})
        self.vms = (self.vc1, self.vc2)

    def coordinator(self, pool: ThreadPoolExecutor | None = None, **limits: float) -> Coordinator:
        """Return one over both hosts; *limits* in seconds."""
        return Coordinator(
            {self.esx1.host: self.esx1, self.esx2.host: self.esx2},
            self.clock,
            Limits(**{name: timedelta(seconds=s) for name, s in limits.items()}),
            progress=lambda vm, text: self.told.append((vm.name, text)),
            pool=pool,
        )

    def vm(self, vm: VmId) -> MemoryVm:
        """Return the state of *vm*."""
        found: MemoryVm = (self.esx1 if vm.host == self.esx1.host else self.esx2).vm(vm)
        return found

    def off(self) -> Self:
        """Switch both nodes off, as a shutdown did before."""
        for vm in self.vms:
            self.vm(vm).power = PowerState.OFF
        return self

    def write(self, value: str) -> None:
        """Let both nodes hold another credential."""
        for vm in self.vms:
            self.vm(vm).disk["credential"] = value

    def read(self) -> list[str]:
        """Return the credentials of both nodes."""
        return [self.vm(vm).disk["credential"] for vm in self.vms]

    def power(self) -> list[PowerState]:
        """Return the power of both nodes."""
        return [self.vm(vm).power for vm in self.vms]

    def names(self, vm: VmId) -> list[str]:
        """Return the names of the snapshots of *vm*."""
        return [s.name for s in self.vm(vm).snapshots]

    def take(self, name: str = RUN, **limits: float) -> SnapshotSet:
        """Take the snapshots of a run."""
        return self.coordinator(None, **limits).take(
            name, lambda vm: "before the repair", self.vms, self.noted.__setitem__
        )

    def take_anew(self) -> SnapshotSet:
        """Do what a resumed run does."""
        self.coordinator().discard(RUN, self.vms, dict(self.noted))
        return self.take()

    def starts(self) -> int:
        """Return how many snapshots were begun."""
        return sum(host.count("start_snapshot") for host in (self.esx1, self.esx2))

    @property
    def violations(self) -> list[str]:
        """What no correct program does, on either host."""
        return [*self.esx1.violations, *self.esx2.violations]
