"""Answers of the right protocol that say something else: an error of the port, never a bug.

Recorded answers were changed at random, element by element, some 10,000 times. What ended a
command as a bug of stsfix is here, and what is next to it.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

import sso_directory
from esx_lab import PASSWORD, running_host
from shell_guest import SECRET, USER, ShellGuest
from sso_node import NODE, Node, running
from stsfix.lab import pki
from stsfix.lab.esx.machine import VirtualMachine
from stsfix.lab.https import Reply
from stsfix.remediation.errors import ProofError
from stsfix.remediation.logins.node_logins import NodeLogins
from stsfix.snapshot.errors import (
    AnswerLostError,
    GuestUnavailableError,
    HostUnreachableError,
    HypervisorFaultError,
)
from stsfix.snapshot.esxi import EsxiHost
from stsfix.snapshot.guest import EsxiGuestOperations
from stsfix.snapshot.model import HostRef, LockdownMode
from stsfix.snapshot.secret import Secret
from stsfix.snapshot.system_clock import SystemClock
from stsfix.snapshot.tls import Endpoint, Trust

pytestmark = pytest.mark.lab

HOST = HostRef("esx1.lab.example")
MINUTE = timedelta(minutes=1)
RESULT = rb"<returnval.*</returnval>"


def swapped(old, new, count=0):
    """Return a change of a body: what matches *old* becomes *new*."""

    def change(reply):
        body, found = re.subn(old, new, reply.body, count=count, flags=re.DOTALL)
        assert found
        return replace(reply, body=body)

    return change


class OddHost:
    """A lab host whose answers to one call can be changed, and our adapter."""

    def __init__(self, lab, folder):
        self.lab = lab
        ca = folder / "ca.pem"
        ca.write_bytes(pki.pem(lab.ca.root))
        self.endpoint = Endpoint(
            name=HOST, address="127.0.0.1", port=lab.host.port, trust=Trust(ca_file=ca)
        )
        machine = lab.host.add_vm(VirtualMachine(name="node", guest=ShellGuest()))
        machine.power_on()
        with self.adapter() as host:
            vms = {each.vm.name: each.vm for each in host.observe_host().vms}
            self.vc1, self.node = vms["vc1"], vms["node"]
            self.task = host.start_snapshot(self.vc1, name="first", description="")
            host.await_task(self.task, limit=MINUTE)
        self._true = lab.host.answer

    @contextmanager
    def adapter(self):
        """Yield the adapter, logged out at the end."""
        host = EsxiHost(HOST, self.endpoint, "root", Secret(PASSWORD), SystemClock())
        try:
            yield host
        finally:
            host.close()

    def twist(self, call, change):
        """Let *change* happen to the answers of *call*, a method or a path."""
        wanted = re.compile(rf"<{call}[ >]".encode())

        def answer(request):
            reply = self._true(request)
            is_it = wanted.search(request.body) or request.path.startswith(f"/{call}?")
            return change(reply) if is_it else reply

        self.lab.host._server._answer = answer

    def untwist(self):
        """Let every answer be as it is."""
        self.lab.host._server._answer = self._true


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One host for the module; nothing is changed in it but by snapshots, which pile up."""
    with running_host() as lab:
        yield OddHost(lab, tmp_path_factory.mktemp("host"))


@pytest.fixture
def odd(shared):
    """The host, with true answers at first."""
    shared.untwist()
    yield shared
    shared.untwist()


def observe(host, odd):
    """Read the host."""
    return host.observe_host()


def details(host, odd):
    """Read a VM."""
    return host.observe_vms([odd.vc1])


def snapshot(host, odd):
    """Take a snapshot of one VM."""
    host.start_snapshot(odd.node, name="a", description="b")


def power(host, odd):
    """Power another one on."""
    host.start_power_on(odd.vc1)


def task(host, odd):
    """Wait for a task that has ended."""
    host.await_task(odd.task, limit=MINUTE)


def script(host, odd):
    """Run a script in a guest."""
    return EsxiGuestOperations(host, SystemClock(), poll=timedelta(milliseconds=10)).run_script(
        odd.node, "exit 3", user=USER, password=Secret(SECRET), limit=timedelta(seconds=1)
    )


def valued(path, value):
    """Return a change of the value of property *path*."""
    return swapped(
        rb"(<name>" + path.encode() + rb"</name>)(<op>\w+</op>)?<val [^>]*?(/>|>.*?</val>)",
        rb"\1\2" + value,
    )


