"""An ESXi host of the lab: VMs, datastores, users, and the HTTPS endpoint that shows them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from stsfix.lab.esx import host_objects as objects
from stsfix.lab.esx.collector import ChangeBell, Collector
from stsfix.lab.esx.entity import ComputeResource, Datacenter, Entity, Folder, Network
from stsfix.lab.esx.guestops import (
    AuthManager,
    FileManager,
    GuestOperationsManager,
    GuestTransfers,
    ProcessManager,
)
from stsfix.lab.esx.host_objects import Datastore
from stsfix.lab.esx.machine import VirtualMachine, VmRefusedError
from stsfix.lab.esx.session import Accounts, SessionManager
from stsfix.lab.esx.tasks import Durations, TaskBoard, TaskManager
from stsfix.lab.esx.views import SearchIndex, ViewManager
from stsfix.lab.esx.vm import SnapshotServant, VmServant
from stsfix.lab.faults import FaultBook
from stsfix.lab.https import HttpsServer, Reply, Request
from stsfix.lab.soap import SoapService
from stsfix.lab.vmomi import vim, vmodl

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stsfix.lab.clock import LabClock
    from stsfix.lab.seams import KeyPair
    from stsfix.lab.servant import Operation, Servant
    from stsfix.lab.soap import Call

_JOIN_S = 5.0


class EsxHost:
    """One host. Attributes that scenarios set at any time: `accounts`, `maintenance`,
    `edition`, `licence_hours` (None: it does not end), `clock_offset`, `ntp_servers`,
    `ntp_running`, `managed_by`, `durations`, the datastores' fields.

    Args:
        name: Host name; also the target of fault rules for calls that concern no VM.
        port: TCP port on *address*; 0 picks a free one.
        tls: What the host presents.
        clock: Durations are divided by its speed; `now` is its time plus *clock_offset*.
        users: Password by user name.
        faults: Every call runs inside ``around("soap", method, VM or host name)``.
        address: Where to listen.
        clock_offset: How wrong the host's clock is.
        accounts: Instead of *users*: users with lockdown mode and exceptions.
        edition: Licence edition key; ``esxBasic`` (free) refuses every write.
        maintenance: True: power on is refused.
        datastores: At least one; VMs name them in their disks.
        networks: Names of standard port groups.
        version: Such as "8.0.3"; *api_version* has four parts from 7.0 on.
        api_version: Newest API offered.
        build: Build number.
        managed_by: Address of the vCenter that manages the host; empty: none.
        durations: How long tasks last, in field seconds.
    """

    def __init__(
        self,
        name: str,
        *,
        port: int,
        tls: KeyPair,
        clock: LabClock,
        users: dict[str, str] | None = None,
        faults: FaultBook | None = None,
        address: str = "127.0.0.1",
        clock_offset: timedelta = timedelta(0),
        accounts: Accounts | None = None,
        edition: str = "esx.enterprisePlus.cpuPackage",
        maintenance: bool = False,
        datastores: Sequence[Datastore] = (),
        networks: Sequence[str] = ("VM Network",),
        version: str = "8.0.3",
        api_version: str = "8.0.3.0",
        build: str = "24022510",
        managed_by: str = "",
        durations: Durations | None = None,
    ) -> None:
        self.name = name
        self.clock = clock
        self.faults = faults or FaultBook()
        self.accounts = accounts or Accounts(users=dict(users or {}))
        self.edition = edition
        self.maintenance = maintenance
        self.clock_offset = clock_offset
        self.version = version
        self.api_version = api_version
        self.build = build
        self.managed_by = managed_by
        self.licence_hours: int | None = None
        self.ntp_servers: tuple[str, ...] = ("ntp.lab.example",)
        self.ntp_running = True
        self.chains_broken = False
        self.durations = durations or Durations()
        self.bell = ChangeBell()
        self.service = SoapService(
            name,
            faults=self.faults,
            api_version=api_version,
            permit=self._permit,
            resolve=self._find_snapshot,
        )
        self.board = TaskBoard(
            self.service, bell=self.bell, clock=clock, faults=self.faults, now=self.now
        )
        self._vms: dict[str, VmServant] = {}
        self._last_vm = 0
        self.tls = tls
        self._server = HttpsServer(name, host=address, port=port, tls=tls, answer=self.answer)
        self._transfers = GuestTransfers(port=lambda: self.port, faults=self.faults)
        self._build_inventory(list(datastores) or [Datastore()], networks)
        self.managers = self._build_managers()

    # -- for the lab --------------------------------------------------------------------

    @property
    def port(self) -> int:
        """The port the host listens on."""
        return self._server.port

    @property
    def running(self) -> bool:
        """True between `start` and `stop`."""
        return self._server.running

    def start(self) -> None:
        """Answer clients. VMs keep the state they have.

        Raises:
            OSError: The port is in use.
        """
        self.service.closing.clear()
        self._server.start()

    def stop(self) -> None:
        """Close every connection and session; running tasks end without effect. Guests that
        run are the caller's business.
        """
        self.service.closing.set()
        self.bell.ring()
        self._server.stop()
        self.board.join(_JOIN_S)
        self.service.expire_sessions()

    def show(self, tls: KeyPair) -> None:
        """Present *tls* from now on, as after its certificate was renewed, or has ended."""
        self.tls = tls
        self._server.show(tls)

    def now(self) -> datetime:
        """Return the host's own time, aware UTC."""
        return self.clock.now() + self.clock_offset

    @property
    def vms(self) -> tuple[VirtualMachine, ...]:
        """The VMs registered here."""
        return tuple(servant.vm for servant in self._vms.values())

    def vm(self, name: str) -> VirtualMachine:
        """Return the VM with that name.

        Raises:
            KeyError: There is none.
        """
        for servant in self._vms.values():
            if servant.vm.name == name:
                return servant.vm
        raise KeyError(name)

    def add_vm(self, vm: VirtualMachine) -> VirtualMachine:
        """Register *vm* here; it gets a managed object id if it has none."""
        self._last_vm += 1
        vm.moref = vm.moref or str(self._last_vm)
        vm.changed = self.bell.ring
        servant = VmServant(vm, self, self._vm_folder)
        self._vms[vm.moref] = servant
        self.service.add(servant)
        self.bell.ring()
        return vm

    def remove_vm(self, vm: VirtualMachine) -> None:
        """Unregister *vm*; it is not touched otherwise."""
        servant = self._vms.pop(vm.moref)
        self._vm_folder.children.remove(servant)
        self.service.remove(vm.moref)
        self.bell.ring()

    def answer(self, request: Request) -> Reply:
        """Answer an HTTP request to this host.

        Raises:
            Dropped: The connection must be closed without an answer.
        """
        if request.path.startswith("/guestFile"):
            return self._transfers.answer(request)
        return self.service.answer(request)

    # -- for the host's objects -----------------------------------------------------------

    @property
    def host_ref(self) -> Any:
        """Reference of the host."""
        return vim.HostSystem("ha-host")

    @property
    def pool_ref(self) -> Any:
        """Reference of the resource pool."""
        return vim.ResourcePool("ha-root-pool")

    @property
    def datastore_refs(self) -> list[Any]:
        """References of all datastores."""
        return [servant.ref for servant in self._datastores.values()]

    @property
    def network_refs(self) -> list[Any]:
        """References of all standard port groups."""
        return [servant.ref for servant in self._networks.values()]

    def datastore(self, name: str) -> Datastore:
        """Return the datastore of that name.

        Raises:
            KeyError: There is none.
        """
        return self._datastores[name].store

    def datastore_ref(self, name: str) -> Any:
        """Reference of a datastore; None if there is none of that name."""
        found = self._datastores.get(name)
        return None if found is None else found.ref

    def network_ref(self, name: str) -> Any:
        """Reference of a network; None if there is none of that name."""
        found = self._networks.get(name)
        return None if found is None else found.ref

    def vm_refs_on(self, datastore: str | None) -> list[Any]:
        """Return references of the VMs with a disk on *datastore*, or of all."""
        return [
            servant.ref
            for servant in self._vms.values()
            if datastore is None or any(d.datastore == datastore for d in servant.vm.disks)
        ]

    def require_space(self, vm: VirtualMachine) -> None:
        """Raise VmRefusedError NoDiskSpace if a snapshot of *vm* does not fit."""
        for name in {disk.datastore for disk in vm.disks if not disk.independent}:
            found = self._datastores.get(name)
            if found is not None and found.store.free < found.store.snapshot_needs:
                raise VmRefusedError("NoDiskSpace", datastore=name, file=f"[{name}] {vm.name}")

    def _permit(self, call: Call, servant: Servant, operation: Operation) -> None:
        if not operation.write:
            return
        if self.edition == objects.FREE_EDITION:
            raise vim.fault.RestrictedVersion
        user = call.session.user
        if user is not None and user.userName in self.accounts.read_only:
            raise vim.fault.NoPermission(object=servant.ref, privilegeId="VirtualMachine.Interact")
        vm = getattr(servant, "vm", None)
        if isinstance(vm, VirtualMachine) and call.name in vm.disabled_methods:
            raise vim.fault.MethodDisabled(source="com.example.backup")

    def _find_snapshot(self, key: str) -> Servant | None:
        owner = self._vms.get(key.partition("-snapshot-")[0])
        found = None if owner is None else owner.vm.find_snapshot(key)
        return None if owner is None or found is None else SnapshotServant(found, owner)

    def _machine(self, key: str) -> VirtualMachine:
        servant = self._vms.get(key)
        if servant is None:
            raise vmodl.fault.ManagedObjectNotFound(obj=vim.VirtualMachine(key))
        return servant.vm

    # -- building -----------------------------------------------------------------------

    def _build_inventory(self, datastores: Iterable[Datastore], networks: Iterable[str]) -> None:
        self._root = Folder(vim.Folder("ha-folder-root"), "ha-folder-root", None)
        center = Datacenter(vim.Datacenter("ha-datacenter"), "ha-datacenter", self._root)
        self._vm_folder = Folder(vim.Folder("ha-folder-vm"), "vm", center)
        host_folder = Folder(vim.Folder("ha-folder-host"), "host", center)
        store_folder = Folder(vim.Folder("ha-folder-datastore"), "datastore", center)
        network_folder = Folder(vim.Folder("ha-folder-network"), "network", center)
        resource = ComputeResource(vim.ComputeResource("ha-compute-res"), self.name, host_folder)
        self._datastores = {
            store.name: objects.DatastoreServant(
                vim.Datastore(f"datastore-{store.name}"), store, store_folder, self
            )
            for store in datastores
        }
        self._networks = {
            name: Network(vim.Network(f"HaNetwork-{name}"), name, network_folder)
            for name in networks
        }
        places: list[Entity] = [self._root, center, *center.children, resource]
        places += [objects.HostServant(self.host_ref, resource, self)]
        places += [Entity(self.pool_ref, "Resources", resource)]
        places += [*self._datastores.values(), *self._networks.values()]
        self._places = {place.key: place for place in places}
        for place in places:
            self.service.add(place)

    def _build_managers(self) -> dict[str, Any]:
        guest = vim.vm.guest
        auth = AuthManager(guest.AuthManager("ha-guest-auth"), self._machine)
        processes = ProcessManager(guest.ProcessManager("ha-guest-process"), self._machine)
        files = FileManager(guest.FileManager("ha-guest-file"), self._machine, self._transfers)
        for servant in (auth, processes, files, objects.ServiceInstance(self)):
            self.service.add(servant)
        self.service.add(objects.DateTimeSystem(self))
        self.service.add(objects.AccessManager(self))
        add = self.service.add
        return {
            "rootFolder": self._root.ref,
            "propertyCollector": add(
                Collector(vmodl.query.PropertyCollector("ha-property-collector"), self.bell)
            ),
            "viewManager": add(ViewManager(vim.view.ViewManager("ViewManager"), self._below)),
            "sessionManager": add(
                SessionManager(vim.SessionManager("ha-sessionmgr"), self.accounts, self.now)
            ),
            "searchIndex": add(
                SearchIndex(
                    vim.SearchIndex("ha-searchindex"),
                    vms=lambda: list(self._vms.values()),
                    child=self._child,
                    root=self._root.ref,
                )
            ),
            "taskManager": add(TaskManager(vim.TaskManager("ha-taskmgr"), self.board)),
            "licenseManager": add(
                objects.LicenseManager(vim.LicenseManager("ha-license-manager"), self)
            ),
            "guestOperationsManager": add(
                GuestOperationsManager(
                    guest.GuestOperationsManager("ha-guest-operations-manager"),
                    auth=auth.ref,
                    processes=processes.ref,
                    files=files.ref,
                )
            ),
        }

    def _entity(self, ref: Any) -> Entity | None:
        key = str(ref._moId)  # noqa: SLF001 - public by pyVmomi's docs
        return self._places.get(key) or self._vms.get(key)

    def _below(self, ref: Any, recursive: bool) -> list[Any]:  # noqa: FBT001 - a callback
        place = self._entity(ref)
        return [] if place is None else place.below(recursive=recursive)

    def _child(self, ref: Any, name: str) -> Any:
        place = self._entity(ref)
        found = None if place is None else place.child(name)
        return None if found is None else found.ref
