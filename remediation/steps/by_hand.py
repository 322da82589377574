"""Nodes without a transport: a person restarts their services, and what proves it is looked at."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stsfix.remediation.errors_run import InterruptedRunError, RestartByHandError
from stsfix.remediation.logins.verify import verify_logins
from stsfix.remediation.pki.certificates import fingerprint
from stsfix.remediation.restarts import (
    ASKED,
    BOOTED,
    BY_HAND,
    COMMANDS,
    CYCLES,
    SEEN_WORDS,
    STEP,
    seen_of,
)
from stsfix.remediation.steps.agreement import require_signing
from stsfix.snapshot.errors import OperationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.ports import Note
    from stsfix.remediation.steps.context import StepContext


def our_leaf(context: StepContext, leaves: frozenset[str]) -> str:
    """Return the SHA-256 of the new leaf, with which the STS signs by the writer's directory.

    Raises:
        ForeignEntriesError: Our credential, one of *leaves*, is not there with its chain, or
            another one signs: then no way in would show ours, however long it were tried.
    """
    entries = context.directory(context.spec.writer).read_sts_entries()
    return fingerprint(require_signing(entries, leaves)[0].chain[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class ByHand:
    """A person's part of a restart. *leaf* is what every STS has to sign with."""

    context: StepContext
    leaf: str

    def ask(self, node: NodePlan, noted: Mapping[str, str], note: Note) -> None:
        """Note that a person is asked for *node*, and what the node tells before; once."""
        if ASKED + node.fqdn in noted:
            return
        cycles, booted = self._cycles(node), self._booted(node)
        if cycles is not None:
            note(CYCLES + node.fqdn, str(cycles))
        if booted is not None:
            note(BOOTED + node.fqdn, booted.isoformat())
        note(ASKED + node.fqdn, self.context.clock.now().isoformat())

    def confirm(
        self, nodes: Sequence[NodePlan], noted: Mapping[str, str], note: Note
    ) -> dict[str, list[str]]:
        """Prove every way in on *nodes*, of which a person said that they were restarted.

        Nobody is believed: a node whose ways do not all work is not settled. For each that is,
        what was seen of the restart is noted and told, and with it what cannot be seen.

        Returns:
            For each node that is not settled, what does not work.
        """
        if not nodes:
            return {}
        context = self.context
        wanted = {node.fqdn for node in nodes}
        # A vCenter on a PSC is proven by a token of its STS, so that is among them.
        proofs = verify_logins(
            (*nodes, *(n for n in context.spec.directories if n.fqdn not in wanted)),
            context.logins,
            expected=frozenset({self.leaf}),
            clock=context.clock,
            limit=context.limits.publish,
            every=context.limits.poll,
            progress=lambda event: context.hook(replace(event, step=STEP)),
        )
        failed: dict[str, list[str]] = {}
        for proof in proofs:
            if not proof.ok and proof.node in wanted:
                failed.setdefault(proof.node, []).append(f"{proof.way}: {proof.detail}")
        for node in nodes:
            if node.fqdn not in failed:
                seen = seen_of(
                    node.fqdn, noted, cycles=self._cycles(node), booted=self._booted(node)
                )
                note(BY_HAND + node.fqdn, seen.value)
                context.tell(STEP, node.fqdn, f"counts as restarted by hand: {SEEN_WORDS[seen]}")
        return failed

    def _cycles(self, node: NodePlan) -> int | None:
        if not node.role.has_directory:
            return None
        try:
            return self.context.directory(node.fqdn).read_replication_status().cycles
        except InterruptedRunError:
            raise
        except OperationError:
            return None  # it only tells more than the logins do

    def _booted(self, node: NodePlan) -> datetime | None:
        try:
            return self.context.coordinator.observe([node.vm])[node.vm].booted
        except InterruptedRunError:
            raise
        except OperationError:
            return None  # as above


def wait_for_person(nodes: Sequence[NodePlan], failed: Mapping[str, Sequence[str]]) -> None:
    """End the run here; *failed* is what does not work on nodes that were asked for before.

    Raises:
        RestartByHandError: Always.
    """
    raise RestartByHandError(
        [node.fqdn for node in nodes],
        [COMMANDS[node.platform] for node in nodes],
        evidence=[f"{fqdn}: {line}" for fqdn, lines in failed.items() for line in lines],
    )
