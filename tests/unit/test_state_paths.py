"""The state folder under attack: links, other people's folders, names that climb out of it."""

from __future__ import annotations

import errno
import os
import threading
from dataclasses import replace

import pytest

import sts_material
from memory_hypervisor import MemoryClock
from stsfix.plugin import export_file
from stsfix.plugin.export_file import ExportFiles
from stsfix.remediation.directory.sts_export import StsExport
from stsfix.remediation.errors_run import ExportError, JournalUnwritableError
from stsfix.remediation.journal import JournalFile
from stsfix.snapshot.secret import Secret

EXPORT = StsExport(
    run="stsfix-1",
    domain="vsphere.local",
    writer="vc1.lab.example",
    created=sts_material.NOW,
    nodes={},
)


@pytest.fixture
def files(tmp_path):
    """Exports in an empty state folder."""
    return ExportFiles(tmp_path, lambda: Secret("words"))


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o1777, 0o702])
def test_a_folder_others_may_write_into_is_refused(tmp_path, mode):
    """Whoever may write there could put another journal in the place of ours."""
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(mode)

    with pytest.raises(JournalUnwritableError, match="others may write"):
        JournalFile(folder, MemoryClock())

    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(("mode", "refused"), [(0o777, True), (0o1777, False), (0o775, False)])
def test_a_folder_that_anybody_can_replace_is_refused(tmp_path, mode, refused):
    """Who may write into the folder above renames ours and makes another one, unless it is sticky;
    a group of people above it is believed.
    """
    above = tmp_path / "above"
    above.mkdir()
    above.chmod(mode)

    if refused:
        with pytest.raises(JournalUnwritableError, match="in its place"):
            JournalFile(above / "state", MemoryClock())
    else:
        JournalFile(above / "state", MemoryClock())

    assert (above / "state" / "journal.sqlite").exists() is not refused


def test_a_link_is_judged_by_where_it_leads(tmp_path):
    """A state folder may be a link; who can replace its target is asked there."""
    above = tmp_path / "above"
    (above / "target").mkdir(parents=True, mode=0o700)
    above.chmod(0o777)
    (tmp_path / "state").symlink_to(above / "target")

    with pytest.raises(JournalUnwritableError, match="in its place"):
        JournalFile(tmp_path / "state", MemoryClock())


def test_a_journal_that_lost_its_mode_gets_it_back(tmp_path):
    """A copy made with cp may be for all to read."""
    file = JournalFile(tmp_path / "state", MemoryClock())
    file.path.chmod(0o644)

    JournalFile(tmp_path / "state", MemoryClock())

    assert file.path.stat().st_mode & 0o777 == 0o600


def test_a_pipe_in_the_place_of_the_journal_hangs_nobody(tmp_path):
    """It is refused like everything that is no ordinary file."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    os.mkfifo(state / "journal.sqlite", 0o600)

    with pytest.raises(JournalUnwritableError, match="no ordinary file"):
        JournalFile(state, MemoryClock())


def test_another_users_folder_is_refused(tmp_path, monkeypatch):
    """It is theirs to change, whatever its mode."""
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)

    with pytest.raises(JournalUnwritableError, match="another user"):
        JournalFile(tmp_path, MemoryClock())


def test_a_folder_that_others_may_read_is_taken(tmp_path):
    """Files in it are private by themselves."""
    folder = tmp_path / "state"
    folder.mkdir()
    folder.chmod(0o755)

    file = JournalFile(folder, MemoryClock())

    assert file.path.stat().st_mode & 0o777 == 0o600


def test_the_lock_is_not_written_through_a_link(tmp_path):
    """A link in its place is an error, and its target stays."""
    target = tmp_path / "target"
    target.write_text("precious")
    file = JournalFile(tmp_path / "state", MemoryClock())
    (tmp_path / "state" / "vsphere.local.lock").symlink_to(target)

    with pytest.raises(JournalUnwritableError, match="lock"), file.locked("vsphere.local", "me"):
        pass

    assert target.read_text() == "precious"


def test_an_export_is_private_whatever_the_umask(files):
    """Mode 0600 in a folder 0700."""
    before = os.umask(0)
    try:
        files.save(EXPORT)
    finally:
        os.umask(before)

    path = files.path("stsfix-1")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_an_export_is_not_read_through_a_link(files, tmp_path):
    """A link in its place is no export."""
    files.save(EXPORT)
    path = files.path("stsfix-1")
    path.rename(tmp_path / "moved.json")
    path.symlink_to(tmp_path / "moved.json")

    with pytest.raises(ExportError, match="cannot be read"):
        files.load("stsfix-1")


def test_an_export_under_another_runs_name_is_refused(files):
    """A file that was renamed does not become another run's."""
    files.save(EXPORT)
    files.path("stsfix-1").rename(files.path("stsfix-2"))

    with pytest.raises(ExportError, match="of another run"):
        files.load("stsfix-2")


def test_a_huge_file_is_not_read_whole(files, monkeypatch):
    """What is larger than any export is told from the first byte too many."""
    monkeypatch.setattr("stsfix.plugin.export_file.MAX_BYTES", 100)
    files.save(replace(EXPORT, writer="w" * 200))

    with pytest.raises(ExportError, match="larger"):
        files.load("stsfix-1")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_what_is_no_file_is_no_export(files, make):
    """It is told as that, and not waited for."""
    files.save(EXPORT)
    path = files.path("stsfix-1")
    path.unlink()
    make(path)

    with pytest.raises(ExportError, match="cannot be read"):
        files.load("stsfix-1")

    assert not files.holds("stsfix-1", "")


def test_an_export_on_a_disk_that_fails_is_told(files, monkeypatch):
    """As one that cannot be read."""
    files.save(EXPORT)

    def fail(path, limit):
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    monkeypatch.setattr(export_file, "read_plain", fail)

    with pytest.raises(ExportError, match="cannot be read"):
        files.load("stsfix-1")


@pytest.fixture
def barred(tmp_path):
    """Return a state folder with a pipe in the place of a domain's lock."""
    file = JournalFile(tmp_path / "state", MemoryClock())
    os.mkfifo(tmp_path / "state" / "vsphere.local.lock", 0o600)
    return file


def test_a_pipe_in_the_place_of_the_lock_holds_nobody_up(barred):
    """Nobody holds it, whoever asks; and nobody takes it."""
    done = []
    asking = threading.Thread(
        target=lambda: done.append(barred.holder("vsphere.local")), daemon=True
    )
    asking.start()
    asking.join(5)

    assert done == [""]
    with (
        pytest.raises(JournalUnwritableError, match="no ordinary file"),
        barred.locked("vsphere.local", "me"),
    ):
        pass
