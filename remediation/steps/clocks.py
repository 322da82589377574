"""What clocks tell in the middle of a run: whether a node's still agrees with this workstation's,
and whether this workstation slept.

Before a certificate is made, this workstation's clock is compared with the node's once more.
Preflight has done so, but a run may be resumed days later, on a clock that was set meanwhile: a
certificate whose beginning lies in the node's future signs nothing, and costs a rollback.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from stsfix.remediation.errors import ClockSkewError

if TYPE_CHECKING:
    from datetime import datetime

    from stsfix.remediation.steps.context import StepContext
    from stsfix.snapshot.ports import Clock

TOLERATED: Final = timedelta(minutes=10)
"""What the STS forgives (clock tolerance of 10 minutes, vSphere 6.7 SSO programming guide)."""


SLEPT: Final = timedelta(minutes=1)
"""From here on this workstation counts as having slept; clocks are set by less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A moment by both clocks. The monotonic one stands still while a workstation sleeps (Linux:
    CLOCK_MONOTONIC, time(7); macOS: mach_absolute_time), the wall clock does not.
    """

    wall: datetime
    running: float

    @classmethod
    def of(cls, clock: Clock) -> Moment:
        """Return this moment."""
        return cls(wall=clock.now(), running=clock.monotonic())

    def slept(self, clock: Clock) -> timedelta:
        """Return how long this workstation slept since then; so does a clock look that was set."""
        awake = timedelta(seconds=clock.monotonic() - self.running)
        return clock.now() - self.wall - awake


def require_clock(context: StepContext, node: str) -> None:
    """Return if the clock of *node* is near ours, or it does not tell, or the operator took that
    for a risk.

    Raises:
        ClockSkewError: It is not; nothing was made or written.
    """
    if f"NODE-CLOCK:{node}" in context.spec.accepted:
        return
    skew = context.node_clock(node)
    if skew is not None and abs(skew) > TOLERATED:
        raise ClockSkewError(node, skew.total_seconds())
