"""What the commands do with a run: start, carry on, take back, release. Prints nothing."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from stsfix.plugin.new_trust import pinned_by_run
from stsfix.plugin.operator_name import holder, operator
from stsfix.plugin.sources import preflight_sources
from stsfix.plugin.taking_over import TakingOver
from stsfix.plugin.whereabouts import Whereabouts
from stsfix.remediation.checks.acceptance import accept, parse_acceptances
from stsfix.remediation.checks.findings import RULES
from stsfix.remediation.checks.preflight import assess, plan_run, run_name
from stsfix.remediation.checks.renewal import NOTHING, Wish, renewal_of
from stsfix.remediation.discovery.domain import Discovery
from stsfix.remediation.durations import durations_of, phases
from stsfix.remediation.engine import run as carry_on
from stsfix.remediation.engine import turn_back
from stsfix.remediation.errors_run import InterruptedRunError, PlanChangedError, RunStateError
from stsfix.remediation.journal import Journal
from stsfix.remediation.newcomers import (
    about_to_write,
    known_nodes,
    may_have_reverted,
    require_no_newcomer,
    reverts,
)
from stsfix.remediation.plan import (
    build_steps,
    require_undoable,
    require_way_back,
    step_names,
    steps_of,
)
from stsfix.remediation.records import REPLACE_STS, Mark, MarkRecord, Phase, marks, noted, turn
from stsfix.remediation.renewal.notes import shown_leaves
from stsfix.remediation.renewal.plan import NO_RENEWAL
from stsfix.remediation.steps.credential import written_leaves
from stsfix.remediation.steps.export import plan_of, restore
from stsfix.remediation.steps.older_journal import (
    began_snapshots,
    require_newest,
    require_no_export,
    require_no_snapshot,
)
from stsfix.snapshot.fleet import raise_worst
from stsfix.snapshot.model import PowerState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from stsfix.plugin.wiring import Wiring
    from stsfix.remediation.directory.sts_export import StsExport
    from stsfix.remediation.directory.sts_restore import RestorePlan
    from stsfix.remediation.durations import Phase as RunPhase
    from stsfix.remediation.inventory import Inventory
    from stsfix.remediation.journal import JournalFile
    from stsfix.remediation.model import Finding, RunSpec
    from stsfix.remediation.ports import Step
    from stsfix.remediation.renewal.plan import RenewalPlan
    from stsfix.remediation.steps.context import StepContext
    from stsfix.snapshot.coordinator import Released
    from stsfix.snapshot.ports import Clock


EARLIER_PINS = (
    "A revert brings the certificates of before the run back: put the pins of before into"
    " domain.toml first. Until then the run believes what it made, besides them."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What ``stsfix run`` was asked. *force* replaces a sound credential too."""

    issuer: str
    validity_days: int
    retire: bool
    force: bool


