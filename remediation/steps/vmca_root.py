"""The step that gives VMCAs a new root, before anything is signed with it.

The root is made here, published to the directory, seen on every node with one, and only then
given to VMCA: nothing is ever signed by a root that somebody does not know yet. The old one
stays among the trusted roots.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from cryptography.hazmat.primitives.serialization import Encoding

from stsfix.remediation.errors import ReplicationOverdueError, VecsError
from stsfix.remediation.pki import issuing, vecs
from stsfix.remediation.pki.certificates import fingerprint
from stsfix.remediation.ports import Observed
from stsfix.remediation.renewal.notes import NEW_VMCA_ROOT, old_root_key, root_key, roots
from stsfix.remediation.steps.clocks import require_clock
from stsfix.remediation.steps.tools import await_vmca
from stsfix.remediation.steps.way_back import revert_all
from stsfix.snapshot.errors import TransientError
from stsfix.snapshot.polling import poll_until
from stsfix.snapshot.secret import Secret

if TYPE_CHECKING:
    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.ports import Facts, Note
    from stsfix.remediation.steps.context import StepContext

VALIDITY = timedelta(days=3650)
"""What VMCA gives its own (VMCA_DEFAULT_CA_CERT_VALIDITY, Lightwave a04d9171)."""


@dataclass(frozen=True, slots=True)
class NewVmcaRoot:
    """VMCAs whose root ended issue with a new one, which every node trusts."""

    context: StepContext
    name: ClassVar[str] = NEW_VMCA_ROOT

    def probe(self, noted: Facts) -> Observed:
        """A VMCA that issues with neither its old root nor ours was changed by somebody else."""
        for fqdn in self.context.spec.new_roots:
            current = fingerprint(await_vmca(self.context, self.context.spec.node(fqdn)).chain[0])
            before = noted.get(old_root_key(fqdn), current)
            if current not in {before, *roots(noted, fqdn)}:
                return Observed.UNCLEAR
        return Observed.REPEATABLE

    def do(self, noted: Facts, note: Note) -> None:
        """Make, publish and install each root unless its VMCA has it; then let every node's
        TRUSTED_ROOTS catch up.
        """
        context = self.context
        made = []
        for fqdn in context.spec.new_roots:
            node = context.spec.node(fqdn)
            ours = roots(noted, fqdn)
            current = await_vmca(context, node).chain[0]
            if ours:  # an attempt died: its script, with a key, may still lie there, or run
                context.renewal.stores.sweep(node)
                current = await_vmca(context, node).chain[0]
            if fingerprint(current) in ours:
                root = current
                self._publish(root)
            else:
                self._remove_orphans(ours)
                note(old_root_key(fqdn), fingerprint(current))
                root = self._replace(node, len(ours) + 1, note)
            made.append(root)
        context.each(context.spec.nodes, lambda node: self._trust(node, made))

    def undo(self, noted: Facts, note: Note) -> None:
        """Revert the whole set and leave every node off."""
        del noted, note
        revert_all(self.context, self.name)

    def _replace(self, node: NodePlan, attempt: int, note: Note) -> bytes:
        context = self.context
        require_clock(context, node.fqdn)
        key = context.renewal.new_key()
        now = context.clock.now()
        not_before, not_after = issuing.leaf_dates([], now=now, validity=VALIDITY)
        root = issuing.make_vmca_root(
            key,
            domain=context.spec.domain,
            node=node.fqdn,
            not_before=not_before,
            not_after=not_after,
        ).public_bytes(Encoding.DER)
        note(root_key(attempt, node.fqdn), fingerprint(root))
        self._publish(root)
        context.renewal.authority.install_root(node, root, Secret(issuing.pkcs8(key)))
        text = f"VMCA has a new root, sha256:{fingerprint(root)}, until {not_after:%Y-%m-%d}"
        context.tell(self.name, node.fqdn, text)
        return root

    def _remove_orphans(self, ours: tuple[str, ...]) -> None:
        """Remove roots of ours that no VMCA got: their keys are forgotten."""
        registrations = self.context.directory(self.context.spec.writer).registrations
        for root in registrations.read_roots() if ours else ():
            if fingerprint(root) in ours:
                registrations.remove_root(root)

    def _publish(self, root: bytes) -> None:
        """Add *root* to the trusted roots and wait until every directory has it.

        Raises:
            ReplicationOverdueError: Some node lacks it at the limit; no VMCA has it either, or
                it had it before.
        """
        context, spec = self.context, self.context.spec
        if context.directory(spec.writer).add_trusted_root(root):
            context.tell(self.name, spec.writer, "published the new root to the directory")
        behind: list[str] = []
        started = context.clock.monotonic()

        def everywhere() -> bool | None:
            behind[:] = [n.fqdn for n in spec.directories if not self._knows(n.fqdn, root)]
            return None if behind else True

        limits = context.limits
        if not poll_until(
            everywhere, clock=context.clock, limit=limits.replication, every=limits.poll
        ):
            waited = context.clock.monotonic() - started
            raise ReplicationOverdueError(spec.writer, behind, waited)

    def _knows(self, fqdn: str, root: bytes) -> bool:
        try:
            return root in self.context.directory(fqdn).registrations.read_roots()
        except TransientError:
            return False

    def _trust(self, node: NodePlan, wanted: list[bytes]) -> None:
        """Let *node* copy the trusted roots until it has *wanted*.

        Raises:
            VecsError: It does not; services on it would refuse what is signed next.
        """
        context, stores = self.context, self.context.renewal.stores

        def trusts() -> bool | None:
            try:
                stores.refresh_roots(node)
            except VecsError:  # vmafd of a node that was just started
                return None
            entries = stores.read_stores(node, {vecs.TRUSTED_ROOTS}).entries
            held = {c for e in entries for c in e.certificates}
            return True if held.issuperset(wanted) else None

        limits = context.limits
        if not poll_until(trusts, clock=context.clock, limit=limits.services, every=limits.poll):
            raise VecsError(node.fqdn, f"{vecs.TRUSTED_ROOTS} lacks the new root of VMCA")
        context.tell(self.name, node.fqdn, "trusts the new root")
