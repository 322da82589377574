"""How the services of a vCenter write their log lines. Pure; each form names where it was seen.

[K] marks what no public excerpt shows; a reader has to do without it.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from stsfix.lab.zones import UTC_ZONE, Zone

if TYPE_CHECKING:
    from datetime import datetime

FOLDER = "/var/log/vmware"
VPXD_SVCS = f"{FOLDER}/vpxd-svcs/vpxd-svcs.log"
VPXD = f"{FOLDER}/vpxd/vpxd.log"
CLIENT = f"{FOLDER}/vsphere-ui/logs/vsphere_client_virgo.log"
LIBRARY = f"{FOLDER}/content-library/cls.log"
STS = f"{FOLDER}/sso/vmware-identity-sts.log"
IDM = f"{FOLDER}/sso/vmware-sts-idmd.log"
WEBSSO = f"{FOLDER}/sso/websso.log"
VMDIRD = f"{FOLDER}/vmdird/vmdird-syslog.log"
CERTIFICATES = f"{FOLDER}/vmcad/certificate-manager.log"

_CORRELATION = "d6cd47de-1b0f-4c2f-9a56-7f6a2b1f0c11"


def _z(moment: datetime) -> str:
    return UTC_ZONE.stamp(moment)


def vpxd_svcs(moment: datetime, level: str, logger: str, text: str) -> str:
    """KB 316619 prints such a line from its level on; its head is that of public 6.5 logs."""
    return f"{_z(moment)} [pool-2-thread-1  {level} {logger} opId=] {text}"


def vpxd(moment: datetime, level: str, sub: str, text: str) -> str:
    """KB 316619 and 421381."""
    return f"{_z(moment)} {level} vpxd[12853] [Originator@6876 sub={sub}] {text}"


def sts(moment: datetime, level: str, text: str, *, older: bool) -> str:
    """KB 316619 for 7.0 and later; *older* as other logs of 6.x [K]."""
    if older:
        return f"[{_z(moment)} tomcat-http--31 vsphere.local {_CORRELATION} {level} STS] {text}"
    return f"{_z(moment)} {level} sts[75:tomcat-http--31] [CorId={_CORRELATION}] {text}"


def idm(moment: datetime, level: str, text: str) -> str:
    """Public logs of 6.5 (``vmware-sts-idmd.log``)."""
    return f"[{_z(moment)} vsphere.local {_CORRELATION} {level} ] [IdentityManager] {text}"


def websso(moment: datetime, level: str, text: str) -> str:
    """KB 400506."""
    return f"{_z(moment)} {level} websso[80:tomcat-http--31] [CorId={_CORRELATION}] {text}"


def client(moment: datetime, level: str, logger: str, text: str) -> str:
    """Public report of 2023-10 and KB 436368."""
    return (
        f"[{_z(moment)}] [{level:<5}] http-nio-5090-exec-2         70000028 100006 ###### "
        f"{logger:<65} {text}"
    )


def library(moment: datetime, zone: Zone, logger: str, text: str) -> str:
    """KB 316619."""
    return f"[{zone.stamp(moment)}] [INFO ] http-nio-5090-exec-1022       {logger:<65} {text}"


def vmdird(moment: datetime, level: str, text: str) -> str:
    """Public logs of 6.5 (``vmdird-syslog.log``): a year of two digits."""
    there = moment.astimezone(UTC)
    return f"{there:%y-%m-%dT%H:%M:%S.%f}+00:00 {level} vmdird  t@140610837108480: {text}"


def certificate_manager(moment: datetime, level: str, text: str) -> str:
    """[K]."""
    return f"{_z(moment)} {level} certificate-manager {text}"
