"""Wherever words of a peer are cut, no part of a password is left of them."""

from __future__ import annotations

import base64
import html
import json

import pytest

from stsfix.plugin.redaction import Redactor
from stsfix.remediation.diagnosis.log_signatures import SIGNATURES
from stsfix.remediation.directory.ldap_connection import plain_text
from stsfix.remediation.logins import wstrust
from stsfix.remediation.nodes import (
    log_script,
    node_facts,
    sections,
    service_logs,
    service_status,
    vami_answers,
)
from stsfix.remediation.nodes.node_logs import LOGS
from stsfix.remediation.pki import certool, vecs_writing
from stsfix.remediation.transports import service_ways, ssh_pool, ssh_session
from stsfix.remediation.transports.ssh_appliancesh import NoBashError
from stsfix.remediation.web import web_probe
from stsfix.remediation.web.https import Answer
from stsfix.remediation.web.web_probe import page_text
from stsfix.snapshot.secret import Secret
from stsfix.snapshot.words import CUT, ending, first_words, last_words, shortened

PASSWORD = "QXZ  7&KJ'V\"W#9"
"""Of characters that nothing around it has; two blanks, and quotes of both kinds."""
MARKS = frozenset("QXZKJVW#")


def _error(text: str) -> str:
    return json.dumps({"type": "a.b", "value": {"messages": [{"default_message": text}]}})


def _logged(text: str) -> str:
    line = f"InvalidCredentialsException {text}"
    log = LOGS[0].name
    kinds = (s.id for s in SIGNATURES if log in s.logs)
    output = f"== stsfix-log:n file {log}\n1 1\n" + "".join(
        f"== stsfix-log:n lines {log} {kind}\n{line[: log_script.LINE_BYTES]}\n" for kind in kinds
    )
    return " ".join(q.text for q in log_script.parse(output, "n").quotes)


def _service_log(text: str) -> str:
    output = f"== stsfix-service-log:n 0\nERROR {text}"[:1000]
    return " ".join(line for e in service_logs.parse(output, ["vpxd"], "n") for line in e.lines)


def _failed(text: str) -> str:
    (failure,) = service_status.parse_failures(f"Service-control failed. Error: a {text}")
    return failure.said


def _shown(text: str) -> str:
    return page_text(Answer(status=200, body=html.escape(text).encode(), date=None))


def _fact(text: str) -> str:
    return node_facts.read_fact({"a": text}, "a", lambda _: None).reason


CUTTERS = {
    "shortened": (lambda text: shortened(text, 50), 50),
    "ending": (lambda text: ending(text, 50), 50),
    "first words": (lambda text: first_words(text, 50), 50),
    "last words": (lambda text: last_words(text, 50), 50),
    "VAMI": (lambda text: vami_answers.parse_error(_error(text).encode())[1], 300),
    "value of VAMI": (lambda text: vami_answers.parse_text(json.dumps(text).encode()), 300),
    "nothing listed": (service_ways._nothing_listed, 200),
    "SSH": (lambda text: ssh_session._words(OSError(text)), 200),
    "a session of SSH": (ssh_pool.words, 200),
    "no bash": (lambda text: NoBashError(text).said, 200),
    "a section": (lambda text: sections.Sections(texts={"a": text}, complete=True).why("a"), 120),
    "a fact": (_fact, 120),
    "vecs-cli": (lambda text: vecs_writing.refusal_of(text, "n", 1), 200),
    "certool": (certool.error_of, 200),
    "page": (_shown, 400),
    "log": (_logged, log_script.LINE_BYTES),
    "log of a service": (_service_log, service_logs.LINE),
    "failure": (_failed, service_status.SAID),
    "WS-Trust": (lambda text: wstrust._printable(text, Secret("other")), 600),
    "LDAP": (plain_text, 160),
}
FORMS = {
    "plain": PASSWORD,
    "one blank": " ".join(PASSWORD.split()),
    "JSON": json.dumps(PASSWORD)[1:-1],
}


@pytest.fixture(scope="module")
def redactor():
    """Return what knows the password."""
    redactor = Redactor()
    redactor.register(Secret(PASSWORD))
    return redactor


@pytest.mark.parametrize("name", CUTTERS)
@pytest.mark.parametrize("form", FORMS)
def test_no_cut_leaves_a_part_of_a_password(redactor, name, form):
    """Wherever it goes through: of all that is shown, one character at most is of the password."""
    cut, limit = CUTTERS[name]
    went_through = False

    for place in range(limit - 40, limit + 10):
        before, after = "a" * place, "a" * (2 * limit)
        for text in (f"{before}{FORMS[form]}{after}", f"{after}{FORMS[form]}{before}"):
            said = cut(text)
            left = MARKS.intersection(redactor.redact(said))
            went_through |= bool(left) or MARKS.intersection(said) not in (set(), MARKS)

            assert len(left) < 2, said
    assert went_through


def _page_of_script(size: int, text: str) -> str:
    script = "x" * (size - len("<script></script>"))
    body = f"<script>{script}</script>{text}"
    return page_text(Answer(status=200, body=body.encode(), date=None))


def _failed_after_blanks(size: int, text: str) -> str:
    found = service_status.parse_failures(f"Service-control failed. Error: a{' ' * size}{text}")
    return found[0].said


@pytest.mark.parametrize(
    ("cut", "limit"),
    [(_page_of_script, web_probe._PARSED), (_failed_after_blanks, service_status._WORDING)],
)
def test_a_cut_is_marked_although_little_is_left(redactor, cut, limit):
    """Markup and blanks in front of the password are gone when the rest is shortened."""
    for size in range(limit - len(PASSWORD) - 8, limit):
        said = cut(size, PASSWORD)

        assert len(MARKS.intersection(redactor.redact(said))) < 2, said


def test_what_is_whole_is_not_marked():
    """Nor is anything taken out that begins like a password."""
    redactor = Redactor()
    redactor.register(Secret("VMware1!"))

    assert shortened("a" * 50, 50) == ending("a" * 50, 50) == "a" * 50
    assert redactor.redact("no VMware Tools") == "no VMware Tools"
    assert redactor.redact(f"no VMware{CUT}1! b") == f"no ***{CUT}*** b"


@pytest.mark.parametrize("user", ["root", "roo", "administrator@vsphere.local", "r", ""])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_login_in_base64_is_known(redactor, user, encode):
    """As HTTP sends it; three digits at each end may tell of what is around the password."""
    sent = encode(f"{user}:{PASSWORD}".encode()).decode()

    told = redactor.redact(f"Authorization: Basic {sent}").removeprefix("Authorization: Basic ")

    assert "***" in told
    assert len(told.rstrip("=")) <= len(f"{user}:") * 4 / 3 + len("***") + 4
