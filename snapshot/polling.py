"""The one retry mechanism: look again until there is something to see, or the time is over.

Only looking is repeated, and starting what was refused as busy: in both cases nothing was done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import tenacity

from stsfix.snapshot.errors import OperationError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from stsfix.snapshot.ports import Clock

T = TypeVar("T")


def poll_until(
    look: Callable[[], T | None],
    *,
    clock: Clock,
    limit: timedelta,
    every: timedelta,
    transient: tuple[type[OperationError], ...] = (TransientError,),
) -> T | None:
    """Return the first answer of *look* that is not None, or None after *limit*.

    *look* is called at least once, and a last time when *limit* is over. What it raises ends
    the polling at once, except the *transient* classes: they count as "nothing to see yet",
    and only if the very last look raised one does it come out.

    Args:
        look: Reads the world; must be safe to repeat.
        clock: Measures *limit* (monotonic) and sleeps.
        limit: How long to go on; zero means one look.
        every: Pause between two looks; the last one is cut short by *limit*.
        transient: Errors that may pass by themselves.

    Raises:
        OperationError: *look* raised it, or a transient one still at the end.
    """
    deadline = clock.monotonic() + limit.total_seconds()

    def is_over(_: tenacity.RetryCallState) -> bool:
        return clock.monotonic() >= deadline

    def pause(_: tenacity.RetryCallState) -> float:
        return max(0.0, min(every.total_seconds(), deadline - clock.monotonic()))

    def last(state: tenacity.RetryCallState) -> T | None:
        outcome = state.outcome
        return None if outcome is None else outcome.result()

    retrying = tenacity.Retrying(
        sleep=clock.sleep,
        stop=is_over,
        wait=pause,
        retry=tenacity.retry_if_exception_type(transient)
        | tenacity.retry_if_result(lambda answer: answer is None),
        retry_error_callback=last,
    )
    return retrying(look)
