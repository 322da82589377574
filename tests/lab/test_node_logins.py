"""NodeLogins against the lab's STS, vCenter and vAPI, over loopback TLS."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from vmware.vapi.lib.log import get_client_wire_logger

import sso_directory
from memory_hypervisor import MemoryClock
from odd_tls import sends, serving
from ready_keys import another_key
from sso_directory import ADMINISTRATOR, PASSWORD, leaf, sound_directory
from sso_node import NODE, Node, running
from stsfix.lab import pki
from stsfix.lab.faults import Effect, Rule, When
from stsfix.lab.https import Reply
from stsfix.remediation.errors import (
    NodeTlsError,
    NodeUnreachableError,
    ProofError,
    SigningCertificateError,
    SsoLoginError,
)
from stsfix.remediation.logins import saml
from stsfix.remediation.logins.node_logins import NodeLogins
from stsfix.remediation.logins.verify import verify_logins
from stsfix.remediation.model import NodePlan, Role
from stsfix.snapshot.model import HostRef, VmId
from stsfix.snapshot.secret import Secret
from stsfix.snapshot.system_clock import SystemClock
from stsfix.snapshot.tls import Endpoint, Trust

pytestmark = pytest.mark.lab

XMLSEC1 = shutil.which("xmlsec1")
WAYS = {
    "sts-token": lambda logins: logins.issue_token(NODE),
    "metadata": lambda logins: logins.read_published_leaf(NODE),
    "login-by-token": lambda logins: logins.login_by_token(NODE, sts=NODE),
    "login": lambda logins: logins.login(NODE),
    "vapi-session": lambda logins: logins.open_vapi_session(NODE),
}


@pytest.fixture
def node():
    """A sound node with every service up."""
    with running(Node(sound_directory())) as node:
        node.vcenter.start()
        node.vapi.start()
        yield node


@pytest.fixture
def endpoint(node, tmp_path):
    """The node's front, verified against the lab's root."""
    path = tmp_path / "ca.pem"
    path.write_bytes(pki.pem(sso_directory.ROOT))
    return Endpoint(
        name="localhost",
        address="127.0.0.1",
        port=node.front.port,
        trust=Trust(ca_file=path),
        connect_timeout_s=5,
        read_timeout_s=10,
    )


def logins_at(*endpoints, password=PASSWORD, clock=None):
    """Return logins to the nodes at *endpoints*: the first is NODE, the others vc2, vc3 ..."""
    names = [NODE, *(f"vc{number}.lab.example" for number in range(2, 9))]
    return NodeLogins(
        dict(zip(names, endpoints, strict=False)),
        domain="vsphere.local",
        user=ADMINISTRATOR,
        password=Secret(password),
        clock=clock or SystemClock(),
    )


@pytest.fixture
def logins(endpoint):
    """Logins with the right password."""
    return logins_at(endpoint)


def test_token_is_signed_by_the_directorys_leaf(node, logins):
    """The token verifies, and its leaf is the one in the directory; so does the one that vCenter
    is shown.
    """
    token = logins.issue_token(NODE)

    assert token.leaf_sha256 == pki.sha256(node.sts.tenant.signer.chain[0])
    assert logins.login_by_token(NODE, sts=NODE).leaf_sha256 == token.leaf_sha256
    assert token.subject.lower() == ADMINISTRATOR
    lifetime = token.not_on_or_after - token.not_before
    assert timedelta(seconds=290) < lifetime <= timedelta(seconds=300)


def test_a_token_for_somebody_else_is_no_proof(logins, monkeypatch):
    """However well it is signed: it says nothing of the administrator's login."""
    verify = saml.verify_assertion

    def of_somebody(token, *, node):
        return replace(verify(token, node=node), subject="mallory@VSPHERE.LOCAL")

    monkeypatch.setattr(saml, "verify_assertion", of_somebody)

    with pytest.raises(ProofError, match="the token is for mallory"):
        logins.issue_token(NODE)


