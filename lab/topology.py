"""Which nodes a lab has, where their VMs run, and who else is on those hosts."""

from __future__ import annotations

from dataclasses import dataclass

from stsfix.lab.disk import Role

DOMAIN = "vsphere.local"
SITE = "Default-First-Site"
HOSTS = ("esx1.lab.example", "esx2.lab.example", "esx3.lab.example")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlan:
    """One node: *host* is the ESXi host of its VM, *psc* the node whose STS it uses."""

    fqdn: str
    role: Role
    host: str
    psc: str

    @property
    def vm_name(self) -> str:
        """The VM's name in the inventory, as most people choose it."""
        return self.fqdn.partition(".")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignVm:
    """Somebody else's VM. *power* is on, off or suspended; *snapshots* oldest first."""

    name: str
    host: str
    power: str = "on"
    snapshots: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """Nodes of one SSO domain. *version* is that of the appliances, *age* their vmdird's."""

    name: str
    version: str
    age: str
    nodes: tuple[NodePlan, ...]

    @property
    def controllers(self) -> tuple[NodePlan, ...]:
        """The nodes with a directory, in order."""
        return tuple(node for node in self.nodes if node.role.has_directory)


def _embedded(number: int) -> NodePlan:
    fqdn = f"vc{number}.lab.example"
    return NodePlan(fqdn=fqdn, role=Role.EMBEDDED, host=HOSTS[number - 1], psc=fqdn)


def _psc(number: int) -> NodePlan:
    fqdn = f"psc{number}.lab.example"
    return NodePlan(fqdn=fqdn, role=Role.PSC, host=HOSTS[number], psc=fqdn)


def _vcenter(number: int) -> NodePlan:
    return NodePlan(
        fqdn=f"vc{number}.lab.example",
        role=Role.VCENTER,
        host=HOSTS[number - 1],
        psc=f"psc{number}.lab.example",
    )


TOPOLOGIES = {
    plan.name: plan
    for plan in (
        Topology(name="embedded", version="8.0", age="D", nodes=(_embedded(1),)),
        Topology(name="elm", version="7.0", age="D", nodes=(_embedded(1), _embedded(2))),
        Topology(
            name="external-psc",
            version="6.7",
            age="B",
            nodes=(_psc(1), _psc(2), _vcenter(1), _vcenter(2)),
        ),
    )
}

FOREIGN_VMS = (
    ForeignVm(name="web01", host=HOSTS[0], snapshots=("before patch", "weekly")),
    ForeignVm(name="db-prod", host=HOSTS[0], snapshots=("base",)),
    ForeignVm(name="old template", host=HOSTS[0], power="off"),
    ForeignVm(name="büro-dc1", host=HOSTS[1]),
    ForeignVm(name="build & test <1>", host=HOSTS[1], power="suspended", snapshots=("clean",)),
    ForeignVm(name="vc1-restore-test", host=HOSTS[1], power="off", snapshots=("2019-01-01",)),
    ForeignVm(name="mail", host=HOSTS[2], snapshots=("a", "b", "c")),
    ForeignVm(name="log-collector", host=HOSTS[2], power="off"),
)
