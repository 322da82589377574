"""Puts what an `OutagePlan` says on disks and into the book of faults, before anything runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from stsfix.lab import pki
from stsfix.lab.faults import Effect, Rule
from stsfix.lab.old_logs import old_logs
from stsfix.lab.vcenter_parts import DATABASE_MOUNT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stsfix.lab.disk import NodeDisk
    from stsfix.lab.faults import FaultBook
    from stsfix.lab.outage_plan import OutagePlan
    from stsfix.lab.topology import Topology

_DATABASE_KIB = 7_201_331


def befall(disks: Sequence[NodeDisk], plan: OutagePlan) -> None:
    """Make the disks what *plan* says, first node first, and give appliances their old logs."""
    for disk in disks:
        disk.zone = plan.zone
        if disk.role.has_vcenter:
            disk.outlived_sts = plan.outlived
            if disk.windows is None:
                disk.free_kib[DATABASE_MOUNT] = _DATABASE_KIB
    next(d for d in disks if d.role.has_directory).disabled |= set(plan.stopped)
    first = next(d for d in disks if d.role.has_vcenter)
    first.free_kib |= dict.fromkeys(plan.full, 0)
    for disk in disks:
        if disk.windows is None:
            now = pki.days_from_now(disk.clock_offset_s / 86400)
            disk.files |= old_logs(disk, now, repaired=plan.repaired)


def hinder(faults: FaultBook, topology: Topology, plan: OutagePlan) -> None:
    """Let the first controller's STS refuse everything if it does."""
    if plan.refuses:
        rule = Rule(
            protocol="sts",
            call="issue",
            target=topology.controllers[0].fqdn,
            times=sys.maxsize,
            effect=Effect.REFUSE,
        )
        faults.add(rule)
