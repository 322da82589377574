"""Who could put something else in the place of a file or folder, by its path or a link in it."""

from __future__ import annotations

import errno
import os
import pwd
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_LINKS: Final = 40
"""Links that a path is followed through, as Linux does (path_resolution(7))."""
_EVERY_USER: Final = 2**32 - 1
_PROC: Final = Path("/proc")


def ours() -> frozenset[int]:
    """Return the users who decide over our files anyway: root, ourselves, who called sudo."""
    caller = os.environ.get("SUDO_UID", "") if os.geteuid() == 0 else ""
    return frozenset({0, os.geteuid(), *([int(caller)] if caller.isdecimal() else [])})


def replaceable(path: Path, believed: Collection[int] | None) -> str:
    """Return, as a clause, who could put something else in the place of *path*; empty if nobody.

    Every folder is looked at in which a part of the path is looked up, by whatever links: it must
    not be writable by everybody, unless it is sticky, as ``/tmp``, and the part is of somebody
    who is *believed* (numbers of users; None: whoever). So must be the folder's owner. A group is
    believed: ``/srv`` and ``/var/local`` are often a group's.

    Raises:
        OSError: A part of the path cannot be looked at.
    """
    for folder, part in _lookups(path):
        status = folder.stat()
        is_everybodys = bool(status.st_mode & stat.S_IWOTH)
        if is_everybodys and not status.st_mode & stat.S_ISVTX:
            return f"anybody may put another one in its place, by writing into {folder}"
        if believed is None:
            continue
        for owned in (folder, part) if is_everybodys else (folder,):
            owner = os.lstat(owned).st_uid
            if owner not in believed and not _is_unmapped(owner):
                name = user_name(owner)
                return f"{name} may put another one in its place, being the owner of {owned}"
    return ""


def _lookups(path: Path) -> Iterator[tuple[Path, Path]]:
    """Yield each folder, by its path without links, and what is looked up in it for *path*."""
    above, links = Path(path.absolute().anchor), 0
    parts = list(reversed(path.absolute().parts[1:]))
    while parts:
        name = parts.pop()
        if name == "..":
            above = above.parent
            continue
        here = above / name
        yield above, here
        if not here.is_symlink():
            above = here
            continue
        links += 1
        if links > _LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        target = here.readlink()
        parts += reversed(target.parts[1:] if target.is_absolute() else target.parts)
        above = Path(target.anchor) if target.is_absolute() else above


def _is_unmapped(owner: int) -> bool:
    """Tell whether *owner* stands for users of another name space, who are nobody's enemies in
    ours: in a container without root's rights ``/home`` is of such a one.
    """
    try:
        if owner != int((_PROC / "sys/kernel/overflowuid").read_text("ascii")):
            return False
        lines = (_PROC / "self/uid_map").read_text("ascii").splitlines()
    except (OSError, ValueError):  # no Linux
        return False
    return sum(int(line.split()[2]) for line in lines) < _EVERY_USER


def user_name(number: int) -> str:
    """Return the name of a user of this workstation, the number itself if it has none."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
