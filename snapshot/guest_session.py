"""One login to one VM's guest through its ESXi host: its programs and files.

What differs between families of guests is with those who use it: `guest` for appliances,
`guest_windows` for Windows.
"""

from __future__ import annotations

import contextlib
import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

from pyVmomi import vim, vmodl

from stsfix.snapshot.answers import OversizedError
from stsfix.snapshot.errors import (
    AnswerLostError,
    AnswerTooLargeError,
    GuestUnavailableError,
    HostUnreachableError,
    HypervisorFaultError,
    OperationError,
)
from stsfix.snapshot.esxi_faults import BROKEN, describe, moref, translate_guest
from stsfix.snapshot.esxi_properties import read_objects
from stsfix.snapshot.ports import OUTPUT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stsfix.snapshot.esxi import EsxiHost
    from stsfix.snapshot.model import VmId
    from stsfix.snapshot.secret import Secret

    _Name = Literal["fileManager", "processManager"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

PREFIX = "stsfix-"
"""Every file and folder of ours in a guest begins with it."""

_HTTP_OK = range(200, 300)


class GuestManagers:
    """The host's managers of files and processes in guests. They are the same as long as it is
    up, so they are asked for once, both in one call (as govmomi's guest.OperationsManager does).
    """

    _KINDS: Final = {
        "fileManager": vim.vm.guest.FileManager,
        "processManager": vim.vm.guest.ProcessManager,
    }

    def __init__(self, host: EsxiHost) -> None:
        self._host = host
        self._known: dict[str, str] = {}

    def find(self, content: vim.ServiceInstanceContent, name: _Name) -> Any | None:
        """Return the manager that is property *name*; None if the host has none."""
        manager = content.guestOperationsManager
        if manager is None:
            return None
        if not self._known:
            found = read_objects(content, [manager], list(self._KINDS)).get(moref(manager), {})
            self._known = {each: moref(found[each]) for each in self._KINDS if each in found}
        known = self._known.get(name)
        return self._host.session.make(self._KINDS[name], known) if known else None


def transfer_target(vm: VmId, url: str) -> str:
    """Return what to ask the host for: path and query of *url*, and nothing else of it.

    Raises:
        HypervisorFaultError: No request can be made of them.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    if not target.startswith("/") or not re.fullmatch(r"[!-~]+", target):
        raise HypervisorFaultError(str(vm), "FileTransfer", "it gives no usable URL")
    return target


@dataclass(frozen=True, slots=True)
class GuestSession:
    """One VM's guest with one login."""

    host: EsxiHost
    managers: GuestManagers
    vm: VmId
    user: str
    password: Secret[str]

    def make_file(self, suffix: str, folder: str | None = None) -> str:
        """Create an empty file of the user's own in *folder*, else where temporary files are."""
        return str(
            self._files(
                lambda files, thing, auth: files.CreateTemporaryFile(
                    vm=thing, auth=auth, prefix=PREFIX, suffix=suffix, directoryPath=folder
                )
            )
        )

    def make_folder(self, within: str) -> str:
        """Create an empty folder in the folder *within*."""
        return str(
            self._files(
                lambda files, thing, auth: files.CreateTemporaryDirectory(
                    vm=thing, auth=auth, prefix=PREFIX, suffix="", directoryPath=within
                )
            )
        )

    def require_name(self, path: str, is_safe: Callable[[str], bool]) -> str:
        """Return *path*, which the guest chose, if it can be put into a command line.

        Raises:
            HypervisorFaultError: It cannot.
        """
        if not is_safe(path):
            raise HypervisorFaultError(str(self.vm), "InvalidArgument", f"file name {path!r}")
        return path

    def read_variables(self, names: Sequence[str]) -> dict[str, str]:
        """Return the user's environment variables *names*, by upper-case name."""
        found = self._processes(
            lambda processes, thing, auth: processes.ReadEnvironmentVariable(
                vm=thing, auth=auth, names=list(names)
            )
        )
        pairs = [str(line).partition("=") for line in found]
        return {name.upper(): value for name, _, value in pairs}

    def start_upload(
        self, path: str, size: int, attributes: vim.vm.guest.FileManager.FileAttributes
    ) -> str:
        """Return the URL that takes *size* bytes as the new content of *path*."""
        return str(
            self._files(
                lambda files, thing, auth: files.InitiateFileTransferToGuest(
                    vm=thing,
                    auth=auth,
                    guestFilePath=path,
                    fileAttributes=attributes,
                    fileSize=size,
                    overwrite=True,
                )
            )
        )

    def send(self, url: str, content: bytes) -> None:
        """Send *content* to a URL of `start_upload`."""
        self._transfer("PUT", url, content)

    def download(self, path: str, limit: int = OUTPUT_BYTES) -> bytes:
        """Return the first *limit* bytes of *path*."""
        found = self._files(
            lambda files, thing, auth: files.InitiateFileTransferFromGuest(
                vm=thing, auth=auth, guestFilePath=path
            )
        )
        return self._transfer("GET", str(found.url), None, limit)

    def start(self, program: str, line: str, folder: str) -> int:
        """Start *program* with the arguments *line* in *folder*; returns its pid."""
        spec = vim.vm.guest.ProcessManager.ProgramSpec(
            programPath=program, arguments=line, workingDirectory=folder
        )
        make = self._within(
            "processManager",
            lambda processes, thing, auth: processes.StartProgram(vm=thing, auth=auth, spec=spec),
        )
        return int(self.host.session.write("StartProgramInGuest", make, vm=self.vm))

    def has_ended(self, pid: int) -> bool:
        """Tell whether the process was seen to end; Tools that restarted knows none."""
        found = self._processes(
            lambda processes, thing, auth: processes.ListProcesses(vm=thing, auth=auth, pids=[pid])
        )
        return bool(found) and all(process.endTime is not None for process in found)

    def listed_code(self, pid: int) -> int | None:
        """Return the exit code of a program that ended, None while it runs.

        Raises:
            AnswerLostError: Tools does not know it (any more).
        """
        found = self._processes(
            lambda processes, thing, auth: processes.ListProcesses(vm=thing, auth=auth, pids=[pid])
        )
        if not found:
            raise AnswerLostError(str(self.vm), "a program in the guest")
        return None if found[0].endTime is None else int(found[0].exitCode or 0)

    def delete(self, path: str) -> None:
        """Delete the file *path* if that is possible, with a second try; never raises."""
        self._delete_twice(path, lambda: self._delete(path))

    def delete_folder(self, path: str) -> None:
        """Delete the folder *path* with what is in it, as `delete`."""
        self._delete_twice(
            path,
            lambda: self._files(
                lambda files, thing, auth: files.DeleteDirectory(
                    vm=thing, auth=auth, directoryPath=path, recursive=True
                )
            ),
        )

    def _delete_twice(self, path: str, delete: Callable[[], object]) -> None:
        for is_last in (False, True):
            try:
                delete()
            except OperationError as error:
                if getattr(error, "fault", "") == "FileNotFound":
                    return  # the first try did it, and its answer was lost
                if is_last:
                    logger.warning("%s of %s could not be deleted: %s", path, self.vm, error)
            else:
                return

    def _delete(self, path: str) -> None:
        self._files(lambda files, thing, auth: files.DeleteFile(vm=thing, auth=auth, filePath=path))

    def _files(self, call: Callable[..., T]) -> T:
        make = self._within("fileManager", call)
        return self.host.session.read(make, vm=self.vm)

    def _processes(self, call: Callable[..., T]) -> T:
        make = self._within("processManager", call)
        return self.host.session.read(make, vm=self.vm)

    def _within(
        self, name: _Name, call: Callable[..., T]
    ) -> Callable[[vim.ServiceInstanceContent], T]:
        """Return *call* with manager, VM and login filled in, and its faults translated."""

        def make(content: vim.ServiceInstanceContent) -> T:
            manager = self.managers.find(content, name)
            if manager is None:
                raise GuestUnavailableError(self.vm, "OperationNotSupportedByGuest")
            auth = vim.vm.guest.NamePasswordAuthentication(
                username=self.user, password=self.password.reveal(), interactiveSession=False
            )
            thing = self.host.session.make(vim.VirtualMachine, self.vm.moref)
            try:
                return call(manager, thing, auth)
            except vim.fault.NotAuthenticated:
                raise
            except vmodl.MethodFault as fault:
                raise translate_guest(fault, vm=self.vm, user=self.user) from fault

        return make

    def _transfer(
        self, method: str, url: str, content: bytes | None, limit: int = OUTPUT_BYTES
    ) -> bytes:
        """Send or fetch a file's bytes; to the host we called, whatever the URL says."""
        target = transfer_target(self.vm, url)
        headers = {"Content-Type": "application/octet-stream"}
        with contextlib.closing(self.host.session.connect()) as connection:
            try:
                connection.request(method, target, body=content, headers=headers)
                answer = connection.getresponse()
                body = answer.read(limit)
            except OversizedError as error:
                raise AnswerTooLargeError(str(self.vm.host), str(error)) from error
            except BROKEN as error:
                raise HostUnreachableError(self.vm.host, describe(error)) from error
        if answer.status not in _HTTP_OK:
            raise HypervisorFaultError(str(self.vm), "FileTransfer", f"HTTP {answer.status}")
        return body
