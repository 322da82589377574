"""The error tree's root and categories, and what this layer raises.

A category says what the caller may do; a leaf says what happened, with data as attributes.

    OperationError
    ├── RefusedError       nothing was changed; mend the input or the world and start again
    │   ├── HostLoginError            the host refused the user or the password
    │   ├── HostTlsError              the host's certificate is not the trusted or pinned one
    │   ├── HostRestrictedError       licence, lockdown or a managing vCenter forbids writes
    │   ├── VmNotFoundError           no such VM on that host
    │   ├── VmNotOffError             a VM that has to be off is not
    │   └── SnapshotSetIncompleteError  the set does not cover the nodes: nothing is reverted
    ├── TransientError     may pass by itself; only reads are retried
    │   ├── HostUnreachableError      no connection, or it broke
    │   └── VmBusyError               another task works on the VM (TaskInProgress)
    ├── FaultError         the world said no
    │   ├── HypervisorFaultError      any other vSphere fault, with its class name
    │   ├── NoSpaceError              a datastore is full
    │   ├── ToolsUnavailableError     guest shutdown needs VMware Tools
    │   ├── GuestLoginError           the guest refused the user or password (or both expired)
    │   ├── GuestRightsError          the guest's user has not the rights of an administrator
    │   ├── GuestUnavailableError     guest operations are off or not up yet
    │   ├── AnswerTooLargeError       a peer answers more than anybody has to read
    │   └── NicDisconnectedError      a node came back without its network
    ├── InDoubtError       the answer was lost: look at the world before doing anything
    │   ├── TaskOverdueError          the task still runs and may still succeed
    │   └── AnswerLostError           the connection broke after a request was sent
    └── StoppedError       a person is needed
        ├── ShutdownOverdueError      a guest did not shut down in time; never forced silently
        ├── SnapshotGoneError         a snapshot of ours is not there any more
        └── RevertUnverifiedError     a VM is not off at our snapshot after the revert
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stsfix.snapshot.model import HostRef, TaskKey, VmId


class OperationError(Exception):
    """Root of everything stsfix raises on purpose; `str()` is one sentence with the data."""


class RefusedError(OperationError):
    """Nothing was changed."""


class TransientError(OperationError):
    """May pass by itself; reads are retried within a budget, writes never."""


class FaultError(OperationError):
    """The world said no."""


class InDoubtError(OperationError):
    """The answer was lost; only looking at the world tells whether it was done."""


class StoppedError(OperationError):
    """A person has to decide or do something."""


PASSWORD_EXPIRED: Final = "PasswordExpired"  # noqa: S105 - the name of a fault
"""Fault of a login with the right password after its end; a kind of InvalidLogin (pyVmomi)."""


class HostLoginError(RefusedError):
    """The host refused the login: a wrong or expired password, lockdown mode, or a locked account.

    *fault* is the vSphere fault it answered with, empty if nobody knows.
    """

    def __init__(self, host: HostRef, user: str, fault: str = "") -> None:
        expired = fault == PASSWORD_EXPIRED
        why = ": the password has expired" if expired else f" ({fault})" if fault else ""
        super().__init__(f"{host} refused the login of {user}{why}")
        self.host = host
        self.user = user
        self.fault = fault

    @property
    def expired(self) -> bool:
        """True if the host said that the password has expired; it is the right one then."""
        return self.fault == PASSWORD_EXPIRED


class HostTlsError(RefusedError):
    """The host's certificate is neither trusted nor the pinned one; no credential was sent."""

    def __init__(self, host: str, reason: str, sha256: str | None = None) -> None:
        super().__init__(f"the certificate of {host} is not trusted: {reason}")
        self.host = host
        self.reason = reason
        self.sha256 = sha256


class HostRestrictedError(RefusedError):
    """The host takes no writes: licence, lockdown mode or exclusive management by a vCenter."""

    def __init__(self, host: HostRef, fault: str, detail: str) -> None:
        super().__init__(f"{host} refuses changes ({fault}): {detail}")
        self.host = host
        self.fault = fault


class VmNotFoundError(RefusedError):
    """The host has no such VM."""

    def __init__(self, host: HostRef, what: str) -> None:
        super().__init__(f"no VM {what} on {host}")
        self.host = host
        self.what = what


class VmNotOffError(RefusedError):
    """VMs that have to be off are not; nobody is reverted, and snapshots begun are not used."""

    def __init__(self, vms: Iterable[VmId]) -> None:
        self.vms = tuple(vms)
        super().__init__(f"not powered off: {', '.join(str(vm) for vm in self.vms)}")


class SnapshotSetIncompleteError(RefusedError):
    """Snapshots of the run are missing, twice there or leave a disk out: nothing is reverted."""

    def __init__(self, name: str, missing: Iterable[str]) -> None:
        self.missing = tuple(missing)
        super().__init__(f"snapshot set {name} is not whole: {', '.join(self.missing)}")
        self.name = name


