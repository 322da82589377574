"""Managed objects a host has one of: itself, its clock, its licences, its service instance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from stsfix.lab.esx.entity import Entity
from stsfix.lab.servant import Servant, fill, leaf, operation
from stsfix.lab.vmomi import vim, vmodl

if TYPE_CHECKING:
    from datetime import datetime

    from stsfix.lab.esx.host import EsxHost
    from stsfix.lab.soap import Call

_GIB = 1024**3
FREE_EDITION = "esxBasic"


@dataclass(kw_only=True)
class Datastore:
    """A datastore. A snapshot needs *snapshot_needs* free bytes, or ends in NoDiskSpace."""

    name: str = "datastore1"
    capacity: int = 2048 * _GIB
    free: int = 1024 * _GIB
    snapshot_needs: int = _GIB
    kind: str = "VMFS"
    accessible: bool = True
    maintenance_mode: str = "normal"


class DatastoreServant(Entity):
    """A datastore of the host."""

    def __init__(self, ref: Any, store: Datastore, parent: Entity, host: EsxHost) -> None:
        super().__init__(ref, store.name, parent)
        self.store = store
        self._host = host

    @leaf("summary.name", "info.name")
    def _summary_name(self) -> object:
        return self.store.name

    @leaf("summary.datastore")
    def _summary_datastore(self) -> object:
        return self.ref

    @leaf("summary.url", "info.url")
    def _url(self) -> object:
        return f"ds:///vmfs/volumes/{self.store.name}/"

    @leaf("summary.capacity")
    def _capacity(self) -> object:
        return self.store.capacity

    @leaf("summary.freeSpace", "info.freeSpace")
    def _free(self) -> object:
        return self.store.free

    @leaf("summary.accessible")
    def _accessible(self) -> object:
        return self.store.accessible

    @leaf("summary.maintenanceMode")
    def _maintenance_mode(self) -> object:
        return self.store.maintenance_mode

    @leaf("summary.type")
    def _type(self) -> object:
        return self.store.kind

    @leaf("vm")
    def _vms(self) -> object:
        return self._host.vm_refs_on(self.store.name)


class HostServant(Entity):
    """The HostSystem."""

    aliases: ClassVar[dict[str, str]] = {
        "summary.runtime": "runtime",
        "summary.config.product": "config.product",
        "summary.config.name": "name",
    }

    def __init__(self, ref: Any, parent: Entity, host: EsxHost) -> None:
        super().__init__(ref, host.name, parent)
        self._host = host

    @leaf("summary.host", "config.host")
    def _self(self) -> object:
        return self.ref

    @leaf("summary.managementServerIp")
    def _management_server(self) -> object:
        return self._host.managed_by or None

    @leaf("summary.overallStatus")
    def _summary_status(self) -> object:
        return "green"

    @leaf("summary.hardware")
    def _hardware(self) -> object:
        return fill(
            vim.host.Summary.HardwareSummary,
            vendor="Lab",
            model="Lab Server",
            uuid="4c4c4544-0000-0000-0000-000000000001",
            memorySize=256 * _GIB,
            cpuModel="Lab CPU",
            cpuMhz=2600,
            numCpuPkgs=2,
            numCpuCores=32,
            numCpuThreads=64,
            numNics=2,
            numHBAs=2,
        )

    @leaf("summary.config.port")
    def _port(self) -> object:
        return self._host.port

    @leaf("runtime.inMaintenanceMode")
    def _maintenance(self) -> object:
        return self._host.maintenance

    @leaf("runtime.connectionState")
    def _connection_state(self) -> object:
        return "connected"

    @leaf("runtime.powerState")
    def _power_state(self) -> object:
        return "poweredOn"

    @leaf("config.lockdownMode")
    def _lockdown(self) -> object:
        return self._host.accounts.lockdown

    @leaf("config.product")
    def _product(self) -> object:
        return about(self._host)

    @leaf("config.dateTimeInfo.ntpConfig.server")
    def _ntp_servers(self) -> object:
        return list(self._host.ntp_servers)

    @leaf("config.service.service")
    def _services(self) -> object:
        running = {"ntpd": self._host.ntp_running, "TSM-SSH": False}
        return [
            fill(vim.host.Service, key=key, label=key, running=value, policy="on")
            for key, value in running.items()
        ]

    @leaf("configManager.dateTimeSystem")
    def _date_time_system(self) -> object:
        return vim.host.DateTimeSystem("dateTimeSystem")

    @leaf("configManager.hostAccessManager")
    def _access_manager(self) -> object:
        return vim.host.HostAccessManager("ha-access-manager")

    @leaf("vm")
    def _vms(self) -> object:
        return self._host.vm_refs_on(None)

    @leaf("datastore")
    def _datastores(self) -> object:
        return self._host.datastore_refs

    @leaf("network")
    def _networks(self) -> object:
        return self._host.network_refs


def about(host: EsxHost) -> Any:
    """Return what the host says of itself."""
    return fill(
        vim.AboutInfo,
        name="VMware ESXi",
        fullName=f"VMware ESXi {host.version} build-{host.build}",
        vendor="VMware, Inc.",
        version=host.version,
        build=host.build,
        localeVersion="INTL",
        localeBuild="000",
        osType="vmnix-x86",
        productLineId="embeddedEsx",
        apiType="HostAgent",
        apiVersion=host.api_version,
        licenseProductName="VMware ESX Server",
        licenseProductVersion=host.version.partition(".")[0] + ".0",
    )


class ServiceInstance(Servant):
    """The root of the API."""

    anonymous_properties = frozenset({"content"})

    def __init__(self, host: EsxHost) -> None:
        super().__init__(vim.ServiceInstance("ServiceInstance"))
        self._host = host

    @operation("RetrieveServiceContent", anonymous=True)
    def retrieve(self, call: Call) -> Any:
        """Return the references everything starts from."""
        del call
        return self._content()

    @leaf("content")
    def _content(self) -> Any:
        return fill(vim.ServiceInstanceContent, about=about(self._host), **self._host.managers)

    @leaf("serverClock")
    def _clock(self) -> object:
        return self._host.now()

    @operation("CurrentTime")
    def current_time(self, call: Call) -> datetime:
        """Return the host's clock."""
        del call
        return self._host.now()