def test_metadata_publishes_the_same_leaf(node, logins):
    """The published leaf is the signer's, byte by byte."""
    assert logins.read_published_leaf(NODE) == pki.der(node.sts.tenant.signer.chain[0])


@pytest.mark.parametrize("way", ["login-by-token", "login", "vapi-session"])
def test_logs_in_and_out(node, logins, way):
    """Each way into vCenter works, and no session is left."""
    WAYS[way](logins)

    assert node.vapi.sessions == ()
    assert node.vcenter._soap.sessions == ()


@pytest.mark.parametrize("way", sorted(WAYS))
def test_pinned_certificates_work_too(node, endpoint, way):
    """A pin replaces the root for every protocol."""
    with pytest.raises(NodeTlsError) as caught:
        WAYS[way](logins_at(replace(endpoint, trust=Trust(sha256="0" * 64))))
    assert caught.value.sha256 is not None

    WAYS[way](logins_at(replace(endpoint, trust=Trust(sha256=caught.value.sha256))))


@pytest.mark.parametrize("way", ["login", "vapi-session", "sts-token", "metadata"])
@pytest.mark.parametrize("wrong", ["root", "name", "pin"])
def test_no_secret_leaves_for_somebody_else(endpoint, tmp_path, way, wrong):
    """Every protocol stops before its first byte when the certificate is not the one wanted."""
    other = tmp_path / "other.pem"
    key = another_key()
    start, end = pki.days_from_now(-1), pki.days_from_now(1)
    other.write_bytes(
        pki.pem(pki.vmca_root(key, domain="a.b", host="x", not_before=start, not_after=end))
    )
    wanted = {
        "root": replace(endpoint, trust=Trust(ca_file=other)),
        "name": replace(endpoint, name="vc2.lab.example"),
        "pin": replace(endpoint, trust=Trust(sha256="0" * 64)),
    }[wrong]

    empty = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    with serving(sends(empty)) as server, pytest.raises(NodeTlsError):
        WAYS[way](logins_at(replace(wanted, port=server.port)))

    assert server.received == b""


def test_a_redirect_does_not_carry_the_password_away(endpoint):
    """The vAPI client follows no redirect, least of all to plain HTTP."""
    moved = b"HTTP/1.1 307 T\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    with serving(sends(moved)) as server, pytest.raises(ProofError):
        logins_at(replace(endpoint, port=server.port)).open_vapi_session(NODE)


@pytest.mark.parametrize("way", ["login", "vapi-session"])
def test_the_environment_has_no_say(logins, monkeypatch, way):
    """Proxy and CA variables change nothing for the libraries either."""
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nonexistent")
    monkeypatch.setenv("CURL_CA_BUNDLE", "/nonexistent")

    WAYS[way](logins)


def test_expired_signer_is_told_by_its_text(node, logins):
    """The fault that this product repairs, with the STS's own words."""
    expired = leaf(days=-1, since=-30)
    node.directory.entries.clear()
    node.directory.add_credential(1, expired, sso_directory.ROOT)
    node.directory.add_chain(1, expired, sso_directory.ROOT)
    assert node.sts.refresh()

    with pytest.raises(SigningCertificateError, match="Signing certificate is not valid at"):
        logins.issue_token(NODE)
    with pytest.raises(ProofError, match="InvalidLogin"):
        logins.login(NODE)
    with pytest.raises(ProofError, match="Unauthenticated"):
        logins.open_vapi_session(NODE)


def test_clock_skew_is_named(node, logins):
    """A node whose clock is far off refuses the request itself, which is no expired signer."""
    node.ahead = timedelta(days=400)

    with pytest.raises(ProofError, match="clock skew"):
        logins.issue_token(NODE)


