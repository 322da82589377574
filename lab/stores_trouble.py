"""Does to the disks of nodes what a `StoresPlan` says, before they boot and once they have."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from stsfix.lab import pki
from stsfix.lab.disk import NodeFile
from stsfix.lab.extensions import BY_SOLUTION_USER
from stsfix.lab.vecs import MACHINE_ALIAS, MACHINE_SSL, TRUSTED_ROOTS
from stsfix.lab.vmca import vmca_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stsfix.lab.disk import NodeDisk
    from stsfix.lab.stores_plan import StoresPlan
    from stsfix.lab.topology import Topology

_STARTED_DAYS = -10.0
_ROOT_DAYS = 3000.0
_TASKS_SINCE = (7,)
"""Which release began to keep tokens of tasks is [K]; vCert asks whether there is the table."""

_GONE = ":".join(["AB"] * 20)
_BROKEN = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


def lost_accounts(
    topology: Topology, machine_ids: Mapping[str, str], plan: StoresPlan
) -> frozenset[str]:
    """Return the names of the accounts that the directory does not have."""
    first = next(node.fqdn for node in topology.nodes if node.role.has_vcenter)
    return frozenset(f"{user}-{machine_ids[first]}" for user in plan.lost_accounts)


def spoil_stores(disks: Sequence[NodeDisk], plan: StoresPlan) -> None:
    """Make the disks, in the topology's order, what *plan* says before anything runs."""
    controller, vcenter = _meant(disks)
    for disk in (controller, vcenter):
        disk.disabled |= set(plan.stopped)
    controller.removed |= set(plan.removed)
    for disk in disks:
        if disk.role.has_vcenter and disk.release >= _TASKS_SINCE:
            disk.scheduled_tasks = plan.scheduled_tasks if disk is vcenter else 0
    if plan.root_unlisted:
        _, key = _authority(controller)
        _write(controller, vmca_files(controller)[0], pki.pem(_root(controller, key)))
    if plan.extension_lost:
        name = BY_SOLUTION_USER[0]
        vcenter.extensions[name] = replace(vcenter.extensions[name], thumbprint=_GONE)
    if plan.roots_stale:
        vcenter.roots_stale = True
        vcenter.vecs.remove(TRUSTED_ROOTS, vcenter.vecs.entries(TRUSTED_ROOTS)[-1].alias)


def tamper(disks: Sequence[NodeDisk], plan: StoresPlan) -> None:
    """Do to the disks of nodes that run what *plan* says was done since they booted."""
    controller, vcenter = _meant(disks)
    for store, days in plan.entries.items():
        _put(vcenter, controller, store, days)
    root, key = vmca_files(controller)
    match plan.root:
        case "missing":
            controller.files.pop(root, None)
        case "broken":
            _write(controller, root, _BROKEN)
        case "replaced":
            new = pki.new_key()
            _write(controller, root, pki.pem(_root(controller, new)))
            _write(controller, key, pki.key_pem(new))
        case "key":
            _write(controller, key, pki.key_pem(pki.new_key()))
        case _:
            return


def _meant(disks: Sequence[NodeDisk]) -> tuple[NodeDisk, NodeDisk]:
    """Return the disks of the first controller and of the first vCenter."""
    return (
        next(disk for disk in disks if disk.role.has_directory),
        next(disk for disk in disks if disk.role.has_vcenter),
    )


def _write(disk: NodeDisk, path: str, content: bytes) -> None:
    disk.files[path] = NodeFile(content=content, mode=0o600)


def _authority(disk: NodeDisk) -> tuple[x509.Certificate, rsa.RSAPrivateKey]:
    """Return root and key of VMCA, as they are on *disk*."""
    root, key = (disk.files[path].content for path in vmca_files(disk))
    return x509.load_pem_x509_certificate(root), _rsa_key(key)


def _rsa_key(pem: bytes) -> rsa.RSAPrivateKey:
    key = pki.private_key(pem)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("keys of the lab are RSA")
    return key


def _root(disk: NodeDisk, key: rsa.RSAPrivateKey) -> x509.Certificate:
    return pki.vmca_root(
        key,
        domain=disk.domain,
        host=disk.fqdn,
        not_before=pki.days_from_now(_STARTED_DAYS),
        not_after=pki.days_from_now(_ROOT_DAYS),
    )


def _put(disk: NodeDisk, controller: NodeDisk, store: str, days: float) -> None:
    """Let *store* hold a new certificate for the key and the name of the one that is there."""
    alias = MACHINE_ALIAS if store == MACHINE_SSL else store
    entry = disk.vecs.find(store, alias)
    if entry is None:
        return  # a release without this solution user
    issuer, issuer_key = _authority(controller)
    made = pki.vmca_leaf(
        _rsa_key(entry.key),
        issuer=issuer,
        issuer_key=issuer_key,
        common_name=disk.fqdn,
        subject=entry.chain()[0].subject,
        not_before=pki.days_from_now(_STARTED_DAYS),
        not_after=pki.days_from_now(days),
        names=[disk.fqdn],
    )
    disk.vecs.put(store, replace(entry, certificates=pki.pem(made)))
