"""The step that saves the STS entries of every node before the first write, and its way back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from stsfix.remediation.directory.sts_export import StsExport
from stsfix.remediation.directory.sts_restore import plan_restore
from stsfix.remediation.errors import (
    EntryChangedError,
    ForeignEntriesError,
    ReplicationOverdueError,
)
from stsfix.remediation.errors_run import ExportError, RestoreRefusedError
from stsfix.remediation.pki.certificates import fingerprint
from stsfix.remediation.ports import Observed
from stsfix.remediation.steps.reversion import read_statuses, reverted_alone
from stsfix.snapshot.errors import TransientError
from stsfix.snapshot.polling import poll_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stsfix.remediation.directory.sts_export import StsMaterial
    from stsfix.remediation.directory.sts_restore import RestorePlan
    from stsfix.remediation.ports import Facts, Note
    from stsfix.remediation.steps.context import StepContext

SHA256 = "sha256"


@dataclass(frozen=True, slots=True)
class ExportSts:
    """The STS entries of every node are on the operator's disk, sealed."""

    context: StepContext
    name: ClassVar[str] = "export-sts"

    def probe(self, noted: Facts) -> Observed:
        """A file that is what was noted is complete; reading again is harmless."""
        whole = self.context.exports.holds(self.context.spec.run, noted.get(SHA256, ""))
        return Observed.COMPLETE if whole else Observed.REPEATABLE

    def do(self, noted: Facts, note: Note) -> None:
        """Read every directory, seal and save. What an attempt saved that died is saved anew.

        Raises:
            DirectoryFaultError: Somebody's entries cannot be read; nothing was changed.
            ExportError: An earlier one has other entries. It may be the only one of before the
                first write, if the journal is an older copy: nothing was changed.
            RefusedError: The file cannot be written; nothing was changed.
        """
        del noted
        context = self.context
        spec = context.spec
        nodes = {
            node.fqdn: context.directory(node.fqdn).read_sts_material() for node in spec.directories
        }
        export = StsExport(
            run=spec.run,
            domain=spec.domain,
            writer=spec.writer,
            created=context.clock.now(),
            nodes=nodes,
        )
        self._require_same(nodes)
        digest = context.exports.save(export)
        note(SHA256, digest)
        count = sum(map(len, nodes.values()))
        context.tell(self.name, "", f"saved the STS entries of every directory: {count}")

    def _require_same(self, nodes: Mapping[str, tuple[StsMaterial, ...]]) -> None:
        run = self.context.spec.run
        try:
            earlier = self.context.exports.load(run).nodes
        except ExportError:
            return
        if earlier.keys() != nodes.keys() or not all(_same(earlier[n], nodes[n]) for n in nodes):
            reason = "has other STS entries than the directories have now; it is not overwritten"
            raise ExportError(run, reason, others=True)

    def undo(self, noted: Facts, note: Note) -> None:
        """Nothing was changed; the file stays, a rollback may still need it."""


PARTLY_REVERTED = (
    "so a part of the nodes was reverted, and what is written would not reach all of them"
)
"""What it means if a directory lacks changes of its own that a partner has seen."""

RESTORE = "export restore"
"""What the progress of a restore is shown under; it is no step of a run."""


def plan_of(context: StepContext, export: StsExport, ours: frozenset[str]) -> RestorePlan:
    """Return what `restore` would do now; reads only, and gives replication its time.

    Raises:
        RestoreRefusedError: It would harm what is there; every reason at once.
    """
    writer = context.spec.writer
    torn = reverted_alone(read_statuses(context))
    if torn:
        raise RestoreRefusedError(export.run, (*torn, PARTLY_REVERTED))
    apart = _apart(context)
    plan = plan_restore(export.nodes[writer], _read(context, writer), ours)
    if plan.conflicts or apart:
        differing = f"the STS entries of {', '.join(apart)} are not those of {writer}"
        raise RestoreRefusedError(export.run, (*plan.conflicts, *([differing] if apart else ())))
    return plan


