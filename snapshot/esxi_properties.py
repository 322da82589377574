"""Reading properties: one view for a whole host, leaf paths only, paged.

Every path exists since API 6.5 (vim.version.version11) or longer, because a host refuses a
whole request for one path that it does not know.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from pyVmomi import vim, vmodl

from stsfix.snapshot.esxi_faults import moref

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Properties = Mapping[str, Any]

Collector = vmodl.query.PropertyCollector

SUMMARY_PATHS = (
    "name",
    "config.uuid",
    "config.instanceUuid",
    "runtime.powerState",
    "runtime.connectionState",
    "guest.hostName",
    "guest.ipAddress",
    "guest.net",
)
DETAIL_PATHS = (
    *SUMMARY_PATHS,
    "guest.toolsRunningStatus",
    "guest.guestOperationsReady",
    "guest.guestFamily",
    "config.guestId",
    "config.hardware.device",
    "config.files.vmPathName",
    "config.keyId",
    "config.managedBy",
    "config.changeTrackingEnabled",
    # All of it, because whether a host takes config.extraConfig["key"] is unverified, and one
    # that does not refuses the whole request. Read for nodes only; nothing of it is kept.
    "config.extraConfig",
    "capability.snapshotOperationsSupported",
    "capability.poweredOffSnapshotsSupported",
    "parentVApp",
    "effectiveRole",
    "runtime.bootTime",
    "snapshot",
    "runtime.faultToleranceState",
    "runtime.consolidationNeeded",
    "runtime.question",
    "disabledMethod",
)
HOST_PATHS = (
    "summary.managementServerIp",
    "config.lockdownMode",
    "runtime.inMaintenanceMode",
    "configManager.dateTimeSystem",
    "config.dateTimeInfo.ntpConfig.server",
    "config.service.service",
)
DATASTORE_PATHS = (
    "summary.name",
    "summary.freeSpace",
    "summary.capacity",
    "summary.accessible",
    "summary.type",
    "summary.maintenanceMode",
)
LICENCE_PATHS = ("licensedEdition", "licenses")


def read_everything(
    content: vim.ServiceInstanceContent,
) -> list[tuple[vim.ManagedEntity, Properties]]:
    """Read host, datastores, licences and a summary of every VM.

    The number of calls depends on how the host pages its answer, not on how many VMs there are.
    """
    kinds: list[type] = [vim.VirtualMachine, vim.HostSystem, vim.Datastore]
    paths = [SUMMARY_PATHS, HOST_PATHS, DATASTORE_PATHS]
    if content.viewManager is None:
        raise vmodl.fault.NotSupported(msg="the host has no view manager")
    view = content.viewManager.CreateContainerView(content.rootFolder, kinds, recursive=True)
    try:
        walk = Collector.TraversalSpec(
            name="view", path="view", skip=False, type=vim.view.ContainerView
        )
        objects = [Collector.ObjectSpec(obj=view, skip=True, selectSet=[walk])]
        if content.licenseManager is not None:
            objects.append(Collector.ObjectSpec(obj=content.licenseManager, skip=False))
            kinds, paths = [*kinds, vim.LicenseManager], [*paths, LICENCE_PATHS]
        return list(_read(content, objects, kinds, paths))
    finally:
        with contextlib.suppress(vmodl.MethodFault):
            view.Destroy()


def read_objects(
    content: vim.ServiceInstanceContent, things: Sequence[Any], paths: Sequence[str]
) -> dict[str, Properties]:
    """Read *paths* of *things*, all of one kind, in one call; by MoRef."""
    objects = [Collector.ObjectSpec(obj=thing, skip=False) for thing in things]
    return {
        moref(found): properties
        for found, properties in _read(content, objects, [type(things[0])], [paths])
    }


def _read(
    content: vim.ServiceInstanceContent,
    objects: Sequence[Any],
    kinds: Sequence[type],
    paths: Sequence[Sequence[str]],
) -> Iterator[tuple[Any, Properties]]:
    spec = Collector.FilterSpec(
        objectSet=list(objects),
        propSet=[
            Collector.PropertySpec(type=kind, all=False, pathSet=list(several))
            for kind, several in zip(kinds, paths, strict=True)
        ],
    )
    collector = content.propertyCollector
    page = collector.RetrievePropertiesEx([spec], Collector.RetrieveOptions())
    while page is not None:
        for found in page.objects:
            for missing in found.missingSet:
                # Some hosts report an expired session here instead of refusing the call.
                if isinstance(missing.fault, vim.fault.NotAuthenticated):
                    raise missing.fault
            yield found.obj, {prop.name: prop.val for prop in found.propSet}
        if not page.token:
            return
        page = collector.ContinueRetrievePropertiesEx(page.token)
