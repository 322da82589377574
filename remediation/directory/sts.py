"""Decisions about STS entries: which are ours and which go. Pure."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from stsfix.remediation.pki.certificates import Certificate, fingerprint, parse

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from stsfix.remediation.model import StsEntries, StsEntry

TOLERATED: Final = timedelta(minutes=10)
"""How wrong clocks may be: the STS's own tolerance (IConfigStore.java L54-78, vmdir.md)."""


def leaf_of(entry: StsEntry) -> str | None:
    """Return the SHA-256 of the entry's first certificate, None if it has none."""
    return fingerprint(entry.chain[0]) if entry.chain else None


def our_pair(entries: StsEntries, leaves: frozenset[str]) -> tuple[StsEntry, StsEntry] | None:
    """Return our credential and its chain, None unless both are there with one leaf of *leaves*
    and the same certificates.
    """
    for credential in sorted(entries.credentials, key=lambda e: -(e.index or 0)):
        if leaf_of(credential) not in leaves:
            continue
        for chain in entries.chains:
            if chain.chain == credential.chain:
                return credential, chain
    return None


def is_in_force(entries: StsEntries, pair: tuple[StsEntry, StsEntry]) -> bool:
    """Tell whether the STS signs with *pair*: the highest number, and a key that belongs to it."""
    return entries.signing() == pair[0] and pair[0].key_matches is True


def same_entries(one: StsEntries, other: StsEntries) -> bool:
    """Tell whether two nodes hold the very same entries: DN, bytes, order and objectGUID.

    Equal bytes with different objectGUIDs are two entries that never converge (concurrent
    ADD; vmdird measured, 8). uSNChanged differs per node by design.
    """
    return _identity(one) == _identity(other)


def conflicting(
    writer: StsEntries, other: StsEntries, leaves: frozenset[str]
) -> tuple[StsEntry, ...]:
    """Return the entries of *other* that have the name of an entry with one of *leaves* on the
    writer, and are somebody else's.

    That is no lag: both stay for good (concurrent ADD; vmdird measured, 8). An entry of the same
    name with another of *leaves* may be one of an earlier attempt, which has gone from the writer.
    """
    ours = {
        entry.dn.lower(): entry.object_guid
        for entry in (*writer.credentials, *writer.chains)
        if leaf_of(entry) in leaves
    }
    return tuple(
        entry
        for entry in (*other.credentials, *other.chains)
        if ours.get(entry.dn.lower(), entry.object_guid) != entry.object_guid
        and leaf_of(entry) not in leaves
    )


def _identity(entries: StsEntries) -> frozenset[tuple[str, tuple[bytes, ...], str, bool | None]]:
    return frozenset(
        (entry.dn.lower(), entry.chain, entry.object_guid, entry.key_matches)
        for entry in (*entries.credentials, *entries.chains)
    )


def mark_of(credential: StsEntry) -> str | None:
    """Return the SHA-256 by which a credential's chains are known, also when it is gone.

    That is its first certificate, the leaf: only what its key signed can rest on a chain that
    begins with it. A CA is no such leaf, since a chain that begins with one may be anybody's
    anchor, and of bytes that are no certificate nobody knows. Then it is all its certificates
    together, in whatever order, as long as not all of them are CAs; None if they are.
    """
    return _leaf_mark(credential.chain) or _whole_mark(credential.chain)


def belonging(chains: Iterable[StsEntry], marks: frozenset[str]) -> tuple[StsEntry, ...]:
    """Return those of *chains* that belong to the credentials with *marks*: see `mark_of`."""
    return tuple(e for e in chains if {_leaf_mark(e.chain), _whole_mark(e.chain)} & marks)


def _leaf_mark(chain: tuple[bytes, ...]) -> str | None:
    leaf = parse(chain[0]) if chain else None
    return fingerprint(chain[0]) if isinstance(leaf, Certificate) and not leaf.authority else None


def _whole_mark(chain: tuple[bytes, ...]) -> str | None:
    if all(isinstance(c, Certificate) and c.authority for c in map(parse, chain)):
        return None
    return hashlib.sha256("".join(sorted(map(fingerprint, chain))).encode()).hexdigest()


def still_trusted(
    entries: StsEntries, marks: frozenset[str], now: datetime
) -> tuple[StsEntry, ...]:
    """Return the chains of the credentials with *marks* whose leaf has not ended: tokens that it
    signed may be alive, and a token ends with its signer at the latest (vmdir.md 3.4, 4.1).
    """
    return tuple(e for e in belonging(entries.chains, marks) if _lives(e, now))


def _lives(entry: StsEntry, now: datetime) -> bool:
    leaf = parse(entry.chain[0])
    return isinstance(leaf, Certificate) and now <= leaf.not_after + TOLERATED


def obsolete(
    entries: StsEntries,
    ours: tuple[StsEntry, StsEntry],
    marks: frozenset[str],
    kept: frozenset[str] = frozenset(),
) -> tuple[StsEntry, ...]:
    """Return what retiring removes, in order: every credential but ours, then the chains that
    belonged to credentials with *marks*, the removed ones, but for those whose DN, in lower case,
    is among *kept*. Other chains are not ours to judge: tokens of other issuers may rest on them.
    """
    credentials = [e for e in entries.credentials if e.dn.lower() != ours[0].dn.lower()]
    stay = {ours[1].dn.lower(), *kept}
    chains = [e for e in belonging(entries.chains, marks) if e.dn.lower() not in stay]
    return (*sorted(credentials, key=lambda e: e.index or 0), *chains)
