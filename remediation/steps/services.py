"""Steps that restart the services and prove that people can log in again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from stsfix.remediation.errors import ProofError, ServiceRestartError
from stsfix.remediation.inventory_certificates import UnreadPart
from stsfix.remediation.logins.proofs import fatal
from stsfix.remediation.logins.verify import verify_logins
from stsfix.remediation.model import Restart
from stsfix.remediation.nodes.service_expectation import WHY_WORDS
from stsfix.remediation.ports import READ_LIMIT, UNAVAILABLE, Observed
from stsfix.remediation.records import VERIFY_LOGINS
from stsfix.remediation.renewal.notes import UNKNOWN, registered_key
from stsfix.remediation.restarts import (
    ASKED,
    DOWN,
    KEPT,
    KEPT_WORDS,
    LEFT,
    NOT_NEEDED,
    RAN,
    RESTARTED,
    STARTED,
    STEP,
    is_settled,
    left_note,
    restart_waves,
)
from stsfix.remediation.steps.by_hand import ByHand, our_leaf, wait_for_person
from stsfix.remediation.steps.handshakes import prove_shown
from stsfix.remediation.steps.needed import Need

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.ports import Facts, Note, ServiceReport
    from stsfix.remediation.steps.context import StepContext


@dataclass(frozen=True, slots=True)
class RestartServices:
    """Every service of every node was started after the write, the writer's first; or, where the
    run was asked for that, every node that does not work with the new certificate without it.

    VMware's procedure restarts all services on all nodes (KB 316619, KB 318197); nobody knows
    from outside which of them cached the old certificate. Nodes without a transport are restarted
    by a person: the run stops, and proves what can be proven when it is resumed.
    """

    context: StepContext
    leaves: Callable[[], frozenset[str]]
    name: ClassVar[str] = STEP

    def probe(self, noted: Facts) -> Observed:
        """Nodes that are settled are noted; the others are restarted (again)."""
        left = [n for n in self.context.spec.nodes if not is_settled(n.fqdn, noted)]
        return Observed.REPEATABLE if left else Observed.COMPLETE

    def do(self, noted: Facts, note: Note) -> None:
        """Restart what is not settled, wave by wave, the nodes of a wave at the same time.

        Where only nodes in need are restarted, all are proven after each restart, until nobody
        who was left alone is in need.

        Raises:
            ServiceRestartError: Services of a node are down. The others of its wave have been
                restarted or have failed, too; what became of each is noted and told.
            RestartByHandError: Nodes have no transport; the others are restarted, except vCenters
                that log in through such a node.
        """
        seen = dict(noted)

        def write(key: str, value: str) -> None:
            note(key, value)
            seen[key] = value

        while left := [n for n in self.context.spec.nodes if not is_settled(n.fqdn, seen)]:
            if self.context.spec.restart is Restart.NEEDED:
                left = self._in_need(left, seen, write)
            self._pass(left, seen, write)

    def _in_need(self, left: Sequence[NodePlan], noted: Facts, note: Note) -> list[NodePlan]:
        """Return who needs a restart, or was asked for it; if nobody does, all are settled.

        A restart that broke off is made again before anybody is asked anything: what it stopped
        may be the directory that says what to prove.
        """
        begun = [node for node in left if RAN + node.fqdn in noted]
        if begun:
            return begun
        leaf = our_leaf(self.context, self.leaves())
        reasons = Need(context=self.context, leaf=leaf).find(left)
        for fqdn, reason in reasons.items():
            self.context.tell(self.name, fqdn, f"needs a restart: {reason}")
        chosen = [n for n in left if n.fqdn in reasons or ASKED + n.fqdn in noted]
        if not chosen:
            for node in left:
                note(NOT_NEEDED + node.fqdn, self.context.clock.now().isoformat())
                text = "not restarted: every way in works with the new certificate"
                self.context.tell(self.name, node.fqdn, text)
        return chosen

    def _pass(self, nodes: Sequence[NodePlan], noted: Facts, note: Note) -> None:
        waiting: list[NodePlan] = []
        failed: dict[str, list[str]] = {}
        for wave in restart_waves(self.context.spec):
            left = [node for node in wave if node in nodes]
            by_hand = [node for node in left if self.context.services.is_by_hand(node)]
            if waiting and not wave[0].role.has_directory:
                waiting += by_hand  # they log in through a node that waits
                continue
            self._restart([node for node in left if node not in by_hand], noted, note)
            refused = self._confirm(by_hand, noted, note)
            failed |= refused
            waiting += [n for n in by_hand if n.fqdn in refused or ASKED + n.fqdn not in noted]
        if waiting:
            self._ask(waiting, noted, note)
            wait_for_person(waiting, failed)

    def _ask(self, nodes: Sequence[NodePlan], noted: Facts, note: Note) -> None:
        person = ByHand(context=self.context, leaf="")
        for node in nodes:
            person.ask(node, noted, note)
            self.context.tell(self.name, node.fqdn, "waits for a person: it has no transport")

    def _confirm(self, nodes: Sequence[NodePlan], noted: Facts, note: Note) -> dict[str, list[str]]:
        asked = [node for node in nodes if ASKED + node.fqdn in noted]
        if not asked:
            return {}
        leaf = our_leaf(self.context, self.leaves())
        return ByHand(context=self.context, leaf=leaf).confirm(asked, noted, note)

    def _restart(self, nodes: Sequence[NodePlan], noted: Facts, note: Note) -> None:
        def restart(node: NodePlan) -> ServiceRestartError | None:
            self.context.tell(self.name, node.fqdn, "restarting all services")
            try:
                report = self.context.services.restart_all(
                    node, limit=self.context.limits.services, ran=self._ran(node, noted, note)
                )
            except ServiceRestartError as error:
                self._failed(node, error, note)
                return error
            if DOWN + node.fqdn in noted:
                note(DOWN + node.fqdn, "")
            self._restarted(node, report, noted, note)
            return None

        failures = [error for error in self.context.each(nodes, restart) if error is not None]
        for error in failures[1:]:  # the first is shown whole
            for line in error.evidence:
                self.context.tell(self.name, error.node, line)
        if failures:
            raise failures[0]

    def _ran(self, node: NodePlan, noted: Facts, note: Note) -> tuple[str, ...]:
        """Return what ran on *node* before the first attempt, empty if nobody can tell. What was
        only starting then counts where preflight could not list what ran.
        """
        known = noted.get(RAN + node.fqdn)
        if known is None:
            known = ",".join(self._runs(node))
            note(RAN + node.fqdn, known)  # from now on its restart has begun
        return tuple(name for name in known.split(",") if name)

    def _runs(self, node: NodePlan) -> tuple[str, ...]:
        limit = min(READ_LIMIT, self.context.limits.services / 4)  # as the restart's own looks
        try:
            report = self.context.services.read_services(node, limit=limit)
        except UNAVAILABLE:
            return ()  # the restart finds out by itself whether it gets through
        return report.running if node.ran else report.under_way

    def _restarted(self, node: NodePlan, report: ServiceReport, noted: Facts, note: Note) -> None:
        started = ",".join(report.started)
        if started:
            note(STARTED + node.fqdn, started)
        if report.left:
            note(LEFT + node.fqdn, left_note(report.left))
        if report.kept or KEPT + node.fqdn in noted:
            note(KEPT + node.fqdn, ",".join(report.kept))
        note(RESTARTED + node.fqdn, self.context.clock.now().isoformat())
        came = f"; {', '.join(report.started)} did not run before" if started else ""
        self.context.tell(self.name, node.fqdn, f"{len(report.running)} services run{came}")
        for each in report.left:
            text = f"warning: {each.service} did not come up: {WHY_WORDS[each.why]}"
            self.context.tell(self.name, node.fqdn, text)
        for name in report.kept:
            self.context.tell(self.name, node.fqdn, f"warning: {name} {KEPT_WORDS}")

    def _failed(self, node: NodePlan, error: ServiceRestartError, note: Note) -> None:
        note(DOWN + node.fqdn, ",".join(error.stopped))
        what = "NOT all restarted" if error.reason else "did NOT start"
        self.context.tell(self.name, node.fqdn, f"{what}: {', '.join(error.stopped)}")

    def undo(self, noted: Facts, note: Note) -> None:
        """Covered by the revert of replace-sts."""


@dataclass(frozen=True, slots=True)
class VerifyLogins:
    """Every STS signs with our leaf and every vCenter lets the administrator in."""

    context: StepContext
    leaves: Callable[[], frozenset[str]]
    shown: Callable[[str], Collection[bytes]]
    name: ClassVar[str] = VERIFY_LOGINS

    def probe(self, noted: Facts) -> Observed:
        """Proving again is harmless."""
        del noted
        return Observed.REPEATABLE

    def do(self, noted: Facts, note: Note) -> None:
        """See every renewed machine certificate shown, then try every way in on every node; each
        that works is noted. Where services were left alone, every vCenter has to take a token of
        every STS.

        Raises:
            ProofError: At least one does not; the first one is named, all were shown.
            ForeignEntriesError: Our credential is not in the directory, or does not sign.
        """
        del noted
        context = self.context
        prove_shown(context, self.name, self.shown, note)
        leaf = our_leaf(context, self.leaves())
        proofs = verify_logins(
            context.spec.nodes,
            context.logins,
            expected=frozenset({leaf}),
            clock=context.clock,
            limit=context.limits.logins,
            every=context.limits.poll,
            progress=context.hook,
            across=context.spec.restart is Restart.NEEDED,  # nobody proved it by a restart
        )
        for proof in sorted(proofs, key=lambda proof: not proof.ok):  # the last of a way stays
            words = "ok" if proof.ok else "unavailable" if proof.unavailable else "failed"
            note(f"{proof.way}.{proof.node}", words)
        for proof in fatal(proofs):
            raise ProofError(proof.node, proof.way, proof.detail)
        for proof in proofs:
            if not proof.ok:
                text = f"warning: its {proof.way} could not be had; its token is proven"
                context.tell(self.name, proof.node, text)
        if context.spec.renewals:
            self._note_registered(note)

    def _note_registered(self, note: Note) -> None:
        """Note which extensions are registered: who has to learn the new certificates."""
        context = self.context
        for node in context.spec.vcenters:
            found = context.renewal.extensions.read_extensions(node)
            if isinstance(found, UnreadPart):
                note(registered_key(0, node.fqdn), UNKNOWN)
                text = f"its extensions could not be read: {found.reason}"
                context.tell(self.name, node.fqdn, text)
                continue
            for number, extension in enumerate(found, start=1):
                note(registered_key(number, node.fqdn), extension.key)

    def undo(self, noted: Facts, note: Note) -> None:
        """Nothing was changed."""
