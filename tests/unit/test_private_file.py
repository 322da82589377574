"""A report is private, whole, and never written through a link."""

from __future__ import annotations

import os
import stat

import pytest

from stsfix.plugin.errors import ReportFileError
from stsfix.plugin.private_file import require_writable, write_private


@pytest.fixture
def open_umask():
    """The most careless umask there is."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_file_is_for_its_owner_alone(tmp_path):
    """Mode 0600 whatever the umask, also when the old file was open to all."""
    path = tmp_path / "report.html"
    path.write_text("old")
    path.chmod(0o666)

    write_private(path, "büro")

    assert path.read_bytes() == "büro".encode()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("dangling", [True, False])
def test_link_is_refused_and_its_target_untouched(tmp_path, dangling):
    """A symbolic link is never followed, to a file or to nothing."""
    target = tmp_path / "passwd"
    if not dangling:
        target.write_text("root")
    path = tmp_path / "report.html"
    path.symlink_to(target)

    with pytest.raises(ReportFileError, match="symbolic link"):
        write_private(path, "report")

    assert path.is_symlink()
    assert target.exists() is not dangling


def test_only_ordinary_files_are_replaced(tmp_path):
    """A folder, a pipe, a device and a folder that is not there are refused before any work."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    file = tmp_path / "file"
    file.write_text("x")

    for path in (tmp_path, pipe, tmp_path / "none" / "report.html", file / "report.html"):
        with pytest.raises(ReportFileError):
            require_writable(path)


def test_old_file_stays_when_the_new_one_cannot_be_written(tmp_path):
    """Text that has no UTF-8 form fails before anything is touched, and nothing is left over."""
    path = tmp_path / "report.html"
    path.write_text("old")

    with pytest.raises(UnicodeEncodeError):
        write_private(path, "\udcff")

    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["report.html"]


def test_a_file_is_on_the_disk_when_the_call_returns(tmp_path, monkeypatch):
    """The file is synced before it gets its name, and the folder after it: an export is durable
    before anything is written to a directory.
    """
    path = tmp_path / "report.html"
    synced: list[tuple[str, bool]] = []
    real = os.fsync

    def fsync(descriptor):
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        synced.append((kind, path.exists()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)

    write_private(path, "text")

    assert synced == [("file", False), ("folder", True)]
