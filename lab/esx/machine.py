"""A virtual machine: its state and the rules of power and snapshots. No wire, no time.

Everything here takes effect at once; `stsfix.lab.esx.vm` puts it behind tasks that last.
Rules are those of facts the product relies on: vSphere Web Services API reference (power
states, RevertToSnapshot, RemoveSnapshot), VMware Tools and snapshot guides.
"""

from __future__ import annotations

import copy
import threading
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from stsfix.lab.seams import Guest

ON = "poweredOn"
OFF = "poweredOff"
_MAX_LEVELS = 32


class VmRefusedError(Exception):
    """The VM says no; *fault* is the vim fault's name, *fields* what it carries."""

    def __init__(self, fault: str, **fields: Any) -> None:
        super().__init__(fault)
        self.fault = fault
        self.fields = fields


@dataclass(kw_only=True)
class Disk:
    """A virtual disk. The first one of a VM holds `Guest.disk`.

    *mode* is persistent, independent_persistent, ...; *sharing* sharingNone or
    sharingMultiWriter; *rdm* empty, physicalMode or virtualMode.
    """

    mode: str = "persistent"
    sharing: str = "sharingNone"
    rdm: str = ""
    datastore: str = "datastore1"
    capacity_kb: int = 50 * 1024 * 1024

    @property
    def independent(self) -> bool:
        """True if snapshots leave this disk out."""
        return self.mode.startswith("independent")


@dataclass(frozen=True, kw_only=True)
class DvsPort:
    """A port of a distributed switch, reserved in the VM's configuration."""

    switch_uuid: str = "50 1c 00 00 00 00 00 00-00 00 00 00 00 00 00 01"
    portgroup_key: str = "dvportgroup-11"
    port_key: str = "7"
    cookie: int = 1234


