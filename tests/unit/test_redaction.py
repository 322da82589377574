"""No registered secret and no escape sequence reaches the log."""

from __future__ import annotations

import html
import io
import json
import logging
import urllib.parse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stsfix.plugin.cli import session as cli_session
from stsfix.plugin.cli.session import Session, report_error
from stsfix.plugin.diagnostics import RunContext
from stsfix.plugin.errors import SecretError
from stsfix.plugin.interrupt import StopFlag
from stsfix.plugin.logs import logging_to
from stsfix.plugin.output import Output
from stsfix.plugin.progress import ProgressPrinter
from stsfix.plugin.redaction import RedactionFilter, Redactor, cleared
from stsfix.plugin.terminal.runs import proof_lines
from stsfix.remediation.model import LoginProof
from stsfix.remediation.ports import Progress
from stsfix.snapshot.secret import Secret

PASSWORD = "p\"ss <w>&'rd/1"
DIVIDED = "correct horse-battery " + "staple" * 9
"""Blanks, a hyphen and a word of more than one line: everything that lines are ended at."""


class Explosive:
    """An argument that cannot be shown."""

    def __str__(self) -> str:
        raise ValueError(PASSWORD)


@pytest.fixture
def redactor():
    """Return a redactor that knows one password full of special characters."""
    redactor = Redactor()
    redactor.register(Secret(PASSWORD))
    return redactor


def logged(redactor, act, *, verbosity=2, name="stsfix.test"):
    """Return what *act* writes to the log."""
    stream = io.StringIO()
    with logging_to(stream, redactor, verbosity=verbosity):
        act(logging.getLogger(name))
    return stream.getvalue()


@pytest.mark.parametrize(
    "act",
    [
        lambda log: log.info("bind with " + PASSWORD),  # noqa: G003 - the case under test
        lambda log: log.info("bind with %s", PASSWORD),
        lambda log: log.info("bind with %r", PASSWORD),
        lambda log: log.info("bind with %(password)s", {"password": PASSWORD}),
        lambda log: log.info("body %s", json.dumps({"password": PASSWORD})),
        lambda log: log.info("GET /?p=%s", urllib.parse.quote_plus(PASSWORD)),
        lambda log: log.info("<p>p&quot;ss &lt;w&gt;&amp;&apos;rd/1</p>"),
        lambda log: log.info("<p>p\"ss &lt;w&gt;&amp;'rd/1</p>"),
    ],
    ids=["text", "str", "repr", "dict", "json", "url", "xml-all", "xml"],
)
def test_secret_is_stars_in_every_form(redactor, act):
    """Plain, quoted, encoded, in the text or in an argument that does not fit: it is not there."""
    text = logged(redactor, act)

    assert text.count("\n") == 1
    assert "rd/1" not in text
    assert "rd%2F1" not in text


@pytest.mark.parametrize(
    ("text", "argument"),
    [("bind with %d", PASSWORD), ("bind with %s", Explosive())],
    ids=["misfit", "explosive"],
)
def test_argument_that_does_not_fit_is_left_out(redactor, text, argument):
    """Logging would print such arguments as they are; the filter drops them."""
    record = logging.LogRecord("x", logging.INFO, "x.py", 1, text, (argument,), None)

    RedactionFilter(redactor).filter(record)

    assert record.getMessage() == f"{text} (its arguments do not fit)"


def fail(cause):
    """Raise an error that says the password, caused by another one."""
    raise RuntimeError(f"bind with {PASSWORD}") from cause


def test_secret_in_an_exception_is_stars(redactor):
    """The traceback, its message and its cause are redacted like the message."""

    def act(log):
        try:
            fail(ValueError(PASSWORD))
        except RuntimeError:
            log.exception("failed", stack_info=True)

    text = logged(redactor, act)

    assert "rd/1" not in text
    assert "RuntimeError: bind with ***" in text
    assert "ValueError: ***" in text
    assert "Stack (most recent call last)" in text


def test_secret_registered_later_is_redacted_too():
    """A password that is found after logging began is out of every later line."""
    redactor = Redactor()

    def act(log):
        redactor.register(Secret("later-found"))
        log.info("bind with later-found")

    assert logged(redactor, act).endswith("bind with ***\n")


def test_longer_secret_is_replaced_before_its_part():
    """A secret that begins with another one leaves nothing of itself."""
    redactor = Redactor()
    for value in ("VMware", "VMware1!secret"):
        redactor.register(Secret(value))

    assert redactor.redact("VMware1!secret and VMware") == "*** and ***"


def test_short_secret_is_left_alone():
    """Three characters are no password worth telling its place in every text."""
    redactor = Redactor()
    redactor.register(Secret("abc"))

    assert redactor.redact("abc") == "abc"


@given(st.text(st.characters(codec="utf-8"), min_size=4, max_size=20), st.text())
def test_no_secret_survives(secret, around):
    """Whatever the password is and whatever stands around it, it is gone from the text."""
    redactor = Redactor()
    redactor.register(Secret(secret))

    shown = redactor.redact(f"{around}{secret}{around}")

    assert secret not in shown.replace("***", "\0")


