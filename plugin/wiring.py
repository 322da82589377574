"""The only place where adapters are made and put together; imports them when they are needed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from stsfix.plugin.errors import SecretError
from stsfix.plugin.node_transports import NodeTransports
from stsfix.remediation.host_keys import HostKeys, NoMemory
from stsfix.remediation.inventory import Problem
from stsfix.remediation.nodes.node_facts import ClockReading
from stsfix.remediation.steps.context import Limits, StepContext
from stsfix.remediation.steps.tools import RenewalTools
from stsfix.snapshot.coordinator import Coordinator
from stsfix.snapshot.fleet import Limits as SnapshotLimits

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from stsfix.plugin.export_file import ExportFiles
    from stsfix.plugin.secrets import SecretStore
    from stsfix.plugin.settings import NodeSettings, Settings
    from stsfix.remediation.directory.vmdir_entries import KeyJudge
    from stsfix.remediation.discovery.certificates import ShownLeaves
    from stsfix.remediation.discovery.nodes import FrontReader
    from stsfix.remediation.inventory_certificates import TlsPort
    from stsfix.remediation.model import RunSpec
    from stsfix.remediation.ports import (
        Directory,
        Issuer,
        Logins,
        NodeShell,
        ProgressHook,
        ServiceControl,
    )
    from stsfix.remediation.ports_certificates import (
        CertificateAuthority,
        CertificateStores,
        Extensions,
    )
    from stsfix.remediation.ports_scripts import BatchShell
    from stsfix.snapshot.esxi import EsxiHost
    from stsfix.snapshot.model import HostRef, VmId
    from stsfix.snapshot.ports import BatchOperations, Clock, GuestOperations
    from stsfix.snapshot.tls import Endpoint

_GUEST_POLL = timedelta(seconds=1)
"""Longest pause between two looks at a script in a guest: most end within seconds."""

MadeLeaves = Callable[[str], Collection[bytes]]
"""Gives the machine certificates (DER) that a run made for a node."""


def nothing_made_for(fqdn: str) -> Collection[bytes]:
    """Return no certificate: no run is carried on."""
    del fqdn
    return ()


class Wiring:
    """Adapters of one configuration. Making it contacts nobody and asks for no secret.

    Each adapter is made once, so that each password is tried once; `close` logs out everywhere.
    """

    def __init__(
        self,
        settings: Settings,
        secrets: SecretStore,
        clock: Clock,
        hook: ProgressHook,
        *,
        host_keys: HostKeys | None = None,
        partial: bool = False,
    ) -> None:
        self.settings = settings
        self.left_out: tuple[Problem, ...] = ()
        self._partial = partial
        self.clock = clock
        self.hook = hook
        self._secrets = secrets
        self._host_keys = host_keys or HostKeys(NoMemory(), None)
        self._made: MadeLeaves = nothing_made_for
        self._directories: dict[str, Directory] = {}
        self._guests: dict[HostRef, GuestOperations] = {}
        self._batches: dict[HostRef, BatchOperations] = {}
        self._pool = ThreadPoolExecutor(max_workers=16, thread_name_prefix="hosts")

    @cached_property
    def hypervisors(self) -> dict[HostRef, EsxiHost]:
        """Every configured ESXi host; with *partial* those whose password is there."""
        from stsfix.snapshot.esxi import EsxiHost

        found: dict[HostRef, EsxiHost] = {}
        for host in self.settings.hosts:
            try:
                password = self._secrets.esxi(host.host)
            except SecretError as error:
                if not self._partial:
                    raise
                problem = Problem(subject=host.host, error="SecretError", text=str(error))
                self.left_out = (*self.left_out, problem)
                continue
            found[host.host] = EsxiHost(host.host, host.endpoint, host.user, password, self.clock)
        return found

    def believe(self, made: MadeLeaves) -> None:
        """Believe, besides the configured trust, the machine certificates that *made* gives for
        a node: those that the run which is carried on made for it. Asked at every connection.
        """
        self._made = made

    def _node(self, fqdn: str) -> NodeSettings:
        """Return the settings of a node whose endpoints also believe what was made for it."""
        node = self.settings.node(fqdn)

        def believing(endpoint: Endpoint) -> Endpoint:
            return replace(endpoint, made=lambda: self._made(node.fqdn))

        return replace(
            node,
            https=believing(node.https),
            ldaps=believing(node.ldaps),
            vami=believing(node.vami),
        )

    def directory(self, fqdn: str) -> Directory:
        """Return the vmdir of node *fqdn*, always the same object."""
        from stsfix.remediation.directory.vmdir import LdapDirectory

        if fqdn not in self._directories:
            self._directories[fqdn] = LdapDirectory(
                fqdn,
                self._node(fqdn).ldaps,
                domain=self.settings.sso.domain,
                user=self.settings.sso.user,
                password=self._secrets.sso(),
                clock=self.clock,
                key_judge=self._key_judge,
            )
        return self._directories[fqdn]

    @cached_property
    def _key_judge(self) -> KeyJudge:
        from stsfix.remediation.directory.vmdir_entries import KeyJudge

        return KeyJudge()

    def logins(self, nodes: Sequence[str]) -> Logins:
        """Return the proofs of login for *nodes*."""
        from stsfix.remediation.logins.node_logins import NodeLogins

        return NodeLogins(
            {fqdn: self._node(fqdn).https for fqdn in nodes},
            domain=self.settings.sso.domain,
            user=self.settings.sso.user,
            password=self._secrets.sso(),
            clock=self.clock,
        )

    @cached_property
    def transports(self) -> NodeTransports:
        """The ways into the nodes."""
        return NodeTransports(
            self.settings,
            self._secrets,
            self.clock,
            self.hook,
            guests=self._guest,
            batches=self._batch,
            host_keys=self._host_keys,
            management=lambda fqdn: self._node(fqdn).vami,
        )

    @property
    def shell(self) -> NodeShell:
        """Commands and small files on appliances, by the transport of each."""
        return self.transports.shell

    @property
    def batch_shell(self) -> BatchShell:
        """Batch scripts on Windows nodes."""
        return self.transports.batch_shell

    @property
    def services(self) -> ServiceControl:
        """Services of nodes, by the transport of each."""
        return self.transports.services

    def _batch(self, vm: VmId) -> BatchOperations:
        from stsfix.snapshot.guest_windows import EsxiBatchOperations

        if vm.host not in self._batches:
            self._batches[vm.host] = EsxiBatchOperations(
                self.hypervisors[vm.host], self.clock, poll=self._guest_poll
            )
        return self._batches[vm.host]

    def _guest(self, vm: VmId) -> GuestOperations:
        from stsfix.snapshot.guest import EsxiGuestOperations

        if vm.host not in self._guests:
            self._guests[vm.host] = EsxiGuestOperations(
                self.hypervisors[vm.host], self.clock, poll=self._guest_poll
            )
        return self._guests[vm.host]

    @property
    def _guest_poll(self) -> timedelta:
        return min(self.settings.timeouts.poll, _GUEST_POLL)

    @property
    def shown(self) -> ShownLeaves:
        """The certificates that ports of nodes show."""
        from stsfix.remediation.web.tls_probe import TlsProbe

        def endpoint(fqdn: str, port: TlsPort) -> Endpoint:
            node = self.settings.node(fqdn)
            return {"https": node.https, "ldaps": node.ldaps, "vami": node.vami}[port]

        return TlsProbe(endpoint, self.clock)

    @cached_property
    def extensions(self) -> Extensions:
        """Extensions of the vCenters, through psql on them."""
        from stsfix.remediation.transports.psql import PsqlExtensions

        return PsqlExtensions(self.shell)

    @cached_property
    def coordinator(self) -> Coordinator:
        """Power and snapshots over all hosts."""
        timeouts = self.settings.timeouts

        def tell(vm: VmId, text: str) -> None:
            from stsfix.remediation.ports import Progress

            self.hook(Progress(step="", subject=vm.name, text=text))

        return Coordinator(
            self.hypervisors,
            self.clock,
            SnapshotLimits(
                shutdown=timeouts.shutdown,
                power_on=timeouts.power_on,
                snapshot=timeouts.snapshot,
                revert=timeouts.revert,
                removal=timeouts.removal,
                silence=timeouts.silence,
                busy=timeouts.busy,
                tools=timeouts.tools,
                doubt=timeouts.doubt,
                nics=timeouts.nics,
                poll=timeouts.poll,
            ),
            progress=tell,
            pool=self._pool,
        )

    @cached_property
    def authority(self) -> CertificateAuthority:
        """VMCA of the nodes, through certool on them."""
        from stsfix.remediation.transports.vmca import CertoolAuthority

        return CertoolAuthority(self.shell, self.clock)

    @cached_property
    def stores(self) -> CertificateStores:
        """Certificate stores of the nodes, through vecs-cli on them."""
        from stsfix.remediation.transports.vmca import VecsStores

        return VecsStores(self.shell)

    def issuer(self, spec: RunSpec) -> Issuer:
        """Return who signs the new credential of the run *spec*.

        Raises:
            IssuerError: The run was begun with CA files, and the configuration names none now.
        """
        from stsfix.remediation.errors import IssuerError
        from stsfix.remediation.pki.issuer import (
            FilesIssuer,
            OwnCaIssuer,
            VmcaIssuer,
        )

        sts = self.settings.sts
        if spec.issuer == "vmca":
            return VmcaIssuer(
                authority=self.authority,
                writer=spec.writing,
                allow_key=sts.allow_vmca_key,
                clock=self.clock,
                limit=self.settings.timeouts.services,
                poll=self.settings.timeouts.poll,
            )
        if spec.issuer == "own-ca":
            return OwnCaIssuer(self.settings.sso.domain)
        if sts.ca_certificate is None or sts.ca_key is None:
            raise IssuerError("the run was begun with CA files, and [sts] names none any more")
        return FilesIssuer(sts.ca_certificate, sts.ca_key)

    def check_issuer(self, spec: RunSpec) -> None:
        """Find out before anything is changed whether a credential could be made.

        With CA files one is made and thrown away; VMCA is looked at, and signs nothing.

        Raises:
            IssuerError: The run could not make one of the CA files, or nothing is left of the
                validity.
            VmcaError: VMCA of the writer cannot be used.
            OperationError: The writer could not be asked.
        """
        now, validity = self.clock.now(), timedelta(days=spec.validity_days)
        if spec.issuer == "files":
            self.issuer(spec).issue(node=spec.writer, now=now, validity=validity)
        elif spec.issuer == "vmca" and spec.writer not in spec.new_roots:
            from stsfix.remediation.pki.vmca import require_usable

            seen = self.authority.read_root(spec.writing)
            require_usable(seen, now=now, validity=validity)

    def exports(self, folder: Path) -> ExportFiles:
        """Return the exports of the state folder *folder*."""
        from stsfix.plugin.export_file import ExportFiles

        return ExportFiles(folder, self._secrets.export)

    def step_context(self, spec: RunSpec, folder: Path) -> StepContext:
        """Return what the steps of the run *spec* work with; *folder* is the state folder."""
        timeouts = self.settings.timeouts
        return StepContext(
            spec=spec,
            coordinator=self.coordinator,
            directory=self.directory,
            logins=self.logins([node.fqdn for node in spec.nodes]),
            services=self.services,
            exports=self.exports(folder),
            renewal=RenewalTools(
                authority=self.authority,
                stores=self.stores,
                shown=self.shown,
                extensions=self.extensions,
                allow_vmca_key=self.settings.sts.allow_vmca_key,
            ),
            node_clock=self._node_clock,
            issuer=lambda: self.issuer(spec),
            publish_root=self.settings.sts.publish_root,
            clock=self.clock,
            limits=Limits(
                boot=timeouts.boot,
                replication=timeouts.replication,
                publish=timeouts.publish,
                services=timeouts.services,
                logins=timeouts.logins,
                poll=timeouts.poll,
            ),
            hook=self.hook,
        )

    @cached_property
    def front(self) -> FrontReader:
        """Clock and version of nodes over HTTPS."""
        from stsfix.remediation.web.node_front import HttpsNodeFront

        return HttpsNodeFront(lambda fqdn: self._node(fqdn).https, self.clock)

    def _node_clock(self, fqdn: str) -> timedelta | None:
        clock = self.front.read_front(fqdn, vcenter=False).clock
        return clock.skew if isinstance(clock, ClockReading) else None

    def close(self) -> None:
        """Log out everywhere; never raises."""
        for directory in self._directories.values():
            directory.close()
        transports: NodeTransports | None = self.__dict__.get("transports")
        if transports is not None:
            transports.close()
        for host in self.__dict__.get("hypervisors", {}).values():
            host.close()
        self._pool.shutdown(wait=False)
