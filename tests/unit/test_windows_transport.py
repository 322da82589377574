"""Nothing written for one platform gets to the other, and no password where it cannot be right."""

from __future__ import annotations

from datetime import timedelta

import pytest

from memory_hypervisor import MemoryClock
from stsfix.remediation.discovery.nodes import GuestAnswer
from stsfix.remediation.errors import WindowsNodeError
from stsfix.remediation.model import NodePlan, Platform, Role, Transport
from stsfix.remediation.nodes.node_facts import NOT_ASKED, NodeFacts
from stsfix.remediation.ports import ServiceReport
from stsfix.remediation.transports.attempts import Attempts
from stsfix.remediation.transports.by_platform import (
    ApplianceShell,
    ReaderByPlatform,
    ServicesByPlatform,
)
from stsfix.remediation.transports.node_reader import WINDOWS_LOOK, GuestNodeReader
from stsfix.remediation.transports.service_control import PolledServiceControl
from stsfix.remediation.transports.service_ways import ShellWay
from stsfix.remediation.transports.windows import WINDOWS_SERVICES, WindowsShell
from stsfix.snapshot.errors import GuestLoginError
from stsfix.snapshot.model import HostRef, VmId
from stsfix.snapshot.ports import GuestResult
from stsfix.snapshot.secret import Secret
from windows_node import BareWindows

VM = VmId(host=HostRef("esx1"), moref="1", instance_uuid="u", name="w")
WINDOWS = NodePlan(fqdn="w.lab.example", role=Role.EMBEDDED, vm=VM, platform=Platform.WINDOWS)
APPLIANCE = NodePlan(fqdn="a.lab.example", role=Role.EMBEDDED, vm=VM)


class Recorded:
    """A guest of any kind that notes what gets to it."""

    def __init__(self, error=None):
        self.calls = []
        self.error = error

    def run_batch(self, vm, script, **options):
        self.calls.append((vm, script, options["user"]))
        if self.error is not None:
            raise self.error
        return GuestResult(exit_code=0, output="")

    def describe(self, node):
        return f"SSH to {node.fqdn}"

    def run(self, node, script, **options):
        self.calls.append((node.fqdn, script, options))
        return GuestResult(exit_code=0, output="")

    def put(self, node, path, content, *, mode=0o600):
        self.calls.append((node.fqdn, path, content, mode))

    def get(self, node, path, **options):
        self.calls.append((node.fqdn, path, options))
        return b""


def windows_shell(guest, *, user="Administrator", transport=Transport.AUTO):
    """Return a shell for Windows nodes whose guests are *guest*."""
    return WindowsShell(
        lambda _: guest, lambda _: (user, Secret("pw")), lambda _: transport, Attempts()
    )


@pytest.mark.parametrize("transport", [Transport.AUTO, Transport.GUEST])
def test_guest_operations_reach_a_windows_node(transport):
    """Chosen by name, or by auto."""
    guest = Recorded()

    windows_shell(guest, transport=transport).run(WINDOWS, "@echo off")

    assert guest.calls == [(VM, "@echo off", "Administrator")]


@pytest.mark.parametrize("transport", [Transport.SSH, Transport.VAMI, Transport.NONE])
def test_no_other_transport_does(transport):
    """The reason names what is configured; nothing was sent."""
    guest = Recorded()

    with pytest.raises(WindowsNodeError, match=transport.value):
        windows_shell(guest, transport=transport).run(WINDOWS, "@echo off")

    assert guest.calls == []


@pytest.mark.parametrize("user", ["root", "Root"])
def test_roots_password_is_not_sent_to_windows(user):
    """It would count as a wrong login there."""
    guest = Recorded()

    with pytest.raises(WindowsNodeError, match="root"):
        windows_shell(guest, user=user).run(WINDOWS, "@echo off")

    assert guest.calls == []


def test_a_refused_password_is_not_sent_again():
    """One attempt for a node's password, also for batch scripts."""
    guest = Recorded(GuestLoginError(VM, "Administrator"))
    shell = windows_shell(guest)

    for _ in range(2):
        with pytest.raises(GuestLoginError):
            shell.run(WINDOWS, "@echo off")

    assert len(guest.calls) == 1


