"""The core of the snapshot layer can be used without loading any adapter's library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("pyVmomi", "http.client", "lxml", "ldap3")


@pytest.mark.parametrize(
    "module", ["model", "errors", "ports", "ordering", "safety", "polling", "coordinator"]
)
def test_the_core_loads_no_adapter(module):
    """Importing a core module imports no pyVmomi and no HTTP."""
    script = (
        f"import sys, stsfix.snapshot.{module}; print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={"PYTHONPATH": str(ROOT / ".dev")},
    )

    assert done.stdout.strip() == "[]"
