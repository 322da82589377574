"""Which log file of an appliance tells of which service. Pure.

VMware documents few of these paths; each names where it was seen. A file that is not there, or
was never written, is an ordinary answer: names changed between releases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from stsfix.remediation.nodes.service_names import bare

FOLDER: Final = "/var/log/vmware"
"""A link to /storage/log/vmware on an appliance (public reports; zuthof.nl 2023-12)."""

_KB = "KB 316619"
_STIG = "DISA STIG for vSphere 7.0 and 8.0, rsyslog files of the services"
_PUBLIC = "public syslog configurations and runbooks; VMware documents it nowhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFile:
    """One log file. *name* is unique and what people call it; *services* are those that write
    it, without ``vmware-``; *source* is where the path was seen.
    """

    name: str
    path: str
    services: tuple[str, ...]
    source: str


def _log(name: str, path: str, *services: str, source: str) -> LogFile:
    return LogFile(name=name, path=f"{FOLDER}/{path}", services=services, source=source)


LOGS: Final = (
    _log("vpxd-svcs.log", "vpxd-svcs/vpxd-svcs.log", "vpxd-svcs", source=_KB),
    _log("vpxd.log", "vpxd/vpxd.log", "vpxd", source=_KB),
    _log("cls.log", "content-library/cls.log", "content-library", source=_KB),
    _log("vmware-identity-sts.log", "sso/vmware-identity-sts.log", "stsd", "sts", source=_KB),
    _log("websso.log", "sso/websso.log", "stsd", "sts", source=f"KB 400506; {_STIG}"),
    _log("ssoAdminServer.log", "sso/ssoAdminServer.log", "stsd", "sts", source=_STIG),
    _log("vmware-sts-idmd.log", "sso/vmware-sts-idmd.log", "sts-idmd", source=_PUBLIC),
    _log("lookupServer.log", "sso/lookupServer.log", "stsd", source=f"6.x: {_PUBLIC}"),
    _log(
        "lookupserver-default.log",
        "lookupsvc/lookupserver-default.log",
        "lookupsvc",
        source=f"7.0 and later: {_STIG}",
    ),
    _log(
        "vsphere_client_virgo.log",
        "vsphere-ui/logs/vsphere_client_virgo.log",
        "vsphere-ui",
        source=f"KB 431643; {_STIG}",
    ),
    _log(
        "vsphere-client/vsphere_client_virgo.log",
        "vsphere-client/logs/vsphere_client_virgo.log",
        "vsphere-client",
        source=f"6.x: {_PUBLIC}",
    ),
    _log("vmdird-syslog.log", "vmdird/vmdird-syslog.log", "vmdird", source="VMware's VDT scripts"),
    _log("vmafdd-syslog.log", "vmafdd/vmafdd-syslog.log", "vmafdd", source=_PUBLIC),
    _log("vmcad-syslog.log", "vmcad/vmcad-syslog.log", "vmcad", source=_PUBLIC),
    _log("certificate-manager.log", "vmcad/certificate-manager.log", source=_PUBLIC),
    _log(
        "certificatemanagement-svcs.log",
        "certificatemanagement/certificatemanagement-svcs.log",
        "certificatemanagement",
        source=f"7.0 and later: {_PUBLIC}",
    ),
    _log("vmon.log", "vmon/vmon.log", "vmon", source=_PUBLIC),
    _log("rhttpproxy.log", "rhttpproxy/rhttpproxy.log", "rhttpproxy", source=_STIG),
    _log("envoy.log", "envoy/envoy.log", "envoy", source=_STIG),
)
"""Every log that is looked into, those that the STS's article names first."""


def logs_of(service: str) -> tuple[LogFile, ...]:
    """Return the logs of *service* (with or without ``vmware-``), the most telling first.

    A service of vMon that writes none of them leaves its trace in vMon's own log.
    """
    own = tuple(log for log in LOGS if bare(service) in log.services)
    return own or tuple(log for log in LOGS if log.name == "vmon.log")
