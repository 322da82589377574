"""Who else could change what lies in a folder of ours."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from stsfix.remediation.replaceable import ours, replaceable, user_name

if TYPE_CHECKING:
    from pathlib import Path

_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def intruders(folder: Path) -> str:
    """Return, as a clause, why somebody else can put files into *folder* or take ours away; empty
    if nobody can. A group is believed above the folder, not in it.

    Raises:
        OSError: It cannot be looked at.
    """
    status = folder.stat()
    if status.st_uid != os.geteuid():
        return f"the folder belongs to another user ({user_name(status.st_uid)})"
    if status.st_mode & _OTHERS:
        return "others may write into the folder"
    return replaceable(folder, ours())
