"""Logins to the lab's vCenter: SmartConnect, LoginByToken, sessions of the vAPI."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import timedelta

import pytest
import requests
from com.vmware.cis_client import Session
from com.vmware.vapi.std.errors_client import OperationNotFound, ServiceUnavailable, Unauthenticated
from pyVim.connect import Disconnect, SmartConnect
from pyVim.sso import SsoAuthenticator
from pyVmomi import vim, vmodl
from vmware.vapi.lib.connect import get_requests_connector
from vmware.vapi.security.client.security_context_filter import LegacySecurityContextFilter
from vmware.vapi.security.sso import create_saml_bearer_security_context
from vmware.vapi.security.user_password import create_user_password_security_context
from vmware.vapi.stdlib.client.factories import StubConfigurationFactory
from vmware.vapi.vsphere.client import create_vsphere_client

import sso_directory
from sso_directory import ADMINISTRATOR, PASSWORD, leaf, sound_directory
from sso_node import Node, bearer_token, running, trusting
from stsfix.lab import pki
from stsfix.lab.faults import Rule
from stsfix.lab.sso.logins import LoginRefusedError
from stsfix.lab.sso.vcenter import StartRefused

pytestmark = pytest.mark.lab


@pytest.fixture
def node():
    """A sound node with every service up."""
    with running(Node(sound_directory())) as node:
        node.vcenter.start()
        node.vapi.start()
        yield node


def connect(node, **options):
    """Log in over SOAP; the caller disconnects."""
    return SmartConnect(host="127.0.0.1", port=node.front.port, sslContext=trusting(), **options)


def renew(node):
    """Give the directory a new signer, as the repair does, and let the STS see it."""
    new = leaf(name="new")
    node.directory.add_chain(2, new, sso_directory.ROOT)
    node.directory.add_credential(2, new, sso_directory.ROOT)
    assert node.sts.refresh()


@pytest.mark.parametrize("user", [ADMINISTRATOR, "VSPHERE.LOCAL\\Administrator"])
def test_login_by_password(node, user):
    """Both spellings of the name open a session of a VirtualCenter."""
    si = connect(node, user=user, pwd=PASSWORD)

    content = si.RetrieveContent()
    assert content.about.apiType == "VirtualCenter"
    assert content.sessionManager.currentSession.userName.lower() == "vsphere.local\\administrator"
    assert content.rootFolder.name == "Datacenters"
    assert abs(si.CurrentTime() - node.clock.now()) < timedelta(seconds=30)
    Disconnect(si)
    assert content.sessionManager.currentSession is None


def test_login_by_token(node):
    """SmartConnect logs in with the bearer token in the Security header."""
    si = connect(node, token=bearer_token(node), tokenType="saml")

    session = si.RetrieveContent().sessionManager.currentSession
    assert session.userName == "VSPHERE.LOCAL\\administrator"
    Disconnect(si)


def test_properties_come_from_the_property_collector(node):
    """What clients read of the inventory and of their session, in one call."""
    si = connect(node, user=ADMINISTRATOR, pwd=PASSWORD)
    content = si.RetrieveContent()
    query = vmodl.query.PropertyCollector
    wanted = [
        query.PropertySpec(type=vim.Folder, pathSet=["name"]),
        query.PropertySpec(type=vim.SessionManager, pathSet=["currentSession"]),
    ]
    objects = [
        query.ObjectSpec(obj=content.rootFolder),
        query.ObjectSpec(obj=content.sessionManager),
    ]

    found = content.propertyCollector.RetrieveContents(
        [query.FilterSpec(propSet=wanted, objectSet=objects)]
    )

    values = [item.propSet[0].val for item in found]
    assert values[0] == "Datacenters"
    assert values[1].userName == "VSPHERE.LOCAL\\administrator"
    Disconnect(si)


def test_second_login_of_a_session_is_refused(node):
    """A session that is in cannot log in again, even with the right password."""
    si = connect(node, user=ADMINISTRATOR, pwd=PASSWORD)

    with pytest.raises(vim.fault.InvalidLogin):
        si.RetrieveContent().sessionManager.Login(ADMINISTRATOR, PASSWORD, None)
    Disconnect(si)


def test_wrong_password_is_invalid_login(node):
    """With a sound STS the fault means what it says."""
    with pytest.raises(vim.fault.InvalidLogin):
        connect(node, user=ADMINISTRATOR, pwd="wrong")


def test_expired_signer_is_invalid_login_too(node):
    """With an expired STS the right password looks wrong (NEC notice 3140108159)."""
    node.ahead = timedelta(days=400)

    with pytest.raises(vim.fault.InvalidLogin) as caught:
        connect(node, user=ADMINISTRATOR, pwd=PASSWORD)

    assert "incorrect user name or password" in str(caught.value)


@pytest.mark.parametrize("token", ["<a/>", "no-token"], ids=["other", "text"])
def test_what_is_no_token_is_invalid_login(node, token):
    """A Security header without an assertion lets nobody in."""
    with pytest.raises(vim.fault.InvalidLogin):
        connect(node, token=token, tokenType="saml")


def test_changed_token_is_invalid_login(node):
    """A token for somebody else by the same signer's old signature is refused."""
    token = bearer_token(node).replace("administrator@", "administratos@", 1)

    with pytest.raises(vim.fault.InvalidLogin):
        connect(node, token=token, tokenType="saml")


