"""Every error has one exit code, and the page says the same as the table."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from error_leaves import TREES, VM, error_leaves
from stsfix.plugin.exit_codes import (
    EXIT_CODES,
    INTERNAL,
    SUCCESS,
    USAGE,
    WARNINGS,
    exit_code,
    exit_code_table,
    with_exit_code_table,
)
from stsfix.plugin.interrupt import SECOND_SIGNAL
from stsfix.snapshot.errors import HostLoginError, OperationError, VmBusyError

ROOT = Path(__file__).parents[2]


def test_every_leaf_has_a_code_and_nothing_else_has():
    """The table's classes are exactly the leaves of the error tree."""
    assert set(EXIT_CODES) == set(error_leaves())


def test_error_classes_live_in_the_three_error_modules():
    """No other module of the product derives from the tree, so that walking it sees all."""
    own = {name for tree in TREES for name, value in vars(tree).items() if _is_error(value)}
    homes = {Path(str(tree.__file__)).resolve() for tree in TREES}

    strays = [
        (path.name, node.name)
        for folder in ("plugin", "remediation", "snapshot")
        for path in (ROOT / folder).rglob("*.py")
        if path.resolve() not in homes
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and {getattr(b, "id", "") for b in node.bases} & own
    ]

    assert len(own) > 40
    assert strays == []


def test_codes_are_unique_and_not_those_of_anything_else():
    """Two classes never share a code, and none has the code of success, usage or a bug."""
    codes = list(EXIT_CODES.values())

    assert len(set(codes)) == len(codes)
    assert set(codes) & {SUCCESS, WARNINGS, USAGE, INTERNAL, SECOND_SIGNAL} == set()
    assert max(codes) < 126  # 126, 127 and 128 + n belong to the shell


class PickyHostLoginError(HostLoginError):
    """A subclass made after the table."""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (VmBusyError(VM, "haTask-1"), 31),
        (PickyHostLoginError(VM.host, "root"), 10),
        (ValueError("a bug"), INTERNAL),
        (OperationError("no leaf"), INTERNAL),
        (KeyboardInterrupt(), SECOND_SIGNAL),
    ],
)
def test_code_of_an_error(error, code):
    """A leaf gives its own code, a subclass its parent's, anything else the code of a bug."""
    assert exit_code(error) == code


def test_page_is_in_step_with_the_table():
    """docs/exit-codes.md holds what with_exit_code_table writes into it."""
    page = (ROOT / "docs" / "exit-codes.md").read_text()

    assert with_exit_code_table(page) == page


def test_table_has_a_row_with_a_meaning_for_every_code():
    """No row is without text, and rows are in the order of the codes."""
    rows = [line.split("|")[1:-1] for line in exit_code_table().splitlines()[2:]]

    codes = [int(row[0]) for row in rows]
    assert codes == sorted(codes)
    assert len(codes) == len(EXIT_CODES) + 6
    assert all(row[2].strip().endswith(".") for row in rows)


def test_page_without_markers_is_refused():
    """A page that lost its markers is an error, not a page without a table."""
    with pytest.raises(ValueError, match="no exit-codes markers"):
        with_exit_code_table("# Exit codes\n")


def _is_error(value):
    return isinstance(value, type) and issubclass(value, OperationError)
