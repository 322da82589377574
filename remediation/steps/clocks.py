"""Before a certificate is made, this workstation's clock is compared with the node's once more.

Preflight has done so, but a run may be resumed days later, on a clock that was set meanwhile: a
certificate whose beginning lies in the node's future signs nothing, and costs a rollback.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from stsfix.remediation.errors import ClockSkewError

if TYPE_CHECKING:
    from stsfix.remediation.steps.context import StepContext

TOLERATED: Final = timedelta(minutes=10)
"""What the STS forgives (clock tolerance of 10 minutes, vSphere 6.7 SSO programming guide)."""


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
