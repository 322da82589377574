"""How the nodes of a scenario can be reached, and how the operator means to. Data only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stsfix.lab.topology import Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPlan:
    """Ways into the nodes. *locked* and *host_key_wrong* are about the first node.

    Args:
        guest_operations: The hosts let guest operations through.
        ssh: sshd runs (an appliance is installed with SSH off).
        bash: Root's login shell is bash instead of appliancesh.
        transport: What domain.toml says; empty for what it says by default.
        locked: Too many wrong passwords have locked root.
        host_key_wrong: The operator has pinned another host key.
        by_hand: The operator has no way into the last controller and the last vCenter.
    """

    guest_operations: bool = True
    ssh: bool = False
    bash: bool = False
    transport: str = ""
    locked: bool = False
    host_key_wrong: bool = False
    by_hand: bool = False

    def without_transport(self, topology: Topology) -> frozenset[str]:
        """Return the FQDNs of nodes that the operator has no way into."""
        vcenters = [node for node in topology.nodes if node.role.has_vcenter]
        chosen = (topology.controllers[-1], vcenters[-1]) if self.by_hand else ()
        return frozenset(node.fqdn for node in chosen)


USUAL = AccessPlan()

ACCESS_PLANS = {
    "ssh-only": (
        "no guest operations in any node; SSH is on, root's shell is appliancesh",
        AccessPlan(guest_operations=False, ssh=True, transport="ssh"),
    ),
    "ssh-bash": (
        "no guest operations in any node; SSH is on, root's shell is bash",
        AccessPlan(guest_operations=False, ssh=True, bash=True, transport="ssh"),
    ),
    "vami-only": (
        "no guest operations and no SSH in any node: only the management interface",
        AccessPlan(guest_operations=False, transport="vami"),
    ),
    "ssh-locked": (
        "as ssh-only, and wrong passwords have locked root of the first node",
        AccessPlan(guest_operations=False, ssh=True, transport="ssh", locked=True),
    ),
    "ssh-host-key-wrong": (
        "as ssh-only, and the operator has pinned another host key of the first node",
        AccessPlan(guest_operations=False, ssh=True, transport="ssh", host_key_wrong=True),
    ),
    "transport-auto": (
        "SSH is on besides guest operations; the operator leaves the choice to stsfix",
        AccessPlan(ssh=True, transport="auto"),
    ),
    "by-hand": (
        "no way into the last controller and the last vCenter: a person restarts their services",
        AccessPlan(by_hand=True),
    ),
}
