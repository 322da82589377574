"""What a run refuses or stops for; what the categories mean is in `stsfix.snapshot.errors`.

RefusedError
├── PreflightBlockedError     findings forbid a run
├── AcceptanceError           a finding cannot be accepted as a risk, or does not exist
├── NothingToRepairError      the signing credential is sound
├── AdoptionError             no run can be taken over from the snapshots on the hosts
├── ExportError               an export of STS entries is missing, damaged or sealed otherwise
├── RestoreRefusedError       putting an export back would harm what is there now
├── RunNotFoundError          no such run in the state folder
├── RunStateError             the run cannot do this in its state (rollback after release)
├── NodesJoinedError          nodes joined the domain after the run began
├── NoWayBackError            nothing is written yet, and snapshots are not there any more
├── OlderJournalError         the hosts tell more of the run than its journal
├── DomainLockedError         another run of this SSO domain is open
└── PlanChangedError          the journal knows a step or record that this version does not
TransientError
└── DomainUnreadError         not every node of the domain, or not its VM, could be found
StoppedError
├── WrongVmError              a node answers although its VM is off
├── StepUnclearError          a probe cannot tell whether the step was done
├── RestartByHandError        services of a node that nothing of ours reaches are a person's work
├── InterruptedRunError       asked to stop (SIGINT, SIGTERM); resumable
├── DirectoriesApartError     after a revert the directories are not of one time
├── UndoFailedError           an undo failed; `rollback` again goes on with it
└── JournalUnwritableError    a record could not be made durable; nothing further was done
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.snapshot.errors import RefusedError, StoppedError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterable


class PreflightBlockedError(RefusedError):
    """Findings forbid a run; nothing was changed."""

    def __init__(self, ids: Iterable[str]) -> None:
        self.ids = tuple(ids)
        super().__init__(f"preflight forbids the run: {', '.join(self.ids)}")


class AcceptanceError(RefusedError):
    """A finding cannot be accepted as a risk, or there is none of that id."""

    def __init__(self, wanted: str, reason: str) -> None:
        super().__init__(f"--accept {wanted}: {reason}")
        self.wanted = wanted
        self.reason = reason


class NothingToRepairError(RefusedError):
    """The signing credential is sound and does not end soon; nothing was changed."""

    def __init__(self, domain: str) -> None:
        super().__init__(f"the STS signing credential of {domain} is sound: nothing to repair")
        self.domain = domain


class AdoptionError(RefusedError):
    """No run can be taken over from the snapshots that are on the hosts; nothing was changed."""

    def __init__(self, run: str, reason: str) -> None:
        which = f"run {run}" if run else "no run"
        super().__init__(f"{which} can{'not' if run else ''} be taken over: {reason}")
        self.run = run
        self.reason = reason


class ExportError(RefusedError):
    """An export of STS entries cannot be used: missing, damaged, or another passphrase.

    Or it is to be made, and is there already with *others* than the entries of now.
    """

    def __init__(self, where: str, reason: str, *, others: bool = False) -> None:
        super().__init__(f"the export {where} {reason}")
        self.where = where
        self.reason = reason
        self.others = others


class RestoreRefusedError(RefusedError):
    """Putting an export back would harm what is in the directory now; nothing was changed."""

    def __init__(self, run: str, reasons: Iterable[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__(f"the export of {run} is not put back: {'; '.join(self.reasons)}")
        self.run = run


class RunNotFoundError(RefusedError):
    """No such run in the state folder."""

    def __init__(self, run: str, folder: str, *, near: str = "", domain: str = "") -> None:
        """*run* is empty if none was named: there is none in *folder* (of *domain*). *near* is the
        name of one that is there and was perhaps meant, or empty.
        """
        what = f"no run {run}" if run else f"no run of {domain}" if domain else "no run yet"
        meant = f"; did you mean {near}" if near else ""
        super().__init__(f"{what} in the state folder {folder}{meant}")
        self.run = run
        self.folder = folder
        self.near = near


class RunStateError(RefusedError):
    """The run is in a state in which this is not possible."""

    def __init__(self, run: str, state: str, wanted: str) -> None:
        super().__init__(f"run {run} is {state}: it cannot be {wanted}")
        self.run = run
        self.state = state
        self.wanted = wanted


class NodesJoinedError(RefusedError):
    """Nodes joined the SSO domain after the run began; a revert would leave them behind.

    *unwritten* tells that the run was about to write, and has written nothing.
    """

    def __init__(self, run: str, nodes: Iterable[str], *, unwritten: bool = False) -> None:
        self.nodes = tuple(nodes)
        self.unwritten = unwritten
        super().__init__(f"since {run} began, these joined the domain: {', '.join(self.nodes)}")
        self.run = run


class NoWayBackError(RefusedError):
    """The run has written nothing yet, and its snapshots would not take it back any more."""

    def __init__(self, run: str, reasons: Iterable[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__(
            f"run {run} writes nothing, as nothing would take it back: {'; '.join(self.reasons)}"
        )
        self.run = run


class OlderJournalError(RefusedError):
    """The hosts tell more of the run than its journal, which is an older copy; nothing was done."""

    def __init__(self, run: str, seen: str) -> None:
        """*seen* is what there is, in one clause."""
        super().__init__(f"the journal of {run} knows of no snapshots, and {seen}: it is too old")
        self.run = run
        self.seen = seen


class DomainLockedError(RefusedError):
    """Another run of this SSO domain is open, here or from elsewhere.

    *elsewhere* tells that another workstation's run came first in the middle of one of ours;
    *open_run* is the run of this state folder that holds the domain, empty if it is none of its.
    """

    def __init__(
        self, domain: str, holder: str, *, elsewhere: bool = False, open_run: str = ""
    ) -> None:
        super().__init__(f"SSO domain {domain} is locked by {holder}")
        self.domain = domain
        self.holder = holder
        self.elsewhere = elsewhere
        self.open_run = open_run


class PlanChangedError(RefusedError):
    """The journal holds what this version does not know: a step, or a record.

    *begun_with* is the version of stsfix that began the run, empty if it is not to be told.
    """

    def __init__(self, recorded: str, begun_with: str = "") -> None:
        begun = f"; stsfix {begun_with} began the run" if begun_with else ""
        super().__init__(f"the journal knows {recorded}, which this version does not{begun}")
        self.recorded = recorded
        self.begun_with = begun_with


class DomainUnreadError(TransientError):
    """Not every node of the domain was found, or not the VM of each.

    *evidence* are lines for people: why.
    """

    def __init__(self, domain: str, evidence: Iterable[str]) -> None:
        super().__init__(f"not every node of {domain} could be found and read")
        self.domain = domain
        self.evidence = tuple(evidence)


class WrongVmError(StoppedError):
    """A node answers although its VM is off: another machine has its name.

    *vms* are in the order of *nodes*.
    """

    def __init__(self, nodes: Iterable[str], vms: Iterable[object]) -> None:
        self.nodes = tuple(nodes)
        self.vms = tuple(map(str, vms))
        pairs = zip(self.nodes, self.vms, strict=False)
        told = "; ".join(f"{fqdn} answers although {vm} is off" for fqdn, vm in pairs)
        super().__init__(f"another machine has the name of a node: {told}")


class StepUnclearError(StoppedError):
    """The probe of a step in doubt cannot tell whether it was done."""

    def __init__(self, step: str) -> None:
        super().__init__(f"it is unclear whether step {step} was done")
        self.step = step


class RestartByHandError(StoppedError):
    """Services of nodes without a transport have to be restarted by a person.

    *nodes* are in the order to go by, *commands* what to type on each. *evidence* are lines that
    tell why one that was asked for before does not count as restarted. Whatever could be
    restarted without a person was, but for vCenters that wait for one of them.
    """

    def __init__(
        self, nodes: Iterable[str], commands: Iterable[str], *, evidence: Iterable[str] = ()
    ) -> None:
        self.nodes = tuple(nodes)
        self.commands = tuple(commands)
        self.evidence = tuple(evidence)
        super().__init__(f"restart the services of {', '.join(self.nodes)} by hand")


class InterruptedRunError(StoppedError):
    """Asked to stop; the last record is complete and the run can be resumed.

    *run* is empty where what stopped does not know it. *unbegun* is the command that was to do
    something to the run, and has not begun to; empty if it has.
    """

    def __init__(self, run: str, *, unbegun: str = "") -> None:
        what = f"run {run} " if run else ""
        if unbegun:
            what = f"the {unbegun} of {run} was not begun: "
        super().__init__(f"{what}stopped on request")
        self.run = run


class DirectoriesApartError(StoppedError):
    """Every VM was reverted, and directories are not as before the run; all nodes are on."""

    def __init__(self, run: str, reasons: Iterable[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__(f"after the revert of {run} {'; '.join(self.reasons)}")
        self.run = run


class UndoFailedError(StoppedError):
    """Taking a step back failed; `rollback` again goes on with it."""

    def __init__(self, step: str, reason: str) -> None:
        super().__init__(f"taking back {step} failed: {reason}")
        self.step = step
        self.reason = reason


class JournalUnwritableError(StoppedError):
    """A record could not be made durable; nothing further was done.

    *untrusted* tells that nothing was tried: others may write where it lies.
    """

    def __init__(self, path: str, reason: str, *, untrusted: bool = False) -> None:
        said = "is not used" if untrusted else "cannot be written"
        super().__init__(f"the journal {path} {said}: {reason}")
        self.path = path
        self.reason = reason
        self.untrusted = untrusted
