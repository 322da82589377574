"""The HTTPS front of a node: routes, restarts, and clients that misbehave."""

from __future__ import annotations

import http.client
import socket
import ssl

import pytest

from sso_directory import node_tls
from sso_node import NODE, trusting
from stsfix.lab.faults import Effect, FaultBook, Rule, When
from stsfix.lab.https import Reply
from stsfix.lab.sso.front import NodeFront

pytestmark = pytest.mark.lab


class Echo:
    """A service that answers its name and counts."""

    def __init__(self, name):
        self.name = name
        self.running = True
        self.handled = 0

    def handle(self, request):
        self.handled += 1
        return Reply(body=self.name.encode())


@pytest.fixture
def front():
    """A front that listens, without routes."""
    front = NodeFront(NODE, 0, node_tls(), faults=FaultBook())
    front.start()
    yield front
    front.stop()


def get(front, *paths):
    """Return (status, body) for each path, all over one connection."""
    connection = http.client.HTTPSConnection("127.0.0.1", front.port, context=trusting(), timeout=5)
    try:
        answers = []
        for path in paths:
            connection.request("GET", path)
            answer = connection.getresponse()
            answers.append((answer.status, answer.read()))
        return answers
    finally:
        connection.close()


def test_longest_prefix_of_whole_segments_wins(front):
    """``/a/b`` is its own service, ``/ab`` is nobody's; one connection serves all requests."""
    front.route("/a", Echo("a"))
    front.route("/a/b", Echo("a/b"))

    answers = get(front, "/a", "/a/x?y=/a/b", "/a/b/c", "/ab")

    assert [body for _, body in answers[:3]] == [b"a", b"a", b"a/b"]
    assert answers[3][0] == 404


def test_front_comes_back_on_its_port(front):
    """Stopped, it refuses connections; started again, it has the same port."""
    front.route("/a", Echo("a"))
    port = front.port
    get(front, "/a")

    front.stop()
    with pytest.raises(ConnectionRefusedError):
        get(front, "/a")
    front.start()

    assert front.port == port
    assert get(front, "/a") == [(200, b"a")]


def test_open_connections_end_with_the_front(front):
    """A connection kept alive does not outlive a stop."""
    front.route("/a", Echo("a"))
    connection = http.client.HTTPSConnection("127.0.0.1", front.port, context=trusting(), timeout=5)
    connection.request("GET", "/a")
    connection.getresponse().read()

    front.stop()

    ended = connection.sock.recv(1)
    connection.close()
    assert ended == b""


def test_silent_client_holds_up_nobody(front):
    """A client that never shakes hands does not keep the others out."""
    front.route("/a", Echo("a"))

    with socket.create_connection(("127.0.0.1", front.port)):
        answers = get(front, "/a")

    assert answers == [(200, b"a")]


def test_lost_answer_has_happened(front):
    """A dropped answer closes the connection after the service did its work."""
    echo = Echo("a")
    front.route("/a", echo)
    rule = Rule(protocol="https", call="GET /a", when=When.AFTER, effect=Effect.DROP)
    front._faults.add(rule)

    with pytest.raises(http.client.RemoteDisconnected):
        get(front, "/a")

    assert echo.handled == 1


def test_new_certificate_counts_from_the_next_start(front):
    """A replaced machine certificate is served after a restart, as on a node."""
    front.route("/a", Echo("a"))
    front.use(node_tls(days=-1))

    before = get(front, "/a")
    front.stop()
    front.start()

    assert before == [(200, b"a")]
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        get(front, "/a")
