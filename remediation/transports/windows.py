"""Batch scripts on Windows nodes through the guest operations of their ESXi hosts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from stsfix.remediation.errors import WindowsNodeError
from stsfix.remediation.model import Platform, Transport
from stsfix.remediation.nodes.windows_scripts import RUNNING_LINE, restart_script, status_script
from stsfix.remediation.ports import READ_LIMIT
from stsfix.remediation.transports.service_ways import ServiceScripts
from stsfix.snapshot.ports import OUTPUT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.transports.attempts import Attempts
    from stsfix.snapshot.model import VmId
    from stsfix.snapshot.ports import BatchOperations, GuestResult
    from stsfix.snapshot.secret import Secret

_ROOT: Final = "root"
_POSSIBLE: Final = frozenset({Transport.AUTO, Transport.GUEST})

WINDOWS_SERVICES: Final = ServiceScripts(
    platform=Platform.WINDOWS,
    status=status_script(),
    types="",
    restart=restart_script,
    running_line=RUNNING_LINE,
    patience=2,
)
"""Stopping alone takes more than ten minutes on Windows (vsphere.md 9) [K]."""


class WindowsShell:
    """`ports.BatchShell` by guest operations.

    *guests* gives those of the host a VM is on, *login* user and password by FQDN, *transport*
    what is configured for a node.
    """

    def __init__(
        self,
        guests: Callable[[VmId], BatchOperations],
        login: Callable[[str], tuple[str, Secret[str]]],
        transport: Callable[[str], Transport],
        attempts: Attempts,
    ) -> None:
        self._guests = guests
        self._login = login
        self._transport = transport
        self._attempts = attempts

    def run(
        self,
        node: NodePlan,
        script: str | Secret[str],
        *,
        limit: timedelta = READ_LIMIT,
        output_limit: int = OUTPUT_BYTES,
    ) -> GuestResult:
        """See `ports.BatchShell`; raises what `BatchOperations.run_batch` does."""
        transport = self._transport(node.fqdn)
        if transport not in _POSSIBLE:
            reason = f'its transport is "{transport}", and only guest operations reach it'
            raise WindowsNodeError(node.fqdn, reason, by_setting=True)
        user, password = self._login(node.fqdn)
        if user.lower() == _ROOT:
            # Not sent: it would count as a wrong login there.
            reason = "there is no user root, as which it is configured"
            raise WindowsNodeError(node.fqdn, reason, by_setting=True)
        work = partial(
            self._guests(node.vm).run_batch,
            node.vm,
            script,
            user=user,
            password=password,
            limit=limit,
            output_limit=output_limit,
        )
        return self._attempts.guarded(node.fqdn, work)
