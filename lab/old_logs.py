"""What stands in a node's logs before the lab begins: days of ordinary lines.

They say nothing of any trouble, unless the node was repaired long ago: then the refusals of that
time are still there, as history. Sources of the forms are in `log_formats`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from stsfix.lab import log_formats as form
from stsfix.lab.disk import NodeFile
from stsfix.lab.zones import ZONES

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from stsfix.lab.disk import NodeDisk
    from stsfix.lab.zones import Zone

_DAYS = 5
_REPAIRED = timedelta(days=720)
"""How long ago the first repair of a node was that was repaired; the signer has lasted since."""

_LIFETIME = timedelta(days=730)
_RESPONSE = "com.vmware.vim.sso.client.impl.SecurityTokenServiceImpl$RequestResponseProcessor"


def old_logs(disk: NodeDisk, now: datetime, *, repaired: bool = False) -> dict[str, NodeFile]:
    """Return the logs of *disk* by path, each ending some hours before *now*."""
    older, zone = disk.release < (7,), ZONES[disk.zone]
    found: dict[str, list[Callable[[datetime], str]]] = {form.CERTIFICATES: [_certificates]}
    if disk.role.has_directory:
        found |= {form.STS: [_sts(older=older)], form.WEBSSO: [_websso], form.VMDIRD: [_vmdird]}
        if older:
            found[form.IDM] = [_idm]
    if disk.role.has_vcenter:
        found |= {
            form.VPXD_SVCS: [_vpxd_svcs],
            form.VPXD: [_vpxd],
            form.CLIENT: [_client],
            form.LIBRARY: [_library(zone)],
        }
    logs = {}
    for path, writers in found.items():
        lines = []
        if repaired and path == form.VPXD_SVCS:
            lines += _refusals(now - _REPAIRED, zone)
        for day in range(_DAYS, 0, -1):
            moment = now - timedelta(days=day) + timedelta(hours=3)
            lines += [writer(moment + timedelta(minutes=7)) for writer in writers]
        content = "".join(f"{line}\n" for line in lines).encode()
        changed = (now - timedelta(days=1) + timedelta(hours=3, minutes=7)).timestamp()
        logs[path] = NodeFile(content=content, mode=0o640, changed=changed)
    return logs


def _refusals(first: datetime, zone: Zone) -> list[str]:
    """Return what vpxd-svcs wrote when the signer before the one in force had ended."""
    ended = first - timedelta(hours=4)
    lines = []
    for hours in range(3):
        moment = first + timedelta(hours=hours)
        text = (
            "Server rejected the provided time range. Cause:ns0:InvalidTimeRange: The token "
            "authority rejected an issue request for TimePeriod "
            f"[startTime={zone.java_date(moment)}, "
            f"endTime={zone.java_date(moment + timedelta(days=1))}] :: "
            f"Signing certificate is not valid at {zone.java_date(moment)}, cert validity: "
            f"TimePeriod [startTime={zone.java_date(ended - _LIFETIME)}, "
            f"endTime={zone.java_date(ended)}]"
        )
        lines.append(form.vpxd_svcs(moment, "ERROR", _RESPONSE, text))
    return lines


def _certificates(moment: datetime) -> str:
    return form.certificate_manager(moment, "INFO", "please see service-control.log for status")


def _sts(*, older: bool) -> Callable[[datetime], str]:
    text = "Issued token for vpxd-extension"
    return lambda moment: form.sts(moment, "INFO ", text, older=older)


def _websso(moment: datetime) -> str:
    text = "Responded with SAML response, subject administrator"
    return form.websso(moment, "INFO ", text)


def _vmdird(moment: datetime) -> str:
    return form.vmdird(moment, "info", "Bind Request: simple bind, protocol version (0x3)")


def _idm(moment: datetime) -> str:
    text = "Authentication succeeded for user [vpxd-extension] in tenant [vsphere.local]"
    return form.idm(moment, "INFO ", text)


def _vpxd_svcs(moment: datetime) -> str:
    return form.vpxd_svcs(moment, "INFO ", "AuthorizationService.AuditLog", "Action performed")


def _vpxd(moment: datetime) -> str:
    text = "[VpxLRO] -- BEGIN lro-81214 -- SessionManager -- vim.SessionManager.sessionIsActive"
    return form.vpxd(moment, "info", "vpxLro opID=HB-host-12@1-2c5e", text)


def _client(moment: datetime) -> str:
    name = "com.vmware.vise.security.DefaultAuthenticationProvider"
    return form.client(moment, "INFO", name, "Session created for clientId 200264")


def _library(zone: Zone) -> Callable[[datetime], str]:
    name = "com.vmware.vise.security.spring.DefaultAuthenticationProvider"
    text = "Session initialization complete for sessionId 103561, clientId 200264"
    return lambda moment: form.library(moment, zone, name, text)
