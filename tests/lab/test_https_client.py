"""The HTTPS client over loopback: whom it talks to, and when it gives up."""

from __future__ import annotations

import hashlib
import socket
import ssl
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest

import sso_directory
from odd_tls import drips, sends, serving, silent
from ready_keys import another_key
from stsfix.lab import pki
from stsfix.remediation.errors import NodeTlsError, NodeUnreachableError
from stsfix.remediation.web import https
from stsfix.snapshot.errors import AnswerTooLargeError
from stsfix.snapshot.system_clock import SystemClock
from stsfix.snapshot.tls import Endpoint, Trust

pytestmark = pytest.mark.lab

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: Sun, 01 Mar 2026 12:00:00 GMT\r\n\r\nhi"


@pytest.fixture
def ca_file(tmp_path):
    """The lab's root as a PEM file."""
    path = tmp_path / "ca.pem"
    path.write_bytes(pki.pem(sso_directory.ROOT))
    return path


@pytest.fixture
def endpoint(ca_file):
    """An endpoint whose port a test fills in."""
    return Endpoint(
        name="localhost",
        address="127.0.0.1",
        port=0,
        trust=Trust(ca_file=ca_file),
        connect_timeout_s=2.0,
        read_timeout_s=1.0,
    )


def get(endpoint, server, **changes):
    """GET / from *server*."""
    found = replace(endpoint, port=server.port, **changes)
    return https.request(found, "GET", "/x", clock=SystemClock())


def test_reads_an_answer(endpoint):
    """Status, body and the node's own clock; Host is the name with the port."""
    with serving(sends(OK)) as server:
        answer = get(endpoint, server)

    assert (answer.status, answer.body) == (200, b"hi")
    assert answer.date == datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    assert server.received.startswith(b"GET /x HTTP/1.1\r\n")
    assert f"\r\nHost: localhost:{server.port}\r\n".encode() in server.received


def test_follows_no_redirect(endpoint):
    """A redirect is an answer like any other."""
    moved = b"HTTP/1.1 307 Moved\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n"
    with serving(sends(moved)) as server:
        answer = get(endpoint, server)

    assert answer.status == 307


def test_ignores_the_environment(endpoint, monkeypatch):
    """Proxy and CA variables change nothing."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent")

    with serving(sends(OK)) as server:
        assert get(endpoint, server).status == 200


@pytest.mark.parametrize(
    "behaviour",
    [
        silent,
        drips(b"", b"H"),
        drips(b"HTTP/1.1 200 OK\r\n", b"X"),
        drips(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"y"),
        drips(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nz\r\n"),
        drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["silent", "status-line", "header", "body", "chunks", "continue"],
)
def test_gives_up_at_the_deadline(endpoint, behaviour):
    """A node that sends a byte now and then does not keep the request alive."""
    with serving(behaviour) as server:
        started = time.monotonic()
        with pytest.raises(NodeUnreachableError, match=r"too slowly|no answer in") as caught:
            get(endpoint, server, read_timeout_s=0.4)
        took = time.monotonic() - started

    assert took < 1.5
    assert caught.value.answered == (behaviour is not silent)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", "503"),
        (b"SSH-2.0-OpenSSH\r\n", "does not answer"),
        (b"", "does not answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhi", "does not answer"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "does not answer"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "does not answer"),
    ],
    ids=["503", "no-http", "nothing", "cut", "bad-chunk", "headers"],
)
def test_other_answers_are_unreachable(endpoint, content, said):
    """503 and broken answers count as "does not answer", of a node that is there."""
    with serving(sends(content)) as server, pytest.raises(NodeUnreachableError) as caught:
        get(endpoint, server)

    assert said in str(caught.value)
    assert caught.value.answered


def test_nobody_listens(endpoint):
    """A refused connection is unreachable."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(NodeUnreachableError) as caught:
        https.request(replace(endpoint, port=port), "GET", "/", clock=SystemClock())

    assert not caught.value.answered


def wrong_ca(endpoint, tmp_path):
    """Trust a root that signed nothing here."""
    key = another_key()
    start, end = pki.days_from_now(-1), pki.days_from_now(1)
    other = pki.vmca_root(key, domain="a.b", host="x", not_before=start, not_after=end)
    path = tmp_path / "other.pem"
    path.write_bytes(pki.pem(other))
    return replace(endpoint, trust=Trust(ca_file=path))


@pytest.mark.parametrize("case", ["ca", "name", "pin"])
def test_sends_nothing_to_somebody_else(endpoint, tmp_path, case):
    """Wrong root, wrong name or wrong pin: an error before the first byte of the request."""
    wrong = {
        "ca": lambda: wrong_ca(endpoint, tmp_path),
        "name": lambda: replace(endpoint, name="vc2.lab.example"),
        "pin": lambda: replace(endpoint, trust=Trust(sha256="0" * 64)),
    }[case]()

    with serving(sends(OK)) as server, pytest.raises(NodeTlsError) as caught:
        get(wrong, server)

    assert caught.value.answered
    assert server.received == b""


def test_shows_the_certificate_of_a_wrong_pin(endpoint):
    """The error carries the SHA-256 that was shown, which then can be pinned."""
    with serving(sends(OK)) as server:
        with pytest.raises(NodeTlsError) as caught:
            get(replace(endpoint, trust=Trust(sha256="0" * 64)), server)
        shown = caught.value.sha256
        leaf = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", server.port)))
        answer = get(replace(endpoint, trust=Trust(sha256=shown)), server)

    assert shown == hashlib.sha256(leaf).hexdigest()
    assert "('" not in str(caught.value)
    assert answer.status == 200


def test_a_missing_ca_file_is_a_tls_error(endpoint, tmp_path):
    """Without the CA file nobody can be verified; nothing is connected."""
    broken = replace(endpoint, trust=Trust(ca_file=tmp_path / "missing.pem"))

    with pytest.raises(NodeTlsError, match="CA file") as caught:
        https.request(broken, "GET", "/", clock=SystemClock())

    assert not caught.value.answered


def test_a_body_that_is_too_large_is_refused(endpoint):
    """It is no body that goes on for ever, and nobody reads it to its end."""
    body = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (https.BODY_LIMIT + 1)

    with serving(sends(body)) as server, pytest.raises(AnswerTooLargeError, match="4 MiB"):
        get(endpoint, server)


def test_headers_without_end_are_too_large(endpoint):
    """What is no body counts, too: "100 Continue" may be said any number of times."""
    endless = b"HTTP/1.1 100 Continue\r\nX: %b\r\n\r\n" % (b"x" * 60_000)

    def goes_on(secure, over):
        while not over.is_set():
            secure.sendall(endless)

    with serving(goes_on) as server, pytest.raises(AnswerTooLargeError, match="32 MiB"):
        get(endpoint, server, read_timeout_s=20.0)


def test_a_chain_without_end_is_no_handshake(endpoint):
    """OpenSSL takes no certificates above 100 KiB; nothing is sent."""
    pair = sso_directory.node_tls()
    long = replace(pair, certificates_pem=pair.certificates_pem * 200)
    with serving(sends(OK), tls=long) as server:
        with pytest.raises(NodeUnreachableError, match=r"(?i)excessive message size"):
            get(endpoint, server)
        assert server.received == b""
