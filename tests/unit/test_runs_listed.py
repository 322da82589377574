"""`stsfix runs` lists what it can read, and names the rest."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace

import pytest
from click.testing import CliRunner

from stsfix.plugin.cli import cli
from stsfix.remediation.journal import JournalFile
from stsfix.snapshot.system_clock import SystemClock
from worlds import spec

LATER = "stsfix-20270101T000000Z-bbbb"


@pytest.fixture
def state(tmp_path):
    """A state folder with a run of this version, and one of a later version."""
    file = JournalFile(tmp_path / "state", SystemClock())
    for ours in (spec(), replace(spec(), run=LATER)):
        file.create(ours, ("quiesce",), version="0", inventory="{}").close()
    with closing(file.connect()) as connection:
        later = "UPDATE runs SET spec = replace(spec, ?, ?) WHERE run = ?"
        connection.execute(later, ('"writer"', '"writers"', LATER))
    return file.folder


def listed(state, *options):
    """Call the command."""
    return CliRunner().invoke(cli, ["runs", "--state-dir", str(state), *options])


def test_a_run_of_a_later_version_hides_no_other(state):
    """It is told that it is there, and why it is not shown."""
    said = listed(state)

    assert said.exit_code == 0
    assert spec().run in said.stdout
    assert LATER not in said.stdout
    assert f"{LATER} is not listed" in said.stderr
    assert "which this version does not" in " ".join(said.stderr.split())


def test_programs_are_told_as_well(state):
    """By name."""
    said = json.loads(listed(state, "--json").stdout)

    assert [run["run"] for run in said["runs"]] == [spec().run]
    assert list(said["unread"]) == [LATER]