class DateTimeSystem(Servant):
    """The host's clock."""

    def __init__(self, host: EsxHost) -> None:
        super().__init__(vim.host.DateTimeSystem("dateTimeSystem"))
        self._host = host

    @operation("QueryDateTime")
    def query(self, call: Call) -> datetime:
        """Return the host's clock."""
        del call
        return self._host.now()


class AccessManager(Servant):
    """Lockdown mode and its exceptions."""

    def __init__(self, host: EsxHost) -> None:
        super().__init__(vim.host.HostAccessManager("ha-access-manager"))
        self._host = host

    @leaf("lockdownMode")
    def _lockdown(self) -> object:
        return self._host.accounts.lockdown

    @operation("QueryLockdownExceptions")
    def exceptions(self, call: Call) -> list[str]:
        """Return the exception users."""
        del call
        return sorted(self._host.accounts.exception_users)


def _expiration(hours: int) -> Any:
    """Return what an edition that ends says of it [K: name and unit unverified]."""
    return vmodl.KeyAnyValue(key="expirationHours", value=hours)


class LicenseManager(Servant):
    """The host's licence."""

    def __init__(self, ref: Any, host: EsxHost) -> None:
        super().__init__(ref)
        self._host = host

    @leaf("licenses")
    def _licenses(self) -> object:
        evaluation = self._host.edition == "eval"
        hours = self._host.licence_hours
        return [
            fill(
                vim.LicenseManager.LicenseInfo,
                licenseKey="00000-00000-00000-00000-00000" if evaluation else "LAB00-00000",
                editionKey=self._host.edition,
                name="Evaluation Mode" if evaluation else self._host.edition,
                total=0,
                costUnit="",
                properties=[] if hours is None else [_expiration(hours)],
            )
        ]

    @leaf("licensedEdition")
    def _edition(self) -> object:
        return self._host.edition