def test_clock_skew_is_measured_by_the_date_header(endpoint):
    """The node's own Date says how far its clock is off."""
    fault = (
        b'<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body><S:Fault>'
        b"<faultcode>a:MessageExpired</faultcode><faultstring>late</faultstring></S:Fault>"
        b"</S:Body></S:Envelope>"
    )
    head = (
        "HTTP/1.1 500 X\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
        f"Content-Length: {len(fault)}\r\n\r\n"
    )
    told = pytest.raises(ProofError, match=r"clock is \d{5,} s behind this workstation")
    with serving(sends(head.encode() + fault)) as server, told:
        logins_at(replace(endpoint, port=server.port)).issue_token(NODE)


def test_vcenter_refuses_a_signer_it_does_not_trust_yet(node, logins):
    """Before vpxd is restarted a token of a new signer is not taken."""
    new = leaf(name="new")
    node.directory.add_chain(2, new, sso_directory.ROOT)
    node.directory.add_credential(2, new, sso_directory.ROOT)
    assert node.sts.refresh()

    assert logins.issue_token(NODE).leaf_sha256 == pki.sha256(new)
    with pytest.raises(ProofError, match="InvalidLogin"):
        logins.login_by_token(NODE, sts=NODE)


def test_a_refused_password_is_never_sent_again(node, endpoint):
    """One refusal, then every other call fails without a request, on other nodes too."""
    logins = logins_at(endpoint, endpoint, password="wrong <&\"'> pässword")

    with pytest.raises(SsoLoginError):
        logins.issue_token(NODE)
    calls = sum(node.faults.calls.values())
    for attempt in (
        lambda: logins.issue_token("vc2.lab.example"),
        lambda: logins.login_by_token(NODE, sts="vc2.lab.example"),
        lambda: logins.login("vc2.lab.example"),
        lambda: logins.open_vapi_session(NODE),
    ):
        with pytest.raises(SsoLoginError):
            attempt()

    assert sum(node.faults.calls.values()) == calls


