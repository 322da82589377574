"""Somebody else answers on every port there is: no client of ours sends it a byte of anything."""

from __future__ import annotations

from datetime import timedelta

import pytest

from stsfix.lab import pki
from stsfix.remediation.directory.vmdir import LdapDirectory
from stsfix.remediation.errors import (
    DirectoryUnreachableError,
    NodeTlsError,
    NodeUnreachableError,
    TransportUnavailableError,
)
from stsfix.remediation.host_keys import HostKeys, NoMemory, SshPeer
from stsfix.remediation.logins.node_logins import NodeLogins
from stsfix.remediation.logins.vcenter import open_vapi_session, soap_login
from stsfix.remediation.nodes.node_facts import Unread
from stsfix.remediation.transports import ssh_session
from stsfix.remediation.transports.vami import Vami
from stsfix.remediation.web.node_front import HttpsNodeFront
from stsfix.snapshot.errors import HostTlsError
from stsfix.snapshot.esxi import EsxiHost
from stsfix.snapshot.guest import EsxiGuestOperations
from stsfix.snapshot.model import HostRef, VmId
from stsfix.snapshot.secret import Secret
from stsfix.snapshot.system_clock import SystemClock
from stsfix.snapshot.tls import Endpoint, Trust
from tls_recorder import ROOT, foreign_certificate, host_certificate, recording

pytestmark = [pytest.mark.lab, pytest.mark.reliability("impostors")]

NAME = "vc1.lab.example"
RIGHT, IMPOSTOR = host_certificate(NAME), foreign_certificate(NAME)
PASSWORD = Secret("canary-password")
CLOCK = SystemClock()


def directory(endpoint):
    """Log in to a directory."""
    found = LdapDirectory(
        NAME,
        endpoint,
        domain="vsphere.local",
        user="cn=Administrator,cn=Users,dc=vsphere,dc=local",
        password=PASSWORD,
        clock=CLOCK,
    )
    found.read_sts_entries()


def logins(endpoint):
    """Return the proofs of login on one node."""
    return NodeLogins(
        {NAME: endpoint},
        domain="vsphere.local",
        user="administrator@vsphere.local",
        password=PASSWORD,
        clock=CLOCK,
    )


def host(endpoint):
    """Return an ESXi host."""
    return EsxiHost(HostRef(NAME), endpoint, "root", PASSWORD, CLOCK)


def guest(endpoint):
    """Run a script in a guest."""
    vm = VmId(host=HostRef(NAME), moref="1", instance_uuid="u", name="vc1")
    EsxiGuestOperations(host(endpoint), CLOCK, poll=timedelta(seconds=1)).run_script(
        vm, "id", user="root", password=PASSWORD, limit=timedelta(seconds=5)
    )


def vami(endpoint):
    """Log in to the management interface."""
    with Vami(endpoint, "root", PASSWORD, CLOCK):
        pass


def ssh(endpoint):
    """Log in over SSH, to the address and name of *endpoint*."""
    pinned = "0" * 64
    peer = SshPeer(node=endpoint.name, address=endpoint.address, port=endpoint.port, sha256=pinned)
    ssh_session.connect(peer, HostKeys(NoMemory(), None), user="root", password=PASSWORD)


CLIENTS = {
    "directory": (directory, NodeTlsError),
    "esxi": (lambda endpoint: host(endpoint).observe_host(), HostTlsError),
    "guest-operations": (guest, HostTlsError),
    "ws-trust": (lambda endpoint: logins(endpoint).issue_token(NAME), NodeTlsError),
    "metadata": (lambda endpoint: logins(endpoint).read_published_leaf(NAME), NodeTlsError),
    "jwks": (lambda endpoint: logins(endpoint).read_published_keys(NAME), NodeTlsError),
    "vapi": (
        lambda endpoint: open_vapi_session(
            endpoint, user="administrator@vsphere.local", password=PASSWORD
        ),
        NodeTlsError,
    ),
    "vcenter-soap": (
        lambda endpoint: soap_login(
            endpoint, user="administrator@vsphere.local", password=PASSWORD
        ),
        NodeTlsError,
    ),
    "vcenter-soap-token": (
        lambda endpoint: soap_login(endpoint, token=Secret(b"<Assertion/>")),
        NodeTlsError,
    ),
    "vami": (vami, NodeTlsError),
}


@pytest.fixture(params=["pin", "CA"])
def trust(request, tmp_path):
    """What the operator configured for the right peer."""
    if request.param == "pin":
        return Trust(sha256=pki.sha256(RIGHT))
    path = tmp_path / "ca.pem"
    path.write_bytes(pki.pem(ROOT))
    return Trust(ca_file=path)


def endpoint_of(server, trust):
    """Return *server* as the peer that is meant."""
    return Endpoint(
        name=NAME,
        address="127.0.0.1",
        port=server.port,
        trust=trust,
        connect_timeout_s=5.0,
        read_timeout_s=5.0,
    )


@pytest.mark.parametrize("client", CLIENTS)
def test_an_impostor_hears_nothing(client, trust):
    """The handshake ends it: neither a password nor a name or a request is sent."""
    work, error = CLIENTS[client]
    with recording(IMPOSTOR) as server, pytest.raises(error) as caught:
        work(endpoint_of(server, trust))

    assert server.received == b""
    assert PASSWORD.reveal() not in str(caught.value)


@pytest.mark.parametrize(
    ("client", "error"),
    [
        ("directory", DirectoryUnreachableError),
        ("ws-trust", NodeUnreachableError),
        ("vapi", NodeUnreachableError),
        ("vcenter-soap", NodeUnreachableError),
        ("vami", TransportUnavailableError),
        ("ssh", TransportUnavailableError),
    ],
)
@pytest.mark.parametrize(
    "name",
    ["ldap://127.0.0.1:{port}", "127.0.0.1:{port}", "a..b", "vc1\n127.0.0.1", "a\0b", "x" * 64],
)
def test_a_name_that_is_none_is_not_called(client, error, name):
    """A directory may list anything: ldap3 would go without TLS where a name begins so."""
    work, _ = {**CLIENTS, "ssh": (ssh, None)}[client]
    with recording(RIGHT) as server:
        told = name.format(port=server.port)
        endpoint = Endpoint(
            name=told, address=told, port=server.port, trust=Trust(sha256=pki.sha256(RIGHT))
        )

        with pytest.raises(error, match="cannot be a host name"):
            work(endpoint)

    assert server.connections == 0


def test_a_front_that_is_an_impostor_is_not_read(trust):
    """Preflight says that it was not read, and asks nothing."""
    with recording(IMPOSTOR) as server:
        front = HttpsNodeFront(lambda _: endpoint_of(server, trust), CLOCK)
        answer = front.read_front(NAME, vcenter=True)

    assert isinstance(answer.clock, Unread)
    assert server.received == b""


def test_the_right_peer_is_spoken_to(trust):
    """The recorder does record: what is refused above is not refused for another reason."""
    with recording(RIGHT) as server, pytest.raises(Exception, match=r".") as caught:
        logins(endpoint_of(server, trust)).read_published_leaf(NAME)

    assert not isinstance(caught.value, NodeTlsError)
    assert b"/websso/SAML2/Metadata" in server.received
