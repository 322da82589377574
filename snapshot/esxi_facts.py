"""From properties to facts; pure. An absent property means its honest default, never a crash:
permissions, old releases and stale registrations all leave some out.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from pyVmomi import vim

from stsfix.snapshot.esxi_faults import moref
from stsfix.snapshot.esxi_properties import CHAIN_BROKEN
from stsfix.snapshot.esxi_summary import listed_vm, vm_summary
from stsfix.snapshot.model import (
    DatastoreFacts,
    DiskState,
    HostFacts,
    HostRef,
    LockdownMode,
    NicState,
    SnapshotRef,
    VmFacts,
    VmId,
    VmListing,
)
from stsfix.snapshot.numbers import whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from stsfix.snapshot.model import Texts

    Properties = Mapping[str, Any]

_HOURS = re.compile(r"-?[0-9]{1,7}")
_DATASTORE = re.compile(r"\[([^\]]+)\]")
_ADMINISTRATOR = -1
_NTP_SERVICE = "ntpd"
_PHYSICAL = (
    vim.vm.device.VirtualDisk.RawDiskVer2BackingInfo,
    vim.vm.device.VirtualDisk.PartitionedRawDiskVer2BackingInfo,
)
_PASSTHROUGH = (
    vim.vm.device.VirtualPCIPassthrough,
    vim.vm.device.VirtualSriovEthernetCard,
    vim.vm.device.VirtualSCSIPassthrough,
)


def vm_facts(host: HostRef, ref: str, found: Properties) -> VmFacts:
    """Return everything *found* says of the VM with MoRef *ref*."""
    summary = vm_summary(host, ref, found)
    more = [a for net in found.get("guest.net") or () for a in net.ipAddress or ()]
    if more:
        known = dict.fromkeys((*summary.addresses, *map(str, more)))
        summary = replace(summary, addresses=tuple(known))
    devices = list(found.get("config.hardware.device") or ())
    disks = tuple(_disks(devices))
    home = _DATASTORE.match(str(found.get("config.files.vmPathName") or ""))
    stores = {disk.datastore for disk in disks if disk.datastore}
    info = found.get("snapshot")
    question = found.get("runtime.question")
    managed_by = found.get("config.managedBy")
    booted = found.get("runtime.bootTime")
    return VmFacts(
        summary=summary,
        tools_running=str(found.get("guest.toolsRunningStatus") or "") == "guestToolsRunning",
        guest_operations_ready=bool(found.get("guest.guestOperationsReady")),
        disks=disks,
        nics=tuple(_nics(devices)),
        snapshots=tuple(_snapshots(summary.vm, info)),
        current_snapshot=moref(getattr(info, "currentSnapshot", None)) or None,
        fault_tolerance=str(found.get("runtime.faultToleranceState") or "notConfigured")
        != "notConfigured",
        encrypted=found.get("config.keyId") is not None
        or any(isinstance(d, vim.vm.device.VirtualTPM) for d in devices),
        bus_sharing=tuple(
            _label(d)
            for d in devices
            if str(getattr(d, "sharedBus", None) or "noSharing") != "noSharing"
        ),
        passthrough=tuple(_label(d) for d in devices if isinstance(d, _PASSTHROUGH)),
        consolidation_needed=bool(found.get("runtime.consolidationNeeded")),
        question=None if question is None else " ".join(str(question.text).split()),
        disabled_methods=tuple(str(m) for m in found.get("disabledMethod") or ()),
        managed_by=None if managed_by is None else str(managed_by.extensionKey),
        change_tracking=bool(found.get("config.changeTrackingEnabled")),
        datastores=tuple(sorted(stores | ({home.group(1)} if home else set()))),
        guest_os=str(found.get("guest.guestFamily") or found.get("config.guestId") or ""),
        snapshots_supported=found.get("capability.snapshotOperationsSupported") is not False
        and found.get("capability.poweredOffSnapshotsSupported") is not False,
        snapshot_limit=_limit(_options(found)),
        replicated=any(str(o.key).startswith("hbr_filter.") for o in _options(found)),
        in_vapp=found.get("parentVApp") is not None,
        administrator=_is_administrator(found.get("effectiveRole")),
        booted=None if booted is None else as_utc(booted),
        chain_depth=_depth(info),
        chain_broken=bool(found.get(CHAIN_BROKEN)),
    )


def _options(found: Properties) -> Sequence[Any]:
    return found.get("config.extraConfig") or ()


def _limit(options: Iterable[Any]) -> int | None:
    """Return snapshot.maxSnapshots (its name is unverified on real hosts)."""
    value = next((str(o.value) for o in options if str(o.key) == "snapshot.maxSnapshots"), "")
    return whole(value)


def _is_administrator(roles: Iterable[int] | None) -> bool | None:
    """Role -1 is the administrator's (vSphere API reference, AuthorizationManager)."""
    known = list(roles or ())
    return _ADMINISTRATOR in known if known else None


def _label(device: Any) -> str:
    info = getattr(device, "deviceInfo", None)
    return str(getattr(info, "label", None) or f"device {device.key}")


