"""The lab's HTTPS server: framing, keep-alive, what it does with nonsense."""

from __future__ import annotations

import contextlib
import http.client
import socket

import pytest

from esx_lab import _trust
from stsfix.lab.faults import NOISE, Dropped, Garbled, Reset
from stsfix.lab.https import HttpsServer, Reply

pytestmark = pytest.mark.lab


BREAKS = {"/drop": Dropped, "/reset": Reset, "/garbage": Garbled}


def echo(request):
    """Answer with what came, or break off in the way that the path names."""
    if request.path in BREAKS:
        raise BREAKS[request.path]
    text = f"{request.method} {request.path} ".encode()
    return Reply(status=201, body=text + request.body, headers=(("X-Lab", "1"),))


@contextlib.contextmanager
def serving():
    """A running server; yields (port, client context)."""
    ca, tls = _trust()
    server = HttpsServer("echo", port=0, tls=tls, answer=echo, handshake_s=0.3)
    server.start()
    try:
        yield server.port, ca.context()
    finally:
        server.stop()


def test_connection_is_kept():
    """Two requests go over one connection, by length and in chunks."""
    with serving() as (port, context):
        client = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=5)
        client.request("POST", "/a?b=c", body=b"abc")
        first = client.getresponse()
        text = first.read()
        used = client.sock
        client.request("PUT", "/d", body=iter([b"ab", b"cd"]), encode_chunked=True)
        second = client.getresponse().read()

        assert (first.status, first.getheader("X-Lab")) == (201, "1")
        assert (text, second) == (b"POST /a?b=c abc", b"PUT /d abcd")
        assert client.sock is used
        client.close()


def test_dropped_answer_closes_the_connection():
    """A handler that raises Dropped answers nothing."""
    with serving() as (port, context):
        client = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=5)
        client.request("GET", "/drop")

        with pytest.raises(http.client.RemoteDisconnected):
            client.getresponse()
        client.close()


def _read_to_the_end(client):
    """Read what is there below TLS."""
    while socket.socket.recv(client, 5000):
        pass


def test_a_reset_is_no_orderly_end():
    """Below TLS the client reads ECONNRESET instead of the end of the stream."""
    with serving() as (port, context):
        plain = socket.create_connection(("127.0.0.1", port), timeout=5)
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as client:
            client.sendall(b"GET /reset HTTP/1.1\r\n\r\n")

            with pytest.raises(ConnectionResetError):
                _read_to_the_end(client)


def test_garbage_looks_like_success():
    """Status 200 and noise; the connection stays."""
    with serving() as (port, context):
        client = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=5)
        client.request("GET", "/garbage")
        answer = client.getresponse()

        assert (answer.status, answer.read()) == (200, NOISE)
        client.close()


def test_expect_continue_is_answered_first():
    """A client that waits for 100 Continue gets it, then the answer."""
    with serving() as (port, context):
        plain = socket.create_connection(("127.0.0.1", port), timeout=5)
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as client:
            client.sendall(b"POST /x HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            interim = client.recv(100)
            client.sendall(b"ok")
            final = client.recv(1000)

        assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert final.endswith(b"POST /x ok")


@pytest.mark.parametrize(
    "nonsense",
    [b"hello\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"],
    ids=["no-http", "bad-length"],
)
def test_nonsense_closes_the_connection(nonsense):
    """What is not HTTP ends the connection, and the server goes on."""
    with serving() as (port, context):
        plain = socket.create_connection(("127.0.0.1", port), timeout=5)
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as client:
            client.sendall(nonsense)
            assert client.recv(100) == b""

        client = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=5)
        client.request("GET", "/")
        assert client.getresponse().status == 201
        client.close()


def test_silent_client_is_dropped_after_the_handshake_deadline():
    """Who connects and says nothing is disconnected."""
    with serving() as (port, _), socket.create_connection(("127.0.0.1", port), timeout=5) as silent:
        assert silent.recv(10) == b""


def test_stop_ends_open_connections():
    """After stop an idle kept connection is closed by the server."""
    with serving() as (port, context):
        client = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=5)
        client.request("GET", "/")
        client.getresponse().read()
        kept = client.sock

    with contextlib.suppress(ConnectionError):
        assert kept.recv(10) == b""
    client.close()
