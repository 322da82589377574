"""What pyproject.toml lists is the tree: packages to ship, modules under a contract."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTRACTS = {
    contract["name"]: contract for contract in PROJECT["tool"]["importlinter"]["contracts"]
}
CORE = CONTRACTS["what decides reaches no wire, not even through others"]["source_modules"]
ADAPTERS = CONTRACTS["only plugin.wiring makes adapters"]["protected_modules"]
VALUES_OF_THE_WIRE = {"stsfix.snapshot.tls"}
"""Whom to believe: values that settings and adapters share, with the one TLS context."""


def says_only_what_it_is(path):
    """Tell whether *path* makes a package and holds nothing but its docstring."""
    return path.name == "__init__.py" and len(ast.parse(path.read_text()).body) == 1


def modules(root):
    """Return the dotted names below *root* of all that holds code, the root itself left out."""
    paths = (
        p.relative_to(ROOT).with_suffix("").parts
        for p in (ROOT / root).rglob("*.py")
        if not says_only_what_it_is(p)
    )
    names = {".".join(part for part in parts if part != "__init__") for parts in paths}
    return {f"stsfix.{name}" for name in names - {root}}


def test_every_package_of_the_tree_is_listed():
    """Each folder with an __init__.py below the four roots is shipped, and nothing else is."""
    roots = ("lab", "plugin", "remediation", "snapshot")

    found = {
        "stsfix." + ".".join(init.parent.relative_to(ROOT).parts)
        for root in roots
        for init in (ROOT / root).rglob("__init__.py")
    }

    assert set(PROJECT["tool"]["setuptools"]["packages"]) == found


@pytest.mark.parametrize("root", ["lab", "plugin", "remediation", "snapshot"])
def test_every_root_package_says_that_it_is_typed(root):
    """Type checkers of others read our annotations (PEP 561)."""
    marker = ROOT / root / "py.typed"

    assert marker.is_file()


@pytest.mark.parametrize("root", ["remediation", "snapshot"])
def test_every_module_is_core_or_adapter(root):
    """No module of the two lower layers escapes the import contracts."""
    covered = [*CORE, *ADAPTERS, *VALUES_OF_THE_WIRE]

    free = {
        name
        for name in modules(root)
        if not any(name == known or name.startswith(f"{known}.") for known in covered)
    }

    assert free == set()


def test_no_module_is_core_and_adapter():
    """What decides does not talk to the world."""
    both = set(CORE) & set(ADAPTERS)

    assert both == set()
