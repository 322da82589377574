"""Certificates by the lab's own eye: those of every store, and who refuses to start for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from stsfix.lab import certificate_gate, pki, registrations, trusted_roots
from stsfix.lab.certificate_gate import USERS, CertificateGate
from stsfix.lab.vecs import CRLS, TRUSTED_ROOTS, EntryKind, solution_users
from stsfix.lab.vmca import vmca_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from stsfix.lab.lab import Lab
    from stsfix.lab.vecs import VecsEntry
    from stsfix.lab.vmdir.store import DirectoryStore


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCertificate:
    """The first certificate of an entry. *flaws* are sentences, none if it is in order."""

    node: str
    store: str
    alias: str
    sha256: str
    subject: str
    not_after: datetime
    flaws: tuple[str, ...]


def stored(lab: Lab) -> list[StoredCertificate]:
    """Return every certificate of every store of every node, running or not."""
    return [found for fqdn in lab.nodes for found in _of_node(lab, fqdn)]


def _of_node(lab: Lab, fqdn: str) -> Iterator[StoredCertificate]:
    node = lab.nodes[fqdn]
    disk, now = node.disk, node.now()
    for store in disk.vecs.names():
        for entry in disk.vecs.entries(store):
            if entry.kind in (EntryKind.CRL, EntryKind.SECRET_KEY):
                continue
            try:
                leaf = entry.chain()[0]
            except ValueError:
                continue
            yield StoredCertificate(
                node=fqdn,
                store=store,
                alias=entry.alias,
                sha256=pki.sha256(leaf),
                subject=leaf.subject.rfc4514_string(),
                not_after=leaf.not_valid_after_utc,
                flaws=tuple(_flaws(store, entry, leaf, now)),
            )


def _flaws(store: str, entry: VecsEntry, leaf: x509.Certificate, now: datetime) -> Iterator[str]:
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        yield f"valid from {leaf.not_valid_before_utc} to {leaf.not_valid_after_utc} only"
    if entry.kind is EntryKind.PRIVATE_KEY and not entry.key_matches():
        yield f"the key of {entry.alias} in {store} is another one's"


def expired(lab: Lab) -> list[str]:
    """Return ``node store alias`` of every stored certificate that is over; backups left out."""
    return [
        f"{found.node} {found.store} {found.alias}"
        for found in stored(lab)
        if found.not_after < lab.nodes[found.node].now() and not found.alias.startswith("bkp_")
    ]


def authority_of_signer(lab: Lab, node: str) -> str | None:
    """Return the node whose VMCA, by the root on its disk, issued what the STS of *node* signs
    with; None if no VMCA of the domain did.
    """
    sts = lab.network.sts_of(node)
    if sts is None or sts.tenant is None or sts.tenant.signer is None:
        return None
    leaf = sts.tenant.signer.chain[0]
    for controller in lab.topology.controllers:
        disk = lab.nodes[controller.fqdn].disk
        file = disk.files.get(vmca_files(disk)[0])
        for root in x509.load_pem_x509_certificates(file.content) if file is not None else ():
            try:
                leaf.verify_directly_issued_by(root)
            except (ValueError, TypeError, InvalidSignature):
                continue
            return controller.fqdn
    return None


def gate(lab: Lab, node: str) -> CertificateGate:
    """Return what the services of *node* look at; directories count whether they run or not."""
    disk = lab.nodes[node].disk
    controller = lab.nodes[disk.psc].disk
    return CertificateGate(
        disk=disk,
        directory=lambda: controller.directory,
        shown=lab.network.shown_by,
        now=lab.nodes[node].now,
    )


def refusals(lab: Lab, node: str) -> dict[str, list[str]]:
    """Return why each service of *node* would refuse to start now, by its name; only those."""
    names = {service.name: service.server for service in lab.services_of(node)}
    looks = gate(lab, node)
    found = {
        name: list(looks.refusals(server)) for name, server in names.items() if server in USERS
    }
    return {name: reasons for name, reasons in found.items() if reasons}


def apart(lab: Lab) -> list[str]:
    """Say, in one line each, what differs that should be equal; empty if nothing does.

    VECS and directory for every solution user, trusted roots and CRLs of VECS and directory, the
    machine certificate and what the node shows, trust anchors and what is shown.
    """
    found: list[str] = []
    for fqdn, node in lab.nodes.items():
        disk = node.disk
        store: DirectoryStore = lab.nodes[disk.psc].disk.directory
        lines = [
            line
            for user in solution_users(disk.role, disk.release)
            for line in certificate_gate.account_flaws(disk, store, user)
        ]
        lines += _roots_apart(lab, fqdn, store)
        shown = lab.network.shown_by(fqdn)
        if shown is not None and shown != _leaf(disk.machine.certificates_pem):
            lines.append("port 443 shows another certificate than MACHINE_SSL_CERT")
        found += [f"{fqdn}: {line}" for line in lines]
    return found + anchors_apart(lab)


def _roots_apart(lab: Lab, fqdn: str, store: DirectoryStore) -> Iterator[str]:
    vecs = lab.nodes[fqdn].disk.vecs
    wanted = trusted_roots.copies_of(store)
    for name in (TRUSTED_ROOTS, CRLS):
        held = {entry.certificates for entry in vecs.entries(name) if entry.copied}
        if held != {entry.certificates for entry in wanted[name]}:
            yield f"{name} differs from the directory"


def _leaf(pem: bytes) -> bytes | None:
    return pki.der(x509.load_pem_x509_certificate(pem)) if pem else None


def anchors_apart(lab: Lab) -> list[str]:
    """Return the endpoints, of each directory, that trust another certificate than is shown."""
    found = []
    for controller in lab.topology.controllers:
        for anchor in registrations.anchors(lab.nodes[controller.fqdn].disk.directory):
            shown = lab.network.shown_by(anchor.host)
            if shown is not None and anchor.trusted and shown not in anchor.trusted:
                found.append(f"{controller.fqdn}: {anchor.uri} is not trusted as it is shown")
    return found


def summary(lab: Lab) -> dict[str, object]:
    """Return everything above as JSON can carry it; no key is in it."""
    return {
        "flaws": [
            f"{found.node} {found.store} {found.alias}: {flaw}"
            for found in stored(lab)
            for flaw in found.flaws
        ],
        "expired": expired(lab),
        "apart": apart(lab),
        "start_refusals": {fqdn: refusals(lab, fqdn) for fqdn in lab.nodes},
    }
