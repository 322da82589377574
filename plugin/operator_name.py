"""Who runs this: for locks, snapshots and reports."""

from __future__ import annotations

import os
import socket

from stsfix.remediation.replaceable import user_name


def operator() -> str:
    """Return who runs this: user@workstation."""
    return f"{os.environ.get('USER') or user_name(os.getuid())}@{socket.gethostname()}"


def holder() -> str:
    """Return who runs this, for the lock: user, workstation, process."""
    return f"{operator()}, process {os.getpid()}"
