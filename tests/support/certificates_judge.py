"""Whose certificates a lab holds where, in words that are equal twice although keys are fresh."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from stsfix.lab import certificate_gate, judge_certificates, pki
from stsfix.lab.extensions import thumbprint
from stsfix.lab.vecs import MACHINE_SSL, TRUSTED_ROOTS, EntryKind
from stsfix.lab.vmca import FOLDER, vmca_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from stsfix.lab.lab import Lab
    from stsfix.lab.vecs import VecsEntry

VMCA_FOLDER = f"{FOLDER}/"


class CertificatesJudge:
    """Knows which certificates a lab had before any run: in VECS, in VMCA, and in the database of
    vCenter.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._before = self._held()
        self._names = {leaf: where for where, leaf in _leaves(lab).items()}

    def now(self) -> dict[str, Any]:
        """Return all that can be equal twice in the middle of a run."""
        lab = self._lab
        return {
            "stores": {where: self._origin(where, leaf) for where, leaf in _leaves(lab).items()},
            "authorities": {
                fqdn: self._authority(fqdn) for fqdn in lab.nodes if self._root(fqdn) is not None
            },
            "extensions": self._extensions(),
            "accounts apart": [
                line for line in judge_certificates.apart(lab) if TRUSTED_ROOTS not in line
            ],
        }

    def false_pins(self, pins: Mapping[str, str]) -> list[str]:
        """Return the nodes whose machine certificate is not what *pins* says (``sha256:...``)."""
        machines = [c for c in judge_certificates.stored(self._lab) if c.store == MACHINE_SSL]
        held = {found.node: f"sha256:{found.sha256}" for found in machines}
        return [fqdn for fqdn, pin in pins.items() if held.get(fqdn) != pin]

    def false_roots(self, roots: Mapping[str, str]) -> list[str]:
        """Return the nodes whose VMCA issues with another root than *roots* says."""
        held = {fqdn: self._root(fqdn) for fqdn in roots}
        return [
            fqdn
            for fqdn, root in held.items()
            if root is None or f"sha256:{pki.sha256(root)}" != roots[fqdn]
        ]

    def changes(self) -> list[str]:
        """Return what is not as before."""
        return sorted(self._held() ^ self._before)

    def _held(self) -> set[str]:
        """Return everything, one line each. Copies of trusted roots come and go with the
        directory, which is judged for itself.
        """
        lab = self._lab
        return {
            *(
                f"{c.node} {c.store} {c.alias} {c.sha256}"
                for c in judge_certificates.stored(lab)
                if c.store != TRUSTED_ROOTS
            ),
            *(
                f"{fqdn} {path} {hash(file.content)}"
                for fqdn, node in lab.nodes.items()
                for path in vmca_files(node.disk)
                if (file := node.disk.files.get(path)) is not None
            ),
            *(
                f"{fqdn} {row.ext_id} {row.thumbprint}"
                for fqdn, node in lab.nodes.items()
                for row in node.disk.extensions.values()
            ),
        }

    def _origin(self, where: str, leaf: x509.Certificate) -> str:
        """Say where *leaf* was before, or who made it."""
        before = self._names.get(leaf)
        if before is not None:
            return "as before" if before == where else f"before in {before}"
        signers = [fqdn for fqdn in self._lab.nodes if _issued(leaf, self._root(fqdn))]
        return f"new, by {', '.join(signers) or 'nobody'}"

    def _root(self, fqdn: str) -> x509.Certificate | None:
        """Return what VMCA of a node has on its disk, None if it has none."""
        disk = self._lab.nodes[fqdn].disk
        file = disk.files.get(vmca_files(disk)[0])
        return None if file is None else x509.load_pem_x509_certificates(file.content)[0]

    def _authority(self, fqdn: str) -> tuple[str, list[str]]:
        """Say whether VMCA of a node has another root than before, and which nodes trust it."""
        nodes, root = self._lab.nodes, self._root(fqdn)
        path = vmca_files(nodes[fqdn].disk)[0]
        content = nodes[fqdn].disk.files[path].content
        known = f"{fqdn} {path} {hash(content)}" in self._before
        trusting = [n for n in nodes if root in certificate_gate.trusted(nodes[n].disk.vecs)]
        return ("as before" if known else "new", trusting)

    def _extensions(self) -> dict[str, str]:
        """Return in which entry the certificate is by which vCenter knows each extension."""
        now = {thumbprint(leaf): where for where, leaf in _leaves(self._lab).items()}
        before = {thumbprint(leaf): f"before in {where}" for leaf, where in self._names.items()}
        names = {"": "none", **before, **now}
        return {
            f"{fqdn} {row.ext_id}": names.get(row.thumbprint, "unknown")
            for fqdn, node in self._lab.nodes.items()
            for row in node.disk.extensions.values()
        }


def _leaves(lab: Lab) -> dict[str, x509.Certificate]:
    """Return the leaf of every entry of every store, but copies of trusted roots."""
    return {
        f"{fqdn} {store} {entry.alias}": leaf
        for fqdn, node in lab.nodes.items()
        for store in node.disk.vecs.names()
        for entry in node.disk.vecs.entries(store)
        if store != TRUSTED_ROOTS
        for leaf in _leaf(entry)
    }


def _leaf(entry: VecsEntry) -> Iterator[x509.Certificate]:
    if entry.kind in (EntryKind.CRL, EntryKind.SECRET_KEY):
        return
    try:
        yield entry.chain()[0]
    except ValueError:
        return


def _issued(leaf: x509.Certificate, root: x509.Certificate | None) -> bool:
    if root is None:
        return False
    try:
        leaf.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True
