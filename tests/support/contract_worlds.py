"""The worlds that a contract is tested in, as parameters of a fixture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


def world_parameters(worlds: Iterable[str], why_not: Callable[[str], str]) -> Iterator[Any]:
    """Yield one parameter a world: skipped with the reason of *why_not* if that tells one,
    OpenSSH's marked as a peer.
    """
    for name in worlds:
        reason = why_not(name)
        marks = [pytest.mark.skipif(bool(reason), reason=reason)]
        if name.startswith("sshd"):
            marks.append(pytest.mark.peer)
        yield pytest.param(name, id=name, marks=marks)
