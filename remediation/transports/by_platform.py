"""Gives each node what its platform has: an appliance bash, a Windows node cmd.exe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.remediation.errors import WindowsNodeError
from stsfix.remediation.model import Platform, Transport
from stsfix.remediation.ports import READ_LIMIT
from stsfix.snapshot.ports import OUTPUT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import timedelta

    from stsfix.remediation.discovery.nodes import GuestAnswer, GuestReader
    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.ports import NodeShell, ServiceControl, ServiceReport
    from stsfix.snapshot.ports import GuestResult
    from stsfix.snapshot.secret import Secret


class ApplianceShell:
    """`ports.NodeShell` that lets nothing written for an appliance get to a Windows node."""

    def __init__(self, shell: NodeShell) -> None:
        self._shell = shell

    def describe(self, node: NodePlan) -> str:
        """See `ports.NodeShell`."""
        if node.platform is Platform.WINDOWS:
            return f"guest operations through {node.vm.host}"
        return self._shell.describe(node)

    def run(
        self,
        node: NodePlan,
        script: str | Secret[str],
        *,
        limit: timedelta = READ_LIMIT,
        output_limit: int = OUTPUT_BYTES,
    ) -> GuestResult:
        """See `ports.NodeShell`."""
        _require_appliance(node)
        return self._shell.run(node, script, limit=limit, output_limit=output_limit)

    def put(
        self, node: NodePlan, path: str, content: bytes | Secret[bytes], *, mode: int = 0o600
    ) -> None:
        """See `ports.NodeShell`."""
        _require_appliance(node)
        self._shell.put(node, path, content, mode=mode)

    def get(self, node: NodePlan, path: str, *, limit_bytes: int = OUTPUT_BYTES) -> bytes:
        """See `ports.NodeShell`."""
        _require_appliance(node)
        return self._shell.get(node, path, limit_bytes=limit_bytes)


def _require_appliance(node: NodePlan) -> None:
    if node.platform is Platform.WINDOWS:
        raise WindowsNodeError(node.fqdn, "scripts of appliances do not run there")


class ServicesByPlatform:
    """`ports.ServiceControl` by the node's platform."""

    def __init__(
        self, controls: Mapping[Platform, ServiceControl], transport: Callable[[str], Transport]
    ) -> None:
        self._controls = controls
        self._transport = transport

    def is_by_hand(self, node: NodePlan) -> bool:
        """See `ports.ServiceControl`."""
        return self._transport(node.fqdn) is Transport.NONE

    def read_services(self, node: NodePlan, *, limit: timedelta = READ_LIMIT) -> ServiceReport:
        """See `ports.ServiceControl`."""
        return self._controls[node.platform].read_services(node, limit=limit)

    def restart_all(
        self, node: NodePlan, *, limit: timedelta, ran: Collection[str] = ()
    ) -> ServiceReport:
        """See `ports.ServiceControl`."""
        return self._controls[node.platform].restart_all(node, limit=limit, ran=ran)


class ReaderByPlatform:
    """`discovery.nodes.GuestReader` by the node's platform."""

    def __init__(self, readers: Mapping[Platform, GuestReader]) -> None:
        self._readers = readers

    def read_guest(self, node: NodePlan) -> GuestAnswer:
        """See `discovery.nodes.GuestReader`."""
        return self._readers[node.platform].read_guest(node)
