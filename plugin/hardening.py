"""Keeps passwords in memory from reaching a disk by accident."""

from __future__ import annotations

import os
import resource

PRIVATE_UMASK = 0o077


def harden() -> None:
    """Write no core file from now on and create every file for its owner alone.

    Both hold for this process and the ones it starts; called once, first thing in the command.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.umask(PRIVATE_UMASK)
