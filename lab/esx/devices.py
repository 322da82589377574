"""Virtual devices of a VM as ``config.hardware.device`` shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stsfix.lab.servant import fill
from stsfix.lab.vmomi import vim

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.lab.esx.machine import Disk, Nic, VirtualMachine

_CONTROLLER_KEY = 1000
_FIRST_DISK_KEY = 2000
_FIRST_NIC_KEY = 4000
_PASSTHROUGH_KEY = 13000


def devices(
    vm: VirtualMachine, datastore: Callable[[str], Any], network: Callable[[str], Any]
) -> list[Any]:
    """Return controller, disks, network adapters and a passthrough device of *vm*.

    Args:
        vm: The machine.
        datastore: Gives the reference of a datastore name.
        network: Gives the reference of a network name.
    """
    controller = fill(
        vim.vm.device.ParaVirtualSCSIController,
        key=_CONTROLLER_KEY,
        busNumber=0,
        sharedBus=vm.bus_sharing,
        device=[_FIRST_DISK_KEY + i for i in range(len(vm.disks))],
        deviceInfo=vim.Description(label="SCSI controller 0", summary="VMware paravirtual SCSI"),
    )
    found = [controller]
    found += [_disk(vm, i, disk, datastore) for i, disk in enumerate(vm.disks)]
    found += [_nic(i, nic, network) for i, nic in enumerate(vm.nics)]
    if vm.passthrough:
        found.append(fill(vim.vm.device.VirtualPCIPassthrough, key=_PASSTHROUGH_KEY))
    return found


def _disk(vm: VirtualMachine, index: int, disk: Disk, datastore: Callable[[str], Any]) -> Any:
    suffix = f"_{index}" if index else ""
    file = f"[{disk.datastore}] {vm.name}/{vm.name}{suffix}.vmdk"
    place = {"fileName": file, "datastore": datastore(disk.datastore), "diskMode": disk.mode}
    if disk.rdm:
        backing = fill(
            vim.vm.device.VirtualDisk.RawDiskMappingVer1BackingInfo,
            compatibilityMode=disk.rdm,
            sharing=disk.sharing,
            **place,
        )
    else:
        backing = fill(
            vim.vm.device.VirtualDisk.FlatVer2BackingInfo,
            thinProvisioned=True,
            sharing=disk.sharing,
            **place,
        )
    return fill(
        vim.vm.device.VirtualDisk,
        key=_FIRST_DISK_KEY + index,
        controllerKey=_CONTROLLER_KEY,
        unitNumber=index,
        capacityInKB=disk.capacity_kb,
        capacityInBytes=disk.capacity_kb * 1024,
        backing=backing,
        deviceInfo=vim.Description(
            label=f"Hard disk {index + 1}", summary=f"{disk.capacity_kb:,} KB"
        ),
    )


def _nic(index: int, nic: Nic, network: Callable[[str], Any]) -> Any:
    if nic.dvs is None:
        backing = fill(
            vim.vm.device.VirtualEthernetCard.NetworkBackingInfo,
            deviceName=nic.network,
            network=network(nic.network),
        )
    else:
        backing = vim.vm.device.VirtualEthernetCard.DistributedVirtualPortBackingInfo(
            port=vim.dvs.PortConnection(
                switchUuid=nic.dvs.switch_uuid,
                portgroupKey=nic.dvs.portgroup_key,
                portKey=nic.dvs.port_key,
                connectionCookie=nic.dvs.cookie,
            )
        )
    return fill(
        vim.vm.device.VirtualVmxnet3,
        key=_FIRST_NIC_KEY + index,
        backing=backing,
        macAddress=nic.mac,
        addressType="generated",
        deviceInfo=vim.Description(label=f"Network adapter {index + 1}", summary=nic.network),
        connectable=fill(
            vim.vm.device.VirtualDevice.ConnectInfo,
            startConnected=nic.start_connected,
            connected=nic.connected,
            allowGuestControl=True,
        ),
    )
