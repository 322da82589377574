"""Small worlds for engine tests: steps that note every violation, and journals that die."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stsfix.remediation.journal import Journal
from stsfix.remediation.model import NodePlan, Role, RunSpec
from stsfix.remediation.ports import Facts, Note, Observed
from stsfix.snapshot.errors import HypervisorFaultError
from stsfix.snapshot.model import HostRef, VmId

if TYPE_CHECKING:
    from stsfix.remediation.records import Record


class Killed(BaseException):
    """The process died; nothing after this ran."""


@dataclass
class World:
    """What the steps changed, and what no correct engine does."""

    applied: list[str] = field(default_factory=list)
    half: set[str] = field(default_factory=set)
    violations: list[str] = field(default_factory=list)
    probes: list[str] = field(default_factory=list)
    undone: list[str] = field(default_factory=list)


@dataclass
class WorldStep:
    """A step whose change is a name in a list. *broken* fails always, *unclear* cannot tell."""

    world: World
    name: str
    broken: bool = False
    unclear: bool = False
    undo_failures: int = 0

    def probe(self, noted: Facts) -> Observed:
        self.world.probes.append(self.name)
        if self.unclear:
            return Observed.UNCLEAR
        if self.name in self.world.applied:
            return Observed.COMPLETE
        return Observed.REPEATABLE

    def do(self, noted: Facts, note: Note) -> None:
        if self.name in self.world.applied:
            self.world.violations.append(f"{self.name} done twice")
        if self.name in self.world.half and "intent" not in noted:
            self.world.violations.append(f"{self.name} forgot what it noted")
        note("intent", self.name)
        self.world.half.add(self.name)
        if self.broken:
            raise HypervisorFaultError(self.name, "Broken", "on purpose")
        self.world.applied.append(self.name)

    def undo(self, noted: Facts, note: Note) -> None:
        if self.undo_failures:
            self.undo_failures -= 1
            raise HypervisorFaultError(self.name, "UndoBroken", "on purpose")
        if self.name in self.world.applied:
            if self.world.applied[-1] != self.name:
                self.world.violations.append(f"{self.name} undone out of order")
            self.world.applied.remove(self.name)
            self.world.undone.append(self.name)
        self.world.half.discard(self.name)


class DyingJournal(Journal):
    """Survives *survives* records, then dies: before the next is durable, or right after."""

    survives: int = 10**6
    durable: bool = True

    def append(self, record: Record) -> None:
        if self.survives == 0:
            if self.durable:
                super().append(record)
            raise Killed
        self.survives -= 1
        super().append(record)


def node(fqdn: str, role: Role = Role.EMBEDDED, host: str = "esx1.lab.example") -> NodePlan:
    """Return a node on a VM of its own."""
    short = fqdn.split(".", 1)[0]
    vm = VmId(host=HostRef(host), moref=f"vm-{short}", instance_uuid=f"uuid-{short}", name=short)
    return NodePlan(fqdn=fqdn, role=role, vm=vm)


def spec(run: str = "stsfix-20260101T000000Z-abcd", *, retire: bool = True) -> RunSpec:
    """Return a spec of two linked embedded nodes."""
    return RunSpec(
        run=run,
        domain="vsphere.local",
        writer="vc1.lab.example",
        nodes=(node("vc1.lab.example"), node("vc2.lab.example", host="esx2.lab.example")),
        issuer="own-ca",
        validity_days=3650,
        retire=retire,
    )
