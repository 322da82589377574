"""Files that ``domain.toml`` names, and itself: whether they are there, and whose they are."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from stsfix.plugin.toml_reader import TomlTable


def intruder(path: Path, status: os.stat_result, *, come_across: bool = False) -> str:
    """Return why somebody else decides what is in a file, as a clause; empty if nobody does.

    Raises:
        OSError: Its folder cannot be looked at.
    """
    folder = path.resolve().parent.stat().st_mode
    if stat.S_ISREG(status.st_mode) and folder & stat.S_IWOTH and not folder & stat.S_ISVTX:
        return "lies in a folder where anybody may put another one in its place"
    if stat.S_ISREG(status.st_mode) and status.st_mode & stat.S_IWOTH:
        return "can be written by anybody: chmod o-w, after you have read it"
    if come_across and status.st_uid not in {0, os.geteuid()}:
        return "belongs to another user: if you trust it, name it with -c"
    return ""


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
    if reason := intruder(path, status):
        table.report(key, f"the file {reason}")
        return None
    return path