def test_many_threads_send_a_wrong_password_once(node, endpoint):
    """Nodes worked in parallel do not multiply the attempt."""
    logins = logins_at(endpoint, password="wrong")
    refusals = []

    def attempt():
        try:
            logins.issue_token(NODE)
        except SsoLoginError as error:
            refusals.append(error)

    threads = [threading.Thread(target=attempt) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert len(refusals) == 6
    assert node.faults.calls["sts", "issue", NODE] == 1


@pytest.mark.parametrize(
    ("way", "prefix"),
    [
        ("sts-token", "/sts"),
        ("metadata", "/websso"),
        ("login", "/sdk"),
        ("login-by-token", "/sdk"),
        ("vapi-session", "/api"),
    ],
)
@pytest.mark.parametrize("effect", [Effect.REFUSE, Effect.DROP])
def test_503_and_dropped_connections_are_unreachable(node, logins, way, prefix, effect):
    """What the front answers while a service is down counts as "not up yet"."""
    call = f"* {prefix}*"
    node.faults.add(Rule(protocol="https", call=call, when=When.BEFORE, effect=effect, times=9))

    with pytest.raises(NodeUnreachableError):
        WAYS[way](logins)


def test_unknown_tenant_is_named(endpoint):
    """HTTP 404 of the STS is the domain, not the network."""
    logins = NodeLogins(
        {NODE: endpoint},
        domain="other.local",
        user="administrator@other.local",
        password=Secret(PASSWORD),
        clock=SystemClock(),
    )

    with pytest.raises(ProofError, match=r"other\.local"):
        logins.issue_token(NODE)


@pytest.mark.parametrize("way", sorted(WAYS))
@pytest.mark.parametrize(
    "content", [b"", b"<html>hello</html>", b"\xff\xfe\x00", b"[1, 2]"], ids=repr
)
@pytest.mark.parametrize("status", [200, 400, 500])
def test_other_servers_are_no_proof(endpoint, way, content, status):
    """Whatever else answers on the port, the error is one the port promises."""
    head = f"HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {len(content)}\r\n\r\n"
    with serving(sends(head.encode() + content)) as server:
        other = logins_at(replace(endpoint, port=server.port))
        with pytest.raises((ProofError, NodeUnreachableError)):
            WAYS[way](other)


class Silenced:
    """vpxd whose logins are answered with something that is no session."""

    def __init__(self, vcenter):
        self.vcenter = vcenter
        self.running = True

    def handle(self, request):
        if b"<Login" in request.body or b":Login" in request.body:
            return Reply(body=b"<html/>", content_type="text/xml")
        return self.vcenter.handle(request)


@pytest.mark.parametrize("way", ["login", "login-by-token"])
def test_an_answer_without_a_session_is_no_login(node, logins, way):
    """PyVmomi returns None for any XML; that is no proof."""
    node.front.route("/sdk", Silenced(node.vcenter))

    with pytest.raises(ProofError, match="the result is nothing, not UserSession"):
        WAYS[way](logins)


def test_the_sdk_logs_no_request(logins):
    """Its wire logger would write the password where the root logger's level is DEBUG."""
    wire = get_client_wire_logger()
    wire.disabled = False

    logins.open_vapi_session(NODE)

    assert wire.disabled


def test_no_secret_is_logged_or_shown(node, endpoint, caplog):
    """At the most talkative log level neither password nor token appears."""
    caplog.set_level(logging.DEBUG)
    logins = logins_at(endpoint)

    for attempt in WAYS.values():
        attempt(logins)

    ours = "".join(r.getMessage() for r in caplog.records if not r.name.startswith("stsfix.lab"))
    assert PASSWORD.partition("<")[0] not in ours  # also when the rest is escaped
    assert "Assertion" not in ours
    assert PASSWORD not in repr(vars(logins))


def test_verifies_a_whole_node(node, endpoint):
    """All five ways of an embedded node, with the leaf that is expected."""
    vm = VmId(host=HostRef("esx1"), moref="1", instance_uuid="u", name="vc1")
    expected = frozenset({pki.sha256(node.sts.tenant.signer.chain[0])})

    proofs = verify_logins(
        [NodePlan(fqdn=NODE, role=Role.EMBEDDED, vm=vm)],
        logins_at(endpoint),
        expected=expected,
        clock=SystemClock(),
        limit=timedelta(seconds=5),
        progress=lambda _: None,
        every=timedelta(seconds=0.1),
    )

    assert [(p.way, p.ok) for p in proofs] == [
        ("sts-token", True),
        ("metadata", True),
        ("login-by-token", True),
        ("login", True),
        ("vapi-session", True),
    ]


def test_import_is_cheap():
    """Importing the module loads neither pyVmomi nor the vAPI SDK nor requests."""
    code = (
        "import sys, stsfix.remediation.logins.node_logins, stsfix.remediation.logins.verify;"
        "print([m for m in sys.modules if m.split('.')[0] in "
        "('pyVmomi', 'pyVim', 'vmware', 'com', 'requests')])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.strip() == "[]"


@pytest.mark.peer
@pytest.mark.skipif(XMLSEC1 is None, reason="xmlsec1 is not installed")
def test_xmlsec1_accepts_the_token_we_accepted(logins, tmp_path):
    """The token of the lab's STS verifies with xmlsec1 against the root alone."""
    _, token = logins._issue(NODE)
    (tmp_path / "token.xml").write_bytes(token.reveal())
    (tmp_path / "root.pem").write_bytes(pki.pem(sso_directory.ROOT))

    done = subprocess.run(
        [
            XMLSEC1 or "",
            "--verify",
            "--enabled-key-data",
            "x509",
            "--id-attr:ID",
            "urn:oasis:names:tc:SAML:2.0:assertion:Assertion",
            "--trusted-pem",
            str(tmp_path / "root.pem"),
            str(tmp_path / "token.xml"),
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_passwords_xml_cannot_carry_are_a_proof_error(endpoint):
    """A control character in the password is told before anything is sent."""
    logins = logins_at(endpoint, password="sec\x01ret", clock=MemoryClock())

    with pytest.raises(ProofError, match="cannot carry"):
        logins.issue_token(NODE)