@pytest.mark.parametrize(
    "work",
    [
        lambda shell, node: shell.run(node, "true"),
        lambda shell, node: shell.put(node, "/root/a", b"x"),
        lambda shell, node: shell.get(node, "/root/a"),
    ],
    ids=["run", "put", "get"],
)
def test_what_is_for_appliances_stays_there(work):
    """A Windows node gets an error that says why; an appliance gets the call."""
    inner = Recorded()
    shell = ApplianceShell(inner)

    with pytest.raises(WindowsNodeError, match="runs on Windows"):
        work(shell, WINDOWS)
    assert inner.calls == []
    work(shell, APPLIANCE)

    assert [call[0] for call in inner.calls] == ["a.lab.example"]


def test_a_shell_tells_how_it_gets_there():
    """Windows nodes are reached through their host, whatever others are."""
    shell = ApplianceShell(Recorded())

    assert shell.describe(APPLIANCE) == "SSH to a.lab.example"
    assert shell.describe(WINDOWS) == "guest operations through esx1"


class _Services:
    """Services of one platform."""

    def __init__(self, name):
        self.name = name

    def is_by_hand(self, node):
        return False

    def read_services(self, node, *, limit=None):
        return ServiceReport(node=node.fqdn, running=(self.name,), stopped=())

    def restart_all(self, node, *, limit, ran=()):
        return ServiceReport(node=node.fqdn, running=(self.name, str(limit)), stopped=())

    def read_guest(self, node):
        return GuestAnswer(facts=NodeFacts(), clock=NOT_ASKED, services=self.read_services(node))


def test_each_platform_has_its_own_services_and_reader():
    """Chosen by what the node is."""
    parts = {platform: _Services(platform.value) for platform in Platform}
    services = ServicesByPlatform(parts, lambda fqdn: Transport.AUTO)
    reader = ReaderByPlatform(parts)

    assert services.read_services(WINDOWS).running == ("windows",)
    assert services.restart_all(APPLIANCE, limit=timedelta(1)).running[0] == "appliance"
    assert reader.read_guest(WINDOWS).services == services.read_services(WINDOWS)


@pytest.mark.parametrize("node", [APPLIANCE, WINDOWS], ids=str)
@pytest.mark.parametrize("transport", list(Transport))
def test_a_node_without_transport_is_by_hand_on_each_platform(node, transport):
    """What domain.toml says decides, and nobody is asked."""
    parts = {platform: _Services(platform.value) for platform in Platform}

    services = ServicesByPlatform(parts, lambda fqdn: transport)

    assert services.is_by_hand(node) is (transport is Transport.NONE)


class _Cmd:
    """Runs batch scripts in the lab's cmd.exe."""

    def __init__(self, node):
        self.node = node
        self.limits = []

    def run(self, node, script, *, limit=timedelta(0), output_limit=0):
        del node, output_limit
        self.limits.append(limit)
        code, output = self.node.batch(script)
        return GuestResult(exit_code=code, output=output.replace("\r", ""))


def test_services_of_windows_are_restarted_with_twice_the_time():
    """Names are those of Windows; everything runs that should."""
    node = BareWindows()
    node.board.boot_all()
    cmd = _Cmd(node)
    control = PolledServiceControl(ShellWay(cmd, WINDOWS_SERVICES), clock=MemoryClock())

    report = control.restart_all(WINDOWS, limit=timedelta(minutes=10))

    assert {"VMwareSTS", "VMWareDirectoryService", "vpxd"} <= set(report.running)
    assert max(cmd.limits) == timedelta(minutes=20)


def test_a_windows_node_is_read_by_a_batch_script():
    """Facts, services and clock come from one run."""
    node = BareWindows()
    node.board.boot_all()

    answer = GuestNodeReader(_Cmd(node), MemoryClock(), WINDOWS_LOOK).read_guest(WINDOWS)

    assert isinstance(answer.facts, NodeFacts)
    assert answer.facts.node_type == "embedded"
    assert answer.services is not None
    assert "VMwareSTS" in answer.services.running
