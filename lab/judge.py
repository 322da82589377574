"""Facts by the lab's own eye, never through the product."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from stsfix.lab import canary, judge_certificates, pki
from stsfix.lab.services import State
from stsfix.lab.sso import tenant
from stsfix.lab.vmdir.reader import dump

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stsfix.lab.esx.machine import VirtualMachine
    from stsfix.lab.lab import Lab
    from stsfix.lab.vmdir.store import DirectoryStore


Entries = dict[str, dict[str, tuple[bytes, ...]]]


def sts_entries(lab: Lab, node: str) -> Entries:
    """Return every entry below the tenant in the directory of *node*, running or not.

    By lower-case DN: user attributes with their values in order, and objectGUID.
    """
    store = _store(lab, node)
    disk = lab.nodes[node].disk
    base = tenant.tenant_dn(disk.domain, disk.domain)
    return {
        dn: {name: tuple(values) for name, values in attributes.items()}
        for dn, attributes in dump(store, base).items()
    }


def all_sts_entries(lab: Lab) -> dict[str, Entries]:
    """Return `sts_entries` of every controller."""
    return {node.fqdn: sts_entries(lab, node.fqdn) for node in lab.topology.controllers}


def starts(lab: Lab) -> dict[str, Counter[str]]:
    """Return how often each service that runs on a node was started since its boot, by FQDN; the
    services by vMon's key.
    """
    boards = {fqdn: node.board for fqdn, node in lab.nodes.items()}
    return {
        fqdn: Counter(
            {
                service.key: board.started_log.count(service.name)
                for service in board.services
                if board.state(service.name) is State.RUNNING
            }
        )
        for fqdn, board in boards.items()
        if board is not None
    }


def power(lab: Lab) -> dict[str, str]:
    """Return the power state of each node's VM (poweredOn, poweredOff), by FQDN."""
    return {fqdn: vm.power for fqdn, vm in lab.machines.items()}


def snapshots(lab: Lab) -> dict[str, tuple[str, ...]]:
    """Return the snapshot names of every VM, parents first, by "host/VM name"."""
    return {
        f"{host}/{vm.name}": tuple(snapshot.name for snapshot in vm.snapshots())
        for host, vm in lab.all_machines()
    }


def node_snapshots(lab: Lab) -> dict[str, tuple[str, ...]]:
    """Return the snapshot names of each node's VM, by FQDN."""
    return {
        fqdn: tuple(snapshot.name for snapshot in vm.snapshots())
        for fqdn, vm in lab.machines.items()
    }


def out_of_sync(lab: Lab) -> list[str]:
    """Say, in one line each, how the controllers' directories differ; empty if they do not.

    Compared are all entries byte by byte and, for every pair, whether one has seen more of the
    other than that other has (the sign of a node reverted alone, vmdird measured 8).
    """
    stores = {node.fqdn: _store(lab, node.fqdn) for node in lab.topology.controllers}
    dumps = {fqdn: dump(store, "") for fqdn, store in stores.items()}
    first, *others = dumps
    found = [line for other in others for line in _differences(dumps, first, other)]
    for consumer, store in stores.items():
        with store.lock:
            marks = dict(store.marks)
        found += [
            f"{consumer} has seen {supplier} up to {mark}, {supplier} itself is at "
            f"{stores[supplier].usn}"
            for supplier, mark in marks.items()
            if supplier in stores and mark > stores[supplier].usn
        ]
    return found


def _differences(
    dumps: Mapping[str, Mapping[str, Mapping[str, list[bytes]]]], one: str, other: str
) -> Iterator[str]:
    for dn in sorted(dumps[one].keys() | dumps[other].keys()):
        here, there = dumps[one].get(dn), dumps[other].get(dn)
        if here is None or there is None:
            yield f"{dn} is missing on {one if here is None else other}"
        elif here != there:
            names = sorted(n for n in here.keys() | there.keys() if here.get(n) != there.get(n))
            yield f"{dn} differs between {one} and {other}: {', '.join(names)}"


def token_refusal(lab: Lab, node: str) -> str | None:
    """Return why the STS of *node* would refuse a token to the administrator; None if not."""
    sts = lab.network.sts_of(node)
    return f"the STS of {node} does not run" if sts is None else sts.refusal()


def login_refusal(lab: Lab, vcenter: str) -> str | None:
    """Return why *vcenter* would not let the administrator in; None if it would.

    It logs in within this process: the one judgement that counts as an STS call (fault rules).
    """
    disk, parts = lab.nodes[vcenter].disk, lab.nodes[vcenter].parts
    service = None if parts is None else parts.vcenter
    if service is None:
        return f"vpxd of {vcenter} does not run"
    return service.login_refusal(f"administrator@{disk.domain}", lab.passwords.sso)


def signing_leaf(lab: Lab, node: str) -> str | None:
    """Return the SHA-256 (lower-case hex) of the leaf the STS of *node* signs with now."""
    sts = lab.network.sts_of(node)
    if sts is None or sts.tenant is None or sts.tenant.signer is None:
        return None
    return pki.sha256(sts.tenant.signer.chain[0])


def leftovers(lab: Lab) -> list[str]:
    """Return every file and folder on a node that a repair left there, as "node: path"."""
    return canary.leftovers(lab)


def exposed(lab: Lab) -> list[str]:
    """Return every text of a node, a command line or a file, that shows a password of the lab."""
    return canary.find(lab.passwords.everything(), canary.texts_of_nodes(lab))


def foreign_state(lab: Lab) -> tuple[object, ...]:
    """Return a fingerprint of every VM that is no node; equal means untouched."""
    nodes = {id(vm) for vm in lab.machines.values()}
    return tuple(
        (host, *_fingerprint(vm)) for host, vm in lab.all_machines() if id(vm) not in nodes
    )


def _fingerprint(vm: VirtualMachine) -> tuple[object, ...]:
    current = vm.current_snapshot
    return (
        vm.name,
        vm.instance_uuid,
        vm.power,
        tuple((s.key, s.name, s.description, s.state) for s in vm.snapshots()),
        None if current is None else current.key,
        vm.guest.disk,
        tuple((n.network, n.mac, n.connected, n.start_connected) for n in vm.nics),
        tuple((d.mode, d.datastore, d.capacity_kb) for d in vm.disks),
        vm.annotation,
    )


def summary(lab: Lab) -> dict[str, Any]:
    """Return everything above as JSON can carry it, certificates and keys left out."""
    vcenters = [node.fqdn for node in lab.topology.nodes if node.role.has_vcenter]
    controllers = [node.fqdn for node in lab.topology.controllers]
    return {
        "power": power(lab),
        "snapshots": {name: list(found) for name, found in snapshots(lab).items()},
        "out_of_sync": out_of_sync(lab),
        "token_refusal": {fqdn: token_refusal(lab, fqdn) for fqdn in controllers},
        "login_refusal": {fqdn: login_refusal(lab, fqdn) for fqdn in vcenters},
        "signing_leaf": {fqdn: signing_leaf(lab, fqdn) for fqdn in controllers},
        "certificates": judge_certificates.summary(lab),
    }


def _store(lab: Lab, node: str) -> DirectoryStore:
    store: DirectoryStore = lab.nodes[node].disk.directory
    return store
