"""Who else could change what lies in a folder of ours."""

from __future__ import annotations

import os
import pwd
import stat
from typing import TYPE_CHECKING

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
    for above in folder.resolve().parents:
        mode = above.stat().st_mode
        # Where the sticky bit is set only the owner of a folder may rename it: /tmp.
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            return f"anybody may put another folder in its place, by writing into {above}"
    return ""


def user_name(number: int) -> str:
    """Return the name of a user of this workstation, the number itself if it has none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
