"""Guest operations: programs and files inside a VM, through the host.

Source: vSphere Web Services API reference (GuestProcessManager, GuestFileManager): the URL of
a transfer has the host ``*``, works for one request and dies with it; no program output comes
back. The guest's own answers are `stsfix.lab.seams.Guest`'s.
"""

from __future__ import annotations

import secrets
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from stsfix.lab.faults import Refused
from stsfix.lab.https import Reply, Request
from stsfix.lab.seams import FolderGuest, GuestProgram, GuestRefusedError, PlacingGuest
from stsfix.lab.servant import Servant, fill, leaf, operation
from stsfix.lab.soap import named_fault
from stsfix.lab.vmomi import vim, vmodl

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from stsfix.lab.esx.machine import VirtualMachine
    from stsfix.lab.faults import FaultBook
    from stsfix.lab.soap import Call

_DEFAULT_MODE = 0o644


@dataclass(frozen=True, slots=True, kw_only=True)
class _Credential:
    user: str
    password: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Transfer:
    """A transfer that may happen once. *size* None: the client fetches."""

    vm: VirtualMachine
    credential: _Credential
    path: str
    mode: int = _DEFAULT_MODE
    size: int | None = None


@contextmanager
def _guest_faults() -> Generator[None]:
    try:
        yield
    except GuestRefusedError as refused:
        raise named_fault(refused.fault) from None


def _credential(call: Call) -> _Credential:
    auth = call.args["auth"]
    if not isinstance(auth, vim.vm.guest.NamePasswordAuthentication):
        raise vim.fault.InvalidGuestLogin
    return _Credential(user=auth.username, password=auth.password or "")


def _folder_guest(vm: VirtualMachine) -> FolderGuest:
    if not isinstance(vm.guest, FolderGuest):
        raise GuestRefusedError("OperationNotSupportedByGuest")
    return vm.guest


class GuestTransfers:
    """The ``/guestFile`` URLs of one host.

    Args:
        port: Gives the port the URLs name.
        faults: Every transfer runs inside ``around("soap", "PutGuestFile" or "GetGuestFile",
            VM name)``.
    """

    def __init__(self, *, port: Callable[[], int], faults: FaultBook) -> None:
        self._port = port
        self._faults = faults
        self._lock = threading.Lock()
        self._pending: dict[str, _Transfer] = {}

    def offer(self, transfer: _Transfer) -> str:
        """Return a URL for *transfer*."""
        token = secrets.token_hex(20)
        with self._lock:
            self._pending[token] = transfer
        return f"https://*:{self._port()}/guestFile?id={len(token)}&token={token}"

    def answer(self, request: Request) -> Reply:
        """Move one file. The URL is spent, whatever comes out.

        Raises:
            Dropped: By a fault rule.
        """
        token = parse_qs(urlsplit(request.path).query).get("token", [""])[0]
        with self._lock:
            transfer = self._pending.pop(token, None)
        wanted = "GET" if transfer is not None and transfer.size is None else "PUT"
        if transfer is None or request.method != wanted or not transfer.vm.takes_orders:
            return Reply(status=404, body=b"no such transfer")
        call = "GetGuestFile" if wanted == "GET" else "PutGuestFile"
        try:
            with self._faults.around("soap", call, transfer.vm.name):
                return self._move(transfer, request.body)
        except (GuestRefusedError, Refused) as refused:
            return Reply(status=500, body=str(refused).encode())

    @staticmethod
    def _move(transfer: _Transfer, body: bytes) -> Reply:
        guest, who = transfer.vm.guest, transfer.credential
        if transfer.size is None:
            content = guest.read_file(who.user, who.password, transfer.path)
            return Reply(body=content, content_type="application/octet-stream")
        if len(body) != transfer.size:
            return Reply(status=500, body=b"size differs from the announced one")
        guest.write_file(who.user, who.password, transfer.path, body, transfer.mode)
        return Reply(body=b"")


