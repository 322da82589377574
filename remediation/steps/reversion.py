"""The proof that every directory went back with its snapshot, by the directories themselves.

That each VM is at its snapshot is known before anybody is powered on. Whether its disks went back
with it shows in what vmdird tells: a node that went back while a partner did not meets a partner
that has seen more of it than it has written, and what it writes from then on reaches nobody
(vmdird measured, 8; KB 313886). Source of the comparison: invocation ids and USNs that vdcrepadmin
showpartnerstatus shows; every partner's seen number must be at most the node's own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stsfix.remediation.directory.replication import LagState, lags
from stsfix.remediation.errors_run import DirectoriesApartError, InterruptedRunError
from stsfix.remediation.records import NOT_PROVEN
from stsfix.snapshot.errors import OperationError, RefusedError
from stsfix.snapshot.polling import poll_until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stsfix.remediation.directory.sts_export import StsMaterial
    from stsfix.remediation.model import NodePlan, ReplicationStatus
    from stsfix.remediation.ports import Note
    from stsfix.remediation.steps.context import StepContext


@dataclass(frozen=True, slots=True, kw_only=True)
class Directories:
    """What every directory says after a revert, by FQDN."""

    statuses: Mapping[str, ReplicationStatus]
    entries: Mapping[str, tuple[StsMaterial, ...]]


def differences(
    found: Directories, expected: Mapping[str, tuple[StsMaterial, ...]]
) -> tuple[str, ...]:
    """Return what shows that the directories are not of one time, one sentence each. Pure.

    *expected* are the STS entries of each node at its snapshot.
    """
    other = tuple(
        f"the STS entries of {fqdn} are not those of before the run"
        for fqdn, entries in found.entries.items()
        if fqdn in expected and not _same(entries, expected[fqdn])
    )
    return (*reverted_alone(found.statuses), *other)


def reverted_alone(statuses: Mapping[str, ReplicationStatus]) -> tuple[str, ...]:
    """Return who has seen what its partner lacks, one sentence each: what that partner writes from
    now on reaches nobody. Pure.
    """
    return tuple(
        f"{lag.consumer} has seen {lag.changes} changes of {lag.supplier} that {lag.supplier} does"
        " not have"
        for lag in lags(statuses)
        if lag.state is LagState.AHEAD
    )


def prove_reverted(context: StepContext, step: str, note: Note) -> None:
    """Return if the directories show that all went back; reads only.

    What cannot be read proves nothing and fails nothing: that is told and noted.

    Raises:
        DirectoriesApartError: They do not; every node is on.
        InterruptedRunError: A stop was asked for while they were read.
    """
    try:
        found = _read(context)
    except InterruptedRunError:
        raise  # a resume looks again
    except OperationError as error:
        note(NOT_PROVEN, str(error))
        context.tell(step, "", f"not proven that every directory went back: {error}")
        return
    expected, unknown = _expected(context, found)
    reasons = differences(found, expected)
    if reasons:
        raise DirectoriesApartError(context.spec.run, reasons)
    if not unknown:
        context.tell(step, "", "every directory is as before the run")
        return
    note(NOT_PROVEN, f"compared with each other only: {unknown}")
    context.tell(step, "", f"all directories agree; what they held before is not known: {unknown}")


def _read(context: StepContext) -> Directories:
    nodes = context.spec.directories

    def all_of_them() -> Directories:
        statuses = read_statuses(context)
        entries = context.each(nodes, lambda node: context.directory(node.fqdn).read_sts_material())
        names = [node.fqdn for node in nodes]
        return Directories(statuses=statuses, entries=dict(zip(names, entries, strict=True)))

    limits = context.limits
    looked = poll_until(all_of_them, clock=context.clock, limit=limits.logins, every=limits.poll)
    return looked or all_of_them()  # it looks until it has read all, or raises


def read_statuses(context: StepContext) -> dict[str, ReplicationStatus]:
    """Return how far each directory is, by FQDN, such that `lags` can compare them."""
    nodes = context.spec.directories
    # It may be the first login of all after a revert: a password that was changed since the
    # snapshots is refused, and not sent to every node for that.
    first = _status(context, nodes[0])
    statuses = (first, *context.each(nodes[1:], lambda node: _status(context, node)))
    # Own numbers are read after every vector, or a partner that has just pulled looks ahead.
    later = context.each(nodes, lambda node: _status(context, node).usn)
    return {
        node.fqdn: replace(status, usn=usn)
        for node, status, usn in zip(nodes, statuses, later, strict=True)
    }


def _status(context: StepContext, node: NodePlan) -> ReplicationStatus:
    return context.directory(node.fqdn).read_replication_status()


def _expected(
    context: StepContext, found: Directories
) -> tuple[Mapping[str, tuple[StsMaterial, ...]], str]:
    """Return the entries of each node before the first write, and why they are not known, empty if
    they are: then those of the writer, which preflight found the same on all. The export of an
    adopted run is elsewhere, and its passphrase may be another person's.
    """
    try:
        return context.exports.load(context.spec.run).nodes, ""
    except RefusedError as error:
        return dict.fromkeys(found.entries, found.entries[context.spec.writer]), str(error)


def _same(one: tuple[StsMaterial, ...], other: tuple[StsMaterial, ...]) -> bool:
    return len(one) == len(other) and all(any(e.is_same(o) for o in other) for e in one)
