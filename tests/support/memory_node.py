"""One node's directory of `memory_directory`: what a snapshot of it holds, and what goes wrong."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.remediation.inventory_certificates import DirectoryCertificates
    from stsfix.remediation.model import StsEntry


@dataclass(kw_only=True)
class Fault:
    """What goes wrong on calls *nth* to *nth* + *times* - 1 that match *call* and *node*.

    ``refuse``: DirectoryFaultError with *code*, nothing done. ``lost``: done, and the answer is
    lost (WriteInDoubtError). ``lost-before``: the same error, and nothing was done.
    ``unreachable``: DirectoryUnreachableError, nothing done.
    """

    call: str
    node: str = "*"
    nth: int = 1
    times: int = 1
    effect: Literal["refuse", "lost", "lost-before", "unreachable"] = "refuse"
    code: int = 53
    seen: int = field(default=0, init=False)

    def fires(self, call: str, node: str) -> bool:
        """Count a call; True if the fault happens on it."""
        if not (fnmatchcase(call, self.call) and fnmatchcase(node, self.node)):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times


@dataclass(kw_only=True)
class MemoryNode:
    """One node's directory: what a snapshot of it holds. *pending* is what it has not pulled."""

    name: str
    invocation_id: str
    usn: int = 100
    entries: dict[str, StsEntry] = field(default_factory=dict)
    keys: dict[str, bytes] = field(default_factory=dict)
    roots: list[bytes] = field(default_factory=list)
    certificates: DirectoryCertificates | None = None
    has_tenant: bool = True
    up_to_date: dict[str, int] = field(default_factory=dict)
    pending: list[Pending] = field(default_factory=list)
    cycles: int | None = None

    def of_kind(self, kind: str) -> tuple[StsEntry, ...]:
        """Return the entries of a kind by number."""
        found = [e for e in self.entries.values() if e.kind == kind]
        return tuple(sorted(found, key=lambda e: e.index or 0))


@dataclass(kw_only=True)
class Pending:
    """A change on its way to a node: applied after *calls* more calls of that node."""

    calls: int
    origin: str
    usn: int
    apply: Callable[[MemoryNode], None]
