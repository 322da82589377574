"""Stop, snapshot, revert, release and start a set of VMs on several hosts, all or nothing.

Every method converges: called again after a crash it goes on from what it finds. Nothing here
forces power off, and nobody is powered on but by `Coordinator.power_on`. A snapshot of a
running vCenter or PSC, or a revert of some nodes only, breaks replication for good (KB 313886).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from stsfix.snapshot.errors import (
    AnswerLostError,
    FaultError,
    HypervisorFaultError,
    OperationError,
    RevertUnverifiedError,
    SnapshotGoneError,
    SnapshotSetIncompleteError,
    VmBusyError,
    VmNotFoundError,
)
from stsfix.snapshot.fleet import Limits, raise_worst
from stsfix.snapshot.model import PowerState, SnapshotRef, SnapshotSet, TaskKey, VmId
from stsfix.snapshot.polling import poll_until
from stsfix.snapshot.power import PowerControl, ProgressHook

if TYPE_CHECKING:
    from collections.abc import Sequence


__all__ = [
    "Coordinator",
    "IncompleteSet",
    "Limits",
    "ProgressHook",
    "Released",
    "task_note_key",
]

Note: TypeAlias = Callable[[str, str], None]
"""``note(key, value)``: durable on return, called in the caller's thread only."""


def task_note_key(vm: VmId) -> str:
    """Return the key under which `Coordinator.take` notes the snapshot task of *vm*."""
    return f"snapshot-task {vm.host} {vm.moref}"