def always(body, status=200):
    """Return a change that puts another answer in its place."""
    return lambda _: Reply(status=status, body=body, content_type="text/xml")


ENVELOPE = (
    b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi='
    b'"http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">'
    b"<e:Body>%b</e:Body></e:Envelope>"
)
FAULT = (
    b"<e:Fault><faultcode>x</faultcode><faultstring>y</faultstring><detail>"
    b'<MethodFaultFault xmlns="urn:vim25" xsi:type="%b"/></detail></e:Fault>'
)
PROXY = b"<html><body>The proxy wants your <b>password</b></body></html>"
NO_RESULT = swapped(RESULT, b"")
NO_LIST = b'<val xsi:type="xsd:int">5</val>'
AN_INT = b'<val xsi:type="ArrayOfInt"><int xsi:type="xsd:int">5</int></val>'

SILENT, LOST = HostUnreachableError, AnswerLostError
ODD_HOST = {
    "nothing": (observe, "RetrieveServiceContent", always(b""), SILENT),
    "a proxy": (observe, "Login", always(PROXY), SILENT),
    "another place": (
        observe,
        "Login",
        lambda _: Reply(status=302, headers=(("Location", "https://evil.example/sdk"),)),
        SILENT,
    ),
    "no content": (observe, "RetrieveServiceContent", NO_RESULT, SILENT),
    "no inventory": (
        observe,
        "RetrieveServiceContent",
        swapped(rb"<rootFolder.*?</rootFolder>", b""),
        SILENT,
    ),
    "a list for a manager": (
        observe,
        "RetrieveServiceContent",
        swapped(
            rb"<sessionManager.*?>.*?</sessionManager>", b'<sessionManager xsi:type="ArrayOfInt"/>'
        ),
        SILENT,
    ),
    "no session": (observe, "Login", NO_RESULT, SILENT),
    "no view": (observe, "CreateContainerView", NO_RESULT, SILENT),
    "another view": (
        observe,
        "CreateContainerView",
        swapped(b'type="ContainerView"', b'type="Folder"'),
        SILENT,
    ),
    "no date": (observe, "QueryDateTime", NO_RESULT, SILENT),
    "another date": (
        observe,
        "QueryDateTime",
        swapped(RESULT, b"<returnval>soon</returnval>"),
        SILENT,
    ),
    "no service": (
        observe,
        "RetrievePropertiesEx",
        lambda reply: (
            valued("config.service.service", AN_INT)(reply)
            if b"config.service" in reply.body
            else reply
        ),
        SILENT,
    ),
    "a fault that is none": (
        observe,
        "QueryDateTime",
        always(ENVELOPE % FAULT % b"xsd:int", 500),
        SILENT,
    ),
    "an unknown fault": (
        details,
        "RetrievePropertiesEx",
        always(ENVELOPE % FAULT % b"OddFault", 500),
        SILENT,
    ),
    "a fault with status 200": (
        details,
        "RetrievePropertiesEx",
        always(ENVELOPE % FAULT % b"InvalidState"),
        HypervisorFaultError,
    ),
    "no devices": (
        details,
        "RetrievePropertiesEx",
        valued("config.hardware.device", NO_LIST),
        SILENT,
    ),
    "no task": (power, "PowerOnVM_Task", NO_RESULT, LOST),
    "a task without a name": (
        snapshot,
        "CreateSnapshot_Task",
        swapped(RESULT, b'<returnval type="Task"/>'),
        LOST,
    ),
    "no collector": (task, "CreatePropertyCollector", NO_RESULT, SILENT),
    "no changes": (
        task,
        "WaitForUpdatesEx",
        swapped(rb"<changeSet>.*</changeSet>", b'<changeSet xsi:type="xsd:int">5</changeSet>'),
        SILENT,
    ),
    "no managers": (
        script,
        "RetrievePropertiesEx",
        lambda reply: (
            swapped(rb"<objects>.*</objects>", b"")(reply)
            if b"Manager</name>" in reply.body
            else reply
        ),
        GuestUnavailableError,
    ),
    "no program": (script, "StartProgramInGuest", NO_RESULT, LOST),
    "no URL": (script, "InitiateFileTransferFromGuest", NO_RESULT, LOST),
}


