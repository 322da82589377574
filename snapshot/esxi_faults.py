"""What pyVmomi raises, turned into the errors that the ports promise; the only such place.

Source: fault names and where they come from are in pyVmomi 9.1.1.0's type tree; what they mean
on a host is in VMware's API reference and, where named, in public issues.
"""

from __future__ import annotations

from contextlib import contextmanager
from http.client import HTTPException
from typing import TYPE_CHECKING
from xml.parsers.expat import ExpatError

from pyVmomi import vim, vmodl

from stsfix.snapshot.answers import OverdueError, OversizedError
from stsfix.snapshot.broken import in_words
from stsfix.snapshot.errors import (
    AnswerLostError,
    AnswerTooLargeError,
    GuestLoginError,
    GuestUnavailableError,
    HostRestrictedError,
    HostUnreachableError,
    HypervisorFaultError,
    NoSpaceError,
    OperationError,
    ToolsUnavailableError,
    VmBusyError,
    VmKeyMissingError,
    VmNotFoundError,
)

if TYPE_CHECKING:
    from collections.abc import Generator

    from stsfix.snapshot.model import HostRef, VmId

# RestrictedVersion: free or expired licence (pyvmomi #625). The others: lockdown, missing
# rights, or a host that only its vCenter may change.
_RESTRICTED = (
    vim.fault.RestrictedVersion,
    vim.fault.HostAccessRestrictedToManagementServer,
    vim.fault.OperationDisallowedOnHost,
    vim.fault.NoPermission,
    vmodl.fault.NotEnoughLicenses,
)

BROKEN = (OSError, HTTPException, ExpatError)
"""What a connection that broke, or an answer that is no SOAP, looks like in pyVmomi."""


def fault_name(fault: BaseException) -> str:
    """Return the fault's vSphere name, for example ``TaskInProgress``."""
    return type(fault).__name__.rpartition(".")[2]


def fault_text(fault: BaseException) -> str:
    """Return everything the host said; ``msg`` alone is often empty."""
    messages = getattr(fault, "faultMessage", None) or ()
    texts = [getattr(fault, "msg", None), *(getattr(m, "message", None) for m in messages)]
    reasons = [getattr(fault, name, None) for name in ("reason", "privilegeId", "file", "source")]
    server = getattr(fault, "managementServer", None)
    owner = f"only vCenter {server} may change it" if server else None
    found = [str(text) for text in (*texts, owner, *reasons) if text]
    return "; ".join(dict.fromkeys(found))


def translate(
    fault: vmodl.MethodFault, *, host: HostRef, where: str, vm: VmId | None = None
) -> OperationError:
    """Return the error that says the same as *fault*; *where* is a VM or a task in words."""
    name, text = fault_name(fault), fault_text(fault)
    of_vm = None if vm is None else _of_vm(fault, vm)
    if of_vm is not None:
        return of_vm
    if isinstance(fault, _RESTRICTED):
        return HostRestrictedError(host, name, text)
    if isinstance(fault, vim.fault.NoDiskSpace):
        return NoSpaceError(where, str(fault.datastore or "of the VM"))
    return HypervisorFaultError(where, name, text)


def _of_vm(fault: vmodl.MethodFault, vm: VmId) -> OperationError | None:
    match fault:
        case vim.fault.TaskInProgress():
            return VmBusyError(vm, moref(fault.task) or "another task")
        case vim.fault.ToolsUnavailable():
            return ToolsUnavailableError(vm)
        case vim.fault.EncryptionKeyRequired():
            return VmKeyMissingError(vm)
        case vmodl.fault.ManagedObjectNotFound():
            return VmNotFoundError(vm.host, vm.name)
        case _:
            return None


def translate_guest(fault: vmodl.MethodFault, *, vm: VmId, user: str) -> OperationError:
    """Return the error for a fault of a guest operation.

    VGAuth answers InvalidGuestLogin for wrong, expired and locked accounts alike
    (open-vm-tools authPosix.c 285-330).
    """
    match fault:
        case vim.fault.InvalidGuestLogin():
            return GuestLoginError(vm, user)
        case vim.fault.GuestPermissionDenied() | vim.fault.FileFault():
            return HypervisorFaultError(str(vm), fault_name(fault), fault_text(fault))
        case vim.fault.GuestOperationsFault() | vim.fault.InvalidState():
            return GuestUnavailableError(vm, fault_name(fault))
        case _:
            return translate(fault, host=vm.host, where=str(vm), vm=vm)


def moref(thing: object) -> str:
    """Return a managed object's MoRef, empty if *thing* is none."""
    return str(getattr(thing, "_moId", "") or "")


@contextmanager
def reading(host: HostRef, where: str, vm: VmId | None = None) -> Generator[None]:
    """Translate around a call that changes nothing."""
    try:
        yield
    except vmodl.MethodFault as fault:
        raise translate(fault, host=host, where=where, vm=vm) from fault
    except OversizedError as error:
        raise AnswerTooLargeError(host, str(error)) from error
    except BROKEN as error:
        raise HostUnreachableError(host, describe(error)) from error


@contextmanager
def writing(host: HostRef, call: str, vm: VmId) -> Generator[None]:
    """Translate around a call that changes something: a lost answer is a doubt.

    Connecting has errors of its own (`esxi_session`), so here a request was sent.
    """
    try:
        yield
    except vmodl.MethodFault as fault:
        raise translate(fault, host=host, where=str(vm), vm=vm) from fault
    except BROKEN as error:
        doubt = AnswerLostError(str(vm), call)
        if isinstance(error, OversizedError):
            doubt.add_note(f"its answer was too large: {error}")
        elif isinstance(error, OverdueError):
            doubt.add_note(str(error))
        raise doubt from error


def describe(error: BaseException) -> str:
    """Return a broken connection in words, never empty."""
    return in_words(error)
