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
            RunStateError: This state folder knows it, and not from its snapshots.
            OperationError: A host cannot be read: its snapshots would be missing.
        """
        hypervisors = self._wiring.hypervisors
        with ThreadPoolExecutor(max_workers=max(1, len(hypervisors))) as pool:
            read = list(pool.map(_facts_of_host, hypervisors.values()))
        facts = [fact for found in read for fact in found]
        members = members_of(facts, prefix=RUN_PREFIX)
        found = choose(members, self._wiring.settings.sso.domain, run)
        self._is_adopted(found.spec.run)
        return found

    def adopt(self, found: Adoptable, *, releasing: bool) -> str:
        """Write *found* into the journal as a run that may have written anything, and return its
        name. One that was adopted before is left as it is, or completed if its adoption was
        written in part.

        Raises:
            RunStateError: This state folder knows it, and not from its snapshots: what was agreed
                to is not what its journal would do. Or to be released, and a node is off: the run
                was in the middle. Or its adoption was written in part and taken back as if nothing
                had been written.
        """
        name, plan = found.spec.run, step_names(retire=found.spec.retire)
        known = self._is_adopted(name)
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

    def _is_adopted(self, run: str) -> bool:
        """Tell whether this state folder has taken *run* over.

        Raises:
            RunStateError: It knows the run, and not from its snapshots.
        """
        if run not in self._file.names():
            return False
        stored = self._file.read(run)
        if Mark.ADOPTED not in marks(stored.records):
            raise _known(run, f"{stored.phase} in this state folder")
        return True

    def _complete_adoption(self, run: str) -> None:
        with self._opened(run) as journal:
            left = left_of_adoption(journal.plan, journal.records)
            if left and Mark.ROLLBACK in marks(journal.records):
                raise RunStateError(run, "adopted in part and taken back", "adopted")
            for record in left:
                journal.append(record)

    def _opened(self, run: str) -> AbstractContextManager[Journal]:
        return closing(self._open_journal(self._file, run, self._wiring.clock))


def _known(run: str, state: str) -> RunStateError:
    error = RunStateError(run, state, "taken over")
    error.add_note("What the journal knows is more than its snapshots tell: leave --adopt out.")
    error.add_note(
        "If this folder is an older copy, from a backup, say, name an empty one (--state-dir)."
    )
    return error


def _facts_of_host(host: Hypervisor) -> tuple[VmFacts, ...]:
    """Return all facts of every VM that is usable there."""
    summaries = host.observe_host().vms
    return host.observe_vms([s.vm for s in summaries if s.connection == "connected"])
