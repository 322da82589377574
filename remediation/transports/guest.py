"""Commands on a node through the guest operations of its ESXi host: no network, no SSH."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.remediation.ports import READ_LIMIT
from stsfix.snapshot.ports import OUTPUT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from stsfix.remediation.model import NodePlan
    from stsfix.snapshot.model import VmId
    from stsfix.snapshot.ports import GuestOperations, GuestResult
    from stsfix.snapshot.secret import Secret


class GuestShell:
    """`ports.NodeShell` by guest operations.

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

    def run(
        self,
        node: NodePlan,
        script: str | Secret[str],
        *,
        limit: timedelta = READ_LIMIT,
        output_limit: int = OUTPUT_BYTES,
    ) -> GuestResult:
        """See `ports.NodeShell`; raises what `GuestOperations.run_script` does."""
        user, password = self._login(node.fqdn)
        return self._guests(node.vm).run_script(
            node.vm,
            script,
            user=user,
            password=password,
            limit=limit,
            output_limit=output_limit,
        )
