"""The TLS probe over loopback: it reads any certificate, sends nothing, and gives up in time."""

from __future__ import annotations

import contextlib
import socket
import ssl
import tempfile
import threading
import time
from contextlib import contextmanager

import pytest
from cryptography import x509

import sso_directory
from odd_tls import serving, silent
from stsfix.lab import pki
from stsfix.lab.https import server_context
from stsfix.remediation.errors import NodeUnreachableError
from stsfix.remediation.web.tls_probe import TlsProbe
from stsfix.snapshot.system_clock import SystemClock
from stsfix.snapshot.tls import Endpoint, Trust

pytestmark = pytest.mark.lab

NODE = "vc1.lab.example"
LIMIT_S = 0.6


def probe(port, name=NODE, limit_s=LIMIT_S):
    """Return the leaf that *port* of this machine shows."""
    endpoint = Endpoint(
        name=name, address="127.0.0.1", port=port, trust=Trust(), connect_timeout_s=limit_s
    )
    return TlsProbe(lambda node, port: endpoint, SystemClock()).read_shown_leaf(NODE, "https")


@contextmanager
def plain_server(behaviour):
    """Run ``behaviour(connection, over)`` for one connection; yields the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    over = threading.Event()

    def serve():
        connection, _ = listener.accept()
        with connection, contextlib.suppress(OSError):
            behaviour(connection, over)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        over.set()
        with contextlib.suppress(OSError):
            socket.create_connection(listener.getsockname(), timeout=1).close()
        thread.join(10)
        listener.close()


def says_nothing(connection, over):
    """Accept and keep quiet, at most 20 s."""
    over.wait(20)


def drips_a_record(connection, over):
    """Begin a record of 16 KiB and send a byte of it every 20 ms, at most 20 s."""
    connection.sendall(b"\x16\x03\x03\x40\x00")
    for _ in range(1000):
        if over.wait(0.02):
            return
        connection.sendall(b"\x02")


def drips_warnings(connection, over):
    """Send whole warning alerts, one every 20 ms, at most 20 s."""
    for _ in range(1000):
        if over.wait(0.02):
            return
        connection.sendall(b"\x15\x03\x01\x00\x02\x01\x5a")


def floods(connection, over):
    """Send zeros as fast as they are taken, at most 64 MiB."""
    for _ in range(1024):
        if over.is_set():
            return
        connection.sendall(bytes(65536))


def speaks_http(connection, over):
    """Answer in plain HTTP."""
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def hangs_up(connection, over):
    """Close at once."""


def test_leaf_is_read_and_nothing_is_sent():
    """A certificate that no client would trust is read; no byte follows the handshake."""
    with serving(silent) as server:
        leaf = probe(server.port, name="not.the.name")

    shown = x509.load_der_x509_certificate(leaf)
    shown.verify_directly_issued_by(sso_directory.ROOT)  # raises if it is not
    assert (server.handshakes, server.received) == (1, b"")


def test_weak_and_expired_certificate_is_read():
    """1024 bits and a past end are what is looked for, so they are no obstacle."""
    key = pki.new_key(1024)
    dates = {"not_before": pki.days_from_now(-9), "not_after": pki.days_from_now(-1)}
    root = pki.vmca_root(key, domain="vsphere.local", host=NODE, **dates)
    pair = pki.key_pair(key, [root])

    def serve(connection, over):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("ALL:@SECLEVEL=0")
        load(context, pair)
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(1)

    with plain_server(serve) as port:
        leaf = probe(port)

    assert leaf == pki.der(root)


def load(context, pair):
    """Load what `server_context` loads into a context that takes weak keys."""
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(pair.key_pem + pair.certificates_pem)
        file.flush()
        context.load_cert_chain(file.name)


@pytest.mark.parametrize(
    "behaviour", [says_nothing, drips_a_record, drips_warnings, floods, speaks_http, hangs_up]
)
def test_endless_or_broken_handshakes_end_in_time(behaviour):
    """Whatever the peer does, the probe is over soon after its limit, with a reason."""
    started = time.monotonic()

    with plain_server(behaviour) as port, pytest.raises(NodeUnreachableError) as raised:
        probe(port)

    assert time.monotonic() - started < 3 * LIMIT_S
    assert "TLS handshake" in str(raised.value) or "reset" in str(raised.value)


def test_peer_that_wants_a_certificate_of_ours_shows_its_own():
    """With TLS 1.3 its leaf comes before its refusal."""

    def serve(connection, over):
        context = server_context(sso_directory.node_tls())
        context.load_verify_locations(cadata=pki.pem(sso_directory.ROOT).decode())
        context.verify_mode = ssl.CERT_REQUIRED
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(1)

    with plain_server(serve) as port:
        leaf = probe(port)

    assert leaf


def test_closed_port_is_unreachable():
    """Nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(NodeUnreachableError, match="refused"):
        probe(port)


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".example", "\udcff.example", "", ".a"])
def test_names_that_cannot_be_host_names_are_unreachable(name):
    """A name out of a directory cannot crash the look at it."""
    with serving(silent) as server, pytest.raises(NodeUnreachableError):
        probe(server.port, name=name)