@dataclass(frozen=True, slots=True, kw_only=True)
class IncompleteSet:
    """What `Coordinator.find` saw when the set is not whole.

    *found* holds the sound members; *missing* the VMs without exactly one snapshot taken while
    off, and *reasons* one sentence for each of them, in the same order.
    """

    name: str
    found: frozenset[SnapshotRef]
    missing: tuple[VmId, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """What `Coordinator.release` removed, and the VMs whose disks need consolidation now."""

    removed: tuple[SnapshotRef, ...]
    consolidation_needed: tuple[VmId, ...]


class Coordinator(PowerControl):
    """Works on one set of VMs through their hosts; its power methods are `PowerControl`'s.

    Every method may raise HostUnreachableError (a host was silent for `Limits.silence`),
    HostLoginError, HostTlsError and VmNotFoundError.
    """

    def find(self, name: str, vms: Sequence[VmId]) -> SnapshotSet | IncompleteSet:
        """Look for the set called *name*: exactly one snapshot of each VM, taken while off."""
        found: list[SnapshotRef] = []
        missing: list[VmId] = []
        reasons: list[str] = []
        facts = self._fleet.observe(vms)
        for vm in vms:
            named = [s for s in facts[vm].snapshots if s.name == name]
            if len(named) == 1 and named[0].taken_off:
                found.append(named[0])
                continue
            missing.append(vm)
            if len(named) == 1:
                reasons.append(f"{vm}: taken while it was running")
            else:
                reasons.append(f"{vm}: {len(named) or 'no'} snapshots of that name")
        if not missing:
            return SnapshotSet(members=frozenset(found))
        return IncompleteSet(
            name=name, found=frozenset(found), missing=tuple(missing), reasons=tuple(reasons)
        )

    def take(
        self,
        name: str,
        describe: Callable[[VmId], str],
        vms: Sequence[VmId],
        note: Note,
    ) -> SnapshotSet:
        """Snapshot every VM that has no snapshot called *name*, all at the same time.

        Every task's key is noted as soon as the host gave it, before the next thing happens.
        Nobody can tell who was on between an earlier attempt and this one: `discard` what that
        one took first.

        Args:
            name: The run's name, so that exactly these snapshots can be told from others.
            describe: Gives each snapshot's description, one line.
            vms: All nodes; every one must be off.
            note: Makes a fact durable.

        Returns:
            The set; it covers *vms* exactly.

        Raises:
            VmNotOffError: Some are not off; nothing was started, or somebody powered one on
                meanwhile.
            SnapshotSetIncompleteError: The set is not whole in spite of it, or a VM has two
                snapshots of that name, or one taken while it ran.
            AnswerLostError: A request's answer was lost and no snapshot appeared in
                `Limits.doubt`; a second one was not started.
            TaskOverdueError, NoSpaceError, VmBusyError, HypervisorFaultError: A task did not
                succeed; the others were awaited first.
        """
        self.require_off(vms)
        tasks: dict[VmId, TaskKey] = {}
        errors: list[OperationError] = []
        for vm in self._without(name, vms):
            try:
                key = self._start_snapshot(vm, name, describe(vm))
            except OperationError as error:
                errors.append(error)
                break  # start nothing more; what was started is awaited below
            if key is not None:
                note(task_note_key(vm), key)
                tasks[vm] = key
                self._tell(vm, "taking a snapshot")
        errors += self._fleet.await_tasks(tasks, limit=self._limits.snapshot).errors
        raise_worst(errors)
        # A snapshot without memory shows "poweredOff" also when its VM ran (vcsim of 2026 and
        # ESXi do, vcsim.md 3): that nobody was powered on meanwhile is known only by looking.
        self.require_off(vms)
        return self._get_whole(name, vms)

    def discard(self, name: str, vms: Sequence[VmId], noted: Mapping[str, str]) -> Released:
        """Remove what an earlier attempt took, also by tasks that it noted and that run still.

        A snapshot of that attempt shows its VM as it was then; whoever was on since then would
        not fit it (KB 313886).

        Raises:
            TaskOverdueError: A noted task runs still; nothing was removed.
            OperationError: See `release`.
        """
        self._settle_noted(vms, noted)
        return self.release(name, vms)

    def _settle_noted(self, vms: Sequence[VmId], noted: Mapping[str, str]) -> None:
        keys = {vm: TaskKey(noted[task_note_key(vm)]) for vm in vms if task_note_key(vm) in noted}
        awaited = self._fleet.await_tasks(keys, limit=self._limits.snapshot)
        # A noted task that failed, or that the host forgot, made nothing or is seen by its
        # snapshot; one that still runs would make one later.
        raise_worst([e for e in awaited.errors if not isinstance(e, FaultError | VmBusyError)])

    def _without(self, name: str, vms: Sequence[VmId]) -> list[VmId]:
        found = self.find(name, vms)
        if isinstance(found, SnapshotSet):
            return []
        facts = self._fleet.observe(found.missing)
        unsound = [
            reason
            for vm, reason in zip(found.missing, found.reasons, strict=True)
            if any(s.name == name for s in facts[vm].snapshots)
        ]
        if unsound:
            raise SnapshotSetIncompleteError(name, unsound)
        return list(found.missing)

    def _start_snapshot(self, vm: VmId, name: str, description: str) -> TaskKey | None:
        """Start one; None if it is there by now (an earlier request whose answer was lost)."""
        host = self._host(vm)

        def start() -> TaskKey | None:
            if self._has(vm, name):
                return None
            return host.start_snapshot(vm, name=name, description=description)

        try:
            return self._fleet.when_free(start)
        except AnswerLostError:
            appeared = poll_until(
                lambda: self._has(vm, name) or None,
                clock=self._clock,
                limit=self._limits.doubt,
                every=self._limits.poll,
                transient=(),
            )
            if appeared is None:
                raise
            return None

    def _has(self, vm: VmId, name: str) -> bool:
        return any(s.name == name for s in self._fleet.observe((vm,))[vm].snapshots)

    def _get_whole(self, name: str, vms: Sequence[VmId]) -> SnapshotSet:
        found = self.find(name, vms)
        if isinstance(found, IncompleteSet):
            raise SnapshotSetIncompleteError(name, found.reasons)
        return found

    def revert(self, snapshot_set: SnapshotSet, vms: Sequence[VmId]) -> None:
        """Revert every VM to its member; afterwards all are off and at it. Safe to repeat.

        Raises:
            SnapshotSetIncompleteError: The set does not cover *vms* exactly, or a member is
                not there any more; nothing was reverted.
            VmNotOffError: Some VM is not off; nothing was reverted.
            RevertUnverifiedError: A VM is not where it should be; leave all of them off.
            SnapshotGoneError: One disappeared since it was looked at; those named before it may be
                reverted. Leave all of them off.
            AnswerLostError, TaskOverdueError, VmBusyError, HypervisorFaultError: Some revert did
                not succeed; leave all of them off and repeat.
        """
        self._require_members(snapshot_set, vms)
        self.require_off(vms)
        tasks: dict[VmId, TaskKey] = {}
        errors: list[OperationError] = []
        for vm in vms:
            member = snapshot_set.of(vm)
            try:
                tasks[vm] = self._fleet.when_free(partial(self._host(vm).start_revert, member))
            except SnapshotGoneError as error:
                errors.append(error)
                break  # this one never will: revert no more of them
            except OperationError as error:
                errors.append(error)
                continue  # every VM that can go back should: the revert is repeated as a whole
            self._tell(vm, "reverting")
        errors += self._fleet.await_tasks(tasks, limit=self._limits.revert).errors
        raise_worst(errors)
        self._verify_reverted(snapshot_set, vms)

    def _require_members(self, snapshot_set: SnapshotSet, vms: Sequence[VmId]) -> None:
        names = sorted({member.name for member in snapshot_set.members})
        name = ", ".join(names)
        if not snapshot_set.covers(frozenset(vms)):
            raise SnapshotSetIncompleteError(name, [str(vm) for vm in vms])
        facts = self._fleet.observe(vms)
        gone = [
            f"{vm}: gone"
            for vm in vms
            if snapshot_set.of(vm).moref not in {s.moref for s in facts[vm].snapshots}
        ]
        if gone:
            raise SnapshotSetIncompleteError(name, gone)

    def _verify_reverted(self, snapshot_set: SnapshotSet, vms: Sequence[VmId]) -> None:
        facts = self._fleet.observe(vms)
        wrong = [
            vm
            for vm in vms
            if facts[vm].summary.power is not PowerState.OFF
            or facts[vm].current_snapshot != snapshot_set.of(vm).moref
        ]
        if wrong:
            raise RevertUnverifiedError(snapshot_set.of(wrong[0]).name, wrong)

    def release(self, name: str, vms: Sequence[VmId]) -> Released:
        """Remove the snapshots called *name*, and no other; afterwards none is left.

        Children and other people's snapshots stay. The VMs may be on.

        Raises:
            VmNotFoundError: Some VMs are not there; from all others they were removed.
            TaskOverdueError: A removal still runs after `Limits.removal`; it goes on.
            AnswerLostError, NoSpaceError, VmBusyError, HypervisorFaultError: Some removal did
                not succeed; the others were awaited first. Repeating it goes on.
        """
        try:
            return self._release(name, vms)
        except VmNotFoundError:
            there, errors = self._present(vms)
            if not errors:
                raise
        self._release(name, there)
        raise_worst(errors)
        raise AssertionError("there are errors, so one was raised")

    def _present(self, vms: Sequence[VmId]) -> tuple[list[VmId], list[OperationError]]:
        there: list[VmId] = []
        errors: list[OperationError] = []
        for vm in vms:
            try:
                self._fleet.observe((vm,))
            except VmNotFoundError as error:
                errors.append(error)
            else:
                there.append(vm)
        return there, errors

    def _release(self, name: str, vms: Sequence[VmId]) -> Released:
        removed: list[SnapshotRef] = []
        while True:
            facts = self._fleet.observe(vms)
            ours = [s for vm in vms for s in facts[vm].snapshots if s.name == name]
            # One removal a VM and round: a second one would only find the VM busy.
            fresh = {s.vm: s for s in ours if s not in removed}
            if not fresh:
                break
            self._remove(tuple(fresh.values()))
            removed += fresh.values()
        if ours:
            raise HypervisorFaultError(str(ours[0].vm), "SnapshotStillThere", name)
        return Released(
            removed=tuple(removed),
            consolidation_needed=tuple(vm for vm in vms if facts[vm].consolidation_needed),
        )

    def _remove(self, snapshots: Sequence[SnapshotRef]) -> None:
        tasks: dict[VmId, TaskKey] = {}
        errors: list[OperationError] = []
        for snapshot in snapshots:
            try:
                key = self._fleet.when_free(
                    partial(self._host(snapshot.vm).start_removal, snapshot)
                )
            except OperationError as error:
                errors.append(error)
                continue
            self._tell(snapshot.vm, "removing its snapshot")
            if key is not None:
                tasks[snapshot.vm] = key
        errors += self._fleet.await_tasks(tasks, limit=self._limits.removal).errors
        raise_worst(errors)
