"""Nodes of the domain as objects of the ``--json`` document. Pure."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, TypeVar

from stsfix.plugin.documents.parts import (
    JsonObject,
    fingerprints,
    registration_object,
    topology_object,
    vm_object,
)
from stsfix.plugin.documents.tools import tools_object, tools_unread
from stsfix.remediation.nodes.node_facts import (
    ClockReading,
    Management,
    NodeFacts,
    Unread,
    VCenterAbout,
)
from stsfix.remediation.pki.certificate_chains import check_links
from stsfix.remediation.pki.certificates import Certificate, fingerprint, parse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from stsfix.plugin.preflight_view import Health
    from stsfix.remediation.inventory import Inventory, NodeInventory
    from stsfix.remediation.model import ReplicationStatus, StsEntry

T = TypeVar("T")


def node_object(node: NodeInventory, inventory: Inventory, *, health: Health) -> JsonObject:
    """Return everything about one node of the domain."""
    root_dse, services, location = node.root_dse, node.services, node.location
    return {
        "fqdn": node.fqdn,
        "role": node.role,
        "role_verified": node.role_verified,
        "platform": node.platform,
        "transport": node.transport,
        "health": health,
        "directory": root_dse
        and {
            "domain_dn": root_dse.domain_dn,
            "server_dn": root_dse.server_dn,
            "site": root_dse.site,
            "version": root_dse.version,
            "functional_level": root_dse.functional_level,
        },
        "listed": topology_object(node.listed),
        "sts": node.sts
        and {
            "credentials": [_entry(entry, node) for entry in node.sts.credentials],
            "chains": [_entry(entry, node) for entry in node.sts.chains],
        },
        "replication": node.replication and _replication(node.replication),
        "services": services and {"running": services.running, "stopped": services.stopped},
        "location": {
            "live": [registration_object(summary) for summary in location.live],
            "stale": [registration_object(summary) for summary in location.stale],
        },
        "vm": node.vm and vm_object(node.vm),
        "guest": _guest(node.facts) if isinstance(node.facts, NodeFacts) else None,
        "clock": _clock(node.clock, inventory.host_skew(node))
        if isinstance(node.clock, ClockReading)
        else None,
        "vcenter": _about(node.about) if isinstance(node.about, VCenterAbout) else None,
        "management": _management(node.management)
        if isinstance(node.management, Management)
        else None,
        "tls": [
            {"port": shown.port, "certificate": fingerprint(shown.leaf)}
            for shown in node.certificates.shown
        ],
        **tools_object(node),
        "published": _optional(node.certificates.published),
        "jwks": [
            {"modulus": key.modulus, "exponent": key.exponent, "certificate": _optional(key.leaf)}
            for key in node.certificates.keys
        ],
        "unread": [{"what": what, "reason": reason} for what, reason in _unread(node)],
    }


def _guest(facts: NodeFacts) -> JsonObject:
    """Return what the guest said of itself; a field that could not be read is None."""
    password, disks = _read(facts.password), _read(facts.disks)
    database = _read(facts.database)
    return {
        "build": _read(facts.build),
        "node_type": _read(facts.node_type),
        "vmdir_state": _read(facts.vmdir_state),
        "vmdird_installed": _read(facts.vmdird_installed),
        "vcha": _read(facts.vcha),
        "password": password and {"expires": password.expires, "must_change": password.must_change},
        "disks": disks
        and [
            {
                "mount": disk.mount,
                "capacity_bytes": disk.capacity_bytes,
                "free_bytes": disk.free_bytes,
            }
            for disk in disks
        ],
        "uptime_seconds": _read(facts.uptime),
        "addresses": _read(facts.addresses),
        "database": database and {"kind": database.kind, "local": database.is_local},
        "pnid": _read(facts.pnid),
        "machine_id": _read(facts.machine_id),
        "controller": _read(facts.controller),
    }


def _read(fact: T | Unread) -> T | None:
    return None if isinstance(fact, Unread) else fact


def _clock(reading: ClockReading, host_skew: timedelta | None) -> JsonObject:
    return {
        "skew_seconds": reading.skew,
        "against_host_seconds": None if host_skew is None else reading.skew - host_skew,
        "uncertainty_seconds": reading.uncertainty,
        "source": reading.source,
    }


def _about(about: VCenterAbout) -> JsonObject:
    return {"version": about.version, "build": about.build}


def _management(told: Management) -> JsonObject:
    return {
        "version": told.version if isinstance(told.version, str) else None,
        "health": told.health if isinstance(told.health, str) else None,
    }


def _optional(der: bytes | None) -> str | None:
    return None if der is None else fingerprint(der)


def _unread(node: NodeInventory) -> Iterator[tuple[str, str]]:
    """Yield what of the node could not be read, and why."""
    facts = node.facts
    if isinstance(facts, Unread):
        yield "guest", facts.reason
    else:
        for field in dataclasses.fields(facts):
            value = getattr(facts, field.name)
            if isinstance(value, Unread):
                yield f"guest.{field.name}", value.reason
    for name, fact in (("clock", node.clock), ("vcenter", node.about)):
        if isinstance(fact, Unread):
            yield name, fact.reason
    for part in node.certificates.unread:
        yield part.what, part.reason
    yield from tools_unread(node)


def _entry(entry: StsEntry, node: NodeInventory) -> JsonObject:
    parsed = [parse(der) for der in entry.chain]
    return {
        "dn": entry.dn,
        "index": entry.index,
        "object_guid": entry.object_guid,
        "usn": entry.usn,
        "signs_now": node.sts is not None and entry == node.sts.signing(),
        "key_matches": entry.key_matches,
        "certificates": fingerprints(entry.chain),
        "leaves": sum(isinstance(c, Certificate) and not c.authority for c in parsed),
        "authorities": sum(isinstance(c, Certificate) and bool(c.authority) for c in parsed),
        "broken_links": check_links(entry.chain),
    }


def _replication(status: ReplicationStatus) -> JsonObject:
    return {
        "usn": status.usn,
        "invocation_id": status.invocation_id,
        "up_to_date": status.up_to_date,
        "processed": status.processed,
        "max_originating": status.max_originating,
        "cycles": status.cycles,
    }
