"""What the STS entries of every node mean: who signs, is it sound, which numbers are free.

Pure. Which credential signs, and what breaks the load of a tenant: DirectoryConfigStore.java
L320-380, Lightwave a04d9171 (vmdir.md 3.1).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from stsfix.remediation.directory import dn
from stsfix.remediation.errors import IssuerError
from stsfix.remediation.pki import certificate_chains, certificates
from stsfix.remediation.pki.certificates import Certificate, Expiry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from stsfix.remediation.model import StsEntries, StsEntry

SOON: Final = timedelta(days=60)


class Verdict(enum.StrEnum):
    """What the STS credentials of a domain need."""

    SOUND = "sound"
    EXPIRING = "expiring"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntrySummary:
    """One STS entry of one node, judged. *leaf* and *expiry* are None if it has no readable leaf.

    *leaf_count* counts the certificates of the entry that are not a CA's: exactly one is right.
    *authority_count* counts those that are. *links_hold* tells whether the chain leads, leaf
    first, link by link to a self-signed root; *may_sign* is the leaf's key usage, None without
    one; *algorithm* is key and signature of the leaf, for people. *problems* are sentences about
    this entry alone.
    """

    node: str
    entry: StsEntry
    leaf: Certificate | None
    expiry: Expiry | None
    leaf_count: int
    authority_count: int
    links_hold: bool
    may_sign: bool | None
    algorithm: str
    signs: bool
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StsSummary:
    """The STS entries of a domain, judged at one moment.

    *reasons* say why logins fail or will fail on some node; *warnings* do not stop them.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    credentials: tuple[EntrySummary, ...]
    chains: tuple[EntrySummary, ...]

    @property
    def needs_repair(self) -> bool:
        """True if logins fail somewhere, or will soon."""
        return self.verdict is not Verdict.SOUND

    @property
    def signing(self) -> tuple[EntrySummary, ...]:
        """The credential that signs, for each node that has one."""
        return tuple(c for c in self.credentials if c.signs)


def next_index(entries: Iterable[StsEntry]) -> int:
    """Return 1 + the highest index of *entries*, at least 1; entries without one do not count.

    Raises:
        IssuerError: The highest number that the identity service can read is taken.
    """
    highest = max([0, *(e.index for e in entries if e.index is not None)])
    if highest >= dn.MAX_INDEX:
        raise IssuerError(f"no number is left above {highest}: remove that entry by hand first")
    return highest + 1


def sts_summary(
    entries: Sequence[StsEntries], now: datetime, *, soon: timedelta = SOON
) -> StsSummary:
    """Judge the STS entries of every node at *now*.

    Args:
        entries: One reading for each node with a directory, of the whole domain.
        now: Aware UTC.
        soon: A signing leaf that ends within this time counts as expiring.
    """
    credentials = tuple(
        _judge(read.node, e, now, soon, signing=read.signing())
        for read in entries
        for e in read.credentials
    )
    chains = tuple(
        _judge(read.node, e, now, soon, signing=None) for read in entries for e in read.chains
    )
    reasons = [reason for read in entries for reason in _node_reasons(read, credentials)]
    reasons += _numbering_reasons(credentials + chains)
    reasons += _divergence(entries)
    expiring = [c for c in credentials if c.signs and c.expiry is Expiry.EXPIRING]
    warnings = [f"{_where(c)} ends at {_when(c)}" for c in expiring]
    warnings += [f"{_where(e)}: {p}" for e in credentials + chains for p in e.problems]
    verdict = Verdict.BROKEN if reasons else Verdict.EXPIRING if expiring else Verdict.SOUND
    return StsSummary(
        verdict=verdict,
        reasons=tuple(reasons),
        warnings=tuple(warnings),
        credentials=credentials,
        chains=chains,
    )


