r"""`BatchOperations` over an ESXi host: batch scripts in a Windows guest, without network.

VMware Tools starts ``"<program>" <arguments>`` with no shell between (open-vm-tools vixTools.c
@1634dfb L1662; the API page of GuestProgramSpec advises ``cmd /c`` for redirection), so cmd.exe
is the program. Windows has no modes: a new folder below the Windows folder, where only an
administrator with a full token can make one, is kept for administrators by ``icacls`` before
anything is written to it. That folder also tells at once whether User Account Control filters the
user's token. Nothing of this was tried on a real Windows guest; the command line and the scripts
were run by Wine's cmd.exe.
"""

from __future__ import annotations

import codecs
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from pyVmomi import vim

from stsfix.snapshot.errors import GuestRightsError, HypervisorFaultError
from stsfix.snapshot.guest_session import GuestManagers, GuestSession
from stsfix.snapshot.guest_waiting import GuestWaiting
from stsfix.snapshot.ports import OUTPUT_BYTES, GuestResult
from stsfix.snapshot.secret import Secret

if TYPE_CHECKING:
    from stsfix.snapshot.esxi import EsxiHost
    from stsfix.snapshot.model import VmId
    from stsfix.snapshot.ports import Clock

_ROOT: Final = "SystemRoot"
_USUAL_ROOT: Final = "C:\\Windows"
_PRIVATE_LIMIT: Final = timedelta(seconds=60)
_BANNER: Final = 100
"""Bytes of output that may come before the script's own: chcp's line."""

_DENIED: Final = frozenset({"GuestPermissionDenied", "CannotAccessFile", "FileFault"})
"""Answers to a folder that may not be made: the API page of CreateTemporaryDirectoryInGuest names
the first and the last, the second is a FileFault (which one a host gives is unverified)."""

_BUSY: Final = frozenset({"FileFault", "FileLocked", "CannotAccessFile", "GuestPermissionDenied"})
"""Answers to reading a file that cmd.exe has open at that moment (unverified)."""

_CODE_PAGE: Final = re.compile(rb"\A[^\r\n]*?([0-9]{1,5})[^0-9\r\n]*\r?\n")
_SAFE: Final = re.compile(r"[A-Za-z]:(?:\\[A-Za-z0-9 ._~-]+)+")


class EsxiBatchOperations:
    """Runs batch scripts in the guests of one host; *poll* is the pause between two looks."""

    def __init__(self, host: EsxiHost, clock: Clock, *, poll: timedelta) -> None:
        self._host = host
        self._managers = GuestManagers(host)
        self._waiting = GuestWaiting(clock, poll=poll)

    def run_batch(
        self,
        vm: VmId,
        script: str | Secret[str],
        *,
        user: str,
        password: Secret[str],
        limit: timedelta,
        output_limit: int = OUTPUT_BYTES,
    ) -> GuestResult:
        """See `BatchOperations.run_batch`."""
        content = encode(script.reveal() if isinstance(script, Secret) else script)
        guest = GuestSession(self._host, self._managers, vm, user, password)
        deadline = self._waiting.deadline(limit)
        root = self._waiting.when_up(lambda: _system_root(guest), deadline)
        folder = _new_folder(guest, root)
        source = ""
        try:
            # (1) nobody but administrators may read what will be in the folder
            self._keep_private(guest, root, folder)
            # (2) files of our own
            source, output, code = (_new_file(guest, s, folder) for s in (".cmd", ".out", ".rc"))
            # (3) the script, with whatever secret it holds, goes into the first
            attributes = vim.vm.guest.FileManager.WindowsFileAttributes()
            guest.send(guest.start_upload(source, len(content), attributes), content)
            # (4) start it, once
            shell = f"{root}\\System32\\cmd.exe"
            pid = guest.start(shell, arguments(shell, source, output, code, folder), folder)
            # (5) wait for the end
            exit_code = self._waiting.exit_code(
                guest, pid, code, deadline=deadline, limit=limit, busy=_BUSY
            )
            raw = self._waiting.read(guest, output, output_limit + _BANNER)
            return GuestResult(exit_code=exit_code, output=decode(raw)[:output_limit])
        finally:
            # (6) in every outcome: without its script a command line that still runs removes
            # the folder at its end, since Windows lets nobody delete the files it has open
            if source:
                guest.delete(source)
            guest.delete_folder(folder)

    def _keep_private(self, guest: GuestSession, root: str, folder: str) -> None:
        """Take everybody's rights but those of administrators and the system (their SIDs, since
        names are translated: learn.microsoft.com, well-known security identifiers).
        """
        line = f'"{folder}" /inheritance:r /grant:r *S-1-5-32-544:(OI)(CI)F *S-1-5-18:(OI)(CI)F'
        pid = guest.start(f"{root}\\System32\\icacls.exe", line, root)
        deadline = self._waiting.deadline(_PRIVATE_LIMIT)
        exit_code = self._waiting.ended(guest, pid, deadline=deadline, limit=_PRIVATE_LIMIT)
        if exit_code:
            raise HypervisorFaultError(str(guest.vm), "icacls", f"{folder}: exit code {exit_code}")


