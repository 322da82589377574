"""Guest operations through the lab's ESXi host: programs, files, one-use URLs."""

from __future__ import annotations

import http.client
from urllib.parse import urlsplit

import pytest
from pyVmomi import vim

from esx_lab import GUEST_PASSWORD, finished, running_host, vm_of

pytestmark = pytest.mark.lab

AUTH = vim.vm.guest.NamePasswordAuthentication(
    username="root", password=GUEST_PASSWORD, interactiveSession=False
)


@pytest.fixture
def lab():
    """A host whose VM ``vc1`` runs with tools up."""
    with running_host() as lab:
        lab.vm.power_on()
        yield lab


@pytest.fixture
def instance(lab):
    """A client of it."""
    with lab.client() as instance:
        yield instance


def transfer(lab, method, url, body=None):
    """Send one request to *url* with its ``*`` replaced; return (status, content)."""
    parts = urlsplit(url)
    connection = http.client.HTTPSConnection(
        "127.0.0.1", parts.port, context=lab.ca.context(), timeout=10
    )
    try:
        connection.request(method, f"{parts.path}?{parts.query}", body=body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_program_runs_and_its_exit_code_is_told(lab, instance):
    """StartProgramInGuest gives a pid; ListProcessesInGuest its end and exit code."""
    processes = instance.content.guestOperationsManager.processManager
    vm = vm_of(instance)
    spec = vim.vm.guest.ProcessManager.ProgramSpec(programPath="/bin/bash", arguments="-c 'true'")

    pid = processes.StartProgramInGuest(vm, AUTH, spec)
    (program,) = processes.ListProcessesInGuest(vm, AUTH, [pid])

    assert lab.guest.disk["/log"] == b"-c 'true'"
    assert (program.pid, program.exitCode, program.owner) == (pid, 3, "root")
    assert program.endTime is not None


def test_file_goes_up_and_comes_down(lab, instance):
    """A PUT writes the announced bytes with the announced mode; a GET reads them back."""
    files = instance.content.guestOperationsManager.fileManager
    vm = vm_of(instance)
    attributes = vim.vm.guest.FileManager.PosixFileAttributes(permissions=0o600)
    content = b"#!/bin/bash\n\x00\xff"

    url = files.InitiateFileTransferToGuest(vm, AUTH, "/tmp/x", attributes, len(content), True)
    assert urlsplit(url).hostname == "*"
    put = transfer(lab, "PUT", url, content)
    offered = files.InitiateFileTransferFromGuest(vm, AUTH, "/tmp/x")
    got = transfer(lab, "GET", offered.url)

    assert put[0] == 200
    assert lab.guest.modes["/tmp/x"] == 0o600
    assert offered.size == len(content)
    assert got == (200, content)
    assert transfer(lab, "GET", offered.url)[0] == 404  # spent


def test_chunked_upload_is_understood(lab, instance):
    """A client that does not send Content-Length is understood."""
    files = instance.content.guestOperationsManager.fileManager
    attributes = vim.vm.guest.FileManager.PosixFileAttributes()
    url = files.InitiateFileTransferToGuest(vm_of(instance), AUTH, "/x", attributes, 6, True)

    status, _ = transfer(lab, "PUT", url, iter([b"abc", b"def"]))

    assert (status, lab.guest.disk["/x"]) == (200, b"abcdef")


def test_existing_file_is_kept_without_overwrite(lab, instance):
    """overwrite=False on an existing file gets FileAlreadyExists."""
    files = instance.content.guestOperationsManager.fileManager
    attributes = vim.vm.guest.FileManager.PosixFileAttributes()

    with pytest.raises(vim.fault.FileAlreadyExists):
        files.InitiateFileTransferToGuest(vm_of(instance), AUTH, "/etc/state", attributes, 1, False)

    assert lab.guest.disk["/etc/state"] == b"original"


def test_temporary_file_is_made_and_deleted(lab, instance):
    """CreateTemporaryFileInGuest gives a path; DeleteFileInGuest removes it, once."""
    files = instance.content.guestOperationsManager.fileManager
    vm = vm_of(instance)

    path = files.CreateTemporaryFileInGuest(vm, AUTH, "stsfix", ".sh", None)
    assert path in lab.guest.disk
    files.DeleteFileInGuest(vm, AUTH, path)

    assert path not in lab.guest.disk
    with pytest.raises(vim.fault.FileNotFound):
        files.DeleteFileInGuest(vm, AUTH, path)


def test_wrong_guest_password_is_typed(instance):
    """A wrong password gets InvalidGuestLogin, the right one is accepted."""
    auth_manager = instance.content.guestOperationsManager.authManager
    wrong = vim.vm.guest.NamePasswordAuthentication(
        username="root", password="wrong", interactiveSession=False
    )

    assert auth_manager.ValidateCredentialsInGuest(vm_of(instance), AUTH) is None
    with pytest.raises(vim.fault.InvalidGuestLogin):
        auth_manager.ValidateCredentialsInGuest(vm_of(instance), wrong)


def test_operations_need_tools_and_power(lab, instance):
    """Without tools GuestOperationsUnavailable, without power InvalidPowerState."""
    processes = instance.content.guestOperationsManager.processManager
    vm = vm_of(instance)
    lab.guest.tools = False

    with pytest.raises(vim.fault.GuestOperationsUnavailable):
        processes.ListProcessesInGuest(vm, AUTH, [])
    finished(vm.PowerOff())
    with pytest.raises(vim.fault.InvalidPowerState):
        processes.ListProcessesInGuest(vm, AUTH, [])


def test_power_change_kills_a_pending_transfer(lab, instance):
    """A URL handed out before power off is worth nothing after it."""
    files = instance.content.guestOperationsManager.fileManager
    vm = vm_of(instance)
    offered = files.InitiateFileTransferFromGuest(vm, AUTH, "/etc/state")

    finished(vm.PowerOff())

    assert transfer(lab, "GET", offered.url)[0] == 404


def test_terminate_unknown_program(instance):
    """Ending a program that does not exist gets GuestProcessNotFound."""
    processes = instance.content.guestOperationsManager.processManager

    with pytest.raises(vim.fault.GuestProcessNotFound) as refusal:
        processes.TerminateProcessInGuest(vm_of(instance), AUTH, 4711)

    assert refusal.value.pid == 4711


def test_guest_calls_are_known_by_the_vm(lab, instance):
    """A fault rule for a guest operation names the VM."""
    processes = instance.content.guestOperationsManager.processManager

    processes.ListProcessesInGuest(vm_of(instance), AUTH, [])

    assert lab.faults.calls["soap", "ListProcessesInGuest", "vc1"] == 1
