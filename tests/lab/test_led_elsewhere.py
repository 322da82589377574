"""A peer that was believed names another one: nobody goes there, with or without a password.

Redirects, referrals, URLs of files, and another certificate at the second connection.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime

import pytest

from stsfix.lab import pki
from stsfix.remediation.directory.ldap_session import LdapSession
from stsfix.remediation.errors import DirectoryFaultError, DirectoryUnreachableError, NodeTlsError
from stsfix.remediation.logins.node_logins import NodeLogins
from stsfix.remediation.logins.vcenter import open_vapi_session, soap_login
from stsfix.remediation.transports.vami import Vami
from stsfix.remediation.web import https
from stsfix.remediation.web.web_probe import WebProbe
from stsfix.snapshot.errors import HostTlsError, OperationError
from stsfix.snapshot.esxi import EsxiHost
from stsfix.snapshot.guest_session import GuestManagers, GuestSession
from stsfix.snapshot.model import HostRef, VmId
from stsfix.snapshot.secret import Secret
from stsfix.snapshot.system_clock import SystemClock
from stsfix.snapshot.tls import Endpoint, Trust
from tls_recorder import foreign_certificate, host_certificate, recording

pytestmark = pytest.mark.lab

NAME = "vc1.lab.example"
RIGHT, IMPOSTOR = host_certificate(NAME), foreign_certificate(NAME)
PASSWORD = Secret("canary-password")
USER = "administrator@vsphere.local"
CLOCK = SystemClock()


def endpoint_of(server):
    """Return *server* as the peer that is pinned."""
    return Endpoint(
        name=NAME,
        address="127.0.0.1",
        port=server.port,
        trust=Trust(sha256=pki.sha256(RIGHT)),
        connect_timeout_s=20.0,
        read_timeout_s=20.0,
    )


def host(endpoint):
    """Return an ESXi host."""
    return EsxiHost(HostRef(NAME), endpoint, "root", PASSWORD, CLOCK)


def guest(endpoint):
    """Return a login to a guest."""
    vm = VmId(host=HostRef(NAME), moref="1", instance_uuid="u", name="vc1")
    made = host(endpoint)
    return GuestSession(made, GuestManagers(made), vm, "root", PASSWORD)


def logins(endpoint):
    """Return the proofs of login on one node."""
    return NodeLogins(
        {NAME: endpoint}, domain="vsphere.local", user=USER, password=PASSWORD, clock=CLOCK
    )


def vami(endpoint):
    """Read from the management interface."""
    with Vami(endpoint, "root", PASSWORD, CLOCK) as opened:
        opened.get("/rest/appliance/health/system")


CLIENTS = {
    "esxi": lambda endpoint: host(endpoint).observe_host(),
    "file transfer": lambda endpoint: guest(endpoint).send("https://evil.example/file", b"script"),
    "ws-trust": lambda endpoint: logins(endpoint).issue_token(NAME),
    "metadata": lambda endpoint: logins(endpoint).read_published_leaf(NAME),
    "vcenter-soap": lambda endpoint: soap_login(endpoint, user=USER, password=PASSWORD),
    "vapi": lambda endpoint: open_vapi_session(endpoint, user=USER, password=PASSWORD),
    "vami": vami,
}


@pytest.mark.parametrize("status", [302, 307, 308])
@pytest.mark.parametrize("client", CLIENTS)
def test_no_redirect_is_followed(client, status):
    """Not even to a peer that would be believed: it is an error of the one that was asked."""
    with recording(RIGHT) as elsewhere:
        answer = (
            f"HTTP/1.1 {status} Moved\r\nLocation: https://127.0.0.1:{elsewhere.port}/\r\n"
            "Set-Cookie: vmware_soap_session=1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        ).encode()
        with recording(RIGHT, reply=lambda _: answer) as server, pytest.raises(OperationError):
            CLIENTS[client](endpoint_of(server))

    assert server.received
    assert elsewhere.connections == 0


@pytest.mark.parametrize(("host", "followed"), [("evil.example", False), ("vc2.lab.example", True)])
def test_a_diagnosis_follows_redirects_within_the_domain_alone(host, followed):
    """It sends no secret, and still asks nobody whom the directory does not list."""
    with recording(RIGHT) as elsewhere:
        answer = (
            f"HTTP/1.1 302 Found\r\nLocation: https://{host}/ui/login\r\n"
            "Content-Length: 0\r\nConnection: close\r\n\r\n"
        ).encode()
        with recording(RIGHT, reply=lambda _: answer) as server:
            at = {NAME: endpoint_of(server), host: endpoint_of(elsewhere)}
            probe = WebProbe(
                front=at.__getitem__,
                sts=at.__getitem__,
                show=lambda _: pki.der(RIGHT),
                domain="vsphere.local",
                clock=CLOCK,
            )
            known = frozenset({NAME, "vc2.lab.example"})
            probe.read_web(NAME, vcenter=True, sts=False, own_port=False, known=known)

    assert (elsewhere.connections > 0) is followed
    assert b"authorization" not in elsewhere.received.lower()


def test_a_file_goes_to_the_host_that_was_asked():
    """Whatever host, port or scheme its URL says; with no cookie and no password."""
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    with recording(RIGHT) as elsewhere, recording(RIGHT, reply=lambda _: ok) as server:
        guest(endpoint_of(server)).send(f"http://127.0.0.1:{elsewhere.port}/guestFile?id=1", b"")

    assert server.received.startswith(b"PUT /guestFile?id=1 HTTP/1.1\r\n")
    assert b"cookie" not in server.received.lower()
    assert PASSWORD.reveal().encode() not in server.received
    assert elsewhere.connections == 0


def _referral(to: int):
    """Return an answerer that refers whatever it is asked to port *to* (RFC 4511 4.1.10)."""

    def reply(request: bytes) -> bytes:
        end = 4 + request[3]  # of the message's number, which ldap3 begins anywhere
        number, operation = request[2:end], request[end]
        if operation == 0x42:  # unbind
            return b""
        uri = f"ldaps://127.0.0.1:{to}/dc=vsphere,dc=local??sub".encode()
        link = bytes([0x04, len(uri)]) + uri
        further = bytes([0x73, len(link)]) + link if operation == 0x63 else b""
        answer = b"\x0a\x01\x0a\x04\x00\x04\x00" + bytes([0xA3, len(link)]) + link
        done = bytes([operation + (2 if operation == 0x63 else 1), len(answer)]) + answer
        parts = [part for part in (further, done) if part]
        return b"".join(bytes([0x30, len(number) + len(part)]) + number + part for part in parts)

    return reply


@pytest.mark.parametrize("call", ["read", "log in"])
def test_no_referral_is_followed(call):
    """Neither of a search, nor the continuation in it, nor of a bind: the password stays."""
    # To ldap3 a bind that is referred is no LDAP.
    error = DirectoryFaultError if call == "read" else DirectoryUnreachableError
    with (
        recording(RIGHT) as elsewhere,
        recording(RIGHT, reply=_referral(elsewhere.port)) as server,
    ):
        session = LdapSession(
            NAME,
            endpoint_of(server),
            find_user_dn=lambda: "cn=Administrator,cn=Users,dc=vsphere,dc=local",
            password=PASSWORD,
            clock=CLOCK,
        )
        asked = session.search_anonymous if call == "read" else session.search
        with contextlib.closing(session), pytest.raises(error):
            asked("", "(objectclass=*)", scope="BASE", attributes=["cn"])

    assert server.received
    assert elsewhere.connections == 0


def test_a_second_connection_is_as_wary_as_the_first():
    """A pin is looked at each time: who takes the peer's place in between hears nothing."""
    dated = datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")
    ok = f"HTTP/1.1 200 OK\r\nDate: {dated}\r\nContent-Length: 2\r\n\r\nok".encode()
    with recording(RIGHT, IMPOSTOR, reply=lambda _: ok) as server:
        peer = endpoint_of(server)
        https.request(peer, "GET", "/first", clock=CLOCK)
        first = server.received

        with pytest.raises(NodeTlsError):
            https.request(peer, "GET", "/second", clock=CLOCK, headers={"Authorization": "Basic x"})
        with pytest.raises(HostTlsError):
            guest(peer).send("/guestFile", b"a script with a secret")

    assert b"/first" in first
    assert server.received == first
