"""Reports of preflight for tests: a domain of any size, what is found in it, hostile words."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from sts_material import NOW, chain_entry, credential_entry, leaf, root
from stsfix.lab import pki
from stsfix.plugin.preflight_view import PreflightReport
from stsfix.remediation.checks.preflight import assess
from stsfix.remediation.inventory import Inventory, Location, NodeInventory, Problem
from stsfix.remediation.model import (
    DirServer,
    Finding,
    ReplicationStatus,
    Role,
    RootDse,
    Severity,
    StsEntries,
    StsEntry,
    Topology,
)
from stsfix.remediation.ports import ServiceReport
from stsfix.snapshot.model import (
    DatastoreFacts,
    DiskState,
    HostFacts,
    HostRef,
    LockdownMode,
    NicState,
    PowerState,
    SnapshotRef,
    VmFacts,
    VmId,
    VmSummary,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

SCHEMAS = Path(__file__).parents[2] / "docs" / "schema"


@functools.cache
def validator(name: str = "preflight-1") -> Draft202012Validator:
    """Return a validator that also refuses every field the schema *name* does not name."""
    schema = json.loads((SCHEMAS / f"{name}.json").read_text())
    Draft202012Validator.check_schema(schema)
    _close(schema)
    return Draft202012Validator(schema)


def _close(schema: Any) -> None:
    """Forbid undocumented fields. Conditions add to an object and stay open."""
    if isinstance(schema, list):
        for item in schema:
            _close(item)
    if isinstance(schema, dict):
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
        for key, item in schema.items():
            if key not in {"if", "then", "else"}:
                _close(item)


def vm_of(name: str, host: str, number: int = 1) -> VmFacts:
    """Return a VM that nothing speaks against."""
    vm = VmId(host=HostRef(host), moref=str(number), instance_uuid=f"uuid-{name}", name=name)
    return VmFacts(
        summary=VmSummary(
            vm=vm,
            bios_uuid="bios",
            power=PowerState.ON,
            connection="connected",
            hostname=f"{name}.lab.example",
        ),
        tools_running=True,
        guest_operations_ready=True,
        disks=(DiskState(label="Hard disk 1", datastore="ds1", mode="persistent"),),
        nics=(
            NicState(label="Network adapter 1", backing="VM", connected=True, start_connected=True),
        ),
        snapshots=(),
        current_snapshot=None,
        fault_tolerance=False,
        encrypted=False,
        bus_sharing=(),
        passthrough=(),
        consolidation_needed=False,
        question=None,
        disabled_methods=(),
        managed_by=None,
        change_tracking=False,
        datastores=("ds1",),
    )


def host_of(name: str, vms: Sequence[VmFacts]) -> HostFacts:
    """Return a host that nothing speaks against."""
    return HostFacts(
        host=HostRef(name),
        version="7.0.3",
        build="21930508",
        licence_edition="esxEnterprisePlus",
        lockdown=LockdownMode.DISABLED,
        maintenance=False,
        clock_skew=timedelta(0),
        managed_by=None,
        datastores=(
            DatastoreFacts(
                name="ds1", free_bytes=500 << 30, capacity_bytes=1 << 40, accessible=True
            ),
        ),
        vms=tuple(vm.summary for vm in vms),
    )


def signing_pair(end: float, start: float = -733) -> tuple[StsEntry, StsEntry]:
    """Return credential and chain with one leaf that ends *end* days from NOW."""
    chain = (pki.der(leaf(start=start, end=end)), pki.der(root()))
    return credential_entry(1, chain), chain_entry(1, chain)


def domain(nodes: int = 2, *, hosts: int = 2, end: float = -3) -> Inventory:
    """Return a domain of embedded nodes that replicate in a ring; the leaf ends at *end* days."""
    names = [f"vc{number}.lab.example" for number in range(1, nodes + 1)]
    credential, chain = signing_pair(end)
    found = []
    for position, name in enumerate(names):
        vm = vm_of(name.partition(".")[0], f"esx{position % hosts + 1}.lab.example", position + 1)
        found.append(
            NodeInventory(
                fqdn=name,
                role=Role.EMBEDDED,
                role_verified=True,
                root_dse=RootDse(
                    domain_dn="dc=vsphere,dc=local",
                    admin_dn="cn=Administrator,cn=Users,dc=vsphere,dc=local",
                    server_dn=f"cn={name},cn=Servers",
                    site="Default-First-Site",
                    version="7.0.3",
                    functional_level=4,
                ),
                sts=StsEntries(node=name, credentials=(credential,), chains=(chain,)),
                replication=ReplicationStatus(
                    server=name,
                    usn=100,
                    invocation_id=f"id-{name}",
                    up_to_date={f"id-{other}": 90 for other in names if other != name},
                ),
                location=Location(live=(vm.summary,)),
                vm=vm,
                services=ServiceReport(node=name, running=("vmdird",), stopped=()),
            )
        )
    placed: dict[str, list[VmFacts]] = {
        f"esx{number + 1}.lab.example": [] for number in range(hosts)
    }
    for node in found:
        if node.vm is not None:
            placed[node.vm.vm.host].append(node.vm)
    return Inventory(
        domain="vsphere.local",
        taken=NOW,
        nodes=tuple(found),
        hosts=tuple(host_of(name, vms) for name, vms in placed.items()),
        topology=Topology(
            domain="vsphere.local",
            controllers=tuple(names),
            computers=(),
            servers=tuple(_server(names, position) for position in range(nodes)),
        ),
        problems=(),
    )


def _server(names: Sequence[str], position: int) -> DirServer:
    around = {names[position - 1], names[(position + 1) % len(names)]} - {names[position]}
    return DirServer(
        name=names[position],
        site="Default-First-Site",
        invocation_id=f"id-{names[position]}",
        partners=tuple(sorted(around)),
    )


def finding(
    identifier: str = "HOST-CLOCK",
    severity: Severity = Severity.WARNS,
    subject: str = "esx1.lab.example",
    *,
    evidence: str = "It is 15 min ahead.",
    advice: str = "Set the clocks by the same NTP server.",
) -> Finding:
    """Return a finding as the registry would make it."""
    return Finding(
        id=identifier,
        severity=severity,
        subject=subject,
        evidence=evidence,
        advice=advice,
        title="The host's clock is wrong",
        why="Guests take the host's time.",
        source="VMware Tools guide",
    )


def report(
    inventory: Inventory | None = None, findings: Sequence[Finding] | None = None
) -> PreflightReport:
    """Return the report of *inventory* (a domain of two expired nodes) as the command makes it."""
    seen = inventory if inventory is not None else domain()
    found = findings if findings is not None else assess(seen)
    return PreflightReport.of(seen, found, version="0.1.0")


def named(inventory: Inventory, text: str) -> Inventory:
    """Return *inventory* with *text* wherever other people choose the words."""
    nodes = tuple(_named_node(node, text) for node in inventory.nodes)
    hosts = tuple(replace(host, version=text, managed_by=text) for host in inventory.hosts)
    problem = Problem(subject=text, error="HostUnreachableError", text=text)
    return replace(inventory, nodes=nodes, hosts=hosts, problems=(problem,))


def _named_node(node: NodeInventory, text: str) -> NodeInventory:
    if node.vm is None or node.sts is None:
        raise ValueError("a node of domain() has both")
    vm = replace(node.vm.vm, name=text)
    snapshot = SnapshotRef(
        vm=vm, moref="1", name=text, description=text, created=NOW, taken_off=True
    )
    # The reader of directories decodes with "replace", so a DN holds no lone surrogate.
    cn = text.encode(errors="replace").decode()
    entry = replace(node.sts.credentials[0], dn=f"cn={cn},{node.sts.credentials[0].dn}")
    return replace(
        node,
        vm=replace(
            node.vm,
            summary=replace(node.vm.summary, vm=vm, hostname=text),
            snapshots=(snapshot,),
            question=text,
            managed_by=text,
        ),
        sts=replace(node.sts, credentials=(entry,)),
    )
