"""Fault rules that kill the process that called."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from stsfix.lab.control import ControlServer
from stsfix.lab.faults import Dropped, Effect, FaultBook, Rule, When

if TYPE_CHECKING:
    from stsfix.lab.lab import Lab

CALL = ("soap", "PowerOnVM_Task", "vc1")


@pytest.fixture
def book():
    """The rules of a lab."""
    return FaultBook()


@pytest.mark.parametrize(
    ("when", "order"),
    [(When.BEFORE, ["killed"]), (When.AFTER, ["done", "killed"])],
    ids=["before", "after"],
)
def test_who_called_is_killed_and_nobody_answers(book, when, order):
    """The call is carried out only if the process dies after it; the connection is closed."""
    happened = []
    rule = Rule(
        protocol="soap",
        call="*",
        when=when,
        effect=Effect.KILL,
        others=lambda: happened.append("killed"),
    )
    book.add(rule)

    with pytest.raises(Dropped), book.around(*CALL):
        happened.append("done")

    assert happened == order


@pytest.fixture
def server(book, tmp_path):
    """The control channel of a lab of which nothing but the faults is there."""
    return ControlServer(cast("Lab", SimpleNamespace(faults=book)), tmp_path)


def added(server, **rule):
    """Return the answer to a rule."""
    given = {"protocol": "soap", "call": "*"} | rule
    return server.answer(json.dumps({"command": "faults-add", "rule": given}).encode())


def test_a_lab_in_the_background_kills_the_process_it_is_told(server, book):
    """By SIGKILL, when the call comes; a process that is gone already is nobody's mistake."""
    code = "import time; time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        answer = added(server, effect="kill", pid=process.pid, times=2)

        with pytest.raises(Dropped), book.around(*CALL):
            pass
        ended = process.wait(20)

    assert answer == {"ok": True}
    assert ended == -signal.SIGKILL
    with pytest.raises(Dropped), book.around(*CALL):
        pass


@pytest.mark.parametrize("pid", [None, 0, 1, -1, "4711", True])
def test_no_group_and_not_the_lab_itself_is_killed(server, pid):
    """A rule without one process of somebody is refused."""
    answers = [added(server, effect="kill", pid=each) for each in (pid, os.getpid())]

    assert [answer["ok"] for answer in answers] == [False, False]
