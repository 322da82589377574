"""The servers behind a vCenter's services, built for each boot."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from stsfix.lab.domain_sts import DomainSts
from stsfix.lab.services import StartFailedError, Verdict
from stsfix.lab.sso import client, library
from stsfix.lab.sso.vapi import VapiService
from stsfix.lab.sso.vcenter import StartRefused, VcenterService
from stsfix.lab.sso.wstrust import StsFault

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from stsfix.lab.disk import NodeDisk
    from stsfix.lab.programs import Network
    from stsfix.lab.service_logs import ServiceLogs
    from stsfix.lab.services import Program
    from stsfix.lab.sso.front import NodeFront
    from stsfix.lab.sso.logins import LoginRefusedError

_API_VERSIONS = {"6.5": "6.5", "6.7": "6.7.3", "7.0": "7.0.3.0", "8.0": "8.0.3.0"}
"""Newest SOAP API of each release (pyVmomi's version names)."""

_OLD_STS_PORT = 7444

DATABASE_MOUNT = "/storage/db"


class _Vpxd:
    """Starts and stops vpxd as a service; its refusal to start is the service's failure."""

    def __init__(self, service: VcenterService, disk: NodeDisk, logs: ServiceLogs) -> None:
        self._service = service
        self._disk = disk
        self._logs = logs

    def start(self) -> None:
        if self._disk.free_kib.get(DATABASE_MOUNT) == 0:
            self._logs.database_full()
            raise StartFailedError("the database has no room")
        try:
            self._service.start()
        except StartRefused as refused:
            raise StartFailedError(str(refused)) from refused

    def stop(self) -> None:
        self._service.stop()


class VcenterParts:
    """What runs on a vCenter besides what every node has; *programs*, and *needs* of those that
    start only with a token besides certificates, are keyed as in `programs.NodeParts`.
    """

    def __init__(
        self, disk: NodeDisk, network: Network, front: NodeFront, logs: ServiceLogs
    ) -> None:
        self._disk = disk
        self._network = network
        self._logs = logs
        self._authority = DomainSts(
            network, disk.fqdn, disk.psc, now=self._now, outlived=disk.outlived_sts
        )
        disk.outlived_sts = False
        # fixcerts.py: "service restart is not required for STS replacement on 8.0".
        at_start = disk.release < (8,)
        self.vcenter = VcenterService(
            disk.fqdn,
            self._authority,
            machine_certificate=lambda: disk.machine.certificates_pem,
            clock=network.clock,
            clock_offset=self._offset,
            faults=network.faults,
            api_version=_API_VERSIONS[disk.version],
            trust_at_start=at_start,
            refused=self._login_refused,
        )
        self.vapi = VapiService(
            disk.fqdn,
            self._authority,
            clock=network.clock,
            clock_offset=self._offset,
            faults=network.faults,
            trust_at_start=at_start,
        )
        self.client = client.ClientService(
            disk.fqdn,
            self._authority,
            controller=disk.psc,
            domain=disk.domain,
            port=_OLD_STS_PORT if disk.release < (7,) else None,
            now=self._now,
            logs=logs,
        )
        front.route("/sdk", self.vcenter)
        front.route(client.PREFIX, self.client)
        for prefix in ("/api", "/rest"):
            front.route(prefix, self.vapi)
        for prefix in library.PREFIXES:
            front.route(prefix, library.LibraryService(self.vapi, logs))
        self.programs: dict[str, Program] = {
            "vmware-vpxd": _Vpxd(self.vcenter, disk, logs),
            "vmware-vapi-endpoint": self.vapi,
            "vsphere-ui": self.client,
        }
        self.needs: dict[str, Callable[[], Verdict]] = {
            f"vmware-{name}": partial(self._token, name) for name in ("vpxd-svcs", "vpxd")
        }

    def _offset(self) -> timedelta:
        return timedelta(seconds=self._disk.clock_offset_s)

    def _now(self) -> datetime:
        return self._network.clock.now() + self._offset()

    def _login_refused(self, error: LoginRefusedError) -> None:
        """Let vpxd log what is no fault of the one who wants in."""
        fault = error.__cause__
        if not isinstance(fault, StsFault) or fault.code != "FailedAuthentication":
            self._logs.login_refused(fault)

    def _token(self, name: str) -> Verdict:
        """Both need a token (peers.md c1)."""
        disk, network = self._disk, self._network
        elsewhere = disk.psc != disk.fqdn and network.is_starting(disk.psc)
        if elsewhere and network.sts_of(disk.psc) is None:
            return Verdict.NOT_YET
        fault = self._authority.fault()
        if fault is None:
            return Verdict.READY
        self._logs.start_refused(name, fault)
        return Verdict.NO
