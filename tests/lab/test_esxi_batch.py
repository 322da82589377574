"""Batch scripts in a Windows guest through its host: nothing left behind, no secret shown."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest

from esx_lab import PASSWORD, running_host
from hypervisor_worlds import adapter
from stsfix.lab import pki
from stsfix.lab.disk import WindowsSetup
from stsfix.lab.esx.machine import VirtualMachine
from stsfix.lab.faults import Effect, Rule, When
from stsfix.lab.windows.files import PRIVATE_MODE
from stsfix.snapshot.errors import (
    AnswerLostError,
    GuestLoginError,
    GuestRightsError,
    GuestUnavailableError,
    HypervisorFaultError,
    TaskOverdueError,
)
from stsfix.snapshot.guest import EsxiGuestOperations
from stsfix.snapshot.guest_windows import EsxiBatchOperations
from stsfix.snapshot.secret import Secret
from stsfix.snapshot.system_clock import SystemClock
from stsfix.snapshot.tls import Endpoint, Trust
from windows_node import WindowsGuest

pytestmark = pytest.mark.lab

POLL = timedelta(milliseconds=20)
USER, SECRET = "Administrator", "pa ss'\"$*wörd"
UAC = WindowsSetup(filtered=("vcadmin",))


class BatchWorld:
    """A lab host with a Windows VM, and our guest operations on it."""

    def __init__(self, lab, host, setup=None):
        self.lab = lab
        self.host = host
        self.guest = WindowsGuest(setup)
        self.faults = self.guest.node.faults
        machine = VirtualMachine(name="win", guest=self.guest, guest_id="windows9Server64Guest")
        lab.host.add_vm(machine)
        machine.power_on()
        self.operations = EsxiBatchOperations(host, SystemClock(), poll=POLL)
        self.vm = next(s.vm for s in host.observe_host().vms if s.vm.name == "win")

    def run(self, script, *, user=USER, password=SECRET, limit=20.0, output_limit=65536):
        return self.operations.run_batch(
            self.vm,
            script,
            user=user,
            password=Secret(password),
            limit=timedelta(seconds=limit),
            output_limit=output_limit,
        )

    def calls(self, name):
        return self.lab.faults.calls["soap", name, "win"]


@pytest.fixture(name="make_world")
def fixture_make_world(tmp_path):
    """Make the running guest that a test wants behind a running host."""
    with running_host() as lab:
        path = tmp_path / "ca.pem"
        path.write_bytes(pki.pem(lab.ca.root))
        endpoint = Endpoint(
            name="esx1.lab.example",
            address="127.0.0.1",
            port=lab.host.port,
            trust=Trust(ca_file=path),
        )
        with adapter(endpoint, PASSWORD) as host:
            yield lambda setup=None: BatchWorld(lab, host, setup)


@pytest.fixture
def world(make_world):
    """A running Windows guest."""
    return make_world()


@pytest.mark.parametrize(
    ("script", "code", "output"),
    [
        ("@echo off\necho hello", 0, "hello\n"),
        ("@echo off\necho one\necho two>&2", 0, "one\ntwo\n"),
        ("@exit /b 7", 7, ""),
        ("@echo off\nexit 8", 8, ""),
        ("@echo off\nnosuch", 9009, None),
        ("@echo wow!now!", 0, "wow!now!\n"),
        ("", 0, ""),
    ],
    ids=["output", "both streams", "exit /b", "exit", "unknown", "exclamation marks", "nothing"],
)
def test_a_script_gives_output_and_exit_code(world, script, code, output):
    """Standard output and error come back together, with the script's own exit code."""
    result = world.run(script)

    assert result.exit_code == code
    assert output is None or result.output == output
    assert world.guest.left == set()


def test_nobody_but_administrators_can_read_a_script(world):
    """The folder is theirs alone before anything is written to it, and ps shows file names only."""
    written = []
    write = world.guest.write_file

    def write_file(*arguments):
        write(*arguments)
        written.append(world.guest.node.files.find(arguments[2]))

    world.guest.write_file = write_file

    result = world.run(Secret("@echo hidden-value> nul"))

    assert result.exit_code == 0
    assert [file.mode for file in written] == [PRIVATE_MODE]
    assert b"hidden-value" in written[0].content
    lines = world.guest.node.argv.lines
    assert any("stsfix-" in line for line in lines)
    assert not any("hidden-value" in line or SECRET in line for line in lines)


