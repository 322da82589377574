"""What putting an export back would do to a directory as it is now. Pure.

Only entries that the export's run wrote are removed, and only after everything of the export is
there again; an entry of somebody else is never touched, nor is one replaced in place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stsfix.remediation.directory.dn import index_of
from stsfix.remediation.pki.certificates import fingerprint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stsfix.remediation.directory.sts_export import StsMaterial


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorePlan:
    """*add* is in the order to add (chains before credentials), *remove* in the order to delete
    (credentials before chains). *conflicts* are reasons why nothing may be done, as clauses.
    """

    add: tuple[StsMaterial, ...]
    remove: tuple[StsMaterial, ...]
    conflicts: tuple[str, ...]

    @property
    def is_done(self) -> bool:
        """True if the directory holds the export already and nothing of the run."""
        return not (self.add or self.remove or self.conflicts)

    @property
    def missing(self) -> str:
        """What keeps it from being done, as a clause."""
        names = [f"{e.cn} is not there" for e in self.add]
        return "; ".join([*self.conflicts, *names, *(f"{e.cn} is there" for e in self.remove)])


def plan_restore(
    exported: Sequence[StsMaterial], present: Sequence[StsMaterial], ours: frozenset[str]
) -> RestorePlan:
    """Return how *present* becomes *exported* again.

    Args:
        exported: Entries of the writer before the run.
        present: Entries of the writer now.
        ours: SHA-256 of every leaf that the run wrote.
    """
    before = {entry.dn.lower(): entry for entry in exported}
    now = {entry.dn.lower(): entry for entry in present}
    add = [entry for name, entry in before.items() if name not in now]
    extra = [entry for name, entry in now.items() if name not in before]
    remove = [entry for entry in extra if _leaf(entry) in ours]
    conflicts = [
        f"{entry.dn} is another entry than before the run"
        for name, entry in before.items()
        if name in now and not entry.is_same(now[name])
    ]
    conflicts += _left_above(exported, [e for e in extra if e not in remove])
    if not any(entry.kind == "credential" for entry in exported):
        conflicts.append("the export holds no credential: the domain had none")
    return RestorePlan(
        add=tuple(sorted(add, key=_chains_first)),
        remove=tuple(sorted(remove, key=_credentials_first)),
        conflicts=tuple(conflicts),
    )


def _left_above(exported: Sequence[StsMaterial], left: Sequence[StsMaterial]) -> list[str]:
    """Name credentials of others that would go on signing instead of the exported ones."""
    highest = max((index_of(e.dn) or 0 for e in exported if e.kind == "credential"), default=0)
    return [
        f"{entry.dn} was written by somebody else since the run and would sign"
        for entry in left
        if entry.kind == "credential" and (index_of(entry.dn) or 0) > highest
    ]


def _leaf(entry: StsMaterial) -> str:
    return fingerprint(entry.certificates[0]) if entry.certificates else ""


def _chains_first(entry: StsMaterial) -> tuple[bool, int, str]:
    return entry.kind == "credential", index_of(entry.dn) or 0, entry.dn


def _credentials_first(entry: StsMaterial) -> tuple[bool, int, str]:
    return entry.kind == "chain", index_of(entry.dn) or 0, entry.dn