def test_token_of_an_untrusted_signer_is_refused(node):
    """A domain's vCenter wants a signer that a trusted chain of its directory vouches for."""
    stranger = Node(sso_directory.MemoryDirectory())
    certificate = leaf(key=sso_directory.OTHER_KEY, name="stranger")
    stranger.directory.add_credential(1, certificate, key=sso_directory.OTHER_KEY)
    stranger.directory.add_chain(1, certificate)
    with running(stranger):
        token = bearer_token(stranger)

        assert stranger.sts.validate(token).subject == "administrator@VSPHERE.LOCAL"
        with pytest.raises(vim.fault.InvalidLogin):
            connect(node, token=token, tokenType="saml")


def test_vpxd_trusts_what_was_trusted_when_it_started(node):
    """After the repair tokens of the new signer are accepted once vpxd has been restarted."""
    renew(node)
    token = bearer_token(node)

    with pytest.raises(vim.fault.InvalidLogin):
        connect(node, token=token, tokenType="saml")

    node.vcenter.stop()
    node.vcenter.start()

    Disconnect(connect(node, token=token, tokenType="saml"))


def test_holder_of_key_token_needs_its_key(node, tmp_path):
    """A holder-of-key token used as a bearer token lets nobody in."""
    certificate = leaf(key=sso_directory.OTHER_KEY, name="vpxd-1")
    node.directory.add_principal("vpxd-1", certificate)
    pair = pki.key_pair(sso_directory.OTHER_KEY, [certificate])
    public, private = tmp_path / "public.pem", tmp_path / "private.pem"
    public.write_bytes(pair.certificates_pem)
    private.write_bytes(pair.key_pem)

    token = SsoAuthenticator(node.sts_url).get_hok_saml_assertion(
        str(public), str(private), ssl_context=trusting()
    )

    with pytest.raises(vim.fault.InvalidLogin):
        connect(node, token=token, tokenType="saml")


def test_vpxd_does_not_start_with_an_expired_sts():
    """KB 316619: the vmware-vpxd service fails to start."""
    with running(Node(sound_directory(leaf(days=-1)))) as node:
        with pytest.raises(StartRefused, match="Signing certificate is not valid at"):
            node.vcenter.start()

        assert not node.vcenter.running


def test_vpxd_does_not_start_with_an_expired_machine_certificate(node):
    """The other way an old node fails: its own TLS certificate."""
    node.vcenter.stop()
    node.machine = sso_directory.node_tls(days=-1)

    with pytest.raises(StartRefused, match="machine SSL certificate expired"):
        node.vcenter.start()


def test_stopped_vpxd_is_no_healthy_upstream(node):
    """The version page answers 503 while vpxd is down."""
    node.vcenter.stop()
    url = f"https://127.0.0.1:{node.front.port}/sdk/vimServiceVersions.xml"

    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url, context=trusting(), timeout=10)

    with caught.value as answer:
        assert (answer.code, answer.read()) == (503, b"no healthy upstream")


def test_soap_fault_rule_hits_the_node(node):
    """A rule for Login on this node is answered with the named fault, once."""
    node.faults.add(Rule(protocol="soap", call="Login", target="vc1*", detail="InvalidLogin"))

    with pytest.raises(vim.fault.InvalidLogin):
        connect(node, user=ADMINISTRATOR, pwd=PASSWORD)

    Disconnect(connect(node, user=ADMINISTRATOR, pwd=PASSWORD))


@pytest.fixture
def http(tmp_path):
    """A requests session that trusts the lab's root."""
    (tmp_path / "root.pem").write_bytes(pki.pem(sso_directory.ROOT))
    with requests.Session() as session:
        session.trust_env = False  # or REQUESTS_CA_BUNDLE wins
        session.verify = str(tmp_path / "root.pem")
        yield session


def client_of(node, http, **credentials):
    """Make the SDK's client."""
    return create_vsphere_client(f"127.0.0.1:{node.front.port}", session=http, **credentials)