class _GuestServant(Servant):
    """Base: finds the VM of a call and requires that operations are possible in it.

    Args:
        ref: Its reference.
        find_vm: Gives the machine of a VM reference's id.
    """

    def __init__(self, ref: Any, find_vm: Callable[[str], VirtualMachine]) -> None:
        super().__init__(ref)
        self._find_vm = find_vm

    def _vm(self, call: Call) -> VirtualMachine:
        vm = self._find_vm(call.args["vm"]._moId)  # noqa: SLF001 - public by pyVmomi's docs
        if not vm.running:
            raise named_fault(
                "InvalidPowerState", requestedState="poweredOn", existingState=vm.power
            )
        if not vm.takes_orders:
            raise vim.fault.GuestOperationsUnavailable
        return vm


class AuthManager(_GuestServant):
    """Checks guest credentials."""

    @operation("ValidateCredentialsInGuest")
    def validate(self, call: Call) -> None:
        """Return if the guest accepts the credential."""
        vm, who = self._vm(call), _credential(call)
        with _guest_faults():
            vm.guest.list_programs(who.user, who.password, ())


class ProcessManager(_GuestServant):
    """Programs."""

    @operation("StartProgramInGuest", write=True)
    def start(self, call: Call) -> int:
        """Start a program."""
        vm, who, spec = self._vm(call), _credential(call), call.args["spec"]
        with _guest_faults():
            return vm.guest.start_program(
                who.user, who.password, spec.programPath, spec.arguments or ""
            )

    @operation("ListProcessesInGuest")
    def processes(self, call: Call) -> list[Any]:
        """List programs."""
        vm, who = self._vm(call), _credential(call)
        with _guest_faults():
            found = vm.guest.list_programs(who.user, who.password, list(call.args["pids"]))
        return [_program(program) for program in found]

    @operation("ReadEnvironmentVariableInGuest")
    def environment(self, call: Call) -> list[str]:
        """Tell variables of the user."""
        vm, who = self._vm(call), _credential(call)
        names = list(call.args["names"] or ())
        with _guest_faults():
            return _folder_guest(vm).read_environment(who.user, who.password, names)

    @operation("TerminateProcessInGuest", write=True)
    def terminate(self, call: Call) -> None:
        """End a program, if the guest can (an optional ``terminate_program``)."""
        vm, who, pid = self._vm(call), _credential(call), call.args["pid"]
        with _guest_faults():
            if not vm.guest.list_programs(who.user, who.password, [pid]):
                raise vim.fault.GuestProcessNotFound(pid=pid)
            terminate = getattr(vm.guest, "terminate_program", None)
            if terminate is None:
                raise vmodl.fault.NotSupported
            terminate(who.user, who.password, pid)


def _program(program: GuestProgram) -> Any:
    return vim.vm.guest.ProcessManager.ProcessInfo(
        name=program.name,
        pid=program.pid,
        owner=program.owner,
        cmdLine=program.cmd_line,
        startTime=program.started,
        endTime=program.ended,
        exitCode=program.exit_code,
    )


