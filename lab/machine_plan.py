"""What is special about hosts, the first node's VM and the operator's files. Data only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stsfix.lab.esx.machine import Disk, Question
from stsfix.lab.topology import HOSTS

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPlan:
    """What is special about one ESXi host.

    Args:
        host: Its name.
        lockdown: vim's lockdown mode.
        exception_users: Who may log in all the same.
        licence: Edition key; empty for a full one.
        licence_hours: How long the licence lasts; None: it does not end.
        clock_offset_s: How far its clock is ahead, in seconds.
        full_datastore: datastore1 has no room for a snapshot.
        free_gib: What is left on datastore1, in GiB; None: enough.
        datastore_kind: Type of datastore1.
        datastore_accessible: Whether datastore1 can be reached.
        datastore_mode: Maintenance mode of datastore1.
        maintenance: The host is in maintenance mode.
        managed_by: Address of the vCenter that manages it; empty for none.
        version: Its release; empty for the usual one.
        api: Its newest API; empty for the usual one.
        chains_broken: It says so of the disks of its VMs (from API 9.1 on).
        ntp: Whether ntpd runs.
        silent: It does not tell its licence.
        down: It does not answer at all.
        slow_s: How long it takes to tell its time, in real seconds.
    """

    host: str
    lockdown: str = "lockdownDisabled"
    exception_users: frozenset[str] = frozenset()
    licence: str = ""
    licence_hours: int | None = None
    clock_offset_s: float = 0.0
    full_datastore: bool = False
    free_gib: int | None = None
    datastore_kind: str = "VMFS"
    datastore_accessible: bool = True
    datastore_mode: str = "normal"
    maintenance: bool = False
    managed_by: str = ""
    version: str = ""
    api: str = ""
    chains_broken: bool = False
    ntp: bool = True
    silent: bool = False
    down: bool = False
    slow_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinePlan:
    """What is special about the first node's VM.

    *fields* are those of `VirtualMachine` that are set before it is powered on, *later* those
    set once it runs. *disk* is one more disk. *snapshots* were taken before, oldest first.
    *power* is off or suspended when nothing else runs any more; empty: it stays on. *unplugged*:
    its network adapter is disconnected once it runs. *plugged_by_hand*: it is connected, and will
    not be at the next power-on. *stale_copy*: another host lists it too.
    *fades*: its host loses its files right after it has listed its VMs. *guest_fault*: what its
    guest answers to every guest operation, although VMware Tools says it is ready.
    """

    fields: Mapping[str, object] = field(default_factory=dict)
    later: Mapping[str, object] = field(default_factory=dict)
    disk: Disk | None = None
    snapshots: tuple[str, ...] = ()
    power: str = ""
    unplugged: bool = False
    plugged_by_hand: bool = False
    stale_copy: bool = False
    fades: bool = False
    guest_fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesPlan:
    """What is wrong in the operator's files: a password, a pin, the domain's name, a host that is
    left out (*hosts_left_out* counts from the end of the list), one more node in the list, or a
    user who is no administrator of the domain. *restart* is what the file says of services.
    """

    host_password: bool = False
    sso_password: bool = False
    root_password: bool = False
    host_pin: bool = False
    node_pin: bool = False
    domain: str = ""
    hosts_left_out: int = 0
    node: str = ""
    user: str = ""
    restart: str = ""


ORDINARY = MachinePlan()
CORRECT = FilesPlan()

HOST_PLANS = {
    "host-lockdown": (
        "the first host is in normal lockdown and root is no exception user",
        HostPlan(host=HOSTS[0], lockdown="lockdownNormal"),
    ),
    "host-lockdown-exception": (
        "the first host is in normal lockdown and root is an exception user",
        HostPlan(host=HOSTS[0], lockdown="lockdownNormal", exception_users=frozenset({"root"})),
    ),
    "host-lockdown-strict": (
        "the first host is in strict lockdown and root is an exception user",
        HostPlan(host=HOSTS[0], lockdown="lockdownStrict", exception_users=frozenset({"root"})),
    ),
    "host-free-licence": (
        "the first host has the free licence: every write is refused",
        HostPlan(host=HOSTS[0], licence="esxBasic"),
    ),
    "host-evaluation": (
        "the first host runs in evaluation mode and does not tell for how long",
        HostPlan(host=HOSTS[0], licence="eval"),
    ),
    "host-evaluation-ends": (
        "the evaluation of the first host ends in 20 hours",
        HostPlan(host=HOSTS[0], licence="eval", licence_hours=20),
    ),
    "host-evaluation-ended": (
        "the evaluation of the first host has ended",
        HostPlan(host=HOSTS[0], licence="eval", licence_hours=0),
    ),
    "host-maintenance": (
        "the first host is in maintenance mode",
        HostPlan(host=HOSTS[0], maintenance=True),
    ),
    "host-managed": (
        "the first host is managed by the vCenter that runs on it",
        HostPlan(host=HOSTS[0], managed_by="vc1.lab.example"),
    ),
    "host-managed-elsewhere": (
        "the first host is managed by a vCenter of another domain",
        HostPlan(host=HOSTS[0], managed_by="192.0.2.200"),
    ),
    "host-old": ("the first host is ESXi 6.0", HostPlan(host=HOSTS[0], version="6.0.0")),
    "host-no-ntp": ("ntpd does not run on the first host", HostPlan(host=HOSTS[0], ntp=False)),
    "host-silent": (
        "the first host does not tell its licence",
        HostPlan(host=HOSTS[0], silent=True),
    ),
    "host-down": ("the first host does not answer", HostPlan(host=HOSTS[0], down=True)),
    "host-slow": (
        "the first host takes six seconds to tell its time",
        HostPlan(host=HOSTS[0], slow_s=6.0),
    ),
    "host-clock-off": (
        "the clock of the first host is 20 seconds behind",
        HostPlan(host=HOSTS[0], clock_offset_s=-20.0),
    ),
    "datastore-full": (
        "the datastore of the first host is full",
        HostPlan(host=HOSTS[0], full_datastore=True),
    ),
    "chain-broken": (
        "the first host, an ESXi 9.1, says that the disk chains of its VMs are broken",
        HostPlan(host=HOSTS[0], version="9.1.0", api="9.1.0.0", chains_broken=True),
    ),
    "datastore-tight": (
        "the datastore of the first host has 4 GiB left",
        HostPlan(host=HOSTS[0], free_gib=4),
    ),
    "datastore-inaccessible": (
        "the datastore of the first host cannot be reached",
        HostPlan(host=HOSTS[0], datastore_accessible=False),
    ),
    "datastore-maintenance": (
        "the datastore of the first host enters maintenance mode",
        HostPlan(host=HOSTS[0], datastore_mode="enteringMaintenance"),
    ),
    "datastore-vsan": (
        "the datastore of the first host is vSAN",
        HostPlan(host=HOSTS[0], datastore_kind="vsan"),
    ),
}

_RUN_OF_OTHERS = "stsfix-20260102T030405Z-beef"

MACHINE_PLANS = {
    "raw-disk": (
        "a disk of the first node is a raw device mapping in physical mode",
        MachinePlan(disk=Disk(rdm="physicalMode")),
    ),
    "shared-disk": (
        "a disk of the first node is shared with other VMs (multi-writer)",
        MachinePlan(disk=Disk(sharing="sharingMultiWriter")),
    ),
    "bus-sharing": (
        "the SCSI controller of the first node shares its bus",
        MachinePlan(fields={"bus_sharing": "physicalSharing"}),
    ),
    "passthrough": (
        "the first node has a passthrough device",
        MachinePlan(fields={"passthrough": True}),
    ),
    "fault-tolerance": (
        "Fault Tolerance of the first node is on",
        MachinePlan(fields={"fault_tolerance": "running"}),
    ),
    "consolidation": (
        "the disks of the first node need consolidation",
        MachinePlan(fields={"consolidation_needed": True}),
    ),
    "snapshot-there": (
        "the first node has a snapshot of somebody else's",
        MachinePlan(snapshots=("before the update",)),
    ),
    "snapshot-chain": (
        "the first node has 32 snapshots, as many as a chain can hold",
        MachinePlan(snapshots=tuple(f"day {number}" for number in range(1, 33))),
    ),
    "snapshot-of-a-run": (
        "a run of another workstation has left a snapshot",
        MachinePlan(snapshots=(_RUN_OF_OTHERS,)),
    ),
    "snapshot-limit": (
        "an administrator allows no snapshot of the first node",
        MachinePlan(fields={"extra_config": {"snapshot.maxSnapshots": "0"}}),
    ),
    "snapshot-unsupported": (
        "the first node supports no snapshots",
        MachinePlan(fields={"snapshots_supported": False}),
    ),
    "method-disabled": (
        "a backup product has reserved the first node",
        MachinePlan(fields={"disabled_methods": ("CreateSnapshot_Task",)}),
    ),
    "managed-by": (
        "the first node belongs to a solution",
        MachinePlan(fields={"managed_by": ("com.example.appliances", "appliance")}),
    ),
    "vapp": ("the first node is in a vApp", MachinePlan(fields={"vapp": "vapp-7"})),
    "no-administrator": (
        "our user has another role than administrator on the first node",
        MachinePlan(fields={"effective_roles": (12,)}),
    ),
    "rights-unknown": (
        "the host does not tell our rights on the first node",
        MachinePlan(fields={"effective_roles": ()}),
    ),
    "replicated": (
        "vSphere Replication protects the first node",
        MachinePlan(fields={"extra_config": {"hbr_filter.configured": "true"}}),
    ),
    "changed-block-tracking": (
        "changed block tracking of the first node is on",
        MachinePlan(fields={"change_tracking": True}),
    ),
    "encrypted": (
        "the first node is encrypted",
        MachinePlan(fields={"encryption_key_id": "key-1"}),
    ),
    "question": (
        "the first node waits for an answer",
        MachinePlan(later={"question": Question()}),
    ),
    "stale-registration": (
        "the files of the first node cannot be reached by its host",
        MachinePlan(later={"connection_state": "inaccessible"}),
    ),
    "stale-copy": (
        "another host still lists the first node",
        MachinePlan(stale_copy=True),
    ),
    "registration-fades": (
        "the first host loses the files of its node right after it has listed its VMs",
        MachinePlan(fades=True),
    ),
    "node-off": ("the first node is off", MachinePlan(power="off")),
    "node-suspended": ("the first node is suspended", MachinePlan(power="suspended")),
    "nic-not-at-start": (
        "the network adapter of the first node is not set to connect at power-on",
        MachinePlan(plugged_by_hand=True),
    ),
    "nic-disconnected": (
        "the network adapter of the first node is disconnected",
        MachinePlan(unplugged=True),
    ),
    "guest-operations-off": (
        "guest operations are switched off in the first node",
        MachinePlan(fields={"guest_operations": False}),
    ),
    "guest-operations-refused": (
        "VMware Tools of the first node says it is ready and refuses guest operations",
        MachinePlan(guest_fault="OperationDisabledByGuest"),
    ),
    "guest-operations-fail": (
        "every guest operation in the first node ends with a fault that nobody knows",
        MachinePlan(guest_fault="SystemError"),
    ),
}

FILES_PLANS = {
    "host-password-wrong": (
        "the operator has a wrong password for the first host",
        FilesPlan(host_password=True),
    ),
    "host-certificate-wrong": (
        "the first host shows another certificate than the pinned one",
        FilesPlan(host_pin=True),
    ),
    "host-left-out": (
        "the operator has forgotten the hosts of all but the first node",
        FilesPlan(hosts_left_out=2),
    ),
    "sso-password-wrong": (
        "the operator has a wrong password for the SSO administrator",
        FilesPlan(sso_password=True),
    ),
    "root-password-wrong": (
        "the operator has a wrong root password for the first node",
        FilesPlan(root_password=True),
    ),
    "node-certificate-wrong": (
        "the first node shows another certificate than the pinned one",
        FilesPlan(node_pin=True),
    ),
    "domain-wrong": (
        "the operator has the name of another SSO domain",
        FilesPlan(domain="other.local"),
    ),
    "node-of-another-domain": (
        "the operator has listed a node that is none of this domain",
        FilesPlan(node="vc7.lab.example"),
    ),
    "user-without-rights": (
        "the operator logs in as a user who may not read the tenant",
        FilesPlan(user="auditor"),
    ),
}
