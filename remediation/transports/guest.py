"""Commands on a node through the guest operations of its ESXi host: no network, no SSH."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.remediation.model import NodePlan
    from stsfix.snapshot.model import VmId
    from stsfix.snapshot.ports import GuestOperations, GuestResult
    from stsfix.snapshot.secret import Secret

READ_LIMIT = timedelta(seconds=120)
"""How long a command that only reads may take; it is seconds even on a slow appliance [K]."""


class NodeShell:
    """Runs scripts as the node's configured user.

    *guests* gives the guest operations of the host a VM is on; *login* gives user and password
    by FQDN and is asked only when a script is run.
    """

    def __init__(
        self,
        guests: Callable[[VmId], GuestOperations],
        login: Callable[[str], tuple[str, Secret[str]]],
    ) -> None:
        self._guests = guests
        self._login = login

    def run(self, node: NodePlan, script: str, *, limit: timedelta = READ_LIMIT) -> GuestResult:
        """Run *script* on *node*; raises what `GuestOperations.run_script` does."""
        user, password = self._login(node.fqdn)
        return self._guests(node.vm).run_script(
            node.vm, script, user=user, password=password, limit=limit
        )
