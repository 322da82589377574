"""Where runs are kept when nobody says it, on a platform that keeps to XDG."""

from __future__ import annotations

import pwd
import sys
from pathlib import Path

import click
import pytest

from stsfix.plugin.cli.session import default_state_dir

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other platforms, other folders")


def test_the_folder_for_state_or_the_home_folder(monkeypatch):
    """$XDG_STATE_HOME, unless it is no absolute path, which the specification lets be ignored."""
    monkeypatch.setenv("HOME", "/home/anna")
    monkeypatch.setenv("XDG_STATE_HOME", "/var/state")
    named = default_state_dir()
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    ignored = default_state_dir()

    assert named == Path("/var/state/stsfix")
    assert ignored == Path("/home/anna/.local/state/stsfix")


@pytest.mark.parametrize("home", [".", "home", None])
def test_without_a_home_folder_one_is_asked_for(home, monkeypatch):
    """A container often has neither HOME nor an entry for its user: no traceback, no folder in
    whatever the current one is.
    """

    def nobody(_: int) -> pwd.struct_passwd:
        raise KeyError

    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    if home is None:
        monkeypatch.delenv("HOME")
    else:
        monkeypatch.setenv("HOME", home)

    with pytest.raises(click.UsageError, match="--state-dir"):
        default_state_dir()
