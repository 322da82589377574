"""Names of an appliance's services, and which of them stay stopped. Pure.

Source: peers.md (d), from public logs of 6.5-8.0; nothing of it is documented by VMware.
"""

from __future__ import annotations

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
        "vpxd",
        "vpxd-svcs",
        "vapi-endpoint",
        "vsphere-ui",
        "rhttpproxy",
        "envoy",
    }
)
"""Services without which nobody logs in, without their ``vmware-`` prefix. That they were down
before is no excuse: with an expired STS certificate vpxd is down for that very reason.
"""


def bare(name: str) -> str:
    """Return *name* without ``vmware-``: vMon and service-control differ in it."""
    return name.removeprefix("vmware-")


def is_normally_stopped(name: str) -> bool:
    """Tell whether *name*, with or without ``vmware-``, stays stopped on a healthy node."""
    return bare(name) in {bare(known) for known in NORMALLY_STOPPED}
