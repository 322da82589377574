"""Nodes, VMs, hosts and directories as objects of the ``--json`` document. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.remediation.certificates import fingerprint

if TYPE_CHECKING:
    from stsfix.plugin.preflight_view import Health
    from stsfix.remediation.inventory import Inventory, NodeInventory
    from stsfix.remediation.model import ReplicationStatus, StsEntry
    from stsfix.snapshot.model import HostFacts, VmFacts, VmId, VmSummary

JsonObject = dict[str, object]
"""One object before `output.json_document` writes it."""


def topology_object(inventory: Inventory) -> JsonObject | None:
    """Return what the directory says of the whole domain; None if nobody could be asked."""
    topology = inventory.topology
    if topology is None:
        return None
    return {
        "domain": topology.domain,
        "controllers": topology.controllers,
        "computers": topology.computers,
        "servers": [
            {
                "name": server.name,
                "site": server.site,
                "invocation_id": server.invocation_id,
                "partners": server.partners,
            }
            for server in topology.servers
        ],
    }


def node_object(node: NodeInventory, *, health: Health) -> JsonObject:
    """Return everything about one node of the domain."""
    root_dse, services, location = node.root_dse, node.services, node.location
    return {
        "fqdn": node.fqdn,
        "role": node.role,
        "role_verified": node.role_verified,
        "health": health,
        "directory": root_dse
        and {
            "domain_dn": root_dse.domain_dn,
            "server_dn": root_dse.server_dn,
            "site": root_dse.site,
            "version": root_dse.version,
            "functional_level": root_dse.functional_level,
        },
        "sts": node.sts
        and {
            "credentials": [_entry(entry, node) for entry in node.sts.credentials],
            "chains": [_entry(entry, node) for entry in node.sts.chains],
        },
        "replication": node.replication and _replication(node.replication),
        "services": services and {"running": services.running, "stopped": services.stopped},
        "location": {
            "live": [_registration(summary) for summary in location.live],
            "stale": [_registration(summary) for summary in location.stale],
        },
        "vm": node.vm and _vm(node.vm),
    }


def _entry(entry: StsEntry, node: NodeInventory) -> JsonObject:
    return {
        "dn": entry.dn,
        "index": entry.index,
        "object_guid": entry.object_guid,
        "usn": entry.usn,
        "signs_now": node.sts is not None and entry == node.sts.signing(),
        "key_matches": entry.key_matches,
        "certificates": [fingerprint(der) for der in entry.chain],
    }


def _replication(status: ReplicationStatus) -> JsonObject:
    return {
        "usn": status.usn,
        "invocation_id": status.invocation_id,
        "up_to_date": status.up_to_date,
    }


def _identity(vm: VmId) -> JsonObject:
    return {
        "name": vm.name,
        "host": vm.host,
        "moref": vm.moref,
        "instance_uuid": vm.instance_uuid,
    }


def _registration(summary: VmSummary) -> JsonObject:
    return {
        **_identity(summary.vm),
        "bios_uuid": summary.bios_uuid,
        "power": summary.power,
        "connection": summary.connection,
        "guest_host_name": summary.hostname,
        "addresses": summary.addresses,
    }


def _vm(vm: VmFacts) -> JsonObject:
    return {
        **_registration(vm.summary),
        "tools_running": vm.tools_running,
        "guest_operations_ready": vm.guest_operations_ready,
        "disks": [
            {
                "label": disk.label,
                "datastore": disk.datastore,
                "mode": disk.mode,
                "sharing": disk.sharing,
                "physical_rdm": disk.physical_rdm,
            }
            for disk in vm.disks
        ],
        "nics": [
            {
                "label": nic.label,
                "backing": nic.backing,
                "connected": nic.connected,
                "start_connected": nic.start_connected,
                "dvs_port": nic.dvs_port,
            }
            for nic in vm.nics
        ],
        "snapshots": [
            {
                "moref": snapshot.moref,
                "name": snapshot.name,
                "description": snapshot.description,
                "created": snapshot.created,
                "taken_off": snapshot.taken_off,
            }
            for snapshot in vm.snapshots
        ],
        "current_snapshot": vm.current_snapshot,
        "fault_tolerance": vm.fault_tolerance,
        "encrypted": vm.encrypted,
        "bus_sharing": vm.bus_sharing,
        "passthrough": vm.passthrough,
        "consolidation_needed": vm.consolidation_needed,
        "question": vm.question,
        "disabled_methods": vm.disabled_methods,
        "managed_by": vm.managed_by,
        "change_tracking": vm.change_tracking,
        "datastores": vm.datastores,
    }


def host_object(host: HostFacts, inventory: Inventory) -> JsonObject:
    """Return one ESXi host, with every VM on it that is no node: those are never touched."""
    nodes = {node.vm.vm for node in inventory.nodes if node.vm is not None}
    return {
        "host": host.host,
        "version": host.version,
        "build": host.build,
        "licence_edition": host.licence_edition,
        "lockdown": host.lockdown,
        "maintenance": host.maintenance,
        "clock_skew_seconds": host.clock_skew,
        "managed_by": host.managed_by,
        "datastores": [
            {
                "name": store.name,
                "free_bytes": store.free_bytes,
                "capacity_bytes": store.capacity_bytes,
                "accessible": store.accessible,
            }
            for store in host.datastores
        ],
        "other_vms": [
            {
                "name": summary.vm.name,
                "moref": summary.vm.moref,
                "instance_uuid": summary.vm.instance_uuid,
                "power": summary.power,
            }
            for summary in host.vms
            if summary.vm not in nodes
        ],
    }