@dataclass(kw_only=True)
class Nic:
    """A network adapter. *connects_at_power_on* False: its port is gone, as on a host that
    cannot ask vCenter for one.
    """

    network: str = "VM Network"
    dvs: DvsPort | None = None
    mac: str = "00:0c:29:00:00:01"
    connected: bool = False
    start_connected: bool = True
    connects_at_power_on: bool = True


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question that waits for an operator."""

    id: str = "4"
    text: str = "msg.uuid.altered: This virtual machine might have been moved or copied."
    choices: tuple[tuple[str, str], ...] = (
        ("0", "button.uuid.cancel"),
        ("1", "button.uuid.movedTheVM"),
        ("2", "button.uuid.copiedTheVM"),
    )
    default_index: int = 2


@dataclass(kw_only=True, eq=False)
class Snapshot:
    """One snapshot. *state* is what the tree shows, *running* whether a revert powers on."""

    key: str
    number: int
    name: str
    description: str
    created: datetime
    state: str
    running: bool
    quiesced: bool
    disk: Any
    annotation: str
    parent: Snapshot | None
    children: list[Snapshot] = field(default_factory=list)

    def tree(self) -> Iterator[Snapshot]:
        """Yield this snapshot and everything below it."""
        yield self
        for child in self.children:
            yield from child.tree()


@dataclass(kw_only=True, eq=False)
class VirtualMachine:
    """A VM as one host has it registered. Fields may be set by a scenario at any time.

    *running_snapshot_state* is what the tree shows for a snapshot of a running VM taken
    without memory: newer hosts are said to show poweredOff [INFERRED from govmomi fd061606],
    older simulators poweredOn.
    """

    name: str
    guest: Guest
    moref: str = ""
    instance_uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    bios_uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    power: str = OFF
    connection_state: str = "connected"
    annotation: str = ""
    guest_id: str = "other3xLinux64Guest"
    memory_mb: int = 14336
    cpus: int = 4
    disks: list[Disk] = field(default_factory=lambda: [Disk()])
    nics: list[Nic] = field(default_factory=lambda: [Nic()])
    bus_sharing: str = "noSharing"
    passthrough: bool = False
    fault_tolerance: str = "notConfigured"
    encryption_key_id: str = ""
    encryption_key_missing: bool = False
    locked_by_other_host: bool = False
    consolidation_needed: bool = False
    change_tracking: bool = False
    disabled_methods: tuple[str, ...] = ()
    managed_by: tuple[str, str] | None = None
    extra_config: dict[str, str] = field(default_factory=dict)
    question: Question | None = None
    asks_at_power_on: Question | None = None
    tools_installed: bool = True
    guest_operations: bool = True
    snapshots_supported: bool = True
    vapp: str = ""
    effective_roles: tuple[int, ...] = (-1,)
    running_snapshot_state: str = OFF
    root_snapshots: list[Snapshot] = field(default_factory=list)
    current_snapshot: Snapshot | None = None
    boot_time: datetime | None = None
    clean_power_off: bool = True
    changed: Callable[[], None] = field(default=lambda: None)
    answered: threading.Event = field(default_factory=threading.Event)
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False)
    _epoch: int = field(default=0, init=False)
    _next_snapshot: int = field(default=1, init=False)

    # -- power --------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """True while power is on."""
        return self.power == ON

    @property
    def tools_up(self) -> bool:
        """True while VMware Tools of the guest answer."""
        return self.running and self.tools_installed and self.guest.tools_running

    @property
    def takes_orders(self) -> bool:
        """True while guest operations work."""
        return self.tools_up and self.guest_operations

    def require_power(self, wanted: str, requested: str | None = None) -> None:
        """Raise InvalidPowerState unless the VM is in state *wanted*."""
        if self.power != wanted:
            raise VmRefusedError(
                "InvalidPowerState", requestedState=requested, existingState=self.power
            )

    def power_on(self, now: datetime | None = None) -> None:
        """Apply power: NICs connect, the guest boots.

        Raises:
            VmRefusedError: InvalidPowerState, EncryptionKeyRequired, FileLocked, InvalidState.
        """
        with self._lock:
            self.require_power(OFF, ON)
            self._require_startable()
            self.power = ON
            self._epoch += 1
            self.boot_time = now
            for nic in self.nics:
                nic.connected = nic.start_connected and nic.connects_at_power_on
        self.guest.boot()
        self.changed()

    def _require_startable(self) -> None:
        if self.connection_state != "connected":
            raise VmRefusedError("InvalidState")
        if self.encryption_key_id and self.encryption_key_missing:
            raise VmRefusedError("EncryptionKeyRequired")
        if self.locked_by_other_host:
            raise VmRefusedError("FileLocked", file=f"[datastore1] {self.name}/{self.name}.vmdk")

    def power_off(self) -> None:
        """Cut power.

        Raises:
            VmRefusedError: InvalidPowerState.
        """
        with self._lock:
            self.require_power(ON, OFF)
            self._epoch += 1  # a shutdown under way must not switch off a later boot
        self.guest.cut()
        self._off(clean=False)

    def shut_down_guest(self) -> None:
        """Ask the guest to shut down; the VM is off some time after this returned, if the guest
        does it. It is asked again each time, and goes off once.

        Raises:
            VmRefusedError: InvalidPowerState, ToolsUnavailable.
        """
        with self._lock:
            self.require_power(ON, OFF)
            if not self.tools_up:
                raise VmRefusedError("ToolsUnavailable")
            epoch = self._epoch
        self.guest.shut_down(lambda: self._shut_down_complete(epoch))

    def _shut_down_complete(self, epoch: int) -> None:
        with self._lock:
            if self._epoch != epoch or not self.running:
                return
            self._epoch += 1
        self._off(clean=True)

    def _off(self, *, clean: bool) -> None:
        with self._lock:
            self.power = OFF
            self.boot_time = None
            self.clean_power_off = clean
            for nic in self.nics:
                nic.connected = False
        self.changed()

    def answer(self, question_id: str, choice: str) -> None:
        """Answer the open question.

        Raises:
            VmRefusedError: InvalidArgument: there is no such question or choice.
        """
        question = self.question
        if question is None or question.id != question_id:
            raise VmRefusedError("InvalidArgument", invalidProperty="questionId")
        if choice not in {key for key, _ in question.choices}:
            raise VmRefusedError("InvalidArgument", invalidProperty="answerChoice")
        self.question = None
        self.answered.set()
        self.changed()

    # -- snapshots ----------------------------------------------------------------------

    def snapshots(self) -> Iterator[Snapshot]:
        """Yield every snapshot, parents first."""
        for root in self.root_snapshots:
            yield from root.tree()

    def find_snapshot(self, key: str) -> Snapshot | None:
        """Return the snapshot with that managed object id."""
        return next((s for s in self.snapshots() if s.key == key), None)

    def require_snapshot_possible(self, *, memory: bool) -> None:
        """Raise what a host answers when this VM cannot be snapshotted.

        Raises:
            VmRefusedError: NotSupported, SnapshotIncompatibleDeviceInVm,
                MemorySnapshotOnIndependentDisk, TooManySnapshotLevels, InvalidState.
        """
        shared = self.bus_sharing != "noSharing" or self.passthrough
        raw = any(d.rdm == "physicalMode" or d.sharing == "sharingMultiWriter" for d in self.disks)
        level, node = 1, self.current_snapshot
        while node is not None:
            level, node = level + 1, node.parent
        if self.connection_state != "connected":
            raise VmRefusedError("InvalidState")
        if not self.snapshots_supported or self.fault_tolerance != "notConfigured":
            raise VmRefusedError("NotSupported")
        if shared or raw:
            raise VmRefusedError("SnapshotIncompatibleDeviceInVm")
        if memory and self.running and any(disk.independent for disk in self.disks):
            raise VmRefusedError("MemorySnapshotOnIndependentDisk")
        if level > _MAX_LEVELS:
            raise VmRefusedError("TooManySnapshotLevels")

    def take_snapshot(
        self, name: str, description: str, *, now: datetime, memory: bool, quiesce: bool
    ) -> Snapshot:
        """Add a snapshot below the current one and make it current.

        Raises:
            VmRefusedError: As `require_snapshot_possible`.
        """
        self.require_snapshot_possible(memory=memory)
        with self._lock:
            number = self._next_snapshot
            self._next_snapshot += 1
            with_memory = memory and self.running
            state = ON if with_memory else self.running_snapshot_state
            made = Snapshot(
                key=f"{self.moref}-snapshot-{number}",
                number=number,
                name=name,
                description=description,
                created=now,
                state=state if self.running else OFF,
                running=with_memory,
                quiesced=quiesce and self.running,
                disk=None if self._disk_left_out else copy.deepcopy(self.guest.disk),
                annotation=self.annotation,
                parent=self.current_snapshot,
            )
            self._siblings(made).append(made)
            self.current_snapshot = made
        self.changed()
        return made

    @property
    def _disk_left_out(self) -> bool:
        return bool(self.disks) and self.disks[0].independent

    def _siblings(self, snapshot: Snapshot) -> list[Snapshot]:
        return self.root_snapshots if snapshot.parent is None else snapshot.parent.children

    def revert(
        self, snapshot: Snapshot, *, suppress_power_on: bool, now: datetime | None = None
    ) -> None:
        """Put disk, annotation and power state back to *snapshot* and make it current. An
        independent disk keeps what is on it.
        """
        if self.running:
            self.power_off()
        with self._lock:
            if not self._disk_left_out and snapshot.disk is not None:
                self.guest.disk = copy.deepcopy(snapshot.disk)
            self.annotation = snapshot.annotation
            self.current_snapshot = snapshot
        self.changed()
        if snapshot.running and not suppress_power_on:
            self.power_on(now)

    def remove_snapshot(self, snapshot: Snapshot, *, with_children: bool) -> None:
        """Remove *snapshot*; its children move to its parent, or go too."""
        with self._lock:
            siblings = self._siblings(snapshot)
            siblings.remove(snapshot)
            gone = set(snapshot.tree()) if with_children else {snapshot}
            if not with_children:
                for child in snapshot.children:
                    child.parent = snapshot.parent
                    siblings.append(child)
            if self.current_snapshot in gone:
                self.current_snapshot = snapshot.parent
        self.changed()

    def remove_all_snapshots(self) -> None:
        """Remove every snapshot."""
        with self._lock:
            self.root_snapshots.clear()
            self.current_snapshot = None
        self.changed()
