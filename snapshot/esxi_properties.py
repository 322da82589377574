"""Reading properties: one view for a whole host, leaf paths only, paged.

Every path exists since API 6.5 (vim.version.version11) or longer, because a host refuses a
whole request for one path that it does not know; but for `CHAIN_BROKEN`, which is asked for only
where the API that was agreed on has it.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyVmomi import vim, vmodl

from stsfix.snapshot.answers import ANSWER_BYTES, Exchange, OversizedError, bytes_over
from stsfix.snapshot.esxi_faults import moref
from stsfix.snapshot.esxi_lean import LeanReader
from stsfix.snapshot.esxi_summary import SUMMARY_PATHS
from stsfix.snapshot.soap_schema import SchemaError, require_property
from stsfix.snapshot.soap_stub import ReplyRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from stsfix.snapshot.model import Texts

    Properties = Mapping[str, Any]

Collector = vmodl.query.PropertyCollector

DETAIL_PATHS = (
    *SUMMARY_PATHS,
    "guest.net",
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
CHAIN_BROKEN = "runtime.diskChainBroken"
CHAIN_BROKEN_SINCE = "vim.version.v9_1_0_0"
"""The version in which pyVmomi 9.1.1.0 has that property."""

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
_PAGES = 10_000
"""Pages of one answer that are read at most."""

_PAGES_S = 600.0
"""How long all pages of one answer may take; each has its own limit besides."""

_VMS = 50_000
"""VMs of one host that are read at most; ESXi takes 4,096 (configuration maximums of 8.0)."""

LICENCE_PATHS = ("licensedEdition", "licenses")


@dataclass(frozen=True, slots=True, kw_only=True)
class Everything:
    """All that a host tells: its own *objects* with their properties, and of each VM its MoRef and
    the values of `SUMMARY_PATHS`.
    """

    objects: list[tuple[Any, Properties]]
    vms: list[Texts]


def read_everything(content: vim.ServiceInstanceContent) -> Everything:
    """Read host, datastores, licences and a summary of every VM.

    The number of calls depends on how the host pages its answer, not on how many VMs there are.
    """
    kinds: list[type] = [vim.HostSystem, vim.Datastore]
    paths: list[Sequence[str]] = [HOST_PATHS, DATASTORE_PATHS]
    if content.viewManager is None:
        raise vmodl.fault.NotSupported(msg="the host has no view manager")
    view = content.viewManager.CreateContainerView(
        content.rootFolder, [vim.VirtualMachine, *kinds], recursive=True
    )
    try:
        walk = Collector.TraversalSpec(
            name="view", path="view", skip=False, type=vim.view.ContainerView
        )
        inside = Collector.ObjectSpec(obj=view, skip=True, selectSet=[walk])
        vms = _read_texts(content, inside, vim.VirtualMachine, SUMMARY_PATHS)
        objects = [inside]
        if content.licenseManager is not None:
            objects.append(Collector.ObjectSpec(obj=content.licenseManager, skip=False))
            kinds, paths = [*kinds, vim.LicenseManager], [*paths, LICENCE_PATHS]
        return Everything(objects=list(_read(content, objects, kinds, paths)), vms=vms)
    finally:
        with contextlib.suppress(vmodl.MethodFault):
            view.Destroy()


def _read_texts(
    content: vim.ServiceInstanceContent, objects: Any, kind: type, paths: Sequence[str]
) -> list[Texts]:
    """Read text properties of everything of *kind*."""
    collector: Any = content.propertyCollector
    spec = Collector.FilterSpec(
        objectSet=[objects],
        propSet=[Collector.PropertySpec(type=kind, all=False, pathSet=list(paths))],
    )
    found: list[Texts] = []
    name, args = "RetrievePropertiesEx", [[spec], Collector.RetrieveOptions()]
    for _ in _pages():
        reader = LeanReader(paths)
        collector._stub.stream(collector, name, args, reader.feed)  # noqa: SLF001 - our own stub
        page = reader.close()
        if "NotAuthenticated" in page.missing:
            raise vim.fault.NotAuthenticated
        found += page.rows
        if len(found) > _VMS:
            raise OversizedError(f"more than {_VMS} VMs")
        if not page.token:
            break
        name, args = "ContinueRetrievePropertiesEx", [page.token]
    return found


def _pages() -> Iterator[None]:
    """Yield once for each page that may be asked for.

    Raises:
        OversizedError: There are more.
        OverdueError: Each page comes in time, and yet there is no end of them.
    """
    exchange = Exchange(patience_s=_PAGES_S)
    for _ in range(_PAGES):
        exchange.left_s()
        yield
    raise OversizedError(f"more than {_PAGES} pages")


def read_objects(
    content: vim.ServiceInstanceContent, things: Sequence[Any], paths: Sequence[str]
) -> dict[str, Properties]:
    """Read *paths* of *things*, all of one kind, in one call; by MoRef."""
    objects = [Collector.ObjectSpec(obj=thing, skip=False) for thing in things]
    return {
        moref(found): properties
        for found, properties in _read(content, objects, [type(things[0])], [paths])
    }


def properties_of(thing: Any, told: Sequence[Any]) -> dict[str, Any]:
    """Return the properties *told* of *thing*, each of the type that the API says.

    Raises:
        ReplyRefusedError: One is of another type.
    """
    found = {str(each.name): each.val for each in told}
    for path, value in found.items():
        try:
            require_property(type(thing), path, value)
        except SchemaError as error:
            raise ReplyRefusedError(f"it tells {error} of {moref(thing)}") from error
    return found


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
    collector: Any = content.propertyCollector
    name, args = "RetrievePropertiesEx", [[spec], Collector.RetrieveOptions()]
    seen = 0
    for _ in _pages():
        method = collector._GetMethodInfo(name)  # noqa: SLF001 - public by pyVmomi's docs
        page, size = collector._stub.ask(collector, method, args)  # noqa: SLF001 - our own stub
        if page is None:
            return
        seen += size
        if seen > ANSWER_BYTES:
            raise bytes_over(ANSWER_BYTES)
        for found in page.objects:
            for missing in found.missingSet:
                # Some hosts report an expired session here instead of refusing the call.
                if isinstance(missing.fault, vim.fault.NotAuthenticated):
                    raise missing.fault
            yield found.obj, properties_of(found.obj, found.propSet)
        if not page.token:
            return
        name, args = "ContinueRetrievePropertiesEx", [page.token]
