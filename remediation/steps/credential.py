"""Steps that write the new signing credential, see it everywhere, and retire the old ones.

The new pair is added before anything old is removed, on one concrete node: first the trusted
chain, then the credential, because an STS that signs with a leaf no chain trusts refuses its
own tokens (AuthnOnlyTokenValidator.java L122). Whole entries are added and deleted, never parts
modified: vmdird merges per attribute between nodes (vmdird measured, 8).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar

from stsfix.remediation.directory import dn
from stsfix.remediation.directory.sts import (
    is_in_force,
    mark_of,
    obsolete,
    our_pair,
    still_trusted,
)
from stsfix.remediation.directory.sts_state import next_index
from stsfix.remediation.errors import (
    ForeignEntriesError,
    IssuerError,
    ProofError,
)
from stsfix.remediation.pki.certificates import Malformed, fingerprint, parse
from stsfix.remediation.pki.vmca import SHORT
from stsfix.remediation.ports import Observed
from stsfix.remediation.records import END_PREFIX, KEPT_PREFIX, REPLACE_STS, RETIRE_OLD
from stsfix.remediation.restarts import all_restarted
from stsfix.remediation.steps.agreement import await_agreement, require_signing
from stsfix.remediation.steps.clocks import require_clock
from stsfix.remediation.steps.way_back import revert_all
from stsfix.snapshot.errors import TransientError
from stsfix.snapshot.polling import poll_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.remediation.model import StsEntries, StsEntry
    from stsfix.remediation.ports import Facts, IssuedCredential, Note
    from stsfix.remediation.steps.context import StepContext

CREDENTIAL_INDEX = "credential-index"
CHAIN_INDEX = "chain-index"
LEAF_PREFIX = "leaf-sha256."
OLD_LEAF_PREFIX = "old-leaf-sha256."


def written_leaves(noted: Facts) -> frozenset[str]:
    """Return the SHA-256 of every leaf this run ever set out to write, one an attempt."""
    return frozenset(v for k, v in noted.items() if k.startswith(LEAF_PREFIX))


@dataclass(frozen=True, slots=True)
class ReplaceSts:
    """The highest credential of the writer's directory is ours, whole, and trusted by a chain."""

    context: StepContext
    name: ClassVar[str] = REPLACE_STS

    def probe(self, noted: Facts) -> Observed:
        """Our credential in force is complete, but for the root, which `do` publishes last.

        Ours in the directory and not in force, or somebody else's under the number we had
        chosen, is not for a machine.
        """
        leaves = written_leaves(noted)
        entries = self._read()
        pair = our_pair(entries, leaves)
        if pair is not None:
            if not is_in_force(entries, pair):
                return Observed.UNCLEAR
            return Observed.REPEATABLE if self.context.publish_root else Observed.COMPLETE
        signing = entries.signing()
        if signing is not None and leaves and _index(noted, CREDENTIAL_INDEX) == signing.index:
            return Observed.UNCLEAR
        return Observed.REPEATABLE

    def do(self, noted: Facts, note: Note) -> None:
        """Add chain and credential unless they are there, then the root they end in.

        The root comes last: its key is forgotten, so that one whose credential was never
        written would stay among the trusted roots for good.
        """
        leaves = written_leaves(noted)
        pair = our_pair(self._read(), leaves)
        if pair is None:
            self._remove_orphans(leaves)
            chain = self._issue_and_write(len(leaves) + 1, note)
        else:
            chain = pair[0].chain
        self._publish_root(chain[-1])
        self._read_back(chain)

    def undo(self, noted: Facts, note: Note) -> None:
        """Revert the whole set and leave every node off; a run that gave VMCA a new root before
        does so when it takes that back.
        """
        del noted, note
        if not self.context.spec.new_roots:
            revert_all(self.context, self.name)

    def _read(self) -> StsEntries:
        return self.context.directory(self.context.spec.writer).read_sts_entries()

    def _remove_orphans(self, leaves: frozenset[str]) -> None:
        writer = self.context.spec.writer
        directory = self.context.directory(writer)
        for chain in self._read().chains:
            if chain.chain and fingerprint(chain.chain[0]) in leaves:
                self.context.tell(self.name, writer, f"removing {dn.name_of(chain.dn)}")
                directory.delete_entry(chain)

    def _issue_and_write(self, attempt: int, note: Note) -> tuple[bytes, ...]:
        context, writer = self.context, self.context.spec.writer
        require_clock(context, writer)
        issued = context.issuer().issue(
            node=writer,
            now=context.clock.now(),
            validity=timedelta(days=context.spec.validity_days),
        )
        # Only now, since that may take long: two entries of one name never become one.
        everywhere = [
            context.directory(n.fqdn).read_sts_entries() for n in context.spec.directories
        ]
        credential_index = next_index([e for node in everywhere for e in node.credentials])
        chain_index = next_index([e for node in everywhere for e in node.chains])
        note(CREDENTIAL_INDEX, str(credential_index))
        note(CHAIN_INDEX, str(chain_index))
        note(f"{LEAF_PREFIX}{attempt}", fingerprint(issued.chain[0]))
        self._tell_end(issued, attempt, note)
        directory = context.directory(writer)
        directory.add_chain(chain_index, issued.chain)
        context.tell(self.name, writer, f"added TrustedCertChain-{chain_index}")
        directory.add_credential(credential_index, issued)
        context.tell(self.name, writer, f"added TenantCredential-{credential_index}")
        return issued.chain

    def _tell_end(self, issued: IssuedCredential, attempt: int, note: Note) -> None:
        """Note and show how long the leaf really lives, as read from it."""
        context = self.context
        leaf = parse(issued.chain[0])
        if isinstance(leaf, Malformed):
            raise IssuerError(f"the leaf that was issued is malformed: {leaf.reason}")
        note(f"{END_PREFIX}{attempt}", leaf.not_after.isoformat())
        for remark in issued.remarks:
            context.tell(self.name, context.spec.writer, remark)
        text = f"the new certificate is valid to {leaf.not_after:%Y-%m-%d}"
        if leaf.not_after - context.clock.now() < SHORT:
            text += f": less than {SHORT.days // 365} years"
        context.tell(self.name, context.spec.writer, text)

    def _publish_root(self, root: bytes) -> None:
        context, writer = self.context, self.context.spec.writer
        if context.publish_root and context.directory(writer).add_trusted_root(root):
            context.tell(self.name, writer, "added the issuing root to the trusted roots")

    def _read_back(self, chain: tuple[bytes, ...]) -> None:
        """Compare bytes and order of what the directory has now with what was sent.

        Raises:
            ForeignEntriesError: It has something else, although it said success.
        """
        entries = self._read()
        pair = require_signing(entries, frozenset({fingerprint(chain[0])}))
        if pair[0].chain != chain or not is_in_force(entries, pair):
            reason = f"{dn.name_of(pair[0].dn)} is not what was written"
            raise ForeignEntriesError(self.context.spec.writer, reason)


