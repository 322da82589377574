"""Who runs this: for locks, snapshots and reports."""

from __future__ import annotations

import os
import pwd
import socket


def operator() -> str:
    """Return who runs this: user@workstation."""
    return f"{os.environ.get('USER') or _name(os.getuid())}@{socket.gethostname()}"


def holder() -> str:
    """Return who runs this, for the lock: user, workstation, process."""
    return f"{operator()}, process {os.getpid()}"


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
