"""Who runs this: for locks, snapshots and reports."""

from __future__ import annotations

import os
import socket


def operator() -> str:
    """Return who runs this: user@workstation."""
    user = os.environ.get("USER") or str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def holder() -> str:
    """Return who runs this, for the lock: user, workstation, process."""
    return f"{operator()}, process {os.getpid()}"
