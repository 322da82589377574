"""A bug in a command is told without what it holds, and with a code of its own."""

from __future__ import annotations

import json
import logging

import click
import pytest
from click.testing import CliRunner

import stsfix.plugin.cli.session as session_module
from stsfix.plugin.cli.session import Session, report_error, session_options
from stsfix.plugin.errors import OutOfMemoryError
from stsfix.plugin.exit_codes import EXIT_CODES, INTERNAL
from stsfix.remediation.errors_run import UndoFailedError
from stsfix.snapshot.errors import AnswerTooLargeError
from stsfix.snapshot.secret import Secret

PASSWORD = "correct horse battery"


@pytest.fixture
def broken():
    """A command that fails with a password in its exception."""

    @click.command()
    @session_options
    def command(session: Session) -> int:
        session.redactor.register(Secret(PASSWORD))
        raise ValueError(f"cannot use {PASSWORD}")

    return command


def test_a_bug_has_its_own_exit_code_and_shows_no_secret(broken, tmp_path):
    """The traceback is there for a report, with stars where the password was."""
    before = logging.getLogger().level

    result = CliRunner().invoke(
        broken, ["--state-dir", str(tmp_path)], standalone_mode=False, catch_exceptions=False
    )

    assert result.return_value == INTERNAL
    assert "bug in stsfix" in result.stderr
    assert "ValueError: cannot use ***" in result.stderr
    assert PASSWORD not in result.output
    assert logging.getLogger().level == before


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread")])
def test_a_lack_of_memory_is_no_bug(error, tmp_path):
    """Its message says whose lack it is, and what to do."""

    @click.command()
    @session_options
    def command(session: Session) -> int:
        raise error

    result = CliRunner().invoke(
        command, ["--state-dir", str(tmp_path)], standalone_mode=False, catch_exceptions=False
    )

    assert result.return_value == EXIT_CODES[OutOfMemoryError]
    assert "no more memory" in result.stderr
    assert "bug" not in result.stderr


def test_a_lack_of_memory_is_told_without_any(tmp_path, monkeypatch, capfd):
    """Where not even the run can be read any more, one line and the exit code are left."""

    def starved(session, error):
        raise MemoryError

    monkeypatch.setattr(session_module, "report_error", starved)

    @click.command()
    @session_options
    def command(session: Session) -> int:
        raise MemoryError

    result = CliRunner().invoke(
        command, ["--state-dir", str(tmp_path)], standalone_mode=False, catch_exceptions=False
    )

    assert result.return_value == EXIT_CODES[OutOfMemoryError]
    assert "no more memory" in capfd.readouterr().err


def test_json_carries_the_notes_that_a_terminal_shows(tmp_path):
    """Also those of what an undo failed with, and harmless as every text of others."""

    @click.command()
    @session_options
    def command(session: Session) -> int:
        cause = AnswerTooLargeError("vc1", "more than 1 MiB")
        cause.add_note("also: esx2 \x1b[31mis down")
        error = UndoFailedError("power-on", str(cause))
        error.add_note("close it")
        try:
            raise error from cause
        except UndoFailedError as raised:
            return report_error(session, raised)

    told = CliRunner().invoke(
        command,
        ["--state-dir", str(tmp_path), "--json"],
        standalone_mode=False,
        catch_exceptions=False,
    )

    notes = json.loads(told.stdout)["diagnosis"]["notes"]
    assert notes == ["close it", "also: esx2 \\x1b[31mis down"]
    assert all(note in told.stderr for note in notes)
