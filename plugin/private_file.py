"""Writes a file that only its owner can read, whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from typing import TYPE_CHECKING

from stsfix.plugin.errors import ReportFileError

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE = 0o600


def require_writable(path: Path) -> None:
    """Return if a report may be written to *path*; asked before the work that it reports.

    Raises:
        ReportFileError: It is a link, a folder or a device, or its folder does not exist.
    """
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        mode = None
    except OSError as error:
        raise ReportFileError(str(path), error.strerror or "cannot be looked at") from error
    if mode is not None and stat.S_ISLNK(mode):
        raise ReportFileError(str(path), "is a symbolic link, which is never followed")
    if mode is not None and not stat.S_ISREG(mode):
        raise ReportFileError(str(path), "is no ordinary file")
    if not path.parent.is_dir():
        raise ReportFileError(str(path), "its folder does not exist")


def read_plain(path: Path, limit: int) -> bytes:
    """Return the first *limit* bytes of the ordinary file *path*; no link is followed, no pipe
    waited for.

    Raises:
        OSError: It is none, or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no ordinary file", str(path))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(limit)
    finally:
        os.close(descriptor)


def write_private(path: Path, text: str) -> None:
    """Make *path* hold exactly *text* in UTF-8, mode 0600, durable on return.

    It is written beside and renamed, so a reader sees the old file or the new one, and a link
    that is put there meanwhile is replaced, not followed.

    Raises:
        ReportFileError: See `require_writable`, or the disk said no; *path* is as before.
    """
    require_writable(path)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        _write_new(beside, text.encode())
        try:
            beside.replace(path)
        except OSError:
            beside.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)
    except OSError as error:
        raise ReportFileError(str(path), error.strerror or "cannot be written") from error


def _write_new(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, PRIVATE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(descriptor, PRIVATE)  # a umask may have taken more
            os.fsync(descriptor)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