def _judge(
    node: str, entry: StsEntry, now: datetime, soon: timedelta, *, signing: StsEntry | None
) -> EntrySummary:
    parsed = [certificates.parse(der) for der in entry.chain]
    first = parsed[0] if parsed else None
    leaf = first if isinstance(first, Certificate) else None
    readable = [c for c in parsed if isinstance(c, Certificate)]
    authority_count = sum(1 for c in readable if _is_authority(c))
    leaf_count = len(readable) - authority_count
    expiry = certificates.classify(leaf, now, soon) if leaf else None
    problems = []
    if leaf_count != 1:
        problems.append(f"it holds {leaf_count} leaf certificates, not 1")
    problems += certificate_chains.check_chain(entry.chain, now)
    return EntrySummary(
        node=node,
        entry=entry,
        leaf=leaf,
        expiry=expiry,
        leaf_count=leaf_count,
        authority_count=authority_count,
        links_hold=not certificate_chains.check_links(entry.chain),
        may_sign=certificates.may_sign(leaf) if leaf else None,
        algorithm=certificates.algorithm(leaf) if leaf else "",
        signs=entry is signing,
        problems=tuple(problems),
    )


def _is_authority(certificate: Certificate) -> bool:
    """CA:TRUE, or a self-issued certificate without the extension (an old root)."""
    if certificate.authority is None:
        return certificate.self_issued
    return certificate.authority


def _node_reasons(read: StsEntries, credentials: Sequence[EntrySummary]) -> list[str]:
    """Why the STS of one node does not sign, or its tokens are not accepted."""
    signing = next((c for c in credentials if c.node == read.node and c.signs), None)
    if signing is None:
        return [f"{read.node} has no credential that can sign"]
    where = _where(signing)
    if signing.leaf is None:
        return [f"{where} has no readable leaf certificate"]
    reasons = []
    if signing.expiry is Expiry.EXPIRED:
        reasons.append(f"{where} expired at {_when(signing)}")
    if signing.expiry is Expiry.NOT_YET_VALID:
        reasons.append(f"{where} is not valid before {signing.leaf.not_before:%Y-%m-%d %H:%M} UTC")
    if signing.entry.key_matches is False:
        reasons.append(f"{where}: its key does not belong to its leaf")
    # The leaf of every trusted chain is an anchor (AuthnOnlyTokenValidator.java L122): without
    # one the STS refuses the very tokens that it signed.
    if not any(c.chain and c.chain[0] == signing.leaf.der for c in read.chains):
        reasons.append(f"{where}: no trusted chain of {read.node} begins with its leaf")
    return reasons


def _numbering_reasons(entries: Sequence[EntrySummary]) -> list[str]:
    """Names that make the identity service fail to load the whole tenant."""
    reasons = []
    for found in entries:
        entry = found.entry
        if entry.kind == "chain":
            # Chains are read whatever their name; a number matters only to who adds one.
            continue
        if entry.index is None:
            reasons.append(f"{_where(found)} has no number in its name")
        elif found.signs and dn.name_of(entry.dn).lower() != _expected(entry.index):
            reasons.append(f"{_where(found)} is not named {dn.credential_name(entry.index)}")
        elif entry.index == dn.MAX_INDEX:
            reasons.append(f"{_where(found)} has the highest number there is")
    return reasons


def _expected(index: int) -> str:
    return dn.credential_name(index).lower()


def _divergence(entries: Sequence[StsEntries]) -> list[str]:
    """Nodes that do not sign with the same leaf: their directories have parted."""
    leaves = {}
    for read in entries:
        signing = read.signing()
        leaves[read.node] = signing.chain[0] if signing and signing.chain else b""
    if len(set(leaves.values())) < 2:  # noqa: PLR2004 - one leaf everywhere
        return []
    shown = ", ".join(f"{node} {certificates.fingerprint(d)[:16]}" for node, d in leaves.items())
    return [f"the nodes sign with different leaves: {shown}"]


def _where(found: EntrySummary) -> str:
    return f"{dn.name_of(found.entry.dn)} on {found.node}"


def _when(found: EntrySummary) -> str:
    return f"{found.leaf.not_after:%Y-%m-%d %H:%M} UTC" if found.leaf else "an unknown time"