@dataclass(frozen=True, slots=True)
class AwaitReplication:
    """Every directory shows the writer's very entries: same bytes, order and objectGUID."""

    context: StepContext
    leaves: Callable[[], frozenset[str]]
    name: ClassVar[str] = "await-replication"

    def probe(self, noted: Facts) -> Observed:
        """Waiting again is harmless."""
        del noted
        return Observed.REPEATABLE

    def do(self, noted: Facts, note: Note) -> None:
        """Compare every node with the writer until all agree.

        Raises:
            ForeignEntriesError: As `await_agreement`, like the others.
            EntryConflictError: Only a rollback ends it.
            ReplicationOverdueError: A resume goes on waiting.
        """
        del noted, note
        await_agreement(self.context, self.name, self.leaves())
        self._await_published()

    def undo(self, noted: Facts, note: Note) -> None:
        """Nothing was changed."""

    def _await_published(self) -> None:
        """Give every STS the time to notice; the restart that follows makes sure of it, and
        the proof of logins demands it, so that lateness alone is no failure here.
        """
        context = self.context
        waiting = {node.fqdn for node in context.spec.directories}

        def all_publish() -> bool | None:
            for fqdn in sorted(waiting):
                try:
                    leaf = fingerprint(context.logins.read_published_leaf(fqdn))
                except (TransientError, ProofError):
                    continue
                if leaf in self.leaves():
                    context.tell(self.name, fqdn, "publishes the new certificate")
                    waiting.discard(fqdn)
            return None if waiting else True

        poll_until(
            all_publish,
            clock=context.clock,
            limit=context.limits.publish,
            every=context.limits.poll,
        )
        for fqdn in sorted(waiting):
            context.tell(self.name, fqdn, "still publishes the old certificate before the restart")