class FileManager(_GuestServant):
    """Files."""

    def __init__(
        self, ref: Any, find_vm: Callable[[str], VirtualMachine], transfers: GuestTransfers
    ) -> None:
        super().__init__(ref, find_vm)
        self._transfers = transfers

    @operation("CreateTemporaryFileInGuest", write=True)
    def make_temporary(self, call: Call) -> str:
        """Make an empty file."""
        vm, who = self._vm(call), _credential(call)
        prefix, suffix = call.args["prefix"], call.args["suffix"]
        folder = call.args.get("directoryPath")
        with _guest_faults():
            if not folder:
                return vm.guest.make_temporary_file(who.user, who.password, prefix, suffix)
            guest = vm.guest
            if not isinstance(guest, PlacingGuest):
                raise GuestRefusedError("OperationNotSupportedByGuest")
            return guest.make_file_in(who.user, who.password, prefix, suffix, folder=folder)

    @operation("CreateTemporaryDirectoryInGuest", write=True)
    def make_temporary_folder(self, call: Call) -> str:
        """Make an empty folder."""
        vm, who = self._vm(call), _credential(call)
        with _guest_faults():
            return _folder_guest(vm).make_temporary_folder(
                who.user,
                who.password,
                call.args["prefix"],
                call.args["suffix"],
                folder=call.args.get("directoryPath") or "",
            )

    @operation("DeleteDirectoryInGuest", write=True)
    def delete_folder(self, call: Call) -> None:
        """Delete a folder."""
        vm, who = self._vm(call), _credential(call)
        with _guest_faults():
            _folder_guest(vm).delete_folder(
                who.user,
                who.password,
                call.args["directoryPath"],
                recursive=bool(call.args["recursive"]),
            )

    @operation("DeleteFileInGuest", write=True)
    def delete(self, call: Call) -> None:
        """Delete a file."""
        vm, who = self._vm(call), _credential(call)
        with _guest_faults():
            vm.guest.delete_file(who.user, who.password, call.args["filePath"])

    @operation("InitiateFileTransferToGuest", write=True)
    def to_guest(self, call: Call) -> str:
        """Offer a URL to PUT a file to; the content goes to the guest only then."""
        vm, who, path = self._vm(call), _credential(call), call.args["guestFilePath"]
        with _guest_faults():
            vm.guest.list_programs(who.user, who.password, ())  # refuses a wrong password now
            if not call.args["overwrite"] and self._exists(vm, who, path):
                raise vim.fault.FileAlreadyExists(file=path)
        _require_family(vm, call.args["fileAttributes"])
        mode = getattr(call.args["fileAttributes"], "permissions", None)
        return self._transfers.offer(
            _Transfer(
                vm=vm,
                credential=who,
                path=path,
                mode=_DEFAULT_MODE if mode is None else int(mode),
                size=int(call.args["fileSize"]),
            )
        )

    @staticmethod
    def _exists(vm: VirtualMachine, who: _Credential, path: str) -> bool:
        try:
            vm.guest.read_file(who.user, who.password, path)
        except GuestRefusedError as refused:
            if refused.fault != "FileNotFound":
                raise
            return False
        return True

    @operation("InitiateFileTransferFromGuest")
    def from_guest(self, call: Call) -> Any:
        """Offer a URL to GET a file from."""
        vm, who, path = self._vm(call), _credential(call), call.args["guestFilePath"]
        with _guest_faults():
            size = len(vm.guest.read_file(who.user, who.password, path))
        url = self._transfers.offer(_Transfer(vm=vm, credential=who, path=path))
        manager = vim.vm.guest.FileManager
        kind = manager.WindowsFileAttributes if _is_windows(vm) else manager.PosixFileAttributes
        return manager.FileTransferInformation(attributes=fill(kind), size=size, url=url)


def _is_windows(vm: VirtualMachine) -> bool:
    return vm.guest_id.startswith("win")


def _require_family(vm: VirtualMachine, attributes: Any) -> None:
    """Refuse the attributes of another family of guests (GuestFileManager's API page)."""
    manager = vim.vm.guest.FileManager
    other = manager.PosixFileAttributes if _is_windows(vm) else manager.WindowsFileAttributes
    if isinstance(attributes, other):
        raise vmodl.fault.InvalidArgument(invalidProperty="fileAttributes")


class GuestOperationsManager(Servant):
    """Names the three managers."""

    def __init__(self, ref: Any, *, auth: Any, processes: Any, files: Any) -> None:
        super().__init__(ref)
        self._auth = auth
        self._processes = processes
        self._files = files

    @leaf("authManager")
    def _auth_manager(self) -> object:
        return self._auth

    @leaf("processManager")
    def _process_manager(self) -> object:
        return self._processes

    @leaf("fileManager")
    def _file_manager(self) -> object:
        return self._files