class HostUnreachableError(TransientError):
    """No connection to the host, or it broke while reading."""

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(f"{host} does not answer: {reason}")
        self.host = host
        self.reason = reason


class VmBusyError(TransientError):
    """Another task works on the VM."""

    def __init__(self, vm: VmId, task: str) -> None:
        super().__init__(f"{vm} is busy with {task}")
        self.vm = vm
        self.task = task


class HypervisorFaultError(FaultError):
    """A vSphere fault that has no class of its own here; *fault* is its vSphere name."""

    def __init__(self, where: str, fault: str, detail: str) -> None:
        super().__init__(f"{where}: {fault}" + (f": {detail}" if detail else ""))
        self.where = where
        self.fault = fault
        self.detail = detail


class VmKeyMissingError(FaultError):
    """A VM is encrypted, and the host that has it does not have its key, or may not.

    *original* is the host that had the key, if it is another one.
    """

    def __init__(self, vm: VmId, original: str = "") -> None:
        super().__init__(
            f"{vm} is encrypted: only {original} or its key provider has the key"
            if original
            else f"{vm} is encrypted and its host does not have the key"
        )
        self.vm = vm
        self.host = vm.host
        self.original = original


class NoSpaceError(FaultError):
    """A datastore has no room for the snapshot."""

    def __init__(self, where: str, datastore: str) -> None:
        super().__init__(f"{where}: datastore {datastore} is full")
        self.where = where
        self.datastore = datastore


class ToolsUnavailableError(FaultError):
    """The guest cannot be asked to shut down: VMware Tools does not run in it."""

    def __init__(self, vm: VmId) -> None:
        super().__init__(f"VMware Tools does not run in {vm}")
        self.vm = vm


class GuestLoginError(FaultError):
    """The guest refused user or password; an expired or locked account looks the same."""

    def __init__(self, vm: VmId, user: str) -> None:
        super().__init__(f"the guest of {vm} refused the login of {user}")
        self.vm = vm
        self.user = user


class GuestRightsError(FaultError):
    """The user of a Windows guest may log in, and has not the rights of an administrator."""

    def __init__(self, vm: VmId, user: str, detail: str) -> None:
        super().__init__(f"{user} has no administrator's rights in the guest of {vm}: {detail}")
        self.vm = vm
        self.user = user
        self.detail = detail


class GuestUnavailableError(FaultError):
    """Guest operations do not work in this guest (disabled, or not up in time)."""

    def __init__(self, vm: VmId, reason: str) -> None:
        super().__init__(f"no guest operations in {vm}: {reason}")
        self.vm = vm
        self.reason = reason


class AnswerTooLargeError(FaultError):
    """A host or node answered more than stsfix reads; nothing of that answer was used."""

    def __init__(self, peer: str, reason: str) -> None:
        super().__init__(f"the answer of {peer} is too large: {reason}")
        self.peer = peer
        self.reason = reason


class NicDisconnectedError(FaultError):
    """A VM came up with a network adapter disconnected that was connected before."""

    def __init__(self, vm: VmId, labels: Iterable[str]) -> None:
        self.labels = tuple(labels)
        super().__init__(f"{vm} came back with {', '.join(self.labels)} disconnected")
        self.vm = vm


class TaskOverdueError(InDoubtError):
    """A vSphere task did not end in time; it may still succeed."""

    def __init__(self, task: TaskKey, waited_s: float) -> None:
        super().__init__(f"task {task} still running after {waited_s:.0f} s")
        self.task = task


class AnswerLostError(InDoubtError):
    """The connection broke after a request was sent: it may have been carried out."""

    def __init__(self, where: str, call: str) -> None:
        super().__init__(f"{where}: the answer to {call} was lost")
        self.where = where
        self.call = call


class ShutdownOverdueError(StoppedError):
    """Guests did not shut down in time; they were not forced."""

    def __init__(self, vms: Iterable[VmId], waited_s: float) -> None:
        self.vms = tuple(vms)
        names = ", ".join(str(vm) for vm in self.vms)
        super().__init__(f"still running {waited_s:.0f} s after the guest shutdown: {names}")


class SnapshotGoneError(StoppedError):
    """A snapshot of the run is not on its VM any more."""

    def __init__(self, vm: VmId, name: str) -> None:
        super().__init__(f"snapshot {name} of {vm} is gone")
        self.vm = vm
        self.name = name


class RevertUnverifiedError(StoppedError):
    """After the revert a VM is not off, or not at the run's snapshot; none was powered on."""

    def __init__(self, name: str, vms: Iterable[VmId]) -> None:
        self.vms = tuple(vms)
        names = ", ".join(str(vm) for vm in self.vms)
        super().__init__(f"after the revert not off at snapshot {name}: {names}")
        self.name = name
