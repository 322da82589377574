"""What makes it unsafe or impossible to stop, snapshot and revert one VM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.snapshot.model import PowerState
from stsfix.snapshot.risk import Finder
from stsfix.snapshot.safety_rules import VM_RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stsfix.snapshot.model import VmFacts
    from stsfix.snapshot.risk import Finding

found = Finder(VM_RULES)

CHAIN_LIMIT = 32
"""Most snapshots in one chain (KB 1025279)."""


def assess_vm(facts: VmFacts) -> tuple[Finding, ...]:
    """Return the risks of stopping, snapshotting and reverting one VM."""
    return tuple(risk for check in _VM_CHECKS for risk in check(facts))


def _vm_usable(facts: VmFacts) -> Iterator[Finding]:
    subject = str(facts.vm)
    if facts.summary.connection != "connected":
        yield found("VM-STALE", subject, f"The registration is {facts.summary.connection}.")
    if facts.summary.power is PowerState.OFF:
        yield found("VM-OFF", subject, "The VM is powered off.")
    if facts.summary.power is PowerState.SUSPENDED:
        yield found("VM-SUSPENDED", subject, "The VM is suspended.")
    if facts.question is not None:
        yield found("SNAP-QUESTION", subject, f"The VM asks: {facts.question}")


def _vm_disks(facts: VmFacts) -> Iterator[Finding]:
    subject = str(facts.vm)
    independent = [d.label for d in facts.disks if d.is_independent]
    if independent:
        yield found("SNAP-INDEPENDENT-DISK", subject, f"Independent: {', '.join(independent)}.")
    physical = [d.label for d in facts.disks if d.physical_rdm]
    if physical:
        yield found("SNAP-RDM", subject, f"In physical mode: {', '.join(physical)}.")
    shared = [d.label for d in facts.disks if d.sharing not in {None, "", "sharingNone"}]
    if shared:
        yield found("SNAP-MULTI-WRITER", subject, f"Shared with other VMs: {', '.join(shared)}.")


def _vm_devices(facts: VmFacts) -> Iterator[Finding]:
    subject = str(facts.vm)
    if facts.bus_sharing:
        controllers = ", ".join(facts.bus_sharing)
        yield found("SNAP-BUS-SHARING", subject, f"Controllers with bus sharing: {controllers}.")
    if facts.passthrough:
        devices = ", ".join(facts.passthrough)
        yield found("SNAP-PASSTHROUGH", subject, f"Passthrough devices: {devices}.")
    if facts.fault_tolerance:
        yield found("SNAP-FT", subject, "Fault Tolerance is configured.")


def _vm_chain(facts: VmFacts) -> Iterator[Finding]:
    subject = str(facts.vm)
    if facts.consolidation_needed:
        yield found("SNAP-CONSOLIDATION", subject, "The VM's disks need consolidation.")
    if facts.chain_broken:
        yield found("SNAP-CHAIN-BROKEN", subject, "The host says that a disk chain is broken.")
    if not facts.snapshots_supported:
        yield found("SNAP-UNSUPPORTED", subject, "The host says that it supports no snapshots.")
    count = len(facts.snapshots)
    if facts.snapshot_limit is not None and count >= facts.snapshot_limit:
        evidence = f"{count} of {facts.snapshot_limit} allowed snapshots exist."
        yield found("SNAP-LIMIT", subject, evidence)
    # Without the depth the count, which is never less: errs on the safe side.
    depth = count if facts.chain_depth is None else facts.chain_depth
    if depth >= CHAIN_LIMIT:
        evidence = f"{depth} of at most {CHAIN_LIMIT} lie on top of each other."
        yield found("SNAP-CHAIN-TOO-DEEP", subject, evidence)
    elif count:
        names = ", ".join(sorted(snapshot.name for snapshot in facts.snapshots))
        yield found("SNAP-EXISTING", subject, f"Snapshots exist: {names}.")


def _vm_owners(facts: VmFacts) -> Iterator[Finding]:
    subject = str(facts.vm)
    # disabledMethod also lists what the present power state rules out (API reference), so only
    # methods that every connected, powered VM offers are looked at.
    needed = ("CreateSnapshot", "ShutdownGuest") if facts.tools_running else ("CreateSnapshot",)
    blocked = [m for m in facts.disabled_methods if m.startswith(needed)]
    if blocked:
        yield found("SNAP-METHOD-DISABLED", subject, f"Disabled: {', '.join(sorted(blocked))}.")
    if facts.managed_by:
        yield found("SNAP-MANAGED-BY", subject, f"The VM is managed by {facts.managed_by}.")
    if facts.in_vapp:
        yield found("VM-VAPP", subject, "The VM is in a vApp.")
    if facts.administrator is False:
        yield found("VM-RIGHTS", subject, "The role is another one than Administrator.")
    elif facts.administrator is None:
        yield found("VM-NOT-CHECKED", subject, "Not told: the rights of our user.")
    if facts.replicated:
        yield found("SNAP-REPLICATED", subject, "Settings of vSphere Replication are there.")
    if facts.change_tracking:
        yield found("SNAP-CBT", subject, "Changed block tracking is on.")
    if facts.encrypted:
        yield found(
            "SNAP-ENCRYPTED",
            subject,
            "The VM is encrypted or has a virtual TPM.",
            advice=f"Do not reboot {facts.vm.host} until the run is over.",
        )


def _vm_tools(facts: VmFacts) -> Iterator[Finding]:
    subject = str(facts.vm)
    if facts.summary.power is not PowerState.ON:
        return
    if not facts.tools_running:
        yield found("TOOLS-NOT-RUNNING", subject, "VMware Tools does not run in the guest.")
    elif not facts.guest_operations_ready:
        yield found("GUEST-OPERATIONS-OFF", subject, "Guest operations are not ready.")


def _vm_nics(facts: VmFacts) -> Iterator[Finding]:
    subject = str(facts.vm)
    if facts.nics and all(nic.dvs_port is not None for nic in facts.nics):
        names = ", ".join(nic.label for nic in facts.nics)
        yield found("NIC-DVS", subject, f"On a distributed switch: {names}.")
    loose = [n.label for n in facts.nics if n.connected and not n.start_connected]
    if loose:
        yield found("NIC-NOT-AT-START", subject, f"Connected by hand: {', '.join(loose)}.")
    cut = [n.label for n in facts.nics if n.start_connected and not n.connected]
    if cut and facts.summary.power is PowerState.ON:
        yield found("NIC-DISCONNECTED", subject, f"Disconnected: {', '.join(cut)}.")


_VM_CHECKS: tuple[Callable[[VmFacts], Iterator[Finding]], ...] = (
    _vm_usable,
    _vm_disks,
    _vm_devices,
    _vm_chain,
    _vm_owners,
    _vm_tools,
    _vm_nics,
)
