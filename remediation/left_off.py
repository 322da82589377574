"""Whether a run that is not finished has left nodes off, as far as its journal tells. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stsfix.remediation.newcomers import WRITERS
from stsfix.remediation.records import POWER_ON, QUIESCE, Phase, StepState, phase, step_states

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stsfix.remediation.records import Record

LEFT_OFF: Final = "it has shut nodes down and has not seen all of them on again"
_ON = frozenset({StepState.PENDING, StepState.UNDONE})
_FORWARDS = frozenset({StepState.PENDING, StepState.STARTED, StepState.DONE, StepState.FAILED})


def may_be_off(plan: Sequence[str], records: Sequence[Record]) -> bool:
    """Tell whether the run began to shut nodes down and has not seen all of them on again.

    A person may have powered them on since. Taking back what was written shuts all down once more;
    a run that gave way to another one's is closed, and leaves nodes to that one.
    """
    if phase(plan, records) not in {Phase.OPEN, Phase.STOPPED, Phase.ROLLING_BACK}:
        return False
    states = step_states((QUIESCE, POWER_ON, *WRITERS), records)
    if states[QUIESCE] in _ON:
        return False
    reverting = any(states[step] not in _FORWARDS for step in WRITERS)
    return reverting or states[POWER_ON] is not StepState.DONE
