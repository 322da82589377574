"""The next actions where a run refuses, stops or waits, and what is known of the state then."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from stsfix.plugin import advice_causes as causes
from stsfix.plugin import errors as plugin
from stsfix.plugin.advice_causes import BACK, LOOK, Advice
from stsfix.remediation import errors as remediation
from stsfix.remediation import errors_run as of_run
from stsfix.snapshot import errors as snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stsfix.snapshot.errors import OperationError

RUN_ADVICE: Mapping[type[OperationError], Advice] = MappingProxyType(
    {
        of_run.PreflightBlockedError: (
            "See each finding with its advice: {preflight}",
            "When none blocks any more: {again}",
        ),
        of_run.DomainUnreadError: (
            "If a password was refused, correct it first: accounts lock after a few failures",
            "See each finding with its advice: {preflight}",
            "When every node is found, prove logins again: {verify}",
        ),
        of_run.AcceptanceError: (
            "See what was found, with ids and objects: {preflight}",
            "docs/findings.md lists every id and whether it can be accepted",
        ),
        of_run.NothingToRepairError: (
            (
                "If logins fail all the same, the cause is another one; see which proof fails:"
                " {verify}"
            ),
        ),
        of_run.RunNotFoundError: causes.run_not_found_advice,
        of_run.AdoptionError: (
            "Name every host that may hold a node's VM in domain.toml: only those are looked at",
            (
                "If a snapshot of the run is gone, do not revert single nodes by hand: power all"
                " nodes on, PSCs first, and delete the snapshots of the run in the Host Client"
            ),
            "Then look at the domain anew: {preflight}",
        ),
        of_run.ExportError: causes.export_advice,
        of_run.RestoreRefusedError: (
            "See what the export holds: {export_show}",
            "If every snapshot is still there, they are the better way back: {rollback}",
            "Else decide by hand which of the entries named above shall stay",
        ),
        of_run.NodesJoinedError: causes.nodes_joined_advice,
        of_run.NoWayBackError: (
            "Close this run, which needs no snapshot for that: {rollback}",
            "Find out who deleted the snapshots, or changed the disk: a backup product or a person",
            "Then delete what is left of its snapshots, and begin a new run: {release}",
        ),
        of_run.OlderJournalError: (
            (
                "The run went on from another state folder, or in this one before it was restored"
                " from a backup. If the newer one is there, go on with that one"
            ),
            "Else power on who is off, PSCs first, and see what works: {verify}",
            (
                "The run can be taken back all the same, from its snapshots and with a state folder"
                " of its own: {adopt}"
            ),
        ),
        of_run.WrongVmError: (
            "Find the VM that answers: it may be on a host that domain.toml does not name",
            (
                "If the node was upgraded, deployed or restored anew since the run began, there is"
                " no way back by snapshots: they are those of the old VM. Leave that off, power on"
                " by hand who else is off, PSCs first; then the run's export can put the STS"
                " entries back: {export_restore}"
            ),
            (
                "If nothing was written yet, close the run. That powers the VMs named above on as"
                " well: connect each of them to a network without the node first: {rollback}"
            ),
            (
                "If a clone was taken for the node, name the right VM in domain.toml"
                ' ([nodes."NAME"] vm = "INSTANCE UUID") before you begin a new run'
            ),
            LOOK,
        ),
        of_run.RunStateError: ("See what the run is and what it can do: {status}",),
        of_run.DomainLockedError: causes.domain_locked_advice,
        of_run.PlanChangedError: ("Go on with the version of stsfix that worked on the run last",),
        of_run.StepUnclearError: (
            (
                "Somebody else may have changed the domain: compare what is there now with what the"
                " step noted (notes in the JSON of its status): {preflight}"
            ),
            "Take the run back, which is safe either way: {rollback}",
        ),
        of_run.RestartByHandError: causes.by_hand_advice,
        of_run.InterruptedRunError: ("Go on when you want to: {go_on}", BACK),
        of_run.DirectoriesApartError: causes.APART_ADVICE,
        of_run.UndoFailedError: (
            "Mend what stopped it; do not power single nodes on meanwhile",
            "Then go on taking it back: {rollback}",
        ),
        of_run.JournalUnwritableError: causes.journal_advice,
    }
)
"""As `stsfix.plugin.advice.ADVICE`, which holds it too."""

OWN_STATE: Mapping[type[OperationError], str] = MappingProxyType(
    {
        of_run.JournalUnwritableError: (
            "The last record may or may not be on disk; nothing was done after it."
        ),
        of_run.RestartByHandError: (
            "Nothing failed: what could be restarted without a person was, but for vCenters that"
            " wait for these nodes."
        ),
        of_run.DomainLockedError: (
            "Nothing was written. Nodes that this run has shut down are left to the other one."
        ),
        plugin.ReportFileError: "Only what was to be written there is missing.",
        of_run.DirectoriesApartError: causes.APART_STATE,
        of_run.OlderJournalError: "Nobody was shut down or powered on, and no snapshot is touched.",
        of_run.NoWayBackError: "Nothing was written; nodes that are off stay off.",
        of_run.WrongVmError: (
            "After that no snapshot was taken or reverted to, and nobody was powered on."
        ),
        of_run.InterruptedRunError: "Every record is complete; what comes next is known.",
        of_run.UndoFailedError: (
            "Taking it back is not finished; no node was powered on after the failure."
        ),
        remediation.ReplicationOverdueError: (
            "What was written on {e.writer} is not yet on every node."
        ),
        snapshot.VmNotOffError: "Nobody was reverted, and snapshots that were begun are not used.",
        snapshot.ShutdownOverdueError: "No guest was forced off; others may be off already.",
        snapshot.SnapshotGoneError: (
            "All nodes are off, and some may be at their snapshots already; none was powered on."
        ),
        snapshot.RevertUnverifiedError: "Snapshots were reverted; no node was powered on.",
    }
)
"""What is known of the state where a class knows more than its category."""
