"""Values about ESXi hosts, their virtual machines and snapshots; all frozen, none does I/O."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, NewType, overload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime, timedelta

HostRef = NewType("HostRef", str)
"""Name of an ESXi host exactly as in ``domain.toml``."""

TaskKey = NewType("TaskKey", str)
"""MoRef of a vSphere task, for example ``haTask-12-vim.VirtualMachine.powerOn-88``."""


class PowerState(enum.StrEnum):
    """What the hosting ESXi says of a VM's power (vim.VirtualMachine.PowerState)."""

    ON = "poweredOn"
    OFF = "poweredOff"
    SUSPENDED = "suspended"


class LockdownMode(enum.StrEnum):
    """vim.host.HostAccessManager.LockdownMode, with a value for hosts that do not tell."""

    DISABLED = "lockdownDisabled"
    NORMAL = "lockdownNormal"
    STRICT = "lockdownStrict"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class VmId:
    """One registered VM on one host; equal only if host, MoRef and instance UUID are.

    The name is for people: two VMs may share it, and it may change during a run.
    """

    host: HostRef
    moref: str
    instance_uuid: str
    name: str = field(compare=False)

    def __str__(self) -> str:
        return f"{self.name} on {self.host}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRef:
    """One snapshot of one VM.

    *taken_off* is True if the VM was powered off when it was taken (SnapshotTree.state).
    *created* is the host's clock, aware UTC.
    """

    vm: VmId
    moref: str
    name: str
    description: str
    created: datetime
    taken_off: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotSet:
    """Snapshots of every node of one SSO domain, all taken while powered off."""

    members: frozenset[SnapshotRef]

    def __post_init__(self) -> None:
        running = sorted(m.vm.name for m in self.members if not m.taken_off)
        if running:
            raise ValueError(f"snapshots of running VMs: {', '.join(running)}")

    def covers(self, nodes: frozenset[VmId]) -> bool:
        """Tell whether each of *nodes* has exactly one member and nothing else has."""
        vms = [member.vm for member in self.members]
        return len(vms) == len(nodes) and frozenset(vms) == nodes

    def of(self, vm: VmId) -> SnapshotRef:
        """Return the one member of *vm*.

        Raises:
            LookupError: The set has no member of *vm*, or more than one.
        """
        found = [member for member in self.members if member.vm == vm]
        if len(found) != 1:
            raise LookupError(f"{len(found)} snapshots of {vm} in the set")
        return found[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class NicState:
    """One network adapter: what backs it and whether it is connected.

    *dvs_port* is the distributed port key, None for a standard switch: with vCenter down a
    distributed port is the case that may come back disconnected (KB 324492).
    """

    label: str
    backing: str
    connected: bool
    start_connected: bool
    dvs_port: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskState:
    """One virtual disk. *mode* is vim's diskMode; *sharing* vim's sharing (None: unset)."""

    label: str
    datastore: str
    mode: str
    sharing: str | None = None
    physical_rdm: bool = False

    @property
    def is_independent(self) -> bool:
        """True if the disk takes no part in snapshots and stays as it is at a revert."""
        return self.mode.startswith("independent")


@dataclass(frozen=True, slots=True, kw_only=True)
class VmSummary:
    """What one cheap view says of every VM of a host: enough to find the nodes among them.

    *connection* is vim's connectionState; anything but ``connected`` is a stale or unusable
    registration. *hostname* and *addresses* come from VMware Tools: empty when it is off.
    """

    vm: VmId
    bios_uuid: str
    power: PowerState
    connection: str
    hostname: str = ""
    addresses: tuple[str, ...] = ()


Texts = tuple[str | None, ...]
"""What a host says of one VM, as it says it."""


class VmListing(Sequence[VmSummary]):
    """The VMs of one host, each kept as its texts and made a value when it is looked at.

    Out of tens of thousands a few are nodes: the others would cost most of an inventory's time,
    the garbage collector's included, which does not look at tuples of texts. Equal to any sequence
    of the same values.
    """

    __slots__ = ("_make", "_rows")

    def __init__(self, rows: Sequence[Texts], make: Callable[[Texts], VmSummary]) -> None:
        self._rows = tuple(rows)
        self._make = make

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[VmSummary]:
        return map(self._make, self._rows)

    @overload
    def __getitem__(self, index: int) -> VmSummary: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[VmSummary, ...]: ...
    def __getitem__(self, index: int | slice) -> VmSummary | tuple[VmSummary, ...]:
        if isinstance(index, slice):
            return tuple(map(self._make, self._rows[index]))
        return self._make(self._rows[index])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def with_any_of(self, texts: frozenset[str]) -> tuple[VmSummary, ...]:
        """Return the VMs of which a text is one of *texts* (lower case), whatever it says."""
        if not _share_any(texts, chain.from_iterable(self._rows)):
            return ()
        return tuple(self._make(row) for row in self._rows if _share_any(texts, row))


def _share_any(texts: frozenset[str], said: Iterable[str | None]) -> bool:
    return not texts.isdisjoint(map(str.lower, filter(None, said)))


@dataclass(frozen=True, slots=True, kw_only=True)
class VmFacts:
    """Everything about one node's VM that decides whether it can be stopped and snapshotted.

    *guest_os* is vim's guestFamily, or the guestId it is configured with; empty if unknown.
    *chain_depth* is how many snapshots lie on top of each other at most, None if nobody knows.
    *snapshot_limit* is what an administrator set (snapshot.maxSnapshots), None if nobody did.
    *administrator* tells whether our user has the administrator's role on it, None if the host
    does not tell. *booted* is when it was last powered on, by the host's clock, aware UTC.
    *chain_broken* is True if the host says so; hosts before 9.1 do not tell.
    """

    summary: VmSummary
    tools_running: bool
    guest_operations_ready: bool
    disks: tuple[DiskState, ...]
    nics: tuple[NicState, ...]
    snapshots: tuple[SnapshotRef, ...]
    current_snapshot: str | None
    fault_tolerance: bool
    encrypted: bool
    bus_sharing: tuple[str, ...]
    passthrough: tuple[str, ...]
    consolidation_needed: bool
    question: str | None
    disabled_methods: tuple[str, ...]
    managed_by: str | None
    change_tracking: bool
    datastores: tuple[str, ...]
    guest_os: str = ""
    snapshots_supported: bool = True
    snapshot_limit: int | None = None
    replicated: bool = False
    in_vapp: bool = False
    administrator: bool | None = None
    booted: datetime | None = None
    chain_depth: int | None = None
    chain_broken: bool = False

    @property
    def vm(self) -> VmId:
        """The VM these facts are about."""
        return self.summary.vm

    @property
    def is_windows(self) -> bool:
        """True if the guest runs Windows (``windowsGuest``; guestIds begin with ``win``)."""
        return self.guest_os.lower().startswith("win")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatastoreFacts:
    """One datastore as a host sees it; *free_bytes* and *capacity_bytes* are bytes.

    *kind* is vim's type: VMFS, NFS, vsan, ..., empty if unknown. *maintenance* is True while it
    is in maintenance mode or entering it.
    """

    name: str
    free_bytes: int
    capacity_bytes: int
    accessible: bool
    kind: str = ""
    maintenance: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """One ESXi host: may we work on it, and what lives on it.

    *clock_skew* is the host's clock minus this workstation's (positive: the host is ahead),
    None if the host did not tell. *managed_by* is the vCenter that manages the host, if any.
    *licence_left* is how long the licence lasts, None if it does not end or nobody knows.
    *ntp_running* is None if the host did not tell; *round_trip* is how long a small question
    takes to be answered.
    """

    host: HostRef
    version: str
    build: str
    licence_edition: str
    lockdown: LockdownMode
    maintenance: bool
    clock_skew: timedelta | None
    managed_by: str | None
    datastores: tuple[DatastoreFacts, ...]
    vms: Sequence[VmSummary]
    licence_left: timedelta | None = None
    ntp_servers: tuple[str, ...] = ()
    ntp_running: bool | None = None
    round_trip: timedelta | None = None
