"""Whose hands a path goes through: every folder and link of it is looked at."""

from __future__ import annotations

import os

import pytest

from memory_hypervisor import MemoryClock
from stsfix.remediation import replaceable as module
from stsfix.remediation.errors_run import JournalUnwritableError
from stsfix.remediation.journal import JournalFile
from stsfix.remediation.replaceable import ours, replaceable

STRANGER = 4711
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def home(tmp_path):
    """Return a folder of ours, with a file in it."""
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    (home / "file").write_text("ours")
    return home


@pytest.fixture
def shared(tmp_path):
    """Return a folder that everybody writes into."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    return shared


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o775, 0o1777])
def test_what_is_usual_is_believed(home, mode):
    """Homes of every kind, a group's folder, one that is sticky; and links between them."""
    home.chmod(mode)
    (home / "link").symlink_to("file")
    (home.parent / "other").symlink_to(home)

    for path in (home / "file", home / "link", home.parent / "other" / ".." / "home" / "file"):
        assert replaceable(path, ours()) == ""


@pytest.mark.parametrize("believed", [None, ours()])
def test_a_link_in_a_folder_of_everybodys_is_not_believed(home, shared, believed):
    """Whoever turns it gives us another file; also where a link of ours leads to that link."""
    (shared / "link").symlink_to(home / "file")
    (home / "own").symlink_to(shared / "link")

    for path in (shared / "link", home / "own"):
        assert str(shared) in replaceable(path, believed)


def test_a_folder_far_above_counts(shared):
    """Who renames it, renames what is in it."""
    inner = shared / "a" / "b"
    inner.mkdir(parents=True, mode=0o700)

    assert "anybody may put another one" in replaceable(inner / "file", ours())


def test_a_link_that_leads_away_is_followed_from_where_it_is(home, shared):
    """Relative to its folder, and upwards from the folder that it leads to."""
    (shared / "sub").mkdir()
    (home / "in").symlink_to("../shared/sub")

    assert replaceable(home / "in" / ".." / ".." / "home" / "file", None)


def test_links_in_a_circle_end(home):
    """As the system says."""
    (home / "one").symlink_to("two")
    (home / "two").symlink_to("one")

    with pytest.raises(OSError, match="symbolic links"):
        replaceable(home / "one", None)


@needs_root
def test_another_owner_is_named(home):
    """He can do with his folder what he likes; who is believed may."""
    os.chown(home, STRANGER, -1)

    assert replaceable(home / "file", ours()) == (
        f"{STRANGER} may put another one in its place, being the owner of {home}"
    )
    assert replaceable(home / "file", ours() | {STRANGER}) == ""
    assert replaceable(home / "file", None) == ""


@needs_root
def test_a_strangers_link_in_a_sticky_folder_is_not_believed(home, shared):
    """Only he can turn it, but he can."""
    shared.chmod(0o1777)
    (shared / "link").symlink_to(home / "file")
    os.lchown(shared / "link", STRANGER, -1)

    assert f"the owner of {shared / 'link'}" in replaceable(shared / "link", ours())


@needs_root
def test_who_called_sudo_is_believed(home, monkeypatch):
    """His home is where he lets root work."""
    os.chown(home, STRANGER, -1)
    monkeypatch.setenv("SUDO_UID", str(STRANGER))

    assert replaceable(home / "file", ours()) == ""


@needs_root
@pytest.mark.parametrize(
    ("mapped", "believed"), [("0 1000 1\n1 100000 65536", True), ("0 0 4294967295", False)]
)
def test_a_user_of_another_name_space_is_nobody(home, tmp_path, monkeypatch, mapped, believed):
    """In a container without root's rights; elsewhere his number is a user's like any other."""
    os.chown(home, 65534, -1)
    (tmp_path / "sys" / "kernel").mkdir(parents=True)
    (tmp_path / "self").mkdir()
    (tmp_path / "sys" / "kernel" / "overflowuid").write_text("65534\n")
    (tmp_path / "self" / "uid_map").write_text(f"{mapped}\n")
    monkeypatch.setattr(module, "_PROC", tmp_path)

    assert (replaceable(home / "file", ours()) == "") is believed


def test_a_state_folder_is_not_reached_through_everybodys(home, shared):
    """Its own folder may be as private as can be."""
    state = home / "state"
    state.mkdir(mode=0o700)
    (shared / "link").symlink_to(state)

    with pytest.raises(JournalUnwritableError, match="in its place"):
        JournalFile(shared / "link", MemoryClock())
