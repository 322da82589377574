"""Names of a node's services: which stay stopped, and which nobody logs in without. Pure.

Source: peers.md (d), from public logs of 6.5-8.0; VMware documents few of them. Those of Windows:
PSC administration guides 6.5 (p. 149) and 6.7 (p. 135) for the first three, Lightwave's installers
for VMwareSTS and VMwareIdentityMgmtService; vMon's are the same everywhere (a public log of a
Windows vCenter 6.5 says vpxd-svcs).
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from stsfix.remediation.model import Platform

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NORMALLY_STOPPED = frozenset(
    {
        "vmcam",
        "vmware-imagebuilder",
        "vmware-mbcs",
        "vmware-netdumper",
        "vmware-rbd-watchdog",
        "vmware-vcha",
        "vsan-dps",
    }
)
"""Services that stay stopped on a healthy appliance (6.7), as service-control lists them."""

CORE = frozenset(
    {
        "vmdird",
        "vmafdd",
        "vmcad",
        "stsd",
        "sts",
        "sts-idmd",
        "vpxd",
        "vpxd-svcs",
        "vapi-endpoint",
        "vsphere-ui",
        "rhttpproxy",
        "envoy",
    }
)
"""Services without which nobody logs in, without their ``vmware-`` prefix. That they were down
before is no excuse: with an expired STS certificate vpxd is down for that very reason. Those that
a release does not list are not missed: of 6.x only is sts-idmd, the identity service that its STS
asks in a process of its own (vmdir.md 3.5; peers.md (d)).
"""

_NORMALLY_STOPPED_ON_WINDOWS = frozenset({"imagebuilder", "mbcs", "netdumper", "rbd", "vmcam"})
"""Unverified: the same services under the names vMon has for them."""

CORE_OF: Final[Mapping[Platform, frozenset[str]]] = MappingProxyType(
    {
        Platform.APPLIANCE: CORE,
        Platform.WINDOWS: frozenset(
            {
                "vmwaredirectoryservice",
                "vmwareafdservice",
                "vmwarecertificateservice",
                "vmwarests",
                "vmwareidentitymgmtservice",
                "vpxd",
                "vpxd-svcs",
                "vapi-endpoint",
                "vsphere-ui",
                "rhttpproxy",
            }
        ),
    }
)
"""`CORE` of each platform, as `bare` names them."""

ALWAYS: Final[Mapping[Platform, tuple[str, ...]]] = MappingProxyType(
    {
        Platform.APPLIANCE: ("vmafdd", "vmdird"),
        Platform.WINDOWS: ("vmwareafdservice", "vmwaredirectoryservice"),
    }
)
"""Services that run whatever the STS certificate says, the directory last; as `bare` names them."""


def bare(name: str) -> str:
    """Return *name* without ``vmware-``, in which vMon and service-control differ, and in lower
    case, since Windows' own names are written in more than one way.
    """
    return name.removeprefix("vmware-").lower()


KNOW_NO_STS: Final = frozenset({"lwsmd"})
"""What runs on through a restart without harm: Likewise holds no certificate of the STS [K]."""


def is_normally_stopped(name: str) -> bool:
    """Tell whether *name*, with or without ``vmware-``, stays stopped on a healthy node."""
    known = {bare(each) for each in NORMALLY_STOPPED} | _NORMALLY_STOPPED_ON_WINDOWS
    return bare(name) in known


def unusually_stopped(stopped: Iterable[str]) -> tuple[str, ...]:
    """Return those of the *stopped* services of a node that run on a healthy one."""
    return tuple(name for name in stopped if not is_normally_stopped(name))
