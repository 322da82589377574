"""``$((...))`` with numbers, names, ``+``, ``-`` and ``*``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stsfix.lab.shell_words import ShellSyntaxError

if TYPE_CHECKING:
    from collections.abc import Callable

_TOKEN = re.compile(r"\s*(?:(\d+)|([A-Za-z_]\w*)|([-+*]))")


def evaluate(expression: str, find: Callable[[str], str | None]) -> int:
    """Return the value of *expression*; *find* gives a variable's text, unset ones are 0.

    Raises:
        ShellSyntaxError: It is not one, or outside the subset.
    """
    terms, sign, expects_value = [0], 1, True
    at, product = 0, False
    text = expression.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ShellSyntaxError(f"{expression}: syntax error in expression")
        at = match.end()
        number, name, operator = match.groups()
        if operator is None:
            if not expects_value:
                raise ShellSyntaxError(f"{expression}: syntax error in expression")
            value = sign * _number(number if name is None else find(name) or "0")
            if product:
                terms[-1] *= value
            else:
                terms.append(value)
            sign, product, expects_value = 1, False, False
        elif expects_value and operator != "*":
            sign = -sign if operator == "-" else sign
        elif expects_value:
            raise ShellSyntaxError(f"{expression}: syntax error: operand expected")
        else:
            product, expects_value = operator == "*", True
            sign = -1 if operator == "-" else 1
    if expects_value and text:
        raise ShellSyntaxError(f"{expression}: syntax error: operand expected")
    return sum(terms)


def _number(text: str) -> int:
    try:
        return int(text, 8) if text.startswith("0") else int(text)
    except ValueError as error:
        raise ShellSyntaxError(f"{text}: not a number of the lab's subset of bash") from error
