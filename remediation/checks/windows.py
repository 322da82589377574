"""Checks of nodes that run on Windows: from the inventory to findings. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.remediation.model import Platform
from stsfix.remediation.nodes.node_facts import Database, NodeFacts
from stsfix.snapshot.risk import Finder, Rule, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stsfix.remediation.inventory import Inventory
    from stsfix.remediation.model import Finding

RULES = (
    Rule(
        id="NODE-WINDOWS",
        severity=Severity.WARNS,
        title="A node runs on Windows",
        why="Nobody has tried stsfix on a Windows vCenter: paths, names of services and cmd.exe's "
        "ways are from documents, public scripts and Wine. Logs, VMCA and renewals do not work "
        "there.",
        source="vSphere API reference, GuestInfo.guestFamily; PSC administration guides 6.5, 6.7",
        advice="Read docs/operating.md, vCenter on Windows; have a backup of the node.",
    ),
    Rule(
        id="WIN-SETTINGS",
        severity=Severity.BLOCKS,
        title="A Windows node is configured like an appliance",
        why="It has no user root, no SSH and no management interface: nothing was sent to it.",
        source="vSphere 6.7 installation guide: these are parts of the appliance",
        advice='Set user in its [nodes."..."] table to an administrator of Windows, and transport '
        'to "guest-operations" or "auto".',
    ),
    Rule(
        id="WIN-UAC",
        severity=Severity.BLOCKS,
        title="The user of a Windows node has not the rights of an administrator",
        why="User Account Control filters the tokens of members of Administrators: services could "
        "not be restarted.",
        source="learn.microsoft.com, User Account Control settings; which logon VMware Tools makes "
        "is unverified",
        advice="Configure the built-in account Administrator for this node.",
    ),
    Rule(
        id="WIN-EXTERNAL-DB",
        severity=Severity.BLOCKS,
        title="vCenter's database is not on the node",
        why="No snapshot of the node holds it: after a rollback vCenter would meet a database that "
        "is newer than itself. The directory and the STS are not concerned.",
        source="vCenter Server 6.7 installation guide, external databases; VMware's advice for "
        "snapshots of vCenter and its database together is general knowledge, unverified",
        advice="Back it up with vCenter's services stopped right before the run, then accept this: "
        "after a rollback, also an automatic one, restore that backup.",
        acceptable=True,
    ),
)

found = Finder(RULES)


def windows_is_known(inventory: Inventory) -> Iterator[Finding]:
    """Which nodes run on Windows, so that nobody is surprised."""
    for node in inventory.nodes:
        if node.platform is Platform.WINDOWS and node.vm is not None:
            yield found("NODE-WINDOWS", node.fqdn, f"its host says the guest is {node.vm.guest_os}")


def databases_are_local(inventory: Inventory) -> Iterator[Finding]:
    """VCenter's database is in the snapshot of its node."""
    for node in inventory.nodes:
        database = node.facts.database if isinstance(node.facts, NodeFacts) else None
        if isinstance(database, Database) and not database.is_local:
            yield found("WIN-EXTERNAL-DB", node.fqdn, f"its {database.kind} database is elsewhere")


CHECKS: tuple[Callable[[Inventory], Iterator[Finding]], ...] = (
    windows_is_known,
    databases_are_local,
)
