"""Whether vCenter itself can renew a signing certificate that has not ended yet. Pure.

Source: vSphere 8 REST programming guide, signing-certificate, ``?action=refresh``; since 7.0 U3. It
refuses mixed releases. Nobody has tried it from here: unverified.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from stsfix.remediation.checks.nodes import version_of

if TYPE_CHECKING:
    from stsfix.remediation.inventory import Inventory

SINCE: Final = (7, 0, 3)
_NUMBERS = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})(?:\.|$)")
_CALL = "POST /api/vcenter/certificate-management/vcenter/signing-certificate?action=refresh"


def refresh_advice(inventory: Inventory) -> str | None:
    """Return what to do about a certificate that still works and ends soon, where every vCenter
    tells a release that renews it by itself; None elsewhere.
    """
    told = {node.fqdn: version_of(node) for node in inventory.nodes if node.role.has_vcenter}
    numbers = [_NUMBERS.match(version) for version in told.values()]
    if not told or not all(n and tuple(map(int, n.groups())) >= SINCE for n in numbers):
        return None
    return (
        "Plan a repair: stsfix run. As long as logins work, vCenter can renew it itself, without an"
        f" outage: {_CALL} on {min(told)} (7.0 U3 and later, privilege"
        " CertificateManagement.Administer; it refuses mixed releases, and with force every node"
        " has to be restarted; unverified). No snapshots are taken then, and once the certificate"
        " has ended it is no way any more."
    )