class Runs(TakingOver):
    """The runs of one state folder, worked on with the adapters of one configuration."""

    def __init__(
        self,
        file: JournalFile,
        wiring: Wiring,
        *,
        stop_requested: Callable[[], bool],
        open_journal: Callable[[JournalFile, str, Clock], Journal] = Journal,
    ) -> None:
        super().__init__(file, wiring, open_journal)
        self._where = Whereabouts(wiring)
        self._stop_requested = stop_requested

    def locked(self) -> AbstractContextManager[None]:
        """Hold the configured domain; everything below is called inside it."""
        return self._file.locked(self._wiring.settings.sso.domain, holder())

    def look(
        self, taken: Sequence[str] = (), wish: Wish = NOTHING
    ) -> tuple[Inventory, tuple[Finding, ...]]:
        """Read everything and judge it; changes nothing. *taken* are risks the operator takes,
        as ``ID`` or ``ID:object``; *wish* is what a run is to renew.

        Raises:
            AcceptanceError: One of them cannot be taken; nobody was asked anything.
        """
        acceptances = parse_acceptances(taken, RULES)
        inventory = Discovery(preflight_sources(self._wiring)).discover()
        return inventory, accept(assess(inventory, renewal_of(inventory, wish)), acceptances)

    def outlook(
        self, inventory: Inventory, renewal: RenewalPlan = NO_RENEWAL
    ) -> tuple[RunPhase, ...]:
        """Return what a run would do to whom and how long it takes, as measured by the newest
        run of the same nodes if this state folder has one. Nothing if nobody told which nodes
        the domain has: those that were configured may not be all.
        """
        if inventory.topology is None:
            return ()
        roles = {node.fqdn: node.role for node in inventory.nodes}
        plan = step_names(
            retire=self._wiring.settings.sts.retire_old,
            renews=bool(renewal.planned),
            new_root=bool(renewal.new_roots),
        )
        for name in reversed(self._file.names(inventory.domain)):
            try:
                stored = self._file.read(name)
            except PlanChangedError:  # of a later version: whoever goes on with it is told
                continue
            measured = durations_of(stored.records)
            if measured and {n.fqdn: n.role for n in stored.spec.nodes} == roles:
                return phases(roles, plan, measured=measured, measured_by=name)
        return phases(roles, plan)

    def prepare(
        self,
        inventory: Inventory,
        findings: tuple[Finding, ...],
        options: RunOptions,
        renewal: RenewalPlan = NO_RENEWAL,
    ) -> RunSpec:
        """Return what a new run would do; nothing is written or changed.

        Raises:
            DomainLockedError: Another run of the domain is open in this state folder.
            PreflightBlockedError, NothingToRepairError: See `plan_run`.
            IssuerError: The configured CA cannot make the credential.
        """
        self.refuse_open_run(inventory.domain)
        spec = plan_run(
            inventory,
            findings,
            run=run_name(self._wiring.clock.now(), secrets.token_hex(2)),
            issuer=options.issuer,
            validity_days=options.validity_days,
            retire=options.retire,
            force=options.force,
            by=operator(),
            renewal=renewal,
        )
        self._wiring.check_issuer(spec)
        return spec

    def start(self, spec: RunSpec, saved_inventory: str) -> None:
        """Write a new run to the journal; nothing else has happened yet."""
        self._file.create(
            spec,
            steps_of(spec),
            version=metadata.version("stsfix"),
            inventory=saved_inventory,
        ).close()

    def carry_on(self, run: str) -> Phase:
        """Go on with *run* in the direction it has; backwards see `roll_back`.

        Raises:
            NoWayBackError: See `plan.require_undoable`.
            NodesJoinedError: It would write next, and its way back would leave them behind.
            OlderJournalError: See `require_newest`; of a new run its first step looks.
            OperationError: See `engine.run`.
        """
        if turn(self._file.read(run).records) is Mark.ROLLBACK:
            return self.roll_back(run)
        with self._opened(run) as journal:
            self._where.follow(journal)
            context = self._wiring.step_context(journal.spec, self._file.folder)
            if journal.records:
                require_newest(context, journal.records)
            require_undoable(context, journal.records)
            if about_to_write(journal.records):
                self._require_none_joined(context, journal, unwritten=True)
            return self._go_on(journal)

    def _go_on(self, journal: Journal) -> Phase:
        return carry_on(
            self._steps(journal),
            journal,
            progress=self._wiring.hook,
            stop_requested=self._stop_requested,
        )

    def roll_back(self, run: str) -> Phase:
        """Take *run* back; every node is on as it was before the run, or an error tells. Until
        every VM and what it would go back to is seen, the run stays what it is.

        Raises:
            RunStateError: See `require_reversible`, `require_earlier_pins`.
            NodesJoinedError: The domain has nodes that would not go back; nothing was done.
            OlderJournalError: See `require_newest`.
            InterruptedRunError: A stop was asked for; before the first record nothing was done.
            OperationError: See `plan.require_way_back` and `engine.run`.
        """
        self.require_reversible(run)
        self.require_earlier_pins(run)
        with self._opened(run) as journal:
            self._where.follow(journal, always=True)
            context = self._wiring.step_context(journal.spec, self._file.folder)
            require_newest(context, journal.records)
            self._require_same_domain(context, journal)
            require_way_back(context, journal.plan, journal.records)
            self._require_wanted(journal, "rollback", Mark.ROLLBACK)
            turn_back(journal)
            return self._go_on(journal)

    def require_earlier_pins(self, run: str) -> None:
        """Return if nodes are still known after *run* was taken back, as far as pins tell.

        Raises:
            RunStateError: domain.toml pins nodes by certificates that it made; nothing was done.
        """
        pinned = pinned_by_run(self._file.read(run), self._wiring.settings.trusts)
        if pinned:
            state = f"what made the certificates by which domain.toml pins {', '.join(pinned)}"
            error = RunStateError(run, state, "rolled back")
            error.add_note(EARLIER_PINS)
            raise error

    def read_export(self, run: str) -> StsExport:
        """Return the STS entries that *run* saved before its first write.

        Raises:
            RunNotFoundError: No such run.
            ExportError: It saved none, or the passphrase is another one.
        """
        self._file.read(run)
        return self._wiring.exports(self._file.folder).load(run)

    def plan_restore(self, run: str, export: StsExport) -> RestorePlan:
        """Return what `restore` would change now; reads only.

        Raises:
            OlderJournalError: See `require_no_export`.
            RestoreRefusedError: It would harm what is there.
        """
        stored = self._file.read(run)
        require_no_export(stored.spec, stored.records)
        self._wiring.believe(lambda node: shown_leaves(stored.records, node))
        context = self._wiring.step_context(stored.spec, self._file.folder)
        return plan_of(context, export, written_leaves(noted(REPLACE_STS, stored.records)))

    def restore(self, run: str, export: StsExport) -> RestorePlan:
        """Put the STS entries of every node back to *export*, without any snapshot.

        Raises:
            RunStateError: See `require_restorable`.
            OlderJournalError: See `require_no_export`.
            InterruptedRunError: A stop was asked for before the first record; nothing was done.
            OperationError: See `steps.export.restore`; repeating it goes on.
        """
        self.require_restorable(run)
        with self._opened(run) as journal:
            require_no_export(journal.spec, journal.records)
            self._wiring.believe(lambda node: shown_leaves(journal.records, node))
            context = self._wiring.step_context(journal.spec, self._file.folder)
            ours = written_leaves(noted(REPLACE_STS, journal.records))

            def begin() -> None:
                self._require_wanted(journal, "restore", Mark.RESTORING)
                journal.append(MarkRecord(mark=Mark.RESTORING))

            done = restore(context, export, ours, begin)
            journal.append(MarkRecord(mark=Mark.RESTORED))
        return done

    def require_unproven(self, run: str) -> None:
        """Return if nothing but the proof of logins is missing from *run*, or was before.

        Raises:
            RunStateError: It is proven, or stopped elsewhere.
        """
        found = self._file.read(run)
        if not (found.lacks_proof_only or found.released_unproven):
            state = f"{found.phase}, and not for want of a proof of logins"
            raise RunStateError(run, state, "released without one")

    def release(
        self,
        run: str,
        *,
        adopted: bool = False,
        unproven: bool = False,
        without: Sequence[str] = (),
    ) -> Released:
        """Delete the run's snapshots; from its first record on there is no rollback. *unproven*:
        the operator does without the proof of logins. *without*: nodes whose VM is gone for good
        by the operator's word. Both are recorded first.

        Raises:
            RunStateError: See `require_releasable`, `require_unproven`, `Whereabouts.let_go`; or it
                is in the middle, and other nodes than *without* are off.
            VmNotFoundError: Some VMs are not there; the snapshots of all others are deleted.
            InterruptedRunError: A stop was asked for before the first record; nothing was done.
        """
        if unproven:
            self.require_unproven(run)
        else:
            self.require_releasable(run, adopted=adopted, without=without)
        in_the_middle = self.stopped_unwritten(run)
        with self._opened(run) as journal:
            if in_the_middle:
                self._require_on(journal, without)

            def wanted() -> None:
                self._require_wanted(journal, "release", Mark.RELEASING)

            self._where.let_go(journal, without, wanted)
            missing = self._where.follow_each(journal)
            # Who was called gone is on record by now.
            self._require_wanted(journal, "" if without else "release", Mark.RELEASING)
            for mark in (*((Mark.UNPROVEN,) if unproven else ()), Mark.RELEASING):
                if mark not in marks(journal.records):
                    journal.append(MarkRecord(mark=mark))
            vms = [n.vm for n in journal.spec.nodes if n.fqdn not in missing.names]
            released = self._wiring.coordinator.release(run, vms)
            raise_worst(list(missing.lost.values()))
            if Mark.RELEASED not in marks(journal.records):
                journal.append(MarkRecord(mark=Mark.RELEASED))
            return released

    def _require_wanted(self, journal: Journal, command: str, mark: Mark) -> None:
        """Return unless a stop was asked for: *mark* is what *command* begins with, and there is no
        way back from it. *command* is empty if something of it is recorded already.

        Raises:
            InterruptedRunError: One was; nothing is done.
        """
        if self._stop_requested():
            begun = mark in marks(journal.records)
            raise InterruptedRunError(journal.run, unbegun="" if begun else command)

    def _require_on(self, journal: Journal, without: Sequence[str]) -> None:
        """Refuse to end a run that shut its nodes down while one is off, or not seen; *without* are
        gone.
        """
        if {node.fqdn for node in journal.spec.nodes} <= set(without):
            return
        missing = self._where.follow_each(journal)
        raise_worst([error for fqdn, error in missing.lost.items() if fqdn not in without])
        away = missing.gone | set(without)
        rest = [node for node in journal.spec.nodes if node.fqdn not in away]
        facts = self._wiring.coordinator.observe([node.vm for node in rest])
        if not began_snapshots(journal.records):
            require_no_snapshot(journal.spec, facts)
        on = {vm for vm, seen in facts.items() if seen.summary.power is PowerState.ON}
        off = [node.fqdn for node in rest if node.vm not in on]
        if off:
            error = RunStateError(journal.run, f"in the middle ({', '.join(off)} off)", "released")
            error.add_note("It has written nothing: power them on in the Host Client, PSCs first.")
            raise error

    def _require_same_domain(self, context: StepContext, journal: Journal) -> None:
        """Refuse to revert a domain that has other nodes by now, as far as it can be asked."""
        if reverts(journal.records) and not may_have_reverted(journal.records):
            self._require_none_joined(context, journal)

    def _require_none_joined(
        self, context: StepContext, journal: Journal, *, unwritten: bool = False
    ) -> None:
        self._wiring.believe(lambda node: shown_leaves(journal.records, node))
        known, directory = self._known(journal), context.directory
        if not require_no_newcomer(journal.spec, known, directory, unwritten=unwritten):
            text = "no directory could be asked whether nodes joined the domain since then"
            context.tell("", "", text)

    def _steps(self, journal: Journal) -> tuple[Step, ...]:
        self._wiring.believe(lambda node: shown_leaves(journal.records, node))
        context = self._wiring.step_context(journal.spec, self._file.folder)
        return build_steps(
            context, journal.plan, lambda: journal.records, known=self._known(journal)
        )

    def _known(self, journal: Journal) -> frozenset[str]:
        return known_nodes(journal.spec, self._file.read(journal.run).inventory)
