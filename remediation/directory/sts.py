"""Decisions about STS entries: which are ours and which go. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from stsfix.remediation.pki.certificates import Certificate, fingerprint, parse

if TYPE_CHECKING:
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


def _identity(entries: StsEntries) -> frozenset[tuple[str, tuple[bytes, ...], str, bool | None]]:
    return frozenset(
        (entry.dn.lower(), entry.chain, entry.object_guid, entry.key_matches)
        for entry in (*entries.credentials, *entries.chains)
    )


def still_trusted(
    entries: StsEntries, old_leaves: frozenset[str], now: datetime
) -> tuple[StsEntry, ...]:
    """Return the chains whose leaf is among *old_leaves* and has not ended: tokens that it signed
    may be alive, and a token ends with its signer at the latest (vmdir.md 3.4, 4.1).
    """
    return tuple(e for e in entries.chains if leaf_of(e) in old_leaves and _lives(e, now))


def _lives(entry: StsEntry, now: datetime) -> bool:
    leaf = parse(entry.chain[0])
    return isinstance(leaf, Certificate) and now <= leaf.not_after + TOLERATED


def obsolete(
    entries: StsEntries, ours: tuple[StsEntry, StsEntry], old_leaves: frozenset[str]
) -> tuple[StsEntry, ...]:
    """Return what retiring removes, in order: every credential but ours, then the chains whose
    leaf is among *old_leaves*, the leaves of removed credentials that nothing rests on any more.
    Other chains are not ours to judge: tokens of other issuers may rest on them.
    """
    credentials = [e for e in entries.credentials if e.dn.lower() != ours[0].dn.lower()]
    chains = [
        e for e in entries.chains if e.dn.lower() != ours[1].dn.lower() and leaf_of(e) in old_leaves
    ]
    return (*sorted(credentials, key=lambda e: e.index or 0), *chains)
