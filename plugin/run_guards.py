"""What a run of the state folder may be asked, from its journal alone. Contacts nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.remediation.errors_run import DomainLockedError, RunStateError
from stsfix.remediation.newcomers import wrote_nothing
from stsfix.remediation.records import Mark, Phase, marks

if TYPE_CHECKING:
    from collections.abc import Collection

    from stsfix.remediation.journal import JournalFile
    from stsfix.remediation.model import RunSpec
    from stsfix.snapshot.model import HostRef

CLOSED = frozenset({Phase.RELEASED, Phase.ROLLED_BACK})
"""Phases in which a run holds its domain no more; its snapshots are preflight's business."""


class RunGuards:
    """The runs of one state folder, asked whether they can do what is wanted."""

    def __init__(self, file: JournalFile) -> None:
        self._file = file

    def refuse_open_run(self, domain: str) -> None:
        """Return if no run of *domain* in this state folder is unfinished.

        Raises:
            DomainLockedError: One is; nobody was contacted.
            PlanChangedError: One is of a later version, and may be.
        """
        for name in self._file.names(domain):
            phase = self._file.read(name).phase
            if phase not in CLOSED:
                holder = f"run {name}, which is {phase}"
                raise DomainLockedError(domain, holder, open_run=name)

    def require_ours(
        self, run: str, *, domain: str, nodes: Collection[str], hosts: Collection[HostRef]
    ) -> None:
        """Return if *run* is of the configured site: of SSO domain *domain*, with one of *nodes* or
        a VM on one of *hosts*. Two sites may have domains of one name (vsphere.local is the
        default); of a run that was named only the domain is compared, with no nodes and hosts.

        Raises:
            RunStateError: It is not; the lock that is held is not even its own.
        """
        spec = self._file.read(run).spec
        if spec.domain != domain:
            wanted = f"worked on with a configuration of {domain}"
            raise _of_another_site(run, f"of SSO domain {spec.domain}", wanted)
        if (nodes or hosts) and not _is_of_site(spec, nodes, hosts):
            there = ", ".join(f"{node.fqdn} on {node.vm.host}" for node in spec.nodes)
            state = f"of {there}, and domain.toml names none of these nodes and hosts"
            raise _of_another_site(run, state, "taken for the run that is meant")

    def require_resumable(self, run: str) -> None:
        """Return if *run* can go on.

        Raises:
            RunStateError: It is finished in a way that leaves nothing to go on with.
        """
        self._require(
            run, {Phase.OPEN, Phase.STOPPED, Phase.REPAIRED, Phase.ROLLING_BACK}, "resumed"
        )

    def require_reversible(self, run: str) -> None:
        """Return if *run* can be taken back.

        Raises:
            RunStateError: Its snapshots are (being) deleted, so there is no way back.
        """
        stored = self._file.read(run)
        if Mark.RELEASING in marks(stored.records):
            raise RunStateError(run, stored.phase, "rolled back")

    def require_releasable(
        self, run: str, *, adopted: bool = False, without: Collection[str] = ()
    ) -> None:
        """Return if the snapshots of *run* may be deleted; *adopted* tells that its nodes were
        just seen to be on, which stands for what its journal does not know. With the VMs of
        *without* gone for good a run that has written nothing can neither go on nor be taken
        back: it may end as it is.

        Raises:
            RunStateError: The run is neither repaired nor rolled back nor restored.
        """
        if without and self.stopped_unwritten(run):
            return
        releasable = {
            Phase.REPAIRED,
            Phase.ROLLED_BACK,
            Phase.RESTORED,
            Phase.RELEASING,
            Phase.RELEASED,
        }
        self._require(run, releasable | ({Phase.ADOPTED} if adopted else set()), "released")

    def stopped_unwritten(self, run: str) -> bool:
        """Tell whether *run* is in the middle and has written nothing."""
        stored = self._file.read(run)
        middle = {Phase.OPEN, Phase.STOPPED, Phase.ROLLING_BACK}
        return stored.phase in middle and wrote_nothing(stored.records)

    def _require(self, run: str, phases: set[Phase], wanted: str) -> None:
        phase = self._file.read(run).phase
        if phase not in phases:
            raise RunStateError(run, phase, wanted)

    def require_restorable(self, run: str) -> None:
        """Return if the export of *run* may be put back.

        Raises:
            RunStateError: The run wrote nothing, goes on, or is being released.
        """
        phases = set(Phase) - {Phase.ROLLED_BACK, Phase.RELEASING, Phase.ADOPTED}
        self._require(run, phases, "restored from its export")


def _is_of_site(spec: RunSpec, nodes: Collection[str], hosts: Collection[HostRef]) -> bool:
    names = {name.lower().removesuffix(".") for name in nodes}
    return any(n.fqdn.lower() in names or n.vm.host in hosts for n in spec.nodes)


def _of_another_site(run: str, state: str, wanted: str) -> RunStateError:
    error = RunStateError(run, state, wanted)
    error.add_note("Take the domain.toml of its site (-c), or name the run that is meant.")
    error.add_note(
        "Two sites whose SSO domains have one name need a state folder each (--state-dir)."
    )
    return error
