"""The package list in pyproject.toml is the tree."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_package_of_the_tree_is_listed():
    """Each folder with an __init__.py below the four roots is shipped, and nothing else is."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    roots = ("lab", "plugin", "remediation", "snapshot")

    found = {
        "stsfix." + ".".join(init.parent.relative_to(ROOT).parts)
        for root in roots
        for init in (ROOT / root).rglob("__init__.py")
    }

    assert set(project["tool"]["setuptools"]["packages"]) == found
