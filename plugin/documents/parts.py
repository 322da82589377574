"""VMs, hosts and the directory's contents as objects of the ``--json`` document. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.remediation.pki.certificates import fingerprint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stsfix.remediation.inventory import Inventory
    from stsfix.remediation.inventory_certificates import DirectoryCertificates, LookupRegistration
    from stsfix.remediation.model import Topology
    from stsfix.snapshot.model import HostFacts, VmFacts, VmId, VmSummary

JsonObject = dict[str, object]
"""One object before `output.json_document` writes it."""


def topology_object(topology: Topology | None) -> JsonObject | None:
    """Return what one directory says of the whole domain; None if it was not asked."""
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


def held_object(held: DirectoryCertificates | None) -> JsonObject | None:
    """Return what the directories hold for the whole domain; None if nobody was asked."""
    if held is None:
        return None
    return {
        "node": held.node,
        "solution_users": [
            {
                "name": user.name,
                "subject": user.subject,
                "certificates": fingerprints(user.certificates),
            }
            for user in held.solution_users
        ],
        "trusted_roots": [
            {
                "name": root.name,
                "subject": root.subject,
                "certificates": fingerprints(root.certificates),
                "crl_count": root.crl_count,
                "crl_bytes": root.crl_bytes,
            }
            for root in held.roots
        ],
        "trusted_chains": [
            {
                "dn": chain.dn,
                "owner": chain.owner,
                "untouchable": chain.owner.is_untouchable,
                "certificates": fingerprints(chain.chain),
            }
            for chain in held.chains
        ],
        "registrations": [_lookup(registration) for registration in held.registrations],
        "identity_sources": [
            {
                "name": source.name,
                "domain_type": source.domain_type,
                "provider": source.provider,
                "connections": source.connections,
                "certificates": fingerprints(source.certificates),
            }
            for source in held.identity_sources
        ],
        "unread": [{"what": part.what, "reason": part.reason} for part in held.unread],
    }


def _lookup(registration: LookupRegistration) -> JsonObject:
    return {
        "name": registration.name,
        "kind": registration.kind,
        "product": registration.product,
        "endpoints": [
            {"uri": endpoint.uri, "certificates": fingerprints(endpoint.trust)}
            for endpoint in registration.endpoints
        ],
    }


def fingerprints(certificates: Sequence[bytes]) -> list[str]:
    """Return the SHA-256 of each of *certificates* (DER), by which the document names them."""
    return [fingerprint(der) for der in certificates]


def _identity(vm: VmId) -> JsonObject:
    return {
        "name": vm.name,
        "host": vm.host,
        "moref": vm.moref,
        "instance_uuid": vm.instance_uuid,
    }


def registration_object(summary: VmSummary) -> JsonObject:
    """Return one VM as one host lists it."""
    return {
        **_identity(summary.vm),
        "bios_uuid": summary.bios_uuid,
        "power": summary.power,
        "connection": summary.connection,
        "guest_host_name": summary.hostname,
        "addresses": summary.addresses,
    }


def vm_object(vm: VmFacts) -> JsonObject:
    """Return a node's VM in full."""
    return {
        **registration_object(vm.summary),
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
        "chain_depth": vm.chain_depth,
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
        "guest_os": vm.guest_os,
        "snapshots_supported": vm.snapshots_supported,
        "snapshot_limit": vm.snapshot_limit,
        "replicated": vm.replicated,
        "in_vapp": vm.in_vapp,
        "administrator": vm.administrator,
        "booted": vm.booted,
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
        "licence_left_seconds": host.licence_left,
        "ntp_servers": host.ntp_servers,
        "ntp_running": host.ntp_running,
        "round_trip_seconds": host.round_trip,
        "datastores": [
            {
                "name": store.name,
                "free_bytes": store.free_bytes,
                "capacity_bytes": store.capacity_bytes,
                "accessible": store.accessible,
                "kind": store.kind,
                "maintenance": store.maintenance,
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
