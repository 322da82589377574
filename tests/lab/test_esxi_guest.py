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
    HypervisorFaultError,
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

    def put(self, path, content, *, password=SECRET, mode=0o600):
        self.operations.put_file(
            self.vm,
            path,
            content,
            mode=mode,
            user=USER,
            password=Secret(password),
            limit=timedelta(seconds=10),
        )

    def get(self, path, *, password=SECRET, limit=OUTPUT_BYTES):
        return self.operations.get_file(
            self.vm,
            path,
            user=USER,
            password=Secret(password),
            limit=timedelta(seconds=10),
            output_limit=limit,
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


def test_the_host_is_asked_for_its_managers_once(world):
    """Each operation in the guest is one call to the host, not two."""
    before = world.lab.faults.calls.copy()
    for _ in range(3):
        world.run("true")
    grown = world.lab.faults.calls - before

    reads = [n for (_, call, _), n in grown.items() if call in {"RetrievePropertiesEx", "Fetch"}]
    assert sum(reads) == 1
    assert world.calls("CreateTemporaryFileInGuest") == 3 * 3


def test_a_process_that_tools_forgot_is_found_by_its_file(world):
    """When Tools restarted, the process list is empty and the exit code's file still tells."""
    world.guest.list_programs = lambda *_: []

    assert world.run("echo seen; exit 3").exit_code == 3


@pytest.mark.parametrize("content", [b"", b"\0\xff\r\n", b"x" * 100_000])
def test_a_file_arrives_as_it_was_sent(world, content):
    """Any bytes are written and read back, with the mode asked for; nothing else is left."""
    world.put("/root/key.pem", content, mode=0o640)

    assert world.get("/root/key.pem", limit=200_000) == content
    assert world.guest.disk.files["/root/key.pem"].mode == 0o640
    assert world.guest.files == set()


def test_a_file_is_replaced(world):
    """Writing again leaves the new content only."""
    world.put("/root/a", b"long content")
    world.put("/root/a", b"short")

    assert world.get("/root/a") == b"short"


def test_only_the_bytes_asked_for_come_back(world):
    """A large file costs no more than the limit."""
    world.put("/root/a", b"x" * 1000)

    assert world.get("/root/a", limit=10) == b"x" * 10


def test_a_missing_file_is_named_by_its_fault(world):
    """FileNotFound comes out as it is."""
    with pytest.raises(HypervisorFaultError) as caught:
        world.get("/root/none")

    assert caught.value.fault == "FileNotFound"


@pytest.mark.parametrize("call", ["get", "put"])
def test_files_take_one_attempt_for_a_password(world, call):
    """A wrong password is refused and not repeated."""
    arguments = ("/root/a", b"") if call == "put" else ("/root/a",)

    with pytest.raises(GuestLoginError):
        getattr(world, call)(*arguments, password="wrong")

    assert world.guest.disk.failed_logins == 1


@pytest.mark.parametrize("call", ["read_file", "list_programs"])
def test_a_file_waits_for_tools(world, call):
    """A guest that boots is asked again until its Tools are up."""
    world.put("/root/a", b"one")
    world.guest.node.faults.add(Rule(protocol="guest", call=call, times=5))

    world.put("/root/a", b"two")

    assert world.get("/root/a") == b"two"


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
