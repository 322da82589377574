"""What releases call themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.lab.disk import Role

if TYPE_CHECKING:
    from stsfix.lab.disk import NodeDisk

BUILDS = {"6.5": "6.5.0.30000", "6.7": "6.7.0.40000", "7.0": "7.0.3.00100", "8.0": "8.0.3.00000"}
"""Version and build number of an appliance, by release."""

TYPES = {
    Role.EMBEDDED: "vCenter Server with an embedded Platform Services Controller",
    Role.VCENTER: "vCenter Server with an external Platform Services Controller",
    Role.PSC: "VMware Platform Services Controller",
}


def product(disk: NodeDisk) -> str:
    """Return the product's name: "Appliance" is in it up to 6.7 (banners in public transcripts)."""
    return "VMware vCenter Server Appliance" if disk.release < (7,) else "VMware vCenter Server"


def issue(disk: NodeDisk) -> str:
    """Return /etc/issue, which sshd shows before a login."""
    return f"\n{product(disk)} {BUILDS[disk.version]}\n\nType: {TYPES[disk.role]}\n\n"
