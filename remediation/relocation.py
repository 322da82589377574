"""VMs of a run that are registered on another host by now: found again by their instance UUID.

vSphere HA registers a VM that is off on another host when its own host fails, and people do the
same by hand; the MoRef is another one then (shared facts: vcdx181.wordpress.com 2017-04-09).
The journal keeps what it said in the beginning and gets a note of each move.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from stsfix.remediation.claims import has_left
from stsfix.remediation.errors_run import InterruptedRunError
from stsfix.remediation.records import (
    TAKE_SNAPSHOTS,
    Mark,
    NoteRecord,
    StepRecord,
    StepState,
    marks,
)
from stsfix.snapshot.errors import OperationError, VmKeyMissingError, VmNotFoundError
from stsfix.snapshot.model import HostRef, PowerState, VmId

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from stsfix.remediation.model import NodePlan, RunSpec
    from stsfix.remediation.records import Record
    from stsfix.snapshot.model import VmSummary
    from stsfix.snapshot.ports import Hypervisor

Seen = dict[HostRef, "Sequence[VmSummary]"]
"""What every host that answered has registered."""

_MOVED: Final = "moved."
"""Before the node's FQDN: key of the note that says where its VM is."""


def current_spec(spec: RunSpec, records: Iterable[Record]) -> RunSpec:
    """Return *spec* with every VM where the run saw it last."""
    moves = {
        record.key.removeprefix(_MOVED): VmId(**json.loads(record.value))
        for record in records
        if isinstance(record, NoteRecord) and record.key.startswith(_MOVED)
    }
    if not moves:
        return spec
    nodes = tuple(replace(node, vm=moves.get(node.fqdn, node.vm)) for node in spec.nodes)
    return replace(spec, nodes=nodes)


def note_of(fqdn: str, vm: VmId) -> NoteRecord:
    """Return the record that says that the VM of *fqdn* is *vm* from now on."""
    place = {
        "host": vm.host,
        "moref": vm.moref,
        "instance_uuid": vm.instance_uuid,
        "name": vm.name,
    }
    return NoteRecord(step=TAKE_SNAPSHOTS, key=f"{_MOVED}{fqdn}", value=json.dumps(place))


def bears_snapshots(records: Sequence[Record]) -> bool:
    """Tell whether every VM of the run must have its snapshot: all were taken, which nobody takes
    back, and none is being deleted nor was left to another run.
    """
    taken = any(
        isinstance(record, StepRecord)
        and record.step == TAKE_SNAPSHOTS
        and record.state is StepState.DONE
        for record in records
    )
    return taken and Mark.RELEASING not in marks(records) and not has_left(records)


def find_moved(
    spec: RunSpec,
    hypervisors: Mapping[HostRef, Hypervisor],
    *,
    with_snapshot: bool,
    nodes: Sequence[NodePlan] | None = None,
) -> dict[str, VmId]:
    """Return by FQDN each VM that is not where *spec* has it but on one other host; reads only.
    Only those of *nodes* are looked for if they are given.

    Hosts without a node are asked only if a VM is missing. A host that cannot be read, or that has
    a registration which it cannot use, may still run its VMs: they are taken from another host only
    *with_snapshot*, which tells the VM from a copy of it. What is found nowhere stays where it was,
    for the next step to complain of.

    Raises:
        VmKeyMissingError: A VM is encrypted, and off on another host than before: that one may not
            be able to power it on.
        VmNotFoundError: A VM is on two other hosts, or without its snapshot, or its host is not
            configured any more and no other has it.
    """
    nodes = spec.nodes if nodes is None else nodes
    own = [host for host in hypervisors if host in {node.vm.host for node in nodes}]
    seen = _read(hypervisors, own)
    missing = [node for node in nodes if not _is_there(node, seen)]
    if missing:
        seen |= _read(hypervisors, [host for host in hypervisors if host not in own])
    moved = {}
    for node in missing:
        silent = node.vm.host in hypervisors and _may_run(node, seen)
        found = candidates(node, seen)
        if not found and node.vm.host not in hypervisors:
            raise _not_found(node, f"domain.toml does not have {node.vm.host} any more")
        if len(found) > 1:
            raise _not_found(node, f"registered twice: {' and '.join(map(str, found))}")
        if not found or (silent and not with_snapshot):
            continue
        (vm,) = found
        (facts,) = hypervisors[vm.host].observe_vms((vm,))
        if with_snapshot and all(snapshot.name != spec.run for snapshot in facts.snapshots):
            raise _not_found(node, f"{vm} has its UUID, but not the snapshot {spec.run}: a copy?")
        if facts.encrypted and facts.summary.power is not PowerState.ON:
            # vSphere 7.0 and 8.0 Security guides: each host has the keys that vCenter gave it.
            raise VmKeyMissingError(vm, node.vm.host)
        moved[node.fqdn] = vm
    return moved


def candidates(node: NodePlan, seen: Seen) -> tuple[VmId, ...]:
    """Return every usable registration of the node's VM, on whatever host that answered."""
    return tuple(
        summary.vm
        for summaries in seen.values()
        for summary in summaries
        if node.vm.instance_uuid
        and summary.vm.instance_uuid == node.vm.instance_uuid
        and summary.connection == "connected"
    )


def _is_there(node: NodePlan, seen: Seen) -> bool:
    return any(
        summary.vm == node.vm and summary.connection == "connected"
        for summary in seen.get(node.vm.host, ())
    )


def _may_run(node: NodePlan, seen: Seen) -> bool:
    """Tell whether the node's own host could not be asked, or still has the VM in some state."""
    own = seen.get(node.vm.host)
    return own is None or any(summary.vm == node.vm for summary in own)


def _read(hypervisors: Mapping[HostRef, Hypervisor], hosts: Sequence[HostRef]) -> Seen:
    def read(host: HostRef) -> Sequence[VmSummary] | None:
        try:
            return hypervisors[host].observe_host().vms
        except InterruptedRunError:
            raise
        except OperationError:
            return None  # whoever needs this host is told of it by the next step

    with ThreadPoolExecutor(max_workers=max(1, len(hosts))) as pool:
        found = zip(hosts, pool.map(read, hosts), strict=True)
        return {host: summaries for host, summaries in found if summaries is not None}


def _not_found(node: NodePlan, why: str) -> VmNotFoundError:
    error = VmNotFoundError(node.vm.host, node.vm.name)
    error.add_note(why)
    return error
