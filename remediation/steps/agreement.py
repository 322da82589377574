"""What the steps about credentials want of directories: ours is in force, and nobody differs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.remediation.directory import dn
from stsfix.remediation.directory.sts import conflicting, our_pair, same_entries
from stsfix.remediation.errors import (
    EntryConflictError,
    ForeignEntriesError,
    ReplicationOverdueError,
)
from stsfix.snapshot.errors import TransientError
from stsfix.snapshot.polling import poll_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.remediation.model import StsEntries, StsEntry
    from stsfix.remediation.steps.context import StepContext


def require_signing(entries: StsEntries, leaves: frozenset[str]) -> tuple[StsEntry, StsEntry]:
    """Return our credential, one of *leaves*, which is the one that signs, and its chain.

    Raises:
        ForeignEntriesError: They are not both there, or another credential signs.
    """
    ours = our_pair(entries, leaves)
    if ours is None:
        reason = "the new credential is not there with its trusted chain"
        raise ForeignEntriesError(entries.node, reason, gone=True)
    signing = entries.signing()
    if signing is not None and signing != ours[0]:
        name = dn.name_of(signing.dn)
        reason = f"{name} signs, not {dn.name_of(ours[0].dn)} of this run"
        raise ForeignEntriesError(entries.node, reason, signer=name)
    return ours


def await_agreement(
    context: StepContext,
    step: str,
    leaves: frozenset[str],
    differs: Callable[[StsEntries], bool] = lambda _: False,
) -> None:
    """Wait until *differs* is false of the writer and every node equals the writer.

    What time does not mend is not waited for: the writer has what was written from the first
    moment on, and two entries of one name never become one (vmdird measured, 8).

    Raises:
        ForeignEntriesError: Our credential, one of *leaves*, does not sign on the writer.
        EntryConflictError: A node has somebody else's entry under the name of one of ours.
        ReplicationOverdueError: Some node still differs at the limit; nothing was changed.
    """
    spec = context.spec
    started = context.clock.monotonic()
    behind: list[str] = []

    def agree() -> bool | None:
        behind.clear()
        reference = context.directory(spec.writer).read_sts_entries()
        require_signing(reference, leaves)
        if differs(reference):
            behind.append(spec.writer)
        for node in spec.directories[1:]:
            try:
                entries = context.directory(node.fqdn).read_sts_entries()
            except TransientError:
                behind.append(node.fqdn)
                continue
            for entry in conflicting(reference, entries, leaves):
                raise EntryConflictError(spec.writer, node.fqdn, dn.name_of(entry.dn))
            if not same_entries(reference, entries):
                behind.append(node.fqdn)
        return None if behind else True

    context.tell(step, "", "waiting until every directory shows the same entries")
    if not poll_until(
        agree, clock=context.clock, limit=context.limits.replication, every=context.limits.poll
    ):
        waited = context.clock.monotonic() - started
        raise ReplicationOverdueError(spec.writer, behind, waited)
