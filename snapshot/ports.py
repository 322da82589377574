"""What this layer needs from the world. The contracts live here; adapters do not repeat them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from stsfix.snapshot.model import HostFacts, HostRef, SnapshotRef, TaskKey, VmFacts, VmId
    from stsfix.snapshot.secret import Secret


OUTPUT_BYTES: Final = 64 * 1024
"""Bytes of a script's output that are kept unless the caller asks for more."""


class Clock(Protocol):
    """Time, so that nothing in the core reads it by itself."""

    def now(self) -> datetime:
        """Return the wall clock, aware UTC."""

    def monotonic(self) -> float:
        """Return seconds that never go back; only differences mean anything."""

    def sleep(self, seconds: float) -> None:
        """Return after *seconds*."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """A vSphere task that succeeded. *created* is the MoRef it made, None if it made none."""

    key: TaskKey
    created: str | None


class Hypervisor(Protocol):
    """One ESXi host, reached directly.

    Every method may raise HostUnreachableError (nothing was sent, or only a read was lost),
    HostTlsError and HostLoginError (no retry of a refused password: ESXi locks the account
    for 900 s after about five, terraform-provider-esxi #65) and HypervisorFaultError.
    A ``start_`` method returns as soon as the host accepted the request, and raises
    AnswerLostError when the connection broke after it was sent: it may have been accepted.
    Methods are safe to call from several threads.
    """

    @property
    def host(self) -> HostRef:
        """The host's name as in the configuration."""

    def observe_host(self) -> HostFacts:
        """Read host facts and a summary of every VM, in a number of calls that does not
        depend on how many VMs there are.
        """

    def observe_vms(self, vms: Sequence[VmId]) -> tuple[VmFacts, ...]:
        """Read all facts of *vms*, in their order, in one call.

        Raises:
            VmNotFoundError: One of them is not registered here (any more).
        """

    def start_guest_shutdown(self, vm: VmId) -> None:
        """Ask the guest to shut down; returns at once. No effect on a VM that is off.

        Raises:
            ToolsUnavailableError: Tools does not run; nothing was done.
        """

    def start_power_on(self, vm: VmId) -> TaskKey | None:
        """Start powering *vm* on; None if it is on already.

        Raises:
            VmBusyError: Another task works on it; nothing was started.
        """

    def start_snapshot(self, vm: VmId, *, name: str, description: str) -> TaskKey:
        """Start a snapshot without memory and without quiescing.

        Raises:
            VmBusyError: Another task works on it; nothing was started.
        """

    def start_revert(self, snapshot: SnapshotRef) -> TaskKey:
        """Start a revert to exactly *snapshot*; the VM stays off (suppressPowerOn).

        Raises:
            SnapshotGoneError: It is not there any more; nothing was started.
        """

    def start_removal(self, snapshot: SnapshotRef) -> TaskKey | None:
        """Start removing *snapshot* alone (its children stay); None if it is gone already."""

    def await_task(self, key: TaskKey, *, limit: timedelta) -> TaskResult | None:
        """Wait until the task succeeded; None if the host no longer knows the task.

        Raises:
            TaskOverdueError: Still running after *limit*; it may still succeed.
            NoSpaceError: It failed for lack of space; the VM is as before.
            VmBusyError: It failed because another task worked on the VM.
            HypervisorFaultError: It failed otherwise.
        """

    def close(self) -> None:
        """Log out; never raises. Repeating it does nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestResult:
    """A script that ended. *output* is its standard output and error, cut at a limit."""

    exit_code: int
    output: str


class GuestOperations(Protocol):
    """Programs and small files in a guest, through its ESXi host: no network, no SSH."""

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
        """Run *script* with ``/bin/bash`` as *user*, wait for its end, leave no file behind.
        Output is cut at *output_limit* bytes.

        Raises:
            GuestLoginError: Refused; not tried again (faillock).
            GuestUnavailableError: Tools was not ready until *limit*; nothing ran.
            TaskOverdueError: Still running after *limit*.
            AnswerLostError: It was started, and its end could not be seen.
        """

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
        """Make *path* a file with exactly *content* and *mode*; safe to repeat.

        Raises:
            GuestLoginError, GuestUnavailableError: As `run_script`.
            HypervisorFaultError: The guest cannot write there; *fault* names the reason.
            HostUnreachableError: The connection broke; the file may be there or not.
        """

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
        """Return the first *output_limit* bytes of *path*.

        Raises:
            GuestLoginError, GuestUnavailableError: As `run_script`.
            HypervisorFaultError: There is no such file (FileNotFound), or it cannot be read.
            HostUnreachableError: The connection broke.
        """


class BatchOperations(Protocol):
    """Batch scripts in a Windows guest, through its ESXi host: no network, no WinRM."""

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
        """Run *script* with ``cmd.exe`` as *user*, wait for its end, leave no file behind.

        Only administrators can read what is there meanwhile. When it is waited for no longer,
        the file it stands in is deleted: what is left of the line or block that runs is still
        done, the next line is not. *script* is ASCII, its lines end with LF; so do those of the
        output, which is cut at *output_limit* characters.

        Raises:
            GuestLoginError: Refused; not tried again (the account may lock).
            GuestRightsError: The user's token has not the rights of an administrator.
            GuestUnavailableError: Tools was not ready until *limit*; nothing ran.
            TaskOverdueError: Still running after *limit*.
            AnswerLostError: It was started, and its end could not be seen.
            ValueError: The script is not ASCII.
        """
