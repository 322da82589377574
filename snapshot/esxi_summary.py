"""What one cheap view says of every VM of a host; pure. Absent means an honest default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from stsfix.snapshot.model import PowerState, VmId, VmSummary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stsfix.snapshot.model import HostRef, Texts

SUMMARY_PATHS: Final = (
    "config.instanceUuid",
    "config.uuid",
    "guest.hostName",
    "guest.ipAddress",
    "name",
    "runtime.connectionState",
    "runtime.powerState",
)
"""All are short texts: `esxi_lean` reads nothing else. In alphabetical order, so that a host that
answers in the order asked and one that sorts its answer say the same (`esxi_plain`)."""

_POWER_STATES = {state.value: state for state in PowerState}


def listed_vm(host: HostRef, row: Texts) -> VmSummary:
    """Return what *row*, a MoRef and the values of `SUMMARY_PATHS`, says of a VM."""
    ref, instance_uuid, bios_uuid, hostname, address, name, connection, power = row
    ref = ref or ""
    return VmSummary(
        vm=VmId(host=host, moref=ref, instance_uuid=instance_uuid or "", name=name or ref),
        bios_uuid=bios_uuid or "",
        power=_POWER_STATES.get(power or "", PowerState.ON),
        connection=connection or "unknown",
        hostname=hostname or "",
        addresses=(address,) if address else (),
    )


def vm_summary(host: HostRef, ref: str, found: Mapping[str, Any]) -> VmSummary:
    """Return what *found*, properties by path, says of the VM with MoRef *ref*."""
    values = (found.get(path) for path in SUMMARY_PATHS)
    row = (ref, *(None if value is None else str(value) for value in values))
    return listed_vm(host, row)


def power_state(value: object) -> PowerState:
    """Return the power state; one that is not told counts as on, so that it never passes as
    off.
    """
    return _POWER_STATES.get(str(value), PowerState.ON)
