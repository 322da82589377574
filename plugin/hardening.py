"""Keeps passwords in memory from reaching a disk by accident."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import sys
from typing import Final

PRIVATE_UMASK = 0o077
_PR_SET_DUMPABLE: Final = 4
"""linux/prctl.h"""


def harden() -> None:
    """Write no core file from now on and create every file for its owner alone.

    Both hold for this process and the ones it starts; called once, first thing in the command.
    On Linux no other process of the same user can look into this one either.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(PRIVATE_UMASK)
    if sys.platform == "linux":
        _hide()


def _hide() -> None:
    """Tell the kernel that there is nothing to dump: a core file that is piped to a program is
    not held back by the limit (core(5)), and ``/proc/PID/environ`` and ``mem`` are root's then
    (proc(5), prctl(2)).
    """
    # Where libc has no such call there is nothing to be done about it.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
