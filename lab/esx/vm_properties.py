"""Properties of a VM as a host shows them, leaf by leaf."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stsfix.lab.esx.devices import devices
from stsfix.lab.esx.entity import Entity
from stsfix.lab.servant import fill, leaf
from stsfix.lab.vmomi import vim, vmodl

if TYPE_CHECKING:
    from stsfix.lab.esx.machine import Snapshot, VirtualMachine
    from stsfix.lab.esx.vm import VmHost

_GUEST_NAME = "Other 3.x or later Linux (64-bit)"
_SAME_IN_SUMMARY = {
    **{f"summary.config.{n}": f"config.{n}" for n in ("name", "uuid", "instanceUuid", "template")},
    **{f"summary.config.{n}": f"config.{n}" for n in ("annotation", "guestId", "guestFullName")},
    "summary.config.managedBy": "config.managedBy",
    "summary.config.vmPathName": "config.files.vmPathName",
    "summary.config.numCpu": "config.hardware.numCPU",
    "summary.config.memorySizeMB": "config.hardware.memoryMB",
    "summary.runtime": "runtime",
    "summary.overallStatus": "overallStatus",
    **{f"summary.guest.{n}": f"guest.{n}" for n in ("hostName", "ipAddress", "toolsStatus")},
    **{f"summary.guest.{n}": f"guest.{n}" for n in ("toolsRunningStatus", "toolsVersionStatus2")},
}


class VmProperties(Entity):
    """The readable half of a VM's servant."""

    aliases = _SAME_IN_SUMMARY

    def __init__(self, vm: VirtualMachine, host: VmHost, parent: Entity) -> None:
        super().__init__(vim.VirtualMachine(vm.moref), vm.name, parent, target=vm.name)
        self.vm = vm
        self.host = host

    @leaf("name")
    def _name(self) -> object:
        return self.vm.name

    # -- config -------------------------------------------------------------------------

    @leaf("config.name")
    def _config_name(self) -> object:
        return self.vm.name

    @leaf("config.uuid")
    def _bios_uuid(self) -> object:
        return self.vm.bios_uuid

    @leaf("config.instanceUuid")
    def _instance_uuid(self) -> object:
        return self.vm.instance_uuid

    @leaf("config.annotation")
    def _annotation(self) -> object:
        return self.vm.annotation

    @leaf("config.guestId")
    def _guest_id(self) -> object:
        return self.vm.guest_id

    @leaf("config.guestFullName", "guest.guestFullName")
    def _guest_full_name(self) -> object:
        return _GUEST_NAME

    @leaf("config.version")
    def _version(self) -> object:
        return "vmx-13"

    @leaf("config.changeTrackingEnabled")
    def _change_tracking(self) -> object:
        return self.vm.change_tracking

    @leaf("config.managedBy")
    def _managed_by(self) -> object:
        if self.vm.managed_by is None:
            return None
        return vim.ext.ManagedByInfo(extensionKey=self.vm.managed_by[0], type=self.vm.managed_by[1])

    @leaf("config.keyId")
    def _key_id(self) -> object:
        if not self.vm.encryption_key_id:
            return None
        provider = vim.encryption.KeyProviderId(id="lab-kms")
        return vim.encryption.CryptoKeyId(keyId=self.vm.encryption_key_id, providerId=provider)

    @leaf("config.extraConfig")
    def _extra_config(self) -> object:
        return [vim.option.OptionValue(key=k, value=v) for k, v in self.vm.extra_config.items()]

    @leaf("parentVApp")
    def _vapp(self) -> object:
        return vim.VirtualApp(self.vm.vapp) if self.vm.vapp else None

    @leaf("effectiveRole")
    def _effective_role(self) -> object:
        return list(self.vm.effective_roles)

    @leaf("config.files.vmPathName")
    def _vm_path(self) -> object:
        place = self.vm.disks[0].datastore if self.vm.disks else "datastore1"
        return f"[{place}] {self.vm.name}/{self.vm.name}.vmx"

    @leaf("config.hardware.numCPU")
    def _cpus(self) -> object:
        return self.vm.cpus

    @leaf("config.hardware.memoryMB")
    def _memory(self) -> object:
        return self.vm.memory_mb

    @leaf("config.hardware.device")
    def _devices(self) -> object:
        return devices(self.vm, self.host.datastore_ref, self.host.network_ref)

    # -- runtime and capability -----------------------------------------------------------

    @leaf("runtime.powerState")
    def _power_state(self) -> object:
        return self.vm.power

    @leaf("runtime.connectionState")
    def _connection_state(self) -> object:
        return self.vm.connection_state

    @leaf("runtime.host")
    def _host(self) -> object:
        return self.host.host_ref

    @leaf("runtime.faultToleranceState")
    def _fault_tolerance(self) -> object:
        return self.vm.fault_tolerance

    @leaf("runtime.recordReplayState")
    def _record_replay(self) -> object:
        return "inactive"

    @leaf("runtime.consolidationNeeded")
    def _consolidation(self) -> object:
        return self.vm.consolidation_needed

    @leaf("runtime.diskChainBroken")
    def _chain_broken(self) -> object:
        if not self.host.api_version.startswith("9.1"):
            raise vmodl.query.InvalidProperty(name="runtime.diskChainBroken")
        return self.host.chains_broken

    @leaf("runtime.cleanPowerOff")
    def _clean_power_off(self) -> object:
        return None if self.vm.running else self.vm.clean_power_off

    @leaf("runtime.bootTime")
    def _boot_time(self) -> object:
        return self.vm.boot_time

    @leaf("runtime.cryptoState")
    def _crypto_state(self) -> object:
        if not self.vm.encryption_key_id:
            return None
        return "locked" if self.vm.encryption_key_missing else "unlocked"

    @leaf("runtime.question")
    def _question(self) -> object:
        question = self.vm.question
        if question is None:
            return None
        choices = [
            vim.ElementDescription(key=key, label=label, summary=label)
            for key, label in question.choices
        ]
        choice = vim.option.ChoiceOption(choiceInfo=choices, defaultIndex=question.default_index)
        return fill(vim.vm.QuestionInfo, id=question.id, text=question.text, choice=choice)

    @leaf("capability.snapshotOperationsSupported", "capability.poweredOffSnapshotsSupported")
    def _snapshots_supported(self) -> object:
        return self.vm.snapshots_supported

    @leaf("capability.memorySnapshotsSupported", "capability.revertToSnapshotSupported")
    def _more_snapshots_supported(self) -> object:
        return self.vm.snapshots_supported

    # -- guest ----------------------------------------------------------------------------

    @leaf("guest.hostName")
    def _host_name(self) -> object:
        return (self.vm.guest.hostname or None) if self.vm.tools_up else None

    @leaf("guest.ipAddress")
    def _ip_address(self) -> object:
        return next(iter(self.vm.guest.addresses), None) if self.vm.tools_up else None

    @leaf("guest.net")
    def _net(self) -> object:
        if not self.vm.tools_up or not self.vm.nics:
            return []
        nic = self.vm.nics[0]
        return [
            fill(
                vim.vm.GuestInfo.NicInfo,
                network=nic.network,
                macAddress=nic.mac,
                connected=nic.connected,
                deviceConfigId=4000,
                ipAddress=list(self.vm.guest.addresses),
            )
        ]

    @leaf("guest.toolsRunningStatus")
    def _tools_running(self) -> object:
        return "guestToolsRunning" if self.vm.tools_up else "guestToolsNotRunning"

    @leaf("guest.toolsStatus")
    def _tools_status(self) -> object:
        if not self.vm.tools_installed:
            return "toolsNotInstalled"
        return "toolsOk" if self.vm.tools_up else "toolsNotRunning"

    @leaf("guest.toolsVersionStatus2", "guest.toolsVersionStatus")
    def _tools_version(self) -> object:
        return "guestToolsUnmanaged" if self.vm.tools_installed else "guestToolsNotInstalled"

    @leaf("guest.guestFamily")
    def _guest_family(self) -> object:
        if not self.vm.tools_up:
            return None
        return "windowsGuest" if self.vm.guest_id.startswith("win") else "linuxGuest"

    @leaf("guest.guestState")
    def _guest_state(self) -> object:
        return "running" if self.vm.tools_up else "notRunning"

    @leaf("guest.guestOperationsReady")
    def _operations_ready(self) -> object:
        return self.vm.takes_orders

    @leaf("guest.guestStateChangeSupported")
    def _state_change_supported(self) -> object:
        return self.vm.tools_up

    @leaf("guestHeartbeatStatus")
    def _heartbeat(self) -> object:
        return "green" if self.vm.tools_up else "gray"

    # -- snapshots and places ---------------------------------------------------------------

    @leaf("snapshot")
    def _snapshot(self) -> object:
        vm = self.vm
        if not vm.root_snapshots:
            return None
        current = vm.current_snapshot
        return vim.vm.SnapshotInfo(
            currentSnapshot=None if current is None else vim.vm.Snapshot(current.key),
            rootSnapshotList=[self._tree(root) for root in vm.root_snapshots],
        )

    @leaf("rootSnapshot")
    def _root_snapshot(self) -> object:
        return [vim.vm.Snapshot(s.key) for s in self.vm.root_snapshots]

    def _tree(self, snapshot: Snapshot) -> Any:
        return vim.vm.SnapshotTree(
            snapshot=vim.vm.Snapshot(snapshot.key),
            vm=self.ref,
            name=snapshot.name,
            description=snapshot.description,
            id=snapshot.number,
            createTime=snapshot.created,
            state=snapshot.state,
            quiesced=snapshot.quiesced,
            replaySupported=False,
            childSnapshotList=[self._tree(child) for child in snapshot.children],
        )

    @leaf("datastore")
    def _datastores(self) -> object:
        names = dict.fromkeys(disk.datastore for disk in self.vm.disks)
        return [ref for ref in map(self.host.datastore_ref, names) if ref is not None]

    @leaf("network")
    def _networks(self) -> object:
        names = dict.fromkeys(nic.network for nic in self.vm.nics)
        return [ref for ref in map(self.host.network_ref, names) if ref is not None]

    @leaf("resourcePool")
    def _resource_pool(self) -> object:
        return self.host.pool_ref

    @leaf("summary.vm")
    def _self(self) -> object:
        return self.ref

    @leaf("recentTask")
    def _recent_task(self) -> object:
        return self.host.board.recent(self.vm)

    @leaf("disabledMethod")
    def _disabled_method(self) -> object:
        return list(self.vm.disabled_methods)  # names; the serializer takes them as methods
