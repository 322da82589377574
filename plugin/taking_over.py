"""A run whose state folder is lost, taken over from its snapshots on the hosts. Prints nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from importlib import metadata
from typing import TYPE_CHECKING

from stsfix.plugin.run_guards import RunGuards
from stsfix.remediation.adoption import adopted_records, choose, left_of_adoption, members_of
from stsfix.remediation.claims import RUN_PREFIX
from stsfix.remediation.errors_run import RunStateError
from stsfix.remediation.plan import step_names
from stsfix.remediation.records import Mark, marks
from stsfix.snapshot.model import PowerState

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from stsfix.plugin.wiring import Wiring
    from stsfix.remediation.adoption import Adoptable
    from stsfix.remediation.journal import Journal, JournalFile
    from stsfix.snapshot.model import VmFacts
    from stsfix.snapshot.ports import Clock, Hypervisor


class TakingOver(RunGuards):
    """The runs of one state folder, and those that the configured hosts tell of."""

    def __init__(
        self,
        file: JournalFile,
        wiring: Wiring,
        open_journal: Callable[[JournalFile, str, Clock], Journal],
    ) -> None:
        super().__init__(file)
        self._wiring = wiring
        self._open_journal = open_journal

    def find_adoptable(self, run: str | None) -> Adoptable:
        """Return the run that the snapshots on the configured hosts tell of; reads only.

        Raises:
            AdoptionError: There is none, or several and *run* names none, or not all of it.
            OperationError: A host cannot be read: its snapshots would be missing.
        """
        hypervisors = self._wiring.hypervisors
        with ThreadPoolExecutor(max_workers=max(1, len(hypervisors))) as pool:
            read = list(pool.map(_facts_of_host, hypervisors.values()))
        facts = [fact for found in read for fact in found]
        return choose(members_of(facts, prefix=RUN_PREFIX), self._wiring.settings.sso.domain, run)

    def adopt(self, found: Adoptable, *, releasing: bool) -> str:
        """Write *found* into the journal as a run that may have written anything, and return its
        name. A run that is there already is left as it is, or completed if its adoption was
        written in part.

        Raises:
            RunStateError: To be released, and a node is off: the run was in the middle. Or its
                adoption was written in part and taken back as if nothing had been written.
        """
        name, plan = found.spec.run, step_names(retire=found.spec.retire)
        known = name in self._file.names()
        if known and Mark.ADOPTED not in marks(self._file.read(name).records):
            return name
        off = [m.plan.fqdn for m in found.members if m.power is not PowerState.ON]
        if releasing and off:
            error = RunStateError(name, f"in the middle ({', '.join(off)} off)", "released")
            error.add_note(f"To take it back instead: stsfix rollback --adopt {name}")
            raise error
        if known:
            self._complete_adoption(name)
            return name
        self._file.create(
            found.spec,
            plan,
            version=metadata.version("stsfix"),
            inventory="{}",
            records=adopted_records(plan),
        ).close()
        return name

    def _complete_adoption(self, run: str) -> None:
        with self._opened(run) as journal:
            left = left_of_adoption(journal.plan, journal.records)
            if left and Mark.ROLLBACK in marks(journal.records):
                raise RunStateError(run, "adopted in part and taken back", "adopted")
            for record in left:
                journal.append(record)

    def _opened(self, run: str) -> AbstractContextManager[Journal]:
        return closing(self._open_journal(self._file, run, self._wiring.clock))


def _facts_of_host(host: Hypervisor) -> tuple[VmFacts, ...]:
    """Return all facts of every VM that is usable there."""
    summaries = host.observe_host().vms
    return host.observe_vms([s.vm for s in summaries if s.connection == "connected"])
