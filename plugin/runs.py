"""What the commands do with a run: start, carry on, take back, release. Prints nothing."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from stsfix.remediation.discover import Discovery
from stsfix.remediation.engine import run as carry_on
from stsfix.remediation.engine import turn_back
from stsfix.remediation.errors import DomainLockedError, RunStateError
from stsfix.remediation.journal import Journal
from stsfix.remediation.plan import build_steps, step_names
from stsfix.remediation.preflight import assess, plan_run, run_name
from stsfix.remediation.records import Mark, MarkRecord, Phase, marks

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from stsfix.plugin.wiring import Wiring
    from stsfix.remediation.inventory import Inventory
    from stsfix.remediation.journal import JournalFile
    from stsfix.remediation.model import Finding, RunSpec
    from stsfix.remediation.ports import Step
    from stsfix.snapshot.coordinator import Released
    from stsfix.snapshot.ports import Clock

CLOSED = frozenset({Phase.RELEASED, Phase.ROLLED_BACK})
"""Phases in which a run holds its domain no more; its snapshots are preflight's business."""


def holder() -> str:
    """Return who runs this, for the lock: user, workstation, process."""
    user = os.environ.get("USER") or str(os.getuid())
    return f"{user}@{socket.gethostname()}, process {os.getpid()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What ``stsfix run`` was asked. *force* replaces a sound credential too."""

    issuer: str
    validity_days: int
    retire: bool
    force: bool


class Runs:
    """The runs of one state folder, worked on with the adapters of one configuration."""

    def __init__(
        self,
        file: JournalFile,
        wiring: Wiring,
        *,
        stop_requested: Callable[[], bool],
        open_journal: Callable[[JournalFile, str, Clock], Journal] = Journal,
    ) -> None:
        self._file = file
        self._wiring = wiring
        self._stop_requested = stop_requested
        self._open_journal = open_journal

    def locked(self) -> AbstractContextManager[None]:
        """Hold the configured domain; everything below is called inside it."""
        return self._file.locked(self._wiring.settings.sso.domain, holder())

    def look(self) -> tuple[Inventory, tuple[Finding, ...]]:
        """Read everything and judge it; changes nothing."""
        inventory = Discovery(self._wiring.sources).discover()
        return inventory, assess(inventory)

    def start(
        self,
        inventory: Inventory,
        findings: tuple[Finding, ...],
        options: RunOptions,
        saved_inventory: str,
    ) -> RunSpec:
        """Write a new run to the journal; nothing else has happened yet.

        Raises:
            DomainLockedError: Another run of the domain is open in this state folder.
            PreflightBlockedError, NothingToRepairError: See `plan_run`.
            IssuerError: The configured CA cannot make the credential.
        """
        self._refuse_open_run(inventory.domain)
        spec = plan_run(
            inventory,
            findings,
            run=run_name(self._wiring.clock.now(), secrets.token_hex(2)),
            issuer=options.issuer,
            validity_days=options.validity_days,
            retire=options.retire,
            force=options.force,
        )
        self._wiring.check_issuer(spec)
        names = step_names(retire=spec.retire)
        self._file.create(
            spec, names, version=metadata.version("stsfix"), inventory=saved_inventory
        ).close()
        return spec

    def _refuse_open_run(self, domain: str) -> None:
        for name in self._file.names():
            stored = self._file.read(name)
            if stored.spec.domain == domain and stored.phase not in CLOSED:
                raise DomainLockedError(domain, f"run {name}, which is {stored.phase}")

    def carry_on(self, run: str) -> Phase:
        """Go on with *run* in the direction it has; see `engine.run` for what is raised."""
        journal = self._open_journal(self._file, run, self._wiring.clock)
        try:
            return carry_on(
                self._steps(journal),
                journal,
                progress=self._wiring.hook,
                stop_requested=self._stop_requested,
            )
        finally:
            journal.close()

    def resume(self, run: str) -> Phase:
        """Carry on a run that stopped or died.

        Raises:
            RunStateError: It is finished; a released run stays released.
        """
        stored = self._file.read(run)
        if stored.phase in {Phase.RELEASING, Phase.RELEASED, Phase.ROLLED_BACK}:
            raise RunStateError(run, stored.phase, "resumed")
        return self.carry_on(run)

    def roll_back(self, run: str) -> Phase:
        """Take *run* back; every node is on as it was before the run, or an error tells.

        Raises:
            RunStateError: Its snapshots are (being) deleted, so there is no way back.
        """
        stored = self._file.read(run)
        if stored.phase in {Phase.RELEASING, Phase.RELEASED}:
            raise RunStateError(run, stored.phase, "rolled back")
        journal = self._open_journal(self._file, run, self._wiring.clock)
        try:
            turn_back(journal)
        finally:
            journal.close()
        return self.carry_on(run)

    def release(self, run: str) -> Released:
        """Delete the run's snapshots; from its first record on there is no rollback.

        Raises:
            RunStateError: The run is neither repaired nor rolled back.
        """
        stored = self._file.read(run)
        if stored.phase not in {
            Phase.REPAIRED,
            Phase.ROLLED_BACK,
            Phase.RELEASING,
            Phase.RELEASED,
        }:
            raise RunStateError(run, stored.phase, "released")
        journal = self._open_journal(self._file, run, self._wiring.clock)
        try:
            if Mark.RELEASING not in marks(journal.records):
                journal.append(MarkRecord(mark=Mark.RELEASING))
            vms = [node.vm for node in journal.spec.nodes]
            released = self._wiring.coordinator.release(run, vms)
            if Mark.RELEASED not in marks(journal.records):
                journal.append(MarkRecord(mark=Mark.RELEASED))
        finally:
            journal.close()
        return released

    def _steps(self, journal: Journal) -> tuple[Step, ...]:
        context = self._wiring.step_context(journal.spec)
        return build_steps(context, lambda: journal.records)
