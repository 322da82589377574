"""Scripts in a guest through its host: output, exit code, nothing left behind, no secret shown."""

from __future__ import annotations

import shutil
import subprocess
from datetime import timedelta

import pytest

from esx_lab import PASSWORD, running_host
from hypervisor_worlds import adapter
from shell_guest import SECRET, USER, ShellGuest
from stsfix.lab import pki
from stsfix.lab.esx.machine import VirtualMachine
from stsfix.lab.faults import Effect, Rule, When
from stsfix.snapshot.errors import (
    AnswerLostError,
    GuestLoginError,
    GuestUnavailableError,
    TaskOverdueError,
)
from stsfix.snapshot.guest import EsxiGuestOperations, arguments
from stsfix.snapshot.ports import OUTPUT_BYTES
from stsfix.snapshot.secret import Secret
from stsfix.snapshot.system_clock import SystemClock
from stsfix.snapshot.tls import Endpoint, Trust

pytestmark = pytest.mark.lab

POLL = timedelta(milliseconds=20)


class GuestWorld:
    """A lab host with a VM that has a shell, and our guest operations on it."""

    def __init__(self, lab, host):
        self.lab = lab
        self.guest = ShellGuest()
        self.machine = lab.host.add_vm(VirtualMachine(name="node", guest=self.guest))
        self.machine.power_on()
        self.operations = EsxiGuestOperations(host, SystemClock(), poll=POLL)
        self.vm = next(s.vm for s in host.observe_host().vms if s.vm.name == "node")

    def run(self, script, *, password=SECRET, limit=10.0):
        return self.operations.run_script(
            self.vm,
            script,
            user=USER,
            password=Secret(password),
            limit=timedelta(seconds=limit),
        )

    def calls(self, name):
        return self.lab.faults.calls["soap", name, "node"]


@pytest.fixture
def world(tmp_path):
    """A running guest behind a running host."""
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
            yield GuestWorld(lab, host)


@pytest.mark.parametrize(
    ("script", "code", "output"),
    [
        ("echo hello", 0, "hello\n"),
        ("echo one\necho two >&2", 0, "one\ntwo\n"),
        ("hostname; exit 7", 7, "vc1.lab.example\n"),
        ("no-such-program", 127, None),
        ("", 0, ""),
    ],
    ids=["output", "both streams", "exit code", "unknown program", "nothing"],
)
def test_a_script_gives_output_and_exit_code(world, script, code, output):
    """Standard output and error come back together, with the script's own exit code."""
    result = world.run(script)

    assert result.exit_code == code
    assert output is None or result.output == output
    assert world.guest.files == set()


def test_a_secret_in_a_script_is_never_on_a_command_line(world):
    """The script travels in a file of mode 0600; ps shows nothing of it, nor the password."""
    modes = []
    write = world.guest.write_file

    def write_file(*arguments):
        modes.append(arguments[-1])
        write(*arguments)

    world.guest.write_file = write_file

    result = world.run("echo hidden-value > /dev/null")

    assert result.exit_code == 0
    assert modes == [0o600]
    started = [line for line in world.guest.node.argv.lines if "stsfix-" in line]
    assert started
    assert not any("hidden-value" in line or SECRET in line for line in started)


def test_long_output_is_cut(world):
    """At most 64 KiB come back."""
    world.guest.node.tools.files.write("/tmp/long", b"x" * (OUTPUT_BYTES + 100))

    assert len(world.run("cat /tmp/long").output) == OUTPUT_BYTES


def test_a_refused_login_is_tried_once(world):
    """A wrong password is refused and not repeated: a guest locks root after three."""
    with pytest.raises(GuestLoginError):
        world.run("true", password="wrong")

    assert world.guest.disk.failed_logins == 1


def test_a_guest_that_boots_is_waited_for(world):
    """Tools that are not up yet are asked again until they are."""
    world.guest.node.faults.add(Rule(protocol="guest", call="make_temporary_file", times=5))

    assert world.run("echo up").output == "up\n"
    assert world.calls("CreateTemporaryFileInGuest") == 5 + 3


def test_a_guest_without_tools_is_unavailable(world):
    """Tools that never come end it at the limit, and nothing ran."""
    world.guest.cut()

    with pytest.raises(GuestUnavailableError):
        world.run("true", limit=0.2)

    assert world.calls("StartProgramInGuest") == 0


def test_a_guest_that_forbids_it_is_not_asked_again(world):
    """Guest operations switched off in tools.conf do not come back by waiting."""
    world.guest.node.faults.add(
        Rule(
            protocol="guest",
            call="make_temporary_file",
            times=99,
            detail="OperationDisabledByGuest",
        )
    )

    with pytest.raises(GuestUnavailableError, match="OperationDisabledByGuest"):
        world.run("true", limit=30)

    assert world.calls("CreateTemporaryFileInGuest") == 1


def test_a_script_that_runs_too_long_is_overdue(world):
    """It goes on in the guest, and its files are removed all the same."""
    with pytest.raises(TaskOverdueError):
        world.run("sleep 3000000", limit=0.5)

    assert world.guest.files == set()


def test_a_lost_answer_to_the_start_is_in_doubt(world):
    """The script may run: it is not started a second time."""
    world.lab.faults.add(
        Rule(protocol="soap", call="StartProgramInGuest", when=When.AFTER, effect=Effect.DROP)
    )

    with pytest.raises(AnswerLostError):
        world.run("echo once")

    assert world.calls("StartProgramInGuest") == 1


def test_a_broken_connection_while_waiting_passes(world):
    """Looking again after a lost answer finds the end."""
    world.lab.faults.add(Rule(protocol="soap", call="ListProcessesInGuest", effect=Effect.DROP))
    world.lab.faults.add(Rule(protocol="soap", call="GetGuestFile", effect=Effect.DROP))

    assert world.run("echo seen").output == "seen\n"


def test_a_process_that_tools_forgot_is_found_by_its_file(world):
    """When Tools restarted, the process list is empty and the exit code's file still tells."""
    world.guest.list_programs = lambda *_: []

    assert world.run("echo seen; exit 3").exit_code == 3


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash on this machine")
@pytest.mark.parametrize("code", [0, 3, 127])
def test_real_bash_understands_our_arguments(tmp_path, code):
    """Run as open-vm-tools does: output in one file, the exit code in another."""
    source, output, exit_code = (str(tmp_path / name) for name in ("s.sh", "s.out", "s.rc"))
    (tmp_path / "s.sh").write_text(f"echo out; echo err >&2; cat; exit {code}\n")

    line = f'"/bin/bash" {arguments(source, output, exit_code)}'
    subprocess.run(["bash", "-c", line], check=True, timeout=20, stdin=subprocess.DEVNULL)

    assert (tmp_path / "s.out").read_text() == "out\nerr\n"
    assert (tmp_path / "s.rc").read_text().split() == [str(code)]
