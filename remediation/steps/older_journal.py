"""A journal that is older than its run: restored from a backup, or copied before the run went on.

It would shut a repaired domain down for new snapshots, or close the run as one that wrote nothing.
That a run began to take snapshots is durable before the first one is taken: who has one of a run
whose journal does not know that is further than the journal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.remediation.errors_run import OlderJournalError
from stsfix.remediation.records import TAKE_SNAPSHOTS, StepRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stsfix.remediation.model import RunSpec
    from stsfix.remediation.records import Record
    from stsfix.remediation.steps.context import StepContext
    from stsfix.snapshot.model import VmFacts, VmId


def began_snapshots(records: Sequence[Record]) -> bool:
    """Tell whether the run may have snapshots as far as its journal knows."""
    return any(isinstance(r, StepRecord) and r.step == TAKE_SNAPSHOTS for r in records)


def require_no_snapshot(spec: RunSpec, facts: Mapping[VmId, VmFacts]) -> None:
    """Return if no node of *facts* has a snapshot of the run, which has begun none by its journal.

    Raises:
        OlderJournalError: One has; nothing was changed.
    """
    having = [
        node.fqdn
        for node in spec.nodes
        if node.vm in facts and any(s.name == spec.run for s in facts[node.vm].snapshots)
    ]
    if having:
        raise OlderJournalError(spec.run, f"on the hosts there are some of {', '.join(having)}")


def require_newest(context: StepContext, records: Sequence[Record]) -> None:
    """Return if the hosts tell nothing of the run that *records* do not know. Reads only, and only
    of a run that has begun no snapshot by them.

    Raises:
        OlderJournalError: They do; nothing was changed.
        OperationError: A host or a VM cannot be read.
    """
    if not began_snapshots(records):
        require_no_snapshot(context.spec, context.coordinator.observe(context.vms))


def require_no_export(spec: RunSpec, records: Sequence[Record]) -> None:
    """Return if a run that has an export may have made it, by its journal: snapshots come first.

    Raises:
        OlderJournalError: It did not, as far as the journal knows; nothing was changed.
    """
    if not began_snapshots(records):
        raise OlderJournalError(spec.run, "there is its export, which is made after them")
