"""A hardened process leaves no core file and no file for others to read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import ctypes, os, resource, sys
sys.path.insert(0, ".dev")
from stsfix.plugin.hardening import harden
harden()
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) if sys.platform == "linux" else 0)
print(resource.getrlimit(resource.RLIMIT_CORE), oct(os.umask(0)))
"""


def test_hardened_process_writes_no_core_and_private_files():
    """All limits hold after the call (3 is PR_GET_DUMPABLE, and 0 hides it from core handlers and
    from the user's other processes); a process of its own, because they cannot be undone.
    """
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, check=True, capture_output=True, text=True
    )

    assert done.stdout == "0\n(0, 0) 0o77\n"