def _apart(context: StepContext) -> list[str]:
    """Return the nodes whose entries are not the writer's, also after the time to replicate."""
    apart: list[str] = []

    def agree() -> bool | None:
        reference = _read(context, context.spec.writer)
        apart[:] = [
            node.fqdn
            for node in context.spec.directories[1:]
            if not _same(_read(context, node.fqdn), reference)
        ]
        return None if apart else True

    limits = context.limits
    poll_until(agree, clock=context.clock, limit=limits.replication, every=limits.poll)
    return apart


def restore(
    context: StepContext, export: StsExport, ours: frozenset[str], begin: Callable[[], None]
) -> RestorePlan:
    """Make the STS entries of every node what *export* says of the writer. Safe to repeat.

    What is missing is added on the writer and awaited everywhere before anything of the run is
    deleted, credentials before chains, so that the domain is never without a credential. *begin*
    is called before the first write, when nothing is in the way of it.

    Raises:
        RestoreRefusedError: Nothing was changed.
        EntryChangedError: Under a DN that the run wrote there is somebody else's entry by now; it
            and what was to go after it are there, and so is everything of before.
        ReplicationOverdueError: A node does not show it in time; repeating it goes on.
        DirectoryFaultError: A write was refused.
        ForeignEntriesError: The entries are not those of the export after it.
    """
    plan = plan_of(context, export, ours)
    writer = context.spec.writer
    directory = context.directory(writer)
    begin()
    # (1) everything of before, beside what is there
    for entry in plan.add:
        directory.add_material(entry)
        context.tell(RESTORE, writer, f"added {entry.cn}")
    wanted = {entry.dn.lower(): entry for entry in export.nodes[writer]}
    _await_everywhere(context, lambda found: all(_holds(found, e) for e in wanted.values()))
    # (2) then what the run wrote goes, if it still is what the run wrote: replication took its time
    entries = directory.read_sts_entries()
    present = {e.dn.lower(): e for e in (*entries.credentials, *entries.chains)}
    for entry in plan.remove:
        seen = present.get(entry.dn.lower())
        if seen is None:
            continue
        if not seen.chain or fingerprint(seen.chain[0]) not in ours:
            raise EntryChangedError(writer, entry.dn)
        directory.delete_entry(seen)
        context.tell(RESTORE, writer, f"removed {entry.cn}")
    gone = {entry.dn.lower() for entry in plan.remove}
    _await_everywhere(context, lambda found: not gone & {e.dn.lower() for e in found})
    # (3) read back
    left = plan_restore(export.nodes[writer], _read(context, writer), ours)
    if not left.is_done:
        raise ForeignEntriesError(writer, left.missing)
    return plan


def _read(context: StepContext, fqdn: str) -> tuple[StsMaterial, ...]:
    return context.directory(fqdn).read_sts_material()


def _same(one: tuple[StsMaterial, ...], other: tuple[StsMaterial, ...]) -> bool:
    return len(one) == len(other) and all(_holds(other, entry) for entry in one)


def _holds(found: tuple[StsMaterial, ...], entry: StsMaterial) -> bool:
    return any(entry.is_same(other) for other in found)


def _await_everywhere(
    context: StepContext, satisfied: Callable[[tuple[StsMaterial, ...]], bool]
) -> None:
    started = context.clock.monotonic()
    behind: list[str] = []

    def agree() -> bool | None:
        behind.clear()
        for node in context.spec.directories:
            try:
                if not satisfied(_read(context, node.fqdn)):
                    behind.append(node.fqdn)
            except TransientError:
                behind.append(node.fqdn)
        return None if behind else True

    limits = context.limits
    if not poll_until(agree, clock=context.clock, limit=limits.replication, every=limits.poll):
        waited = context.clock.monotonic() - started
        raise ReplicationOverdueError(context.spec.writer, behind, waited)
