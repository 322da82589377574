"""Makes the ways into the nodes; a part of the composition root (`stsfix.plugin.wiring`)."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from stsfix.remediation.host_keys import SshPeer
from stsfix.remediation.model import Platform, Transport

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.plugin.secrets import SecretStore
    from stsfix.plugin.settings import Settings
    from stsfix.remediation.discovery.nodes import GuestReader
    from stsfix.remediation.host_keys import HostKeys
    from stsfix.remediation.ports import NodeShell, ProgressHook, ServiceControl
    from stsfix.remediation.ports_scripts import BatchShell
    from stsfix.remediation.transports.attempts import Attempts
    from stsfix.remediation.transports.chosen import Choice, Way
    from stsfix.remediation.transports.service_control import PolledServiceControl
    from stsfix.remediation.transports.service_ways import ServiceWay
    from stsfix.remediation.transports.ssh import SshShell
    from stsfix.remediation.transports.vami import Vami
    from stsfix.snapshot.model import VmId
    from stsfix.snapshot.ports import BatchOperations, Clock, GuestOperations
    from stsfix.snapshot.secret import Secret
    from stsfix.snapshot.tls import Endpoint


class NodeTransports:
    """Commands, files and services of nodes, by the transport that domain.toml gives each.

    Libraries are loaded, passwords asked for and connections made when they are needed.
    """

    def __init__(
        self,
        settings: Settings,
        secrets: SecretStore,
        clock: Clock,
        hook: ProgressHook,
        *,
        guests: Callable[[VmId], GuestOperations],
        batches: Callable[[VmId], BatchOperations],
        host_keys: HostKeys,
        management: Callable[[str], Endpoint],
    ) -> None:
        """Keep what ways into nodes are made of; *management* gives a node's VAMI with all that is
        believed of it, also what the run made.
        """
        self._settings = settings
        self._secrets = secrets
        self._clock = clock
        self._hook = hook
        self._guests = guests
        self._batches = batches
        self._host_keys = host_keys
        self._management = management

    @cached_property
    def shell(self) -> NodeShell:
        """Commands and small files on appliances."""
        from stsfix.remediation.transports.by_platform import ApplianceShell
        from stsfix.remediation.transports.chosen import ChosenShell

        return ApplianceShell(ChosenShell(self._shells))

    @cached_property
    def batch_shell(self) -> BatchShell:
        """Batch scripts on Windows nodes."""
        from stsfix.remediation.transports.windows import WindowsShell

        return WindowsShell(self._batches, self._login, self.transport, self._attempts)

    @cached_property
    def services(self) -> ServiceControl:
        """Services of nodes."""
        from stsfix.remediation.transports.by_platform import ServicesByPlatform

        return ServicesByPlatform(
            {
                Platform.APPLIANCE: self._appliance_services,
                Platform.WINDOWS: self._windows_services,
            },
            self.transport,
        )

    def reader(self, scripts: GuestReader) -> GuestReader:
        """Return who asks appliances, by *scripts* where they can be run."""
        from stsfix.remediation.transports.node_reader import ChosenNodeReader
        from stsfix.remediation.transports.vami_look import ManagementLook

        return ChosenNodeReader(
            scripts,
            self._appliance_services,
            wanted=self.transport,
            scripts=self._shells.used,
            listing=self._controls.used,
            management=ManagementLook(self._vami, self._attempts).read,
        )

    @cached_property
    def _shells(self) -> Choice[NodeShell]:
        from stsfix.remediation.transports.chosen import (
            Choice,
            Way,
            runs_nothing,
        )

        ways: dict[Transport, Way[NodeShell]] = {
            Transport.GUEST: Way(make=lambda: self._guest_shell, probe=runs_nothing),
            Transport.SSH: Way(make=lambda: self._ssh_shell, probe=runs_nothing),
        }
        return Choice(self.transport, ways, self._attempts, self._hook)

    @cached_property
    def _appliance_services(self) -> ServiceControl:
        from stsfix.remediation.transports.chosen import ChosenServices

        return ChosenServices(self._controls)

    @cached_property
    def _controls(self) -> Choice[ServiceControl]:
        from stsfix.remediation.transports.chosen import (
            Choice,
            Way,
            lists_services,
        )

        ways: dict[Transport, Way[ServiceControl]] = {
            Transport.GUEST: Way(make=lambda: self._guest_services, probe=lists_services),
            Transport.SSH: Way(make=lambda: self._ssh_services, probe=lists_services),
            Transport.VAMI: Way(make=lambda: self._vami_services, probe=lists_services),
        }
        return Choice(self.transport, ways, self._attempts, self._hook)

    def transport(self, fqdn: str) -> Transport:
        """Return what domain.toml says of node *fqdn*."""
        return self._settings.node(fqdn).transport

    def close(self) -> None:
        """Leave the nodes as they were found and log out; never raises."""
        ssh: SshShell | None = self.__dict__.get("_ssh_shell")
        if ssh is not None:
            ssh.close()

    @cached_property
    def _attempts(self) -> Attempts:
        from stsfix.remediation.transports.attempts import Attempts

        return Attempts()

    def _login(self, fqdn: str) -> tuple[str, Secret[str]]:
        return self._settings.node(fqdn).user, self._secrets.node(fqdn)

    @cached_property
    def _guest_shell(self) -> NodeShell:
        from stsfix.remediation.transports.guest import GuestShell

        return GuestShell(self._guests, self._login)

    @cached_property
    def _ssh_shell(self) -> SshShell:
        from stsfix.remediation.transports.ssh import SshShell
        from stsfix.remediation.transports.ssh_pool import SshPool

        pool = SshPool(self._ssh_peer, self._host_keys, self._login)
        return SshShell(pool, self._clock)

    def _ssh_peer(self, fqdn: str) -> SshPeer:
        node = self._settings.node(fqdn)
        return SshPeer(
            node=node.fqdn,
            address=node.address,
            port=node.ssh.port,
            sha256=node.ssh.host_key,
            known_hosts=node.ssh.known_hosts,
            connect_timeout_s=self._settings.timeouts.connect.total_seconds(),
            read_timeout_s=self._settings.timeouts.read.total_seconds(),
        )

    def _vami(self, fqdn: str) -> Vami:
        from stsfix.remediation.transports.vami import Vami

        user, password = self._login(fqdn)
        return Vami(self._management(fqdn), user, password, self._clock)

    @cached_property
    def _guest_services(self) -> PolledServiceControl:
        from stsfix.remediation.transports.service_ways import ShellWay

        return self._control(ShellWay(self._guest_shell), self._guest_shell)

    @cached_property
    def _ssh_services(self) -> PolledServiceControl:
        from stsfix.remediation.transports.service_ways import SshWay

        return self._control(SshWay(self._ssh_shell), self._ssh_shell)

    @cached_property
    def _vami_services(self) -> PolledServiceControl:
        from stsfix.remediation.transports.vami_services import VamiWay

        return self._control(VamiWay(self._vami, self._clock), None)

    @cached_property
    def _windows_services(self) -> PolledServiceControl:
        from stsfix.remediation.transports.service_ways import ShellWay
        from stsfix.remediation.transports.windows import WINDOWS_SERVICES

        return self._control(ShellWay(self.batch_shell, WINDOWS_SERVICES), None)

    def _control(self, way: ServiceWay, shell: NodeShell | None) -> PolledServiceControl:
        from stsfix.remediation.transports.service_control import PolledServiceControl, ServiceLogs

        return PolledServiceControl(
            way,
            clock=self._clock,
            logs=ServiceLogs(shell) if shell is not None else None,
            poll=self._settings.timeouts.poll,
        )
