"""Which nodes are vCenter Servers on Windows, and what is special about them. Data only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stsfix.lab.topology import Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowsPlan:
    """Which nodes are on Windows.

    *vcenter*: the first node with a vCenter; *psc*: the last PSC, where there is one. With
    *filtered* the operator's user is a member of Administrators that User Account Control gives
    no administrator's token; *external_database*: vCenter's is on a server of its own; *root*: the
    operator left the user of appliances in the configuration. *version* and *age* are the release
    of the whole domain: 6.7 is the last that ran on Windows. *accepted* are risks that an
    operator has to take by name.
    """

    vcenter: bool = True
    psc: bool = False
    filtered: bool = False
    external_database: bool = False
    root: bool = False
    version: str = "6.7"
    age: str = "B"
    accepted: tuple[str, ...] = ()

    def nodes(self, topology: Topology) -> frozenset[str]:
        """Return the FQDNs of the nodes that are on Windows."""
        vcenters = [node.fqdn for node in topology.nodes if node.role.has_vcenter]
        pscs = [node.fqdn for node in topology.controllers if not node.role.has_vcenter]
        return frozenset(vcenters[:1] * self.vcenter + pscs[-1:] * self.psc)


NO_WINDOWS = WindowsPlan(vcenter=False, version="", age="")

WINDOWS_PLANS = {
    "windows-node": (
        "the first vCenter is on Windows, release 6.5",
        WindowsPlan(version="6.5", age="A"),
    ),
    "windows-vcenter": (
        "the first vCenter and, where there is one, the last PSC are on Windows, release 6.7",
        WindowsPlan(psc=True),
    ),
    "windows-external-database": (
        "the first vCenter is on Windows, its database on a server of its own",
        WindowsPlan(external_database=True, accepted=("WIN-EXTERNAL-DB",)),
    ),
    "windows-uac": (
        "the first vCenter is on Windows; User Account Control filters our user's token",
        WindowsPlan(filtered=True),
    ),
    "windows-root": (
        "the first vCenter is on Windows, and the operator kept the user root",
        WindowsPlan(root=True),
    ),
}