@pytest.mark.parametrize("name", list(ODD_HOST))
def test_a_host_that_answers_something_else(odd, name):
    """It is named, nothing is taken from the answer, and the next call is as any other."""
    act, call, change, error = ODD_HOST[name]
    odd.twist(call, change)

    with odd.adapter() as host, pytest.raises(error, match=r"esx1\.lab\.example|node|vc1"):
        act(host, odd)

    odd.untwist()
    with odd.adapter() as host:
        assert host.observe_host().vms


def test_a_value_that_is_not_known_yet_costs_nothing_else(odd):
    """A newer host may have one more lockdown mode, or power state: the rest is read."""
    unknown = b'<val xsi:type="HostLockdownMode">lockdownSideways</val>'

    def change(reply):
        has_it = b"config.lockdownMode" in reply.body
        return valued("config.lockdownMode", unknown)(reply) if has_it else reply

    odd.twist("RetrievePropertiesEx", change)

    with odd.adapter() as host:
        found = host.observe_host()

    assert found.lockdown is LockdownMode.UNKNOWN
    assert found.datastores


@pytest.mark.parametrize("code", [b"9" * 5000, b"many"])
def test_an_exit_code_that_is_none_is_a_lost_answer(odd, code):
    """The guest wrote something else; Python refuses to make a number of 5,000 digits."""
    odd.twist("guestFile", lambda reply: replace(reply, body=code))

    with odd.adapter() as host, pytest.raises(AnswerLostError):
        script(host, odd)


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """A node with vCenter and vAPI, and its endpoint."""
    ca = tmp_path_factory.mktemp("node") / "ca.pem"
    ca.write_bytes(pki.pem(sso_directory.ROOT))
    with running(Node(sso_directory.sound_directory())) as node:
        node.vcenter.start()
        node.vapi.start()
        place = Endpoint(
            name="localhost", address="127.0.0.1", port=node.front.port, trust=Trust(ca_file=ca)
        )
        yield node, place


class Saying:
    """A web service that answers *reply* to everything."""

    running = True

    def __init__(self, reply):
        self._reply = reply

    def handle(self, request):
        """Answer."""
        return self._reply


def rpc(result):
    """Return an answer of JSON-RPC with *result*."""
    return Reply(body=b'{"jsonrpc": "2.0", "id": "0", "result": %b}' % result)


VCENTER = (
    ENVELOPE
    % b'<RetrieveServiceContentResponse xmlns="urn:vim25">%b</RetrieveServiceContentResponse>'
)
ODD_NODE = {
    "no output": ("vapi", rpc(b'{"odd": 1}')),
    "an empty output": ("vapi", rpc(b'{"output": {}}')),
    "an odd output": ("vapi", rpc(b'{"output": {"odd": "x"}}')),
    "no object": ("vapi", rpc(b"true")),
    "an empty error": ("vapi", rpc(b'{"error": {}}')),
    "a proxy": ("vapi", Reply(body=PROXY, content_type="text/html")),
    "another place": ("vapi", Reply(status=302, headers=(("Location", "https://evil.example/"),))),
    "no content": ("login", Reply(body=VCENTER % b"")),
    "a list": ("login", Reply(body=VCENTER % b'<returnval xsi:type="ArrayOfInt"/>')),
    "a fault": ("login", Reply(body=ENVELOPE % FAULT % b"OddFault")),
    "a page": ("login", Reply(body=PROXY, content_type="text/html")),
}


@pytest.mark.parametrize("name", list(ODD_NODE))
def test_a_vcenter_that_answers_something_else_is_no_proof(node, name):
    """JSON or SOAP of another shape, a page of a proxy, or the way to another host."""
    node, place = node
    way, reply = ODD_NODE[name]
    logins = NodeLogins(
        {NODE: place},
        domain="vsphere.local",
        user=sso_directory.ADMINISTRATOR,
        password=Secret(sso_directory.PASSWORD),
        clock=SystemClock(),
    )
    prefix, prove = {
        "vapi": ("/api", logins.open_vapi_session),
        "login": ("/sdk", logins.login),
    }[way]
    true = node.front._routes[prefix]
    node.front.route(prefix, Saying(reply))

    try:
        with pytest.raises(ProofError, match="localhost"):
            prove(NODE)
    finally:
        node.front.route(prefix, true)
