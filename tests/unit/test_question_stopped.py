"""Ctrl-C at a question: what is said then is true, and how the run stopped is told all the same."""

from __future__ import annotations

import os
import signal
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import click
import pytest

from memory_hypervisor import MemoryClock
from stsfix.plugin.cli import run as commands
from stsfix.plugin.cli.session import Session
from stsfix.plugin.diagnostics import RunContext
from stsfix.plugin.interrupt import StopFlag, ends_on_signals
from stsfix.remediation.renewal.plan import NO_RENEWAL
from stsfix.snapshot.errors import HostUnreachableError
from stsfix.snapshot.model import HostRef

ERROR = HostUnreachableError(HostRef("esx1"), "silent")


def interrupted(_prompt=""):
    """Stand in for the terminal: somebody presses Ctrl-C."""
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(5)
    raise AssertionError("the signal did not arrive")


def ended(_prompt=""):
    """Stand in for the terminal: Ctrl-D."""
    raise EOFError


@pytest.mark.parametrize("at_terminal", [interrupted, ended])
def test_a_question_that_is_broken_off_is_answered_with_no(monkeypatch, at_terminal):
    """The run keeps its state; the command goes on to report its error."""
    monkeypatch.setattr(click.termui, "visible_prompt_func", at_terminal)
    session: Any = SimpleNamespace(say=lambda text: None)

    with ends_on_signals(StopFlag(), lambda: None):
        assert not commands._goes_back(session, ERROR, "ask")


@pytest.mark.parametrize(
    ("run", "expected"), [("", "nothing was changed"), ("stsfix-1", "nothing more is done")]
)
def test_a_signal_is_answered_with_what_is_true(run, expected):
    """In the middle of a run nobody can say that nothing was changed."""
    told: list[str] = []
    session: Any = SimpleNamespace(
        context=SimpleNamespace(run=run), output=SimpleNamespace(note=told.append)
    )

    Session._tell_end(session)

    assert told == [f"stopping; {expected} (once more to exit now)"]


@pytest.mark.parametrize(("minutes", "looks"), [((1,), 1), ((16, 1), 2), ((600, 20, 2), 3)])
def test_an_answer_that_comes_late_is_asked_for_again(monkeypatch, minutes, looks):
    """What was looked at in the evening is no ground to begin in the morning."""
    clock, asked, waits = MemoryClock(), [], list(minutes)
    report = SimpleNamespace(
        inventory=SimpleNamespace(issuer="vmca"), findings=(), renewal=NO_RENEWAL
    )
    spec = SimpleNamespace(nodes=(), issuer="vmca", writer="vc1")

    def confirmed(session, question):
        clock.sleep(timedelta(minutes=waits.pop(0)).total_seconds())
        return True

    def look():
        asked.append(clock.slept)
        return report

    monkeypatch.setattr(commands, "confirmed", confirmed)
    session: Any = SimpleNamespace(
        as_json=True,
        context=RunContext(),
        clock=clock,
        say=lambda text: None,
        settings=SimpleNamespace(sts=SimpleNamespace(validity_days=1, retire_old=True)),
    )
    runs: Any = SimpleNamespace(prepare=lambda *_: spec)

    decided: Any = commands._decided(session, runs, look, force=False)

    assert decided == (spec, report)
    assert len(asked) == looks