def _disks(devices: Iterable[Any]) -> Iterator[DiskState]:
    for device in devices:
        if not isinstance(device, vim.vm.device.VirtualDisk):
            continue
        backing = device.backing
        store = _DATASTORE.match(str(getattr(backing, "fileName", None) or ""))
        sharing = getattr(backing, "sharing", None)
        yield DiskState(
            label=_label(device),
            datastore=store.group(1) if store else "",
            mode=str(getattr(backing, "diskMode", None) or ""),
            sharing=None if sharing is None else str(sharing),
            physical_rdm=isinstance(backing, _PHYSICAL)
            or str(getattr(backing, "compatibilityMode", None) or "") == "physicalMode",
        )


def _nics(devices: Iterable[Any]) -> Iterator[NicState]:
    for device in devices:
        if not isinstance(device, vim.vm.device.VirtualEthernetCard):
            continue
        backing = device.backing
        port = getattr(backing, "port", None)
        name = (
            getattr(backing, "deviceName", None)
            or getattr(backing, "opaqueNetworkId", None)
            or getattr(port, "portgroupKey", None)
            or ""
        )
        connectable = device.connectable
        yield NicState(
            label=_label(device),
            backing=str(name),
            connected=connectable is None or bool(connectable.connected),
            start_connected=connectable is None or bool(connectable.startConnected),
            dvs_port=None if port is None else str(port.portKey or "unassigned"),
        )


def _snapshots(vm: VmId, info: Any) -> Iterator[SnapshotRef]:
    trees = list(getattr(info, "rootSnapshotList", None) or ())
    while trees:
        tree = trees.pop(0)
        trees += tree.childSnapshotList or ()
        yield SnapshotRef(
            vm=vm,
            moref=moref(tree.snapshot),
            name=str(tree.name),
            description=str(tree.description or ""),
            created=as_utc(tree.createTime),
            # True too for a snapshot of a running VM without memory, it seems (govmomi
            # fd061606): necessary for an offline snapshot, not sufficient.
            taken_off=str(tree.state) == "poweredOff",
        )


def _depth(info: Any) -> int:
    depth, level = 0, list(getattr(info, "rootSnapshotList", None) or ())
    while level:
        depth += 1
        level = [child for tree in level for child in tree.childSnapshotList or ()]
    return depth


def as_utc(moment: datetime) -> datetime:
    """Return *moment* in UTC; one without a zone is UTC already (vmodl's DateTime), and so is one
    that its zone would lead beyond the ends of time.
    """
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        return moment.replace(tzinfo=UTC)


def host_facts(
    host: HostRef,
    about: Any,
    found: Sequence[tuple[Any, Properties]],
    clock_skew: timedelta | None,
    *,
    round_trip: timedelta | None = None,
    vms: Sequence[Texts] = (),
) -> HostFacts:
    """Return what the host's own objects *found*, and the summaries of its *vms*, say of it."""
    own: Properties = next((p for o, p in found if isinstance(o, vim.HostSystem)), {})
    licences: Properties = next((p for o, p in found if isinstance(o, vim.LicenseManager)), {})
    lockdown = str(own.get("config.lockdownMode") or "unknown")
    return HostFacts(
        host=host,
        version=str(getattr(about, "version", None) or ""),
        build=str(getattr(about, "build", None) or ""),
        licence_edition=_edition(licences),
        lockdown=LockdownMode(lockdown) if lockdown in set(LockdownMode) else LockdownMode.UNKNOWN,
        maintenance=bool(own.get("runtime.inMaintenanceMode")),
        clock_skew=clock_skew,
        managed_by=str(own.get("summary.managementServerIp") or "") or None,
        datastores=tuple(_datastore(p) for o, p in found if isinstance(o, vim.Datastore)),
        vms=VmListing(vms, partial(listed_vm, host)),
        licence_left=_licence_left(licences),
        ntp_servers=tuple(str(s) for s in own.get("config.dateTimeInfo.ntpConfig.server") or ()),
        ntp_running=next(
            (
                bool(service.running)
                for service in own.get("config.service.service") or ()
                if str(service.key) == _NTP_SERVICE
            ),
            None,
        ),
        round_trip=round_trip,
    )


def _edition(licences: Properties) -> str:
    """Return the edition in use: what the host says, else one that is not the evaluation."""
    if licences.get("licensedEdition"):
        return str(licences["licensedEdition"])
    keys = [str(item.editionKey or "") for item in licences.get("licenses") or ()]
    return next((key for key in keys if key and key != "eval"), keys[0] if keys else "")


def _licence_left(licences: Properties) -> timedelta | None:
    """Return what the licence in use says of its end (names of properties unverified)."""
    edition = _edition(licences)
    for licence in licences.get("licenses") or ():
        if str(licence.editionKey or "") != edition:
            continue
        for fact in getattr(licence, "properties", None) or ():
            if fact.key == "expirationHours" and _HOURS.fullmatch(str(fact.value)):
                return timedelta(hours=int(fact.value))
    return None


def _datastore(found: Properties) -> DatastoreFacts:
    return DatastoreFacts(
        name=str(found.get("summary.name") or ""),
        free_bytes=int(found.get("summary.freeSpace") or 0),
        capacity_bytes=int(found.get("summary.capacity") or 0),
        accessible=bool(found.get("summary.accessible")),
        kind=str(found.get("summary.type") or ""),
        maintenance=str(found.get("summary.maintenanceMode") or "normal") != "normal",
    )
