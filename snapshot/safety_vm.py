"""What makes it unsafe or impossible to stop, snapshot and revert one VM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.snapshot.model import PowerState
from stsfix.snapshot.risk import Risk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stsfix.snapshot.model import VmFacts

CHAIN_LIMIT = 32
"""Most snapshots in one chain (KB 1025279)."""


def assess_vm(facts: VmFacts) -> tuple[Risk, ...]:
    """Return the risks of stopping, snapshotting and reverting one VM."""
    return tuple(risk for check in _VM_CHECKS for risk in check(facts))


def _vm_usable(facts: VmFacts) -> Iterator[Risk]:
    if facts.summary.connection != "connected":
        yield _blocks(
            facts,
            "VM-STALE",
            f"The registration is {facts.summary.connection}.",
            "The VM may run on another host, or its files are out of reach.",
            "Find the host that really runs it, and remove the stale registration.",
        )
    if facts.summary.power is PowerState.SUSPENDED:
        yield _blocks(
            facts,
            "VM-SUSPENDED",
            "The VM is suspended.",
            "A suspended guest cannot shut down in order.",
            "Resume it, then run preflight again.",
        )
    if facts.question is not None:
        yield _blocks(
            facts,
            "SNAP-QUESTION",
            f"The VM waits for an answer: {facts.question}",
            "Until then no operation on it goes on.",
            "Answer the question in the Host Client.",
        )


def _vm_disks(facts: VmFacts) -> Iterator[Risk]:
    # Independent disks take no part in snapshots; physical RDMs and shared disks or buses do
    # not support them (vSphere Virtual Machine Administration guide, "Snapshot Limitations").
    independent = [d.label for d in facts.disks if d.mode.startswith("independent")]
    if independent:
        yield _blocks(
            facts,
            "SNAP-INDEPENDENT-DISK",
            f"Independent: {', '.join(independent)}.",
            "Snapshot and revert leave such a disk as it is, without a word.",
            "Power the VM off and make the disk dependent.",
        )
    physical = [d.label for d in facts.disks if d.physical_rdm]
    if physical:
        yield _blocks(
            facts,
            "SNAP-RDM",
            f"Raw device mappings in physical mode: {', '.join(physical)}.",
            "They cannot be snapshotted.",
            "Move their content to a virtual disk.",
        )
    shared = [d.label for d in facts.disks if d.sharing not in {None, "", "sharingNone"}]
    if shared:
        yield _blocks(
            facts,
            "SNAP-MULTI-WRITER",
            f"Shared with other VMs: {', '.join(shared)}.",
            "Multi-writer disks cannot be snapshotted.",
            "Take the disk away from one of the VMs.",
        )


def _vm_devices(facts: VmFacts) -> Iterator[Risk]:
    if facts.bus_sharing:
        yield _blocks(
            facts,
            "SNAP-BUS-SHARING",
            f"Controllers with bus sharing: {', '.join(facts.bus_sharing)}.",
            "SCSI bus sharing excludes snapshots.",
            "Set bus sharing to none.",
        )
    if facts.passthrough:
        yield _blocks(
            facts,
            "SNAP-PASSTHROUGH",
            f"Passthrough devices: {', '.join(facts.passthrough)}.",
            "A VM with DirectPath devices cannot be snapshotted.",
            "Remove the device for the time of the run.",
        )
    if facts.fault_tolerance:  # vSphere 6.0-8.0 Availability guide
        yield _blocks(
            facts,
            "SNAP-FT",
            "Fault Tolerance is configured.",
            "Snapshots are impossible while it is.",
            "Turn Fault Tolerance off.",
        )


def _vm_chain(facts: VmFacts) -> Iterator[Risk]:
    if facts.consolidation_needed:
        yield _blocks(
            facts,
            "SNAP-CONSOLIDATION",
            "The VM's disks need consolidation.",
            "An earlier removal failed; a new snapshot may make it worse.",
            "Consolidate the disks in the Host Client.",
        )
    count = len(facts.snapshots)
    if count >= CHAIN_LIMIT:  # a count is an upper bound of the depth: errs on the safe side
        yield _blocks(
            facts,
            "SNAP-CHAIN-TOO-DEEP",
            f"{count} snapshots exist.",
            f"A chain holds at most {CHAIN_LIMIT} (KB 1025279).",
            "Remove old snapshots.",
        )
    elif count:
        names = ", ".join(sorted(snapshot.name for snapshot in facts.snapshots))
        yield _warns(
            facts,
            "SNAP-EXISTING",
            f"Snapshots exist: {names}.",
            "Long chains are slow and fill datastores (KB 1025279: 2 or 3, none over 72 h).",
            "Remove those that nobody needs; the run never touches them.",
        )


def _vm_owners(facts: VmFacts) -> Iterator[Risk]:
    # disabledMethod also lists what the present power state rules out (API reference), so only
    # methods that every connected, powered VM offers are looked at.
    blocked = [m for m in facts.disabled_methods if m.startswith("CreateSnapshot")]
    if blocked:
        yield _blocks(
            facts,
            "SNAP-METHOD-DISABLED",
            f"Disabled on this VM: {', '.join(sorted(blocked))}.",
            "Another product (backup, replication) reserved the VM.",
            "Let that product finish, or release the VM there.",
        )
    if facts.managed_by:
        yield _warns(
            facts,
            "SNAP-MANAGED-BY",
            f"The VM is managed by {facts.managed_by}.",
            "Its owner may not expect that the VM is stopped and reverted.",
            "Check with the owner of that solution.",
        )
    if facts.change_tracking:
        yield _warns(
            facts,
            "SNAP-CBT",
            "Changed block tracking is on.",
            "A revert breaks the chain of incremental backups.",
            "After a rollback, let the backup product make a full backup.",
        )
    if facts.encrypted:  # vSphere 7.0/8.0 Security guide: keys are in the host's key cache
        yield _warns(
            facts,
            "SNAP-ENCRYPTED",
            "The VM is encrypted or has a virtual TPM.",
            "With vCenter down it can be powered on only where the host still holds its key.",
            f"Do not reboot {facts.vm.host} until the run is over.",
        )


def _vm_tools(facts: VmFacts) -> Iterator[Risk]:
    if facts.summary.power is not PowerState.ON:
        return
    if not facts.tools_running:
        yield _blocks(
            facts,
            "TOOLS-NOT-RUNNING",
            "VMware Tools does not run in the guest.",
            "Without it the guest cannot be shut down, and power is never cut silently.",
            "Start VMware Tools (vmtoolsd) in the guest.",
        )
    elif not facts.guest_operations_ready:
        yield _warns(
            facts,
            "GUEST-OPERATIONS-OFF",
            "Guest operations are not ready.",
            "Services cannot be restarted through the ESXi host.",
            "Enable them (tools.conf), or choose another transport for this node.",
        )


def _vm_nics(facts: VmFacts) -> Iterator[Risk]:
    # KB 324492: with vCenter down a VM on a non-ephemeral distributed port group may come back
    # without network; the host cannot tell the binding type, so it is a warning.
    if facts.nics and all(nic.dvs_port is not None for nic in facts.nics):
        yield _warns(
            facts,
            "NIC-DVS",
            "Every network adapter is on a distributed switch.",
            "With vCenter down it may come back disconnected (KB 324492).",
            "Prepare an ephemeral port group, or a standard switch with an uplink of its own.",
        )
    cut = [n.label for n in facts.nics if n.start_connected and not n.connected]
    if cut and facts.summary.power is PowerState.ON:
        yield _warns(
            facts,
            "NIC-DISCONNECTED",
            f"Disconnected: {', '.join(cut)}.",
            "The node may be cut off already.",
            "Connect the adapter, or clear its 'connect at power on'.",
        )


def _blocks(facts: VmFacts, risk: str, evidence: str, why: str, advice: str) -> Risk:
    return Risk(
        id=risk,
        severity="blocks",
        subject=str(facts.vm),
        evidence=evidence,
        why=why,
        advice=advice,
    )


def _warns(facts: VmFacts, risk: str, evidence: str, why: str, advice: str) -> Risk:
    return Risk(
        id=risk,
        severity="warns",
        subject=str(facts.vm),
        evidence=evidence,
        why=why,
        advice=advice,
    )


_VM_CHECKS: tuple[Callable[[VmFacts], Iterator[Risk]], ...] = (
    _vm_usable,
    _vm_disks,
    _vm_devices,
    _vm_chain,
    _vm_owners,
    _vm_tools,
    _vm_nics,
)
