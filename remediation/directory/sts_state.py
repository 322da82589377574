"""What the STS entries of every node mean: whether logins need a repair, which numbers are free.

Pure. Which credential signs, and what breaks the load of a tenant: DirectoryConfigStore.java
L320-380, Lightwave a04d9171 (vmdir.md 3.1). Findings about each entry: `checks.domain`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.remediation.directory import dn
from stsfix.remediation.errors import IssuerError
from stsfix.remediation.pki import certificates
from stsfix.remediation.pki.certificates import Certificate, Expiry

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime, timedelta

    from stsfix.remediation.model import StsEntries, StsEntry


def next_index(entries: Iterable[StsEntry]) -> int:
    """Return 1 + the highest index of *entries*, at least 1; entries without one do not count.

    Raises:
        IssuerError: The highest number that the identity service can read is taken.
    """
    highest = max([0, *(e.index for e in entries if e.index is not None)])
    if highest >= dn.MAX_INDEX:
        raise IssuerError(f"no number is left above {highest}: remove that entry by hand first")
    return highest + 1


def repair_reasons(
    entries: Sequence[StsEntries], now: datetime, *, soon: timedelta
) -> tuple[str, ...]:
    """Return why logins fail on some node, or will soon; nothing if all signing is sound.

    Args:
        entries: One reading for each node with a directory, of the whole domain.
        now: Aware UTC.
        soon: A signing leaf that ends within this time is a reason.
    """
    reasons = [reason for read in entries for reason in _node_reasons(read, now, soon)]
    reasons += [reason for read in entries for reason in _numbering_reasons(read)]
    return (*reasons, *_divergence(entries))


def _node_reasons(read: StsEntries, now: datetime, soon: timedelta) -> Iterator[str]:
    """Why the STS of one node does not sign, or its tokens are not accepted."""
    signing = read.signing()
    if signing is None:
        yield f"{read.node} has no credential that can sign"
        return
    where = _where(read, signing)
    leaf = certificates.parse(signing.chain[0]) if signing.chain else None
    if not isinstance(leaf, Certificate):
        yield f"{where} has no readable leaf certificate"
        return
    match certificates.classify(leaf, now, soon):
        case Expiry.EXPIRED:
            yield f"{where} expired at {leaf.not_after:%Y-%m-%d %H:%M} UTC"
        case Expiry.NOT_YET_VALID:
            yield f"{where} is not valid before {leaf.not_before:%Y-%m-%d %H:%M} UTC"
        case Expiry.EXPIRING:
            yield f"{where} ends at {leaf.not_after:%Y-%m-%d %H:%M} UTC"
        case Expiry.VALID:
            pass
    if signing.key_matches is False:
        yield f"{where}: its key does not belong to its leaf"
    # The leaf of every trusted chain is an anchor (AuthnOnlyTokenValidator.java L122): without
    # one the STS refuses the very tokens that it signed.
    if not any(c.chain and c.chain[0] == leaf.der for c in read.chains):
        yield f"{where}: no trusted chain of {read.node} begins with its leaf"


def _numbering_reasons(read: StsEntries) -> Iterator[str]:
    """Names that make the identity service fail to load the whole tenant. Chains are read whatever
    their name; a number matters only to who adds one.
    """
    signing = read.signing()
    for entry in read.credentials:
        where = _where(read, entry)
        if entry.index is None:
            yield f"{where} has no number in its name"
        elif entry is signing and not _is_named_by(entry.index, entry):
            yield f"{where} is not named {dn.credential_name(entry.index)}"
        elif entry.index == dn.MAX_INDEX:
            yield f"{where} has the highest number there is"


def _is_named_by(index: int, entry: StsEntry) -> bool:
    return dn.name_of(entry.dn).lower() == dn.credential_name(index).lower()


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


def _where(read: StsEntries, entry: StsEntry) -> str:
    return f"{dn.name_of(entry.dn)} on {read.node}"