def test_sdk_opens_a_session_by_password(node, http):
    """create_vsphere_client logs in, reads its session and ends it."""
    client = client_of(node, http, username=ADMINISTRATOR, password=PASSWORD)

    info = client.session_svc.get()
    open_sessions = node.vapi.sessions
    client.session_svc.delete()

    assert info.user == "administrator@VSPHERE.LOCAL"
    assert abs(info.created_time.replace(tzinfo=None) - node.clock.now().replace(tzinfo=None)) < (
        timedelta(seconds=30)
    )
    assert open_sessions == ("administrator@VSPHERE.LOCAL",)
    assert node.vapi.sessions == ()
    with pytest.raises(Unauthenticated):
        client.session_svc.get()


def test_sdk_opens_a_session_by_token(node, http):
    """The bearer token does as well."""
    client = client_of(node, http, bearer_token=bearer_token(node))

    assert client.session_svc.get().user == "administrator@VSPHERE.LOCAL"


def create(node, http, context):
    """Create a session with the SDK's stub alone.

    Not with create_vsphere_client: refused, its half-made client looks for itself in __del__
    without end, and Python 3.11 aborts ("Cannot recover from stack overflow").
    """
    connector = get_requests_connector(
        session=http,
        url=f"https://127.0.0.1:{node.front.port}/api",
        provider_filter_chain=[LegacySecurityContextFilter(security_context=context)],
    )
    return Session(StubConfigurationFactory.new_std_configuration(connector)).create()


def test_sdk_is_refused(node, http):
    """A wrong password, an expired signer and a bad token are all Unauthenticated."""
    with pytest.raises(Unauthenticated):
        create(node, http, create_user_password_security_context(ADMINISTRATOR, "wrong"))
    with pytest.raises(Unauthenticated):
        create(node, http, create_saml_bearer_security_context("<a/>"))
    node.ahead = timedelta(days=400)
    with pytest.raises(Unauthenticated):
        create(node, http, create_user_password_security_context(ADMINISTRATOR, PASSWORD))


def test_vapi_fault_rule_is_service_unavailable(node, http):
    """A refused create is the vAPI's own error, once."""
    node.faults.add(Rule(protocol="vapi", call="create"))
    context = create_user_password_security_context(ADMINISTRATOR, PASSWORD)

    with pytest.raises(ServiceUnavailable):
        create(node, http, context)

    assert create(node, http, context)


def test_rest_session(node, http):
    """POST, GET and DELETE of /api/session, as since 7.0 U2."""
    url = f"https://127.0.0.1:{node.front.port}/api/session"

    refused = http.post(url, auth=(ADMINISTRATOR, "wrong"), timeout=10)
    created = http.post(url, auth=(ADMINISTRATOR, PASSWORD), timeout=10)
    header = {"vmware-api-session-id": json.loads(created.content)}
    seen = http.get(url, headers=header, timeout=10)
    ended = http.delete(url, headers=header, timeout=10)
    gone = http.get(url, headers=header, timeout=10)

    statuses = [answer.status_code for answer in (refused, created, seen, ended, gone)]
    assert statuses == [401, 201, 200, 204, 401]
    assert seen.json()["user"] == "administrator@VSPHERE.LOCAL"


def test_legacy_rest_session(node, http):
    """The same below /rest, each answer wrapped in a value."""
    url = f"https://127.0.0.1:{node.front.port}/rest/com/vmware/cis/session"

    refused = http.post(url, auth=(ADMINISTRATOR, "wrong"), timeout=10)
    created = http.post(url, auth=(ADMINISTRATOR, PASSWORD), timeout=10)
    header = {"vmware-api-session-id": created.json()["value"]}
    seen = http.get(url, headers=header, timeout=10)
    ended = http.delete(url, headers=header, timeout=10)

    assert [a.status_code for a in (refused, created, seen, ended)] == [401, 200, 200, 200]
    assert refused.json()["type"] == "com.vmware.vapi.std.errors.unauthenticated"
    assert seen.json()["value"]["user"] == "administrator@VSPHERE.LOCAL"


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"params": {"serviceId": "x", "operationId": [], "ctx": {"securityCtx": 1}}}'],
    ids=["empty", "list", "context"],
)
def test_malformed_json_rpc_is_an_error_object(node, http, body):
    """What is no vAPI request is answered with a JSON-RPC error."""
    answer = http.post(f"https://127.0.0.1:{node.front.port}/api", body, timeout=10)

    assert answer.json()["error"]["code"] == -32600


def test_unknown_operation_is_an_error_of_the_vapi(node, http):
    """What the lab does not model says so instead of breaking."""
    client = client_of(node, http, username=ADMINISTRATOR, password=PASSWORD)

    with pytest.raises(OperationNotFound):
        client.vcenter.VM.list()


def test_logins_by_password_never_leak_the_reason(node):
    """The reason is for the log: the service's own error has it, the client's fault does not."""
    node.ahead = timedelta(days=400)

    with pytest.raises(LoginRefusedError, match="Signing certificate is not valid"):
        node.vapi._logins.by_password(ADMINISTRATOR, PASSWORD)
