"""Which part of a long matrix is played: STSFIX_MATRIX is empty, ``all`` or a shard, ``3/8``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

VARIABLE = "STSFIX_MATRIX"
T = TypeVar("T")


class ShardError(ValueError):
    """The variable names no part of a matrix."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{VARIABLE}={text}: say nothing, all, or a shard such as 3/8")


def part(cases: Sequence[T], *, every: int) -> list[T]:
    """Return each *every*-th of *cases*, or what the environment asks for."""
    text = os.environ.get(VARIABLE, "")
    if not text:
        return list(cases[::every])
    if text == "all":
        return list(cases)
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise ShardError(text)
    return list(cases[int(number) - 1 :: int(of)])
