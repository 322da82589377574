"""Peers that say nothing, or a byte now and then, in every protocol: nobody waits for ever."""

from __future__ import annotations

import io
import socket
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import paramiko
import pytest
from paramiko.common import AUTH_SUCCESSFUL, OPEN_SUCCEEDED

import sso_directory
from dripping import dripping
from ssh_client import NODE, ssh_shell
from stsfix.lab import pki
from stsfix.lab.ssh_keys import fingerprint, new_host_keys
from stsfix.remediation.directory.ldap_session import LdapSession
from stsfix.remediation.errors import (
    DirectoryUnreachableError,
    NodeUnreachableError,
    TransportUnavailableError,
)
from stsfix.remediation.logins.vcenter import open_vapi_session, soap_login
from stsfix.remediation.web import https
from stsfix.snapshot.errors import HostUnreachableError
from stsfix.snapshot.esxi_session import EsxiSession
from stsfix.snapshot.guest_session import GuestManagers, GuestSession
from stsfix.snapshot.model import HostRef, VmId
from stsfix.snapshot.secret import Secret
from stsfix.snapshot.system_clock import SystemClock
from stsfix.snapshot.tls import Endpoint, Trust, peer_context

pytestmark = pytest.mark.lab

LIMIT_S = 0.25
SOON_S = 5.0
PASSWORD = Secret("Sts-canary 8")
CLOCK = SystemClock()

HEAD = b"HTTP/1.1 200 OK\r\n"
BODY = HEAD + b"Content-Type: application/json\r\nContent-Length: 9999\r\n\r\n"
CHUNKS = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
HTTP = {
    "status": (b"", b"H"),
    "header": (HEAD, b"X"),
    "body": (BODY, b"y"),
    "chunks": (CHUNKS, b"1\r\nz\r\n"),
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}
MESSAGE = (b"\x30\x84\x00\x10\x00\x00", b"\x00")
RECORD = (b"\x16\x03\x03\x40\x00", b"\x02")
SILENCE = (b"", b"")


@pytest.fixture
def trust(tmp_path):
    """Trust in the root of the lab's nodes."""
    path = tmp_path / "ca.pem"
    path.write_bytes(pki.pem(sso_directory.ROOT))
    return Trust(ca_file=path)


def endpoint(port, trust, *, connect_s=SOON_S):
    """Return where the server is, with a short limit to answers."""
    return Endpoint(
        name="localhost",
        address="127.0.0.1",
        port=port,
        trust=trust,
        connect_timeout_s=connect_s,
        read_timeout_s=LIMIT_S,
    )


@contextmanager
def gives_up(error, match):
    """Expect *error* before long."""
    began = time.monotonic()
    with pytest.raises(error, match=match):
        yield
    assert time.monotonic() - began < SOON_S


def host(place):
    """Return a session with an ESXi host."""
    return EsxiSession(HostRef("localhost"), place, "root", PASSWORD)


def directory(place):
    """Return a session with a directory."""
    return LdapSession(
        "localhost", place, find_user_dn=lambda: "cn=a,dc=b", password=PASSWORD, clock=CLOCK
    )


def read(session):
    """Search the directory."""
    return session.search("", "(objectClass=*)", scope="BASE", attributes=["*"])


HOST, NODE_ERROR, DIRECTORY = HostUnreachableError, NodeUnreachableError, DirectoryUnreachableError
ASKING = {
    "page": (NODE_ERROR, lambda at: https.request(at, "GET", "/", clock=CLOCK)),
    "host": (HOST, lambda at: host(at).read(lambda content: content)),
    "soap": (NODE_ERROR, lambda at: soap_login(at, user="a", password=PASSWORD)),
    "vapi": (NODE_ERROR, lambda at: open_vapi_session(at, user="a", password=PASSWORD)),
    "bind": (DIRECTORY, lambda at: read(directory(at))),
    "anonymous": (
        DIRECTORY,
        lambda at: directory(at).search_anonymous("", "(a=*)", scope="BASE", attributes=[]),
    ),
}
SLOW = r"it answers too slowly: \d+ bytes? in 0\.\d+ s"


@pytest.mark.parametrize(
    ("asked", "drops"),
    [
        ("host", "body"),
        ("host", "continue"),
        ("soap", "status"),
        ("soap", "chunks"),
        ("vapi", "header"),
        ("vapi", "body"),
    ],
)
def test_a_dripping_answer_over_https_is_given_up(trust, asked, drops):
    """However the bytes are spread over an answer, its time is one."""
    error, ask = ASKING[asked]
    with dripping(*HTTP[drops]) as port, gives_up(error, SLOW):
        ask(endpoint(port, trust))


