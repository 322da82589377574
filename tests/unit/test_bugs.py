"""A bug in a command is told without what it holds, and with a code of its own."""

from __future__ import annotations

import logging

import click
import pytest
from click.testing import CliRunner

from stsfix.plugin.cli.session import Session, session_options
from stsfix.plugin.exit_codes import INTERNAL
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
