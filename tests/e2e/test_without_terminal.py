"""Terminals that are closed in the middle of a run, and commands that never had one."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import time

import pytest

from lab_bench import Bench, build
from stsfix.lab import judge

pytestmark = [pytest.mark.e2e, pytest.mark.lab, pytest.mark.reliability("resources")]

LIMIT_S = 60.0
INTERRUPTED = 94


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One lab for the module, put back to its beginning for each test."""
    with build(topology="embedded") as lab:
        yield Bench(lab, tmp_path_factory.mktemp("lab"))


def started(bench, *words):
    """Start a command on a terminal of its own; return the process and both ends of it."""
    ours, theirs = pty.openpty()
    # The first terminal that the leader of a session opens is its own (credentials(7)).
    opening = 'exec "$@" <"$0" >"$0" 2>&1'
    process = subprocess.Popen(
        [
            "/bin/sh",
            "-c",
            opening,
            os.ttyname(theirs),
            sys.executable,
            "-m",
            "stsfix.plugin",
            *words,
        ],
        cwd=bench.folder,
        env={**bench.stsfix.environment, "TERM": "xterm"},
        start_new_session=True,
    )
    return process, ours, theirs


def read_until(terminal, words):
    """Return what came until *words* did."""
    seen = b""
    end = time.monotonic() + LIMIT_S
    while words not in seen and time.monotonic() < end:
        if select.select([terminal], [], [], 1)[0]:
            seen += os.read(terminal, 4096)
    assert words in seen, seen.decode(errors="replace")
    return seen


def test_a_run_whose_terminal_is_closed_stops_where_it_can_be_resumed(bench):
    """No traceback, no bug: interrupted at the next safe point, and resumed from elsewhere."""
    process, terminal, other = started(bench, "run", "--yes")
    read_until(terminal, b"power-on")

    os.close(other)
    os.close(terminal)
    code = process.wait(LIMIT_S)
    status = bench.stsfix.run("status", "--json").json()["run"]
    resumed = bench.stsfix.run("resume", "--yes")

    assert code == INTERRUPTED
    assert status["phase"] in {"open", "stopped"}
    assert resumed.code == 0
    assert judge.token_refusal(bench.lab, "vc1.lab.example") is None


@pytest.mark.parametrize("command", ["run", "rollback", "release"])
def test_nobody_is_asked_where_nobody_is(bench, command):
    """In CI a command without --yes ends at once instead of waiting for an answer."""
    ended = bench.stsfix.run(command)

    assert ended.code == 64
    assert "--yes" in ended.said
    bench.assert_untouched()


def test_a_password_that_is_nowhere_is_not_asked_for_where_nobody_is(bench):
    """It says in which places it looked."""
    bench.set_config(lambda text: text.partition("[secrets]")[0])

    ended = bench.stsfix.run("run", "--yes")

    assert ended.code == 4
    assert "STSFIX_SECRET_" in ended.said
    bench.assert_untouched()


@pytest.mark.parametrize("kind", ["file", "kernel"])
def test_a_state_folder_that_cannot_be_made_is_told_before_anything(bench, kind):
    """A folder on a file system that takes none, or below a file: exit code 96, no connection."""
    bench.mark()
    below = bench.folder / "domain.toml" if kind == "file" else "/proc"

    ended = bench.stsfix.run("run", "--yes", "--state-dir", f"{below}/state")

    assert ended.code == 96
    assert "Traceback" not in ended.said
    assert bench.calls().total() == 0
