"""Files that ``domain.toml`` names, and itself: whether they are there, and whose they are."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Final

from stsfix.remediation.replaceable import ours, replaceable, user_name

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from stsfix.plugin.toml_reader import TomlTable


def intruder(path: Path, status: os.stat_result, *, come_across: bool = False) -> str:
    """Return why somebody else decides what is in *path*, which is a configuration, as a clause;
    empty if nobody does. Who names it believes its owner, and those of the folders above it.

    Raises:
        OSError: A folder above it cannot be looked at.
    """
    if stat.S_ISREG(status.st_mode) and status.st_mode & stat.S_IWOTH:
        return _EVERYBODYS
    if come_across and status.st_uid not in ours():
        return "belongs to another user: if you trust it, name it with -c"
    if not stat.S_ISREG(status.st_mode):
        return ""
    who = replaceable(path, ours() if come_across else None)
    return who and f"is not to be believed: {who}; {_MEND}"


def _intruder_of_named(path: Path, status: os.stat_result, folder: Path) -> str:
    """Return why somebody else decides what is in *path*, which a configuration in *folder* names,
    as a clause; empty if nobody does. Who owns that folder decides over all of it.
    """
    believed = ours() | {folder.stat().st_uid}
    if status.st_mode & stat.S_IWOTH:
        return _EVERYBODYS
    if status.st_uid not in believed:
        return f"belongs to another user ({user_name(status.st_uid)}): {_COPY}"
    who = replaceable(path, believed)
    return who and f"is not to be believed: {who}; {_COPY}"


_EVERYBODYS: Final = "can be written by anybody: chmod o-w, after you have read it"
_COPY: Final = "read it, and copy it into the folder of this file"
_MEND: Final = "read it, and move it into a folder of yours"


def find_file(table: TomlTable, key: str, value: str, folder: Path) -> Path | None:
    """Return the file that *value* of *key* names, None if it cannot be used, which is reported."""
    if "\n" in value or "\0" in value:
        table.report(key, "must be the path of a file, not its content")
        return None
    path = folder / value
    try:
        status = path.stat() if path.is_file() else None
    except OSError:  # a name that is too long, a folder that may not be entered
        status = None
    if status is None:
        table.report(key, "no such file; a relative path starts in the folder of this file")
        return None
    try:
        reason = _intruder_of_named(path, status, folder)
    except OSError as error:
        reason = f"cannot be looked at ({error.strerror or error})"
    if reason:
        table.report(key, f"the file {reason}")
    return None if reason else path
