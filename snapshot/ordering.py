"""In which order VMs stop and start; this layer knows ranks, not roles.

A rank is the caller's word for "earlier": the lowest starts first and stops last. So a caller
that ranks PSCs below vCenters gets what the field does: PSCs are up before the vCenters that
need them, and vCenters are down before the PSCs they talk to. KB 313886 wants all nodes off at
the same time before the first snapshot; it gives no order, so ranks are a matter of orderly
shutdown, not of correctness (order itself unverified on real systems).
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

from stsfix.snapshot.model import VmId

if TYPE_CHECKING:
    from collections.abc import Mapping

Waves: TypeAlias = tuple[tuple[VmId, ...], ...]
"""VMs of one wave go together; the next wave waits for the whole one before."""


def start_waves(ranks: Mapping[VmId, int]) -> Waves:
    """Return the VMs in waves of equal rank, lowest first, each wave sorted by name."""
    ordered = sorted(ranks, key=lambda vm: (ranks[vm], vm.name, vm.host, vm.moref))
    return tuple(tuple(wave) for _, wave in groupby(ordered, key=lambda vm: ranks[vm]))


def stop_waves(ranks: Mapping[VmId, int]) -> Waves:
    """Return the waves of `start_waves` in reverse: the highest rank stops first."""
    return tuple(reversed(start_waves(ranks)))
