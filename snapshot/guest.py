"""`GuestOperations` over an ESXi host: scripts in a guest without network or SSH.

A program's output is never returned, and its exit code is forgotten after five minutes or when
Tools restarts (StartProgramInGuest's API page); so the script's output and exit code go to
files. Tools runs ``bash -c '"<program>" <arguments>'`` whatever the login shell is
(open-vm-tools vixTools.c), and every argument is visible in ``ps``: arguments only ever name
files. Not verified on a real guest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyVmomi import vim

from stsfix.snapshot.guest_session import GuestManagers, GuestSession
from stsfix.snapshot.guest_waiting import GuestWaiting
from stsfix.snapshot.ports import OUTPUT_BYTES, GuestResult
from stsfix.snapshot.secret import Secret

if TYPE_CHECKING:
    from datetime import timedelta

    from stsfix.snapshot.esxi import EsxiHost
    from stsfix.snapshot.model import VmId
    from stsfix.snapshot.ports import Clock

SHELL: Final = "/bin/bash"
PRIVATE_FOLDER: Final = "/root"
"""Where scripts that hold a secret are put: nobody else reads there, and what a killed process left
of them is found again (``stsfix-*.sh``).
"""
_MODE: Final = 0o600


class EsxiGuestOperations:
    """Runs scripts in the guests of one host; *poll* is the pause between two looks."""

    def __init__(self, host: EsxiHost, clock: Clock, *, poll: timedelta) -> None:
        self._host = host
        self._managers = GuestManagers(host)
        self._waiting = GuestWaiting(clock, poll=poll)

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
        guest = GuestSession(self._host, self._managers, vm, user, password)
        deadline = self._waiting.deadline(limit)
        files: list[str] = []
        try:
            # (1) files of our own, 0600, as soon as Tools is up
            folder = PRIVATE_FOLDER if isinstance(script, Secret) else None
            files.append(self._waiting.when_up(lambda: _new_file(guest, ".sh", folder), deadline))
            for suffix in (".out", ".rc"):
                files.append(_new_file(guest, suffix))  # noqa: PERF401 - each is known at once
            source, output, code = files
            # (2) the script, with whatever secret it holds, goes into the first
            text = script.reveal() if isinstance(script, Secret) else script
            content = text.encode()
            guest.send(guest.start_upload(source, len(content), _attributes(_MODE)), content)
            # (3) start it, once
            pid = guest.start(SHELL, arguments(source, output, code), "/")
            # (4) wait for the end
            exit_code = self._waiting.exit_code(guest, pid, code, deadline=deadline, limit=limit)
            raw = self._waiting.read(guest, output, output_limit)
            return GuestResult(exit_code=exit_code, output=raw.decode("utf-8", "replace"))
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
        guest = GuestSession(self._host, self._managers, vm, user, password)
        url = self._waiting.when_up(
            lambda: guest.start_upload(path, len(content), _attributes(mode)),
            self._waiting.deadline(limit),
        )
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
        guest = GuestSession(self._host, self._managers, vm, user, password)
        deadline = self._waiting.deadline(limit)
        return self._waiting.when_up(lambda: guest.download(path, output_limit), deadline)


def arguments(source: str, output: str, code: str) -> str:
    """Return bash's arguments: run *source*, output to *output*, exit code to *code*.

    *code* is opened at the start, so that deleting it leaves nothing behind even if the script
    runs on. File names come from the guest and are checked in `_new_file`.
    """
    return f"-c '( {SHELL} {source} > {output} 2>&1 < /dev/null; echo $? >&2 ) 2> {code}'"


def _new_file(guest: GuestSession, suffix: str, folder: str | None = None) -> str:
    return guest.require_name(guest.make_file(suffix, folder), _is_safe)


def _attributes(mode: int) -> vim.vm.guest.FileManager.PosixFileAttributes:
    return vim.vm.guest.FileManager.PosixFileAttributes(permissions=mode)


def _is_safe(path: str) -> bool:
    return path.startswith("/") and set(path) <= _SAFE


_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-")