@dataclass(frozen=True, slots=True)
class RetireOld:
    """Only our credential is left, and of the chains that belonged to removed ones those alone that
    living tokens may rest on.

    *restarts* is what restart-services noted. Where every service was started after the write,
    each has got a token of the new certificate; else a chain stays until its leaf has ended
    (vmdir.md 3.4 and 7.1 step 8: a holder-of-key token lives up to 30 days).
    """

    context: StepContext
    leaves: Callable[[], frozenset[str]]
    restarts: Callable[[], Facts]
    name: ClassVar[str] = RETIRE_OLD

    def probe(self, noted: Facts) -> Observed:
        """Removing what is left converges; a missing credential of ours is not for a machine."""
        del noted
        entries = self.context.directory(self.context.spec.writer).read_sts_entries()
        if our_pair(entries, self.leaves()) is None:
            return Observed.UNCLEAR
        return Observed.REPEATABLE

    def do(self, noted: Facts, note: Note) -> None:
        """Delete old credentials with their chains on the writer, then await agreement.

        A credential goes before its chain, so that a signer is never left untrusted.

        Raises:
            ForeignEntriesError: Ours is not there, or does not sign; if that is so from the
                beginning, nothing was deleted.
            EntryConflictError: As `await_agreement`.
        """
        context, writer = self.context, self.context.spec.writer
        directory = context.directory(writer)
        entries = directory.read_sts_entries()
        ours = require_signing(entries, self.leaves())
        old = self._note_old(entries, ours[0], noted, note)
        kept = self._keep(entries, ours[1], old, note)
        for entry in obsolete(entries, ours, old, kept):
            context.tell(self.name, writer, f"removing {dn.name_of(entry.dn)}")
            directory.delete_entry(entry)
        await_agreement(
            context, self.name, self.leaves(), lambda now: bool(obsolete(now, ours, old, kept))
        )

    def undo(self, noted: Facts, note: Note) -> None:
        """Covered by the revert of replace-sts."""

    def _keep(
        self, entries: StsEntries, ours: StsEntry, old: frozenset[str], note: Note
    ) -> frozenset[str]:
        """Return the DNs of chains of *old* that stay; each is told and noted with its end."""
        if all_restarted(self.context.spec.nodes, self.restarts()):
            return frozenset()
        kept = set()
        for chain in still_trusted(entries, old, self.context.clock.now()):
            leaf = parse(chain.chain[0])
            if chain == ours or isinstance(leaf, Malformed):
                continue
            note(f"{KEPT_PREFIX}{dn.name_of(chain.dn)}", leaf.not_after.isoformat())
            text = (
                f"keeping {dn.name_of(chain.dn)}: not every service was restarted, and tokens of "
                f"its certificate may live until {leaf.not_after:%Y-%m-%d}"
            )
            self.context.tell(self.name, self.context.spec.writer, text)
            kept.add(chain.dn.lower())
        return frozenset(kept)

    @staticmethod
    def _note_old(entries: StsEntries, ours: StsEntry, noted: Facts, note: Note) -> frozenset[str]:
        """Note the mark of each credential that goes, so that a later attempt still knows
        which chains belonged to those already gone.
        """
        known = {v for k, v in noted.items() if k.startswith(OLD_LEAF_PREFIX)}
        found = {mark_of(e) for e in entries.credentials} - {mark_of(ours), None}
        for number, mark in enumerate(sorted(filter(None, found - known)), start=len(known) + 1):
            note(f"{OLD_LEAF_PREFIX}{number}", mark)
        return frozenset(known | set(filter(None, found)))


def _index(noted: Facts, key: str) -> int | None:
    return int(noted[key]) if key in noted else None