def arguments(shell: str, source: str, output: str, code: str, folder: str) -> str:
    """Return cmd.exe's arguments: run *source*, output to *output*, exit code to *code*.

    ``/v:on`` is for ``!errorlevel!``, which has to be read after the script ran; the script has a
    cmd.exe of its own without it, so that its exclamation marks are plain and its ``exit`` does
    not end this line. With ``/s`` exactly the outer quotes go (``cmd /?``). The first line of
    *output* names its code page. If *source* is gone at the end, nobody waits any more, and the
    line cleans up after itself. File names come from the guest and are checked in `_is_safe`.
    """
    script = f'"{shell}" /d /v:off /s /c ""{source}""'
    return (
        f'/d /v:on /s /c "chcp > "{output}" & {script} >> "{output}" 2>&1 < nul'
        f' & > "{code}" echo !errorlevel! & if not exist "{source}" rd /s /q "{folder}""'
    )


def encode(script: str) -> bytes:
    """Return *script* as cmd.exe reads it: lines end with CR LF, and all of it is ASCII, which
    every code page has.

    Raises:
        ValueError: It is not ASCII, or has a NUL.
    """
    if not script.isascii() or "\0" in script:
        raise ValueError("a batch script must be plain ASCII: its code page is not known here")
    return "\r\n".join(script.split("\n")).encode()


def decode(raw: bytes) -> str:
    """Return output as text with LF line ends; its first line names its code page."""
    found = _CODE_PAGE.match(raw)
    name = "utf-8" if found is None or found[1] == b"65001" else f"cp{found[1].decode()}"
    try:
        codecs.lookup(name)
    except LookupError:
        name = "utf-8"
    body = raw if found is None else raw[found.end() :]
    return body.decode(name, "replace").replace("\r\n", "\n").replace("\r", "")


def _system_root(guest: GuestSession) -> str:
    found = guest.read_variables([_ROOT]).get(_ROOT.upper(), "").rstrip("\\")
    return guest.require_name(found or _USUAL_ROOT, _is_safe)


def _new_folder(guest: GuestSession, root: str) -> str:
    try:
        path = guest.make_folder(root)
    except HypervisorFaultError as error:
        if error.fault in _DENIED:
            raise GuestRightsError(guest.vm, guest.user, f"{error.fault} in {root}") from error
        raise
    return guest.require_name(path, _is_safe)


def _new_file(guest: GuestSession, suffix: str, folder: str) -> str:
    return guest.require_name(guest.make_file(suffix, folder), _is_safe)


def _is_safe(path: str) -> bool:
    return _SAFE.fullmatch(path) is not None