def test_log_lines_cannot_command_the_terminal(redactor):
    """Escapes and newlines from the network are spelled out on one line."""
    text = logged(redactor, lambda log: log.warning("answer %s", "\x1b]0;title\x07\nfake line"))

    assert text.endswith("answer \\x1b]0;title\\x07\\nfake line\n")
    assert text.count("\n") == 1


@pytest.mark.parametrize(
    ("verbosity", "own", "foreign"),
    [(0, "W", "W"), (1, "IW", "W"), (2, "DIW", "IW"), (5, "DIW", "IW")],
)
def test_verbosity_decides_what_is_shown(redactor, verbosity, own, foreign):
    """-v shows what stsfix does, -vv its calls; libraries never log at DEBUG."""

    def act(log):
        log.debug("D")
        log.info("I")
        log.warning("W")

    shown = logged(redactor, act, verbosity=verbosity)
    others = logged(redactor, act, verbosity=verbosity, name="pyVmomi")

    assert "".join(line[-1] for line in shown.splitlines()) == own
    assert "".join(line[-1] for line in others.splitlines()) == foreign


@pytest.mark.parametrize(("verbosity", "shown"), [(0, ""), (1, ""), (2, "IW")])
def test_paramikos_tracebacks_are_for_those_who_ask(redactor, verbosity, shown):
    """It calls every connection that ends an error; -vv shows it, and DEBUG never."""

    def act(log):
        log.debug("D")
        log.info("I")
        log.error("W")

    said = logged(redactor, act, verbosity=verbosity, name="paramiko.transport")

    assert "".join(line[-1] for line in said.splitlines()) == shown


def test_logging_is_put_back(redactor):
    """After the block the root logger is as it was."""
    root = logging.getLogger()
    before = (root.level, list(root.handlers), logging.getLogger("stsfix").level)

    logged(redactor, lambda log: log.info("x"))

    assert (root.level, list(root.handlers), logging.getLogger("stsfix").level) == before


def test_a_secret_on_a_page_is_replaced():
    """HTML writes quotes as entities of its own."""
    redactor = Redactor()
    redactor.register(Secret('it\'s <me> & "you"'))

    assert redactor.redact(html.escape('said: it\'s <me> & "you"')) == "said: ***"


def divided(width):
    """Return a sentence in which a line of *width* columns ends somewhere in the password."""
    return f"refused {'x' * (width // 3)} the word {DIVIDED} that was given"


def progressed(redactor, width):
    """Return what progress tells of a peer that says the password."""
    written: list[str] = []
    printer = ProgressPrinter(
        written.append,
        lambda: datetime(2026, 1, 1, tzinfo=UTC),
        width=width,
        redact=redactor.redact,
    )
    printer(Progress(step="verify-logins", subject="vc1", text=divided(width)))
    return "\n".join(written)


def proven(redactor, width):
    """Return what is shown of a proof whose detail says the password."""
    proof = LoginProof(node="vc1", way="login", ok=False, detail=divided(width))
    lines = proof_lines(cleared((proof,), redactor.redact), width=width)
    return "\n".join(line.text for line in lines)


def advised(redactor, width, monkeypatch):
    """Return what is shown of an error that says the password."""
    monkeypatch.setattr(cli_session, "_error_width", lambda: width)
    err = io.StringIO()
    session = Session(
        config=Path("domain.toml"),
        state_dir=Path("state"),
        as_json=False,
        yes=True,
        output=Output(io.StringIO(), err, {}, redactor.redact),
        redactor=redactor,
        context=RunContext(),
        flag=StopFlag(),
    )
    report_error(session, SecretError(divided(width), "is empty"))
    return err.getvalue()


@pytest.mark.parametrize("width", range(40, 121, 4))
def test_a_line_that_ends_in_a_password_shows_no_half_of_it(width, monkeypatch):
    """Secrets are taken out before lines are made, whatever the terminal's width."""
    redactor = Redactor()
    redactor.register(Secret(DIVIDED))

    texts = (
        progressed(redactor, width),
        proven(redactor, width),
        advised(redactor, width, monkeypatch),
    )

    for text in texts:
        assert "***" in text
        assert "given" in text
        assert [part for part in ("correct", "horse", "battery", "staple") if part in text] == []


def test_what_holds_no_secret_stays_the_very_object(redactor):
    """Nothing is copied for the usual case; certificates and secrets are not looked into."""
    seen = {"a": ({"b"}, [LoginProof(node="vc1", way="login", ok=True, detail=PASSWORD[:5])])}

    assert cleared(seen, redactor.redact) is seen


def test_a_secret_in_depth_is_stars(redactor):
    """In fields, sets and both sides of a mapping."""
    proof = LoginProof(node="vc1", way="login", ok=True, detail=f"took {PASSWORD}")

    found: Any = cleared({PASSWORD: [proof, frozenset({PASSWORD}), b"x", 1]}, redactor.redact)

    assert list(found) == ["***"]
    assert found["***"][0].detail == "took ***"
    assert found["***"][1:] == [frozenset({"***"}), b"x", 1]
