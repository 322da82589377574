"""Work that is finished although a stop was asked for: taking away what holds a secret."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

_cleaning: ContextVar[bool] = ContextVar("cleaning", default=False)


@contextmanager
def cleaning_up() -> Generator[None]:
    """Let clocks of this thread go on waiting although a stop was asked for, each as long as the
    limit of what waits; a second signal still ends the process.
    """
    token = _cleaning.set(True)
    try:
        yield
    finally:
        _cleaning.reset(token)


def is_cleaning_up() -> bool:
    """Tell whether this thread is inside `cleaning_up`."""
    return _cleaning.get()
