"""`GuestOperations` over an ESXi host: scripts in a guest without network or SSH.

A program's output is never returned, and its exit code is forgotten after five minutes or when
Tools restarts (StartProgramInGuest's API page); so the script's output and exit code go to
files. Tools runs ``bash -c '"<program>" <arguments>'`` whatever the login shell is
(open-vm-tools vixTools.c), and every argument is visible in ``ps``: arguments only ever name
files. Not verified on a real guest.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

from pyVmomi import vim, vmodl

from stsfix.snapshot.errors import (
    AnswerLostError,
    GuestUnavailableError,
    HostUnreachableError,
    HypervisorFaultError,
    OperationError,
    TaskOverdueError,
    TransientError,
)
from stsfix.snapshot.esxi_faults import BROKEN, describe, moref, translate_guest
from stsfix.snapshot.esxi_properties import read_objects
from stsfix.snapshot.model import TaskKey
from stsfix.snapshot.polling import poll_until
from stsfix.snapshot.ports import OUTPUT_BYTES, GuestResult
from stsfix.snapshot.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.snapshot.esxi import EsxiHost
    from stsfix.snapshot.model import VmId
    from stsfix.snapshot.ports import Clock

    _Name = Literal["fileManager", "processManager"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

SHELL = "/bin/bash"
_PREFIX = "stsfix-"
_MODE = 0o600
_HTTP_OK = range(200, 300)

_MAY_PASS = (GuestUnavailableError, TransientError)
"""Tools is not up yet, or the host was silent. A refused login never passes (faillock)."""

_FOR_GOOD = frozenset(
    {"OperationDisabledByGuest", "OperationNotSupportedByGuest", "GuestComponentsOutOfDate"}
)
"""Refusals that waiting does not change (tools.conf; API reference of the guest faults)."""


class EsxiGuestOperations:
    """Runs scripts in the guests of one host; *poll* is the pause between two looks."""

    def __init__(self, host: EsxiHost, clock: Clock, *, poll: timedelta) -> None:
        self._host = host
        self._clock = clock
        self._poll = poll
        self._managers = _Managers(host)

    def run_script(
        self,
        vm: VmId,
        script: str | Secret[str],
        *,
        user: str,
        password: Secret[str],
        limit: timedelta,
        output_limit: int = OUTPUT_BYTES,
    ) -> GuestResult:
        """See `GuestOperations.run_script`."""
        guest = _Guest(self._host, self._managers, vm, user, password)
        deadline = self._clock.monotonic() + limit.total_seconds()
        files: list[str] = []
        try:
            # (1) files of our own, 0600, as soon as Tools is up
            files.append(self._when_up(lambda: guest.make_file(".sh"), deadline))
            for suffix in (".out", ".rc"):
                files.append(guest.make_file(suffix))  # noqa: PERF401 - each is known at once
            source, output, code = files
            # (2) the script, with whatever secret it holds, goes into the first
            text = script.reveal() if isinstance(script, Secret) else script
            guest.send(guest.start_upload(source, len(text.encode()), _MODE), text.encode())
            # (3) start it, once
            pid = guest.start(arguments(source, output, code))
            # (4) wait for the end
            exit_code = self._wait(guest, pid, code, deadline, limit)
            return GuestResult(exit_code=exit_code, output=self._read(guest, output, output_limit))
        finally:
            # (5) in every outcome; a script that still runs keeps its open files
            for path in files:
                guest.delete(path)

    def put_file(
        self,
        vm: VmId,
        path: str,
        content: bytes,
        *,
        mode: int,
        user: str,
        password: Secret[str],
        limit: timedelta,
    ) -> None:
        """See `GuestOperations.put_file`."""
        guest = _Guest(self._host, self._managers, vm, user, password)
        deadline = self._clock.monotonic() + limit.total_seconds()
        url = self._when_up(lambda: guest.start_upload(path, len(content), mode), deadline)
        guest.send(url, content)

    def get_file(
        self,
        vm: VmId,
        path: str,
        *,
        user: str,
        password: Secret[str],
        limit: timedelta,
        output_limit: int = OUTPUT_BYTES,
    ) -> bytes:
        """See `GuestOperations.get_file`."""
        guest = _Guest(self._host, self._managers, vm, user, password)
        deadline = self._clock.monotonic() + limit.total_seconds()
        return self._when_up(lambda: guest.download(path, output_limit), deadline)

    def _when_up(self, first: Callable[[], T], deadline: float) -> T:
        """Return the answer of *first* as soon as Tools is up."""
        refused: list[GuestUnavailableError] = []
        answers: list[T] = []

        def look() -> bool:
            try:
                answers.append(first())
            except GuestUnavailableError as error:
                if error.reason not in _FOR_GOOD:
                    raise
                refused.append(error)
            return True

        self._poll_for(look, deadline)
        if refused:
            raise refused[0]
        return answers[0]

    def _wait(self, guest: _Guest, pid: int, code: str, deadline: float, limit: timedelta) -> int:
        """Return the exit code from its file; the process list only tells when to give up."""

        def look() -> int | None:
            ended = guest.has_ended(pid)  # asked first: the file is written before the end
            text = guest.download(code).decode("ascii", "replace").split()
            if text and text[-1].isdigit():
                return int(text[-1])
            if ended:
                raise AnswerLostError(str(guest.vm), "a script in the guest")
            return None

        try:
            found = self._poll_for(look, deadline)
        except _MAY_PASS as error:
            raise AnswerLostError(str(guest.vm), "a script in the guest") from error
        if found is None:
            raise TaskOverdueError(
                TaskKey(f"guest process {pid} in {guest.vm}"), limit.total_seconds()
            )
        return found

    def _read(self, guest: _Guest, output: str, limit: int) -> str:
        try:
            return guest.download(output, limit).decode("utf-8", "replace")
        except _MAY_PASS as error:
            raise AnswerLostError(str(guest.vm), "a script in the guest") from error

    def _poll_for(self, look: Callable[[], T | None], deadline: float) -> T | None:
        return poll_until(
            look,
            clock=self._clock,
            limit=timedelta(seconds=max(0.0, deadline - self._clock.monotonic())),
            every=self._poll,
            transient=_MAY_PASS,
        )


def arguments(source: str, output: str, code: str) -> str:
    """Return bash's arguments: run *source*, output to *output*, exit code to *code*.

    *code* is opened at the start, so that deleting it leaves nothing behind even if the script
    runs on. File names come from the guest and are checked in `_Guest.make_file`.
    """
    return f"-c '( {SHELL} {source} > {output} 2>&1 < /dev/null; echo $? >&2 ) 2> {code}'"


class _Managers:
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
            found = read_objects(content, [manager], list(self._KINDS))[moref(manager)]
            self._known = {each: moref(found[each]) for each in self._KINDS if each in found}
        known = self._known.get(name)
        return self._host.session.make(self._KINDS[name], known) if known else None


@dataclass(frozen=True, slots=True)
class _Guest:
    """One VM's guest with one login."""

    host: EsxiHost
    managers: _Managers
    vm: VmId
    user: str
    password: Secret[str]

    def make_file(self, suffix: str) -> str:
        """Create an empty file, 0600, in the guest's folder for temporary files."""
        path = str(
            self._files(
                lambda files, thing, auth: files.CreateTemporaryFile(
                    vm=thing, auth=auth, prefix=_PREFIX, suffix=suffix, directoryPath=None
                )
            )
        )
        if not path.startswith("/") or not set(path) <= _SAFE:
            raise HypervisorFaultError(str(self.vm), "InvalidArgument", f"file name {path!r}")
        return path

    def start_upload(self, path: str, size: int, mode: int) -> str:
        """Return the URL that takes *size* bytes as the new content of *path*."""
        attributes = vim.vm.guest.FileManager.PosixFileAttributes(permissions=mode)
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

    def start(self, line: str) -> int:
        """Start bash with *line*; returns its pid."""
        spec = vim.vm.guest.ProcessManager.ProgramSpec(
            programPath=SHELL, arguments=line, workingDirectory="/"
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

    def delete(self, path: str) -> None:
        """Delete *path* if that is possible, with a second try; never raises."""
        for is_last in (False, True):
            try:
                self._delete(path)
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
        parts = urlsplit(url)
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        headers = {"Content-Type": "application/octet-stream"}
        with contextlib.closing(self.host.session.connect()) as connection:
            try:
                connection.request(method, target, body=content, headers=headers)
                answer = connection.getresponse()
                body = answer.read(limit)
            except BROKEN as error:
                raise HostUnreachableError(self.vm.host, describe(error)) from error
        if answer.status not in _HTTP_OK:
            raise HypervisorFaultError(str(self.vm), "FileTransfer", f"HTTP {answer.status}")
        return body


_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-")