@pytest.mark.parametrize("asked", ["bind", "anonymous"])
def test_a_dripping_directory_is_given_up(trust, asked):
    """A message that is as long as it says comes byte by byte."""
    error, ask = ASKING[asked]
    with dripping(*MESSAGE) as port, gives_up(error, SLOW):
        ask(endpoint(port, trust))


@pytest.mark.parametrize("asked", ["page", "host", "soap", "vapi", "bind"])
def test_who_says_nothing_is_told_from_who_drips(trust, asked):
    """After the handshake there is no answer at all."""
    error, ask = ASKING[asked]
    with dripping(*SILENCE) as port, gives_up(error, r"no answer in 0\.\d+ s"):
        ask(endpoint(port, trust))


@pytest.mark.parametrize(
    ("asked", "drops"),
    [
        ("page", RECORD),
        ("host", SILENCE),
        ("soap", RECORD),
        ("vapi", SILENCE),
        ("bind", RECORD),
        ("bind", SILENCE),
    ],
)
def test_a_handshake_has_a_limit(trust, asked, drops):
    """Who takes the connection and does not shake hands in time is not waited for."""
    error, ask = ASKING[asked]
    said = r"no TLS handshake in 0\.\d+ s"
    with dripping(*drops, is_plain=True) as port, gives_up(error, said):
        ask(endpoint(port, trust, connect_s=LIMIT_S))


def test_who_takes_nothing_is_given_up(trust):
    """A peer that does not read what is sent to it fills what lies between, and is left."""
    place = endpoint(0, trust)
    much = b"x" * (1 << 20)
    with dripping(*SILENCE) as port, gives_up(TimeoutError, "no answer in"):
        plain = socket.create_connection(("127.0.0.1", port), timeout=SOON_S)
        with plain, peer_context(place).wrap_socket(plain) as secure:
            while True:
                secure.sendall(much)


def test_a_dripping_file_of_a_guest_is_given_up(trust):
    """Files come over the host's HTTPS port, on connections of their own."""
    with dripping(*HTTP["body"]) as port, gives_up(HostUnreachableError, SLOW):
        session = host(endpoint(port, trust))
        vm = VmId(host=session.host, moref="7", instance_uuid="u", name="vc1")
        owner: Any = SimpleNamespace(session=session)
        guest = GuestSession(owner, GuestManagers(owner), vm, "root", PASSWORD)
        guest.send("https://*/guestFile?id=1", b"content")


@pytest.mark.parametrize(
    "drops",
    [SILENCE, (b"", b"x"), (b"SSH-2.0-odd\r\n\0\0\x10\x0c\x0a\x14", b"\0")],
    ids=["silent", "greeting", "key exchange"],
)
def test_a_dripping_greeting_over_ssh_is_given_up(drops):
    """Until both sides have agreed on keys, the connect timeout is the limit of it all."""
    before = threading.active_count()
    with (
        dripping(*drops, is_plain=True) as port,
        ssh_shell(port, "x", sha256="0" * 64, connect_timeout_s=LIMIT_S) as shell,
        gives_up(TransportUnavailableError, "did not end in time|banner"),
    ):
        shell.run(NODE, "true", limit=timedelta(seconds=20))

    deadline = time.monotonic() + SOON_S
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before


class Mute(paramiko.ServerInterface):
    """Lets everybody in, opens channels, and never answers what is asked of one."""

    def __init__(self, over):
        self._over = over

    def get_allowed_auths(self, username):
        return "keyboard-interactive"

    def check_auth_interactive(self, username, submethods):
        return AUTH_SUCCESSFUL

    def check_channel_request(self, kind, chanid):
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel, command):
        self._over.wait(20)
        return False


def test_a_request_over_ssh_that_is_never_answered_is_given_up():
    """The channel is open, and nothing comes back of the command."""
    key, over = new_host_keys()[0], threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        plain, _ = listener.accept()
        server = paramiko.Transport(plain)
        server.add_server_key(paramiko.Ed25519Key(file_obj=io.StringIO(key.decode())))
        server.start_server(server=Mute(over))
        over.wait(20)
        server.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        with (
            listener,
            ssh_shell(
                listener.getsockname()[1], "x", sha256=fingerprint(key), read_timeout_s=1.0
            ) as shell,
            gives_up(TransportUnavailableError, "no answer in 1 s"),
        ):
            shell.run(NODE, "true", limit=timedelta(seconds=20))
    finally:
        over.set()
        thread.join(10)
