"""Methods of a VM and of its snapshots, as a host offers them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from stsfix.lab.esx.machine import VirtualMachine, VmRefusedError
from stsfix.lab.esx.tasks import Durations, StoppedError, TaskBoard
from stsfix.lab.esx.vm_properties import VmProperties
from stsfix.lab.servant import Servant, leaf, operation
from stsfix.lab.soap import named_fault
from stsfix.lab.vmomi import vim

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import datetime

    from stsfix.lab.esx.machine import Snapshot
    from stsfix.lab.soap import Call

_QUESTION_POLL_S = 0.05


class VmHost(Protocol):
    """What a VM's servant needs of its host."""

    board: TaskBoard
    durations: Durations
    maintenance: bool
    api_version: str
    chains_broken: bool

    @property
    def host_ref(self) -> Any:
        """Reference of the host."""

    @property
    def pool_ref(self) -> Any:
        """Reference of the resource pool."""

    def datastore_ref(self, name: str) -> Any:
        """Reference of a datastore; None if there is none of that name."""

    def network_ref(self, name: str) -> Any:
        """Reference of a network; None if there is none of that name."""

    def require_space(self, vm: VirtualMachine) -> None:
        """Raise VmRefusedError NoDiskSpace if a snapshot of *vm* does not fit."""

    def now(self) -> datetime:
        """The host's own clock."""


@contextmanager
def vm_faults() -> Generator[None]:
    """Turn the machine's refusals into vim faults."""
    try:
        yield
    except VmRefusedError as refused:
        raise named_fault(refused.fault, **refused.fields) from None


def _user(call: Call) -> str:
    return str(call.session.user.userName)


class VmServant(VmProperties):
    """A VM. A wrong power state is told by the task, not by the call [as vcsim does; hosts
    may do either: clients must tolerate both].
    """

    @operation("PowerOnVM_Task", write=True)
    def power_on(self, call: Call) -> Any:
        """Power on; an open question stalls the task."""
        if self.host.maintenance:
            raise vim.fault.InvalidState
        return self._start(call, self.host.durations.power_on, lambda: self._power_on(call))

    def _power_on(self, call: Call) -> None:
        vm = self.vm
        vm.require_power("poweredOff", "poweredOn")
        if vm.asks_at_power_on is not None:
            vm.answered.clear()
            vm.question, vm.asks_at_power_on = vm.asks_at_power_on, None
            vm.changed()
            while not vm.answered.wait(_QUESTION_POLL_S):
                if call.service.closing.is_set():
                    raise StoppedError
        vm.power_on(self.host.now())

    @operation("PowerOffVM_Task", write=True)
    def power_off(self, call: Call) -> Any:
        """Cut power."""
        return self._start(call, self.host.durations.power_off, self.vm.power_off)

    @operation("ShutdownGuest", write=True)
    def shut_down(self, call: Call) -> None:
        """Ask the guest to shut down; no task."""
        del call
        with vm_faults():
            self.vm.shut_down_guest()

    @operation("AnswerVM", write=True)
    def answer(self, call: Call) -> None:
        """Answer the open question."""
        with vm_faults():
            self.vm.answer(call.args["questionId"], call.args["answerChoice"])

    @operation("CreateSnapshot_Task", write=True)
    def create_snapshot(self, call: Call) -> Any:
        """Take a snapshot."""
        return self._snapshot_task(call, quiesce=bool(call.args["quiesce"]))

    @operation("CreateSnapshotEx_Task", write=True)
    def create_snapshot_ex(self, call: Call) -> Any:
        """Take a snapshot."""
        return self._snapshot_task(call, quiesce=call.args["quiesceSpec"] is not None)

    def _snapshot_task(self, call: Call, *, quiesce: bool) -> Any:
        def work() -> Any:
            self.host.require_space(self.vm)
            made = self.vm.take_snapshot(
                call.args["name"],
                call.args["description"] or "",
                now=self.host.now(),
                memory=bool(call.args["memory"]),
                quiesce=quiesce,
            )
            return vim.vm.Snapshot(made.key)

        return self._start(call, self.host.durations.snapshot, work)

    @operation("RevertToCurrentSnapshot_Task", write=True)
    def revert_to_current(self, call: Call) -> Any:
        """Revert to the current snapshot; without one nothing happens."""

        def work() -> None:
            if self.vm.current_snapshot is not None:
                self.revert_to(call, self.vm.current_snapshot)

        return self._start(call, self.host.durations.revert, work)

    def revert_to(self, call: Call, snapshot: Snapshot) -> None:
        """Revert now, as the call asks; the work of two methods' tasks."""
        suppress = bool(call.args["suppressPowerOn"])
        self.vm.revert(snapshot, suppress_power_on=suppress, now=self.host.now())

    @operation("RemoveAllSnapshots_Task", write=True)
    def remove_all_snapshots(self, call: Call) -> Any:
        """Remove every snapshot."""
        return self._start(call, self.host.durations.removal, self.vm.remove_all_snapshots)

    def _start(self, call: Call, lasts: float, work: Callable[[], Any]) -> Any:
        return self.host.board.start(self.vm, call.name, _user(call), lasts=lasts, work=work)


class SnapshotServant(Servant):
    """A snapshot. Only made for snapshots that exist: a removed one is not found."""

    def __init__(self, snapshot: Snapshot, owner: VmServant) -> None:
        super().__init__(vim.vm.Snapshot(snapshot.key), target=owner.vm.name)
        self.snapshot = snapshot
        self.vm = owner.vm
        self._owner = owner

    @leaf("vm")
    def _vm(self) -> object:
        return self._owner.ref

    @leaf("childSnapshot")
    def _children(self) -> object:
        return [vim.vm.Snapshot(s.key) for s in self.snapshot.children]

    @leaf("config.annotation")
    def _annotation(self) -> object:
        return self.snapshot.annotation

    @operation("RevertToSnapshot_Task", write=True)
    def revert(self, call: Call) -> Any:
        """Revert the VM to this snapshot."""

        def work() -> None:
            self._owner.revert_to(call, self._present())

        return self._start(call, self._owner.host.durations.revert, work)

    @operation("RemoveSnapshot_Task", write=True)
    def remove(self, call: Call) -> Any:
        """Remove this snapshot."""
        with_children = bool(call.args["removeChildren"])

        def work() -> None:
            self.vm.remove_snapshot(self._present(), with_children=with_children)

        return self._start(call, self._owner.host.durations.removal, work)

    def _present(self) -> Snapshot:
        if self.vm.find_snapshot(self.snapshot.key) is None:
            raise VmRefusedError("ManagedObjectNotFound", obj=self.ref)
        return self.snapshot

    def _start(self, call: Call, lasts: float, work: Callable[[], Any]) -> Any:
        board = self._owner.host.board
        return board.start(self.vm, call.name, _user(call), lasts=lasts, work=work)
