"""What else happens in an outage, and what happened before the lab begins. Data only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class OutagePlan:
    """What is special about an outage. Certificates are those of the scenario.

    Args:
        zone: Time zone of the nodes (lab.zones).
        outlived: The services of every node were started while the STS still issued tokens.
        tried: People have tried to log in, to export a VM and to replace a certificate.
        repaired: The domain was repaired once, two years ago; logs still tell of it.
        full: Mount points of the first vCenter that have no room at all.
        stopped: Services of the first controller that do not run.
        refuses: The STS of the first controller refuses every request and does not say why.
    """

    zone: str = "UTC"
    outlived: bool = False
    tried: bool = False
    repaired: bool = False
    full: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()
    refuses: bool = False


NO_OUTAGE = OutagePlan()

HEALTHY_PLANS = {
    "repaired-long-ago": (
        "nothing is wrong; logs still tell of an expiry two years ago",
        OutagePlan(repaired=True, zone="CEST"),
    ),
    "log-partition-out": (
        "/storage/log of the first vCenter has no room at all; certificates are in order",
        OutagePlan(full=("/storage/log",)),
    ),
    "database-partition-out": (
        "/storage/db of the first vCenter has no room at all; certificates are in order",
        OutagePlan(full=("/storage/db",)),
    ),
    "sts-refuses": (
        "the STS of the first controller refuses every request and does not say why",
        OutagePlan(refuses=True, outlived=True),
    ),
}
"""With certificates that are in order."""

EXPIRED_PLANS = {
    "expired-while-running": (
        "the STS certificate has expired while every service ran; people tried to work",
        OutagePlan(outlived=True, tried=True, zone="EST"),
    ),
    "sts-stopped": (
        "as expired-while-running, and the STS of the first controller does not run",
        OutagePlan(outlived=True, tried=True, stopped=("vmware-stsd",), zone="CEST"),
    ),
}
"""With an STS certificate that has expired."""
