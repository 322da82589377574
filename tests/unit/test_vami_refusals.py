"""A password is called refused only by an answer to the password, not to a session."""

from __future__ import annotations

import json

import pytest

from memory_hypervisor import MemoryClock
from stsfix.remediation.errors import LoginRefusal, NodeLoginError
from stsfix.remediation.nodes.node_facts import Unread
from stsfix.remediation.nodes.vami_answers import HEALTH, SESSION, VERSION
from stsfix.remediation.transports import vami as module
from stsfix.remediation.transports.attempts import Attempts
from stsfix.remediation.transports.vami import Vami
from stsfix.remediation.transports.vami_look import ManagementLook
from stsfix.remediation.web.https import Answer
from stsfix.snapshot.secret import Secret
from stsfix.snapshot.tls import Endpoint, Trust
from worlds import node

NODE = "vc1.lab.example"
LOCKED = "account locked due to 3 failed logins"


def error(status, words=""):
    """Return a standard error as the interface words it."""
    body = {"type": "x.error", "value": {"messages": [{"default_message": words}]}}
    return Answer(status=status, body=json.dumps(body).encode(), date=None)


def said(value):
    """Return a good answer."""
    return Answer(status=200, body=json.dumps({"value": value}).encode(), date=None)


@pytest.fixture
def answers(monkeypatch):
    """Return what the interface answers to each path; a login gives a session."""
    found = {
        SESSION: said("0123"),
        VERSION: said({"version": "8.0.3.00000"}),
        HEALTH: said("green"),
    }
    monkeypatch.setattr(module, "request", lambda _e, _method, path, **_: found[path])
    return found


def vami(_=NODE):
    """Return the interface of the node."""
    endpoint = Endpoint(name=NODE, address="127.0.0.1", port=5480, trust=Trust())
    return Vami(endpoint, "root", Secret("right"), MemoryClock())


@pytest.mark.parametrize("refused", [error(401), error(403, LOCKED), error(401, LOCKED)])
@pytest.mark.parametrize("path", [VERSION, HEALTH])
def test_a_path_that_refuses_a_session_costs_that_answer_alone(answers, path, refused):
    """The password was taken: the other answer is told, and no transport is shut out."""
    answers[path] = refused
    attempts = Attempts()

    told = ManagementLook(vami, attempts).read(node(NODE))

    unread = told.version if path == VERSION else told.health
    assert isinstance(unread, Unread)
    assert path in unread.reason
    assert {told.version, told.health} & {"8.0.3.00000", "green"}
    assert attempts.guarded(NODE, lambda: "let in") == "let in"


def test_a_password_that_the_new_login_refuses_is_refused(answers):
    """It was changed since, or root is locked: it is not sent again."""
    client = vami()
    with client:
        answers[VERSION] = error(401)
        answers[SESSION] = error(401, LOCKED)
        with pytest.raises(NodeLoginError) as caught:
            client.get(VERSION)

    assert caught.value.refusal is LoginRefusal.LOCKED


@pytest.mark.parametrize("refused", [error(401), error(403, LOCKED)])
def test_where_there_are_no_sessions_each_answer_is_to_the_password(answers, refused):
    """An older interface gets it with every request, and counts every refusal."""
    answers[SESSION] = error(404)
    answers[VERSION] = refused

    with pytest.raises(NodeLoginError), vami() as client:
        client.get(VERSION)
