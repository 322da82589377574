"""Which nodes need a restart, by proof: from 8.0 on an STS takes a new credential by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stsfix.remediation.certificates import Certificate, Expiry, classify, fingerprint, parse
from stsfix.remediation.checks import SOON
from stsfix.remediation.errors import NodeUnreachableError, ProofError
from stsfix.remediation.restarts import STEP, down_of, in_need
from stsfix.remediation.sts import leaf_of
from stsfix.remediation.verify import verify_logins
from stsfix.snapshot.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.steps.context import StepContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Finds out who needs a restart. *leaf* is what every STS has to sign with."""

    context: StepContext
    leaf: str

    def find(self, nodes: Sequence[NodePlan]) -> dict[str, str]:
        """Return those of *nodes* that need a restart, each with the reason in one line.

        First an STS that publishes another certificate, which needs no waiting; with none of
        them, what fails of every way in, a token of each STS to each vCenter included; then
        services that logins need and that do not run, or cannot be listed.
        """
        stale = {n.fqdn: why for n in nodes if n.role.has_directory and (why := self._stale(n))}
        if stale:
            return stale
        context = self.context
        proofs = verify_logins(
            context.spec.nodes,
            context.logins,
            expected=frozenset({self.leaf}),
            clock=context.clock,
            limit=self._patience(),
            every=context.limits.poll,
            progress=lambda event: context.hook(replace(event, step=STEP)),
            across=True,
        )
        wanted = {node.fqdn for node in nodes}
        found = {fqdn: why for fqdn, why in in_need(proofs).items() if fqdn in wanted}
        for node in nodes:
            if node.fqdn not in found and (why := self._down(node)):
                found[node.fqdn] = why
        return found

    def _stale(self, node: NodePlan) -> str:
        """Return what its STS publishes instead of our leaf; empty if it is that."""
        try:
            shown = fingerprint(self.context.logins.read_published_leaf(node.fqdn))
        except (NodeUnreachableError, ProofError) as error:
            return str(error)
        return "" if shown == self.leaf else f"its STS publishes sha256:{shown}"

    def _down(self, node: NodePlan) -> str:
        services = self.context.services
        if services.is_by_hand(node):
            return ""
        try:
            down = down_of(services.read_services(node), node.platform)
        except OperationError as error:
            return f"its services could not be listed: {error}"
        return f"{', '.join(down)} do not run" if down else ""

    def _patience(self) -> timedelta:
        """Return how long late services are waited for.

        With an old certificate that had expired, vpxd gave up at power-on and will not come.
        """
        limits = self.context.limits
        writer = self.context.spec.writer
        entries = self.context.directory(writer).read_sts_entries()
        others = [c for c in entries.credentials if leaf_of(c) != self.leaf and c.chain]
        if not others:
            return limits.publish
        signed = max(others, key=lambda entry: entry.index or 0)
        leaf = parse(signed.chain[0])
        now = self.context.clock.now()
        works = isinstance(leaf, Certificate) and classify(leaf, now, SOON) in {
            Expiry.VALID,
            Expiry.EXPIRING,
        }
        return limits.logins if works else limits.publish