def test_a_script_is_not_written_where_others_may_read(world):
    """If icacls fails nothing was written, and the folder goes."""
    world.faults.add(Rule(protocol="guest", call="start_program", detail="FileNotFound"))

    with pytest.raises(HypervisorFaultError):
        world.run("@echo off")

    assert world.calls("InitiateFileTransferToGuest") == 0
    assert world.guest.left == set()


def test_a_filtered_token_is_named(make_world):
    """A member of Administrators whom User Account Control filters: nothing was started or left."""
    world = make_world(UAC)

    with pytest.raises(GuestRightsError) as caught:
        world.run("@echo off", user="vcadmin")

    assert caught.value.user == "vcadmin"
    assert world.calls("StartProgramInGuest") == 0
    assert world.guest.left == set()


def test_a_refused_login_is_tried_once(world):
    """A wrong password is refused and not repeated: accounts lock."""
    with pytest.raises(GuestLoginError):
        world.run("@echo off", password="wrong")

    assert world.guest.disk.failed_logins == 1


def test_a_guest_that_boots_is_waited_for(world):
    """Tools that are not up yet are asked again until they are."""
    world.faults.add(Rule(protocol="guest", call="read_environment", times=5))

    assert world.run("@echo up").output == "up\n"


def test_a_guest_without_tools_is_unavailable(world):
    """Tools that never come end it at the limit, and nothing ran."""
    world.guest.cut()

    with pytest.raises(GuestUnavailableError):
        world.run("@echo off", limit=0.2)

    assert world.calls("StartProgramInGuest") == 0


def test_a_script_that_runs_too_long_ends_after_its_line_and_leaves_nothing(world):
    """What it has open cannot be deleted; its command line does that when it has ended."""
    control = '"%VMWARE_CIS_HOME%\\bin\\service-control.bat"'
    script = f'@echo off\ncmd /d /s /c "{control} --start --all"\necho late> C:\\t\\late'
    slow = Rule(protocol="guest", call="service-control --start", effect=Effect.DELAY, delay_s=1.0)
    world.faults.add(slow)

    with pytest.raises(TaskOverdueError):
        world.run(script, limit=0.7)
    left = world.guest.left
    _await(lambda: not world.guest.left)

    assert left
    assert slow.seen == 1
    assert world.guest.node.board.missing() == []
    assert world.guest.node.files.find("C:\\t\\late") is None


def test_a_lost_answer_to_the_start_is_in_doubt(world):
    """The script may run: it is not started a second time."""
    world.lab.faults.add(
        Rule(
            protocol="soap",
            call="StartProgramInGuest",
            nth=2,
            when=When.AFTER,
            effect=Effect.DROP,
        )
    )

    with pytest.raises(AnswerLostError):
        world.run("@echo once>> C:\\t\\count")
    _await(lambda: not world.guest.left)

    assert world.calls("StartProgramInGuest") == 2


def test_a_broken_connection_while_waiting_passes(world):
    """Looking again after a lost answer finds the end."""
    world.lab.faults.add(Rule(protocol="soap", call="ListProcessesInGuest", effect=Effect.DROP))
    world.lab.faults.add(Rule(protocol="soap", call="GetGuestFile", effect=Effect.DROP))

    assert world.run("@echo seen").output == "seen\n"


@pytest.mark.parametrize("fault", ["FileFault", "FileLocked", "GuestPermissionDenied"])
def test_a_file_that_is_being_written_is_read_again(world, fault):
    """cmd.exe has the exit code's file open for a moment."""
    world.faults.add(Rule(protocol="guest", call="read_file", times=2, detail=fault))

    assert world.run("@exit /b 4").exit_code == 4


def test_long_output_is_cut(world):
    """No more comes back than was asked for."""
    world.guest.node.files.write("C:\\t\\long", b"x" * 3000)

    assert world.run("@type C:\\t\\long", output_limit=1000).output == "x" * 1000


def test_a_bash_script_does_not_run_on_windows(world):
    """There is no bash: guest operations as for appliances end before anything is started."""
    appliance = EsxiGuestOperations(world.host, SystemClock(), poll=POLL)

    with pytest.raises(HypervisorFaultError):
        appliance.run_script(
            world.vm,
            "true",
            user=USER,
            password=Secret(SECRET),
            limit=timedelta(seconds=5),
        )

    assert world.calls("StartProgramInGuest") == 0


def test_a_script_that_is_not_ascii_is_refused(world):
    """Its bytes would mean something else in another code page."""
    with pytest.raises(ValueError, match="ASCII"):
        world.run("@echo grüße")


def _await(holds):
    """Wait until *holds*, a few seconds at most."""
    for _ in range(500):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come so far")
