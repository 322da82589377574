"""Which nodes need a restart, by proof: from 8.0 on an STS takes a new credential by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stsfix.remediation.checks.domain import SOON
from stsfix.remediation.directory.sts import leaf_of
from stsfix.remediation.errors import NodeUnreachableError, ProofError
from stsfix.remediation.errors_run import InterruptedRunError
from stsfix.remediation.logins.verify import verify_logins
from stsfix.remediation.pki.certificates import Certificate, Expiry, classify, fingerprint, parse
from stsfix.remediation.restarts import STEP, down_of, in_need, lost_of
from stsfix.snapshot.errors import AnswerTooLargeError, OperationError
from stsfix.snapshot.polling import poll_until

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from stsfix.remediation.model import LoginProof, NodePlan
    from stsfix.remediation.steps.context import StepContext


Reasons = dict[str, str]
"""Why each node, by FQDN, needs a restart, in one line."""

_LOOKS = 3
"""How often a way in is tried where what does not work by then is not going to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Finds out who needs a restart. *leaf* is what every STS has to sign with."""

    context: StepContext
    leaf: str

    def find(self, nodes: Sequence[NodePlan]) -> Reasons:
        """Return those of *nodes* that need a restart, each with the reason in one line.

        First what needs no waiting: an STS that publishes another certificate, then, if the old
        certificate had expired, services that logins need and that do not run, or cannot be
        listed: vpxd gave up at power-on and will not come. With none of them, what fails of every
        way in, a token of each STS to each vCenter included; at last such services again, which
        had their time by then, and those that ran at preflight, which get as long as logins: what
        gave up at power-on does not come by itself. Where only others fail, who were restarted
        before, they get the time that services need to come up: until then nobody knows whose
        tokens are refused.

        Raises:
            ProofError: Of the others some way in still fails, so nobody can be left alone.
        """
        stale = {n.fqdn: why for n in nodes if n.role.has_directory and (why := self._stale(n))}
        if stale:
            return stale
        limits = self.context.limits
        gave_up = not self._old_one_works()
        down = self._down(nodes) if gave_up else {}
        if down:
            return down
        wanted = {node.fqdn for node in nodes}
        proofs = self._prove(_LOOKS * limits.poll if gave_up else limits.logins)
        found = in_need(proofs)
        if gave_up and found and not found.keys() & wanted:
            proofs = self._prove(limits.logins)
            found = in_need(proofs)
        if found and not found.keys() & wanted:
            first = next(proof for proof in proofs if not proof.ok and proof.node in found)
            raise ProofError(first.node, first.way, first.detail)
        return {fqdn: why for fqdn, why in found.items() if fqdn in wanted} or self._lacking(nodes)

    def _prove(self, limit: timedelta) -> tuple[LoginProof, ...]:
        context = self.context
        return verify_logins(
            context.spec.nodes,
            context.logins,
            expected=frozenset({self.leaf}),
            clock=context.clock,
            limit=limit,
            every=context.limits.poll,
            progress=lambda event: context.hook(replace(event, step=STEP)),
            across=True,
        )

    def _stale(self, node: NodePlan) -> str:
        """Return what its STS publishes instead of our leaf; empty if it is that."""
        try:
            shown = fingerprint(self.context.logins.read_published_leaf(node.fqdn))
        except (NodeUnreachableError, ProofError, AnswerTooLargeError) as error:
            return str(error)
        return "" if shown == self.leaf else f"its STS publishes sha256:{shown}"

    def _lacking(self, nodes: Sequence[NodePlan]) -> Reasons:
        """Return who lacks services that logins need, or else that ran at preflight; these are
        waited for.
        """
        lost: Reasons = {}

        def look() -> Reasons | None:
            nonlocal lost
            down, lost = self._services(nodes)
            return None if lost and not down else down

        limits = self.context.limits
        found = poll_until(look, clock=self.context.clock, limit=limits.logins, every=limits.poll)
        return lost if found is None else found

    def _down(self, nodes: Sequence[NodePlan]) -> Reasons:
        """Return who lacks services that logins need."""
        return self._services(nodes)[0]

    def _services(self, nodes: Sequence[NodePlan]) -> tuple[Reasons, Reasons]:
        """Return who lacks services that logins need, and who lacks others that ran before."""

        def look(node: NodePlan) -> tuple[str, str]:
            if self.context.services.is_by_hand(node):
                return "", ""
            try:
                report = self.context.services.read_services(node)
            except InterruptedRunError:
                raise
            except OperationError as error:
                return f"its services could not be listed: {error}", ""
            down, lost = down_of(report, node.platform), lost_of(report, node)
            return (
                f"not running: {', '.join(down)}" if down else "",
                f"not running, as it did before the run: {', '.join(lost)}" if lost else "",
            )

        found = dict(zip((n.fqdn for n in nodes), self.context.each(nodes, look), strict=True))
        return (
            {fqdn: down for fqdn, (down, _) in found.items() if down},
            {fqdn: lost for fqdn, (_, lost) in found.items() if lost},
        )

    def _old_one_works(self) -> bool:
        """Tell whether the certificate that signed before had not expired."""
        writer = self.context.spec.writer
        entries = self.context.directory(writer).read_sts_entries()
        others = [c for c in entries.credentials if leaf_of(c) != self.leaf and c.chain]
        if not others:
            return False
        signed = max(others, key=lambda entry: entry.index or 0)
        leaf = parse(signed.chain[0])
        now = self.context.clock.now()
        sound = {Expiry.VALID, Expiry.EXPIRING}
        return isinstance(leaf, Certificate) and classify(leaf, now, SOON) in sound
