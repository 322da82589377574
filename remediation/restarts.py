"""Which services are restarted when, and what a run noted of it, node by node. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from stsfix.remediation.logins.proofs import fatal
from stsfix.remediation.model import Platform
from stsfix.remediation.nodes.service_expectation import LeftDown, Why
from stsfix.remediation.nodes.service_names import CORE_OF, bare, is_normally_stopped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from stsfix.remediation.model import LoginProof, NodePlan, RunSpec
    from stsfix.remediation.ports import ServiceReport

STEP: Final = "restart-services"

RESTARTED: Final = "restarted."
"""Notes when all services of a node had been restarted and ran, ISO 8601."""

RAN: Final = "ran."
"""Notes the services that ran before the first attempt to restart, joined by commas; where
preflight could not list them, with those that were starting."""

STARTED: Final = "started."
"""Notes the services that did not run before the restart and run now, joined by commas."""

LEFT: Final = "left."
"""Notes the services that do not run after the restart and need not, each with the reason
(``name:why``), joined by commas."""

KEPT: Final = "kept."
"""Notes the services that were not stopped for the restart and may run since before it, joined by
commas."""

KEPT_WORDS: Final = (
    "was not stopped, and may work with what it loaded before: restart it when that suits"
)
"""The rest of a sentence about one of them."""

DOWN: Final = "down."
"""Notes the services that did not start at the last attempt, joined by commas; empty since then."""

ASKED: Final = "asked."
"""Notes when a person was asked to restart the services of a node, ISO 8601."""

CYCLES: Final = "cycles."
"""Notes how many replication cycles vmdird of a node had made then."""

BOOTED: Final = "booted."
"""Notes when the VM of a node had been powered on last then, ISO 8601."""

BY_HAND: Final = "by-hand."
"""Notes that the services of a node count as restarted by a person, by what was seen (`Seen`)."""


_SAME_START: Final = timedelta(minutes=1)
"""By how much a host may tell one power-on differently later (unverified). Who is asked to restart
a node power-cycles none that started so recently."""

NOT_NEEDED: Final = "not-needed."
"""Notes when every way in was proven on a node whose services were left alone, ISO 8601."""


class Outcome(enum.StrEnum):
    """What became of a node's services."""

    PENDING = "pending"
    RESTARTED = "restarted"
    FAILED = "failed"
    ASKED = "asked"
    BY_HAND = "by-hand"
    NOT_NEEDED = "not-needed"


class Seen(enum.StrEnum):
    """What was seen of a restart by a person. Whatever it is: every way in works."""

    POWERED_ON = "powered-on"
    VMDIRD = "vmdird-restarted"
    LOGINS = "logins-only"


SEEN_WORDS: Final[Mapping[Seen, str]] = MappingProxyType(
    {
        Seen.POWERED_ON: "it was powered on since, so every service was started",
        Seen.VMDIRD: "its vmdird was restarted since; of the other services only those that "
        "logins need are proven",
        Seen.LOGINS: "every way in works with the new certificate; that its services were "
        "restarted cannot be seen from outside",
    }
)

_CONTROL: Final = "service-control --stop --all && service-control --start --all"
COMMANDS: Final[Mapping[Platform, str]] = MappingProxyType(
    {
        Platform.APPLIANCE: _CONTROL,
        Platform.WINDOWS: f'cd /d "C:\\Program Files\\VMware\\vCenter Server\\bin" && {_CONTROL}',
    }
)
"""What a person types on a node: as root in bash, as an administrator in cmd.exe.

Source: KB 316619, KB 318197; the folder is the default of the PSC administration guides 6.5
(p. 149) and 6.7 (p. 135).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRestart:
    """What a run noted of one node. *at* is when that was, ISO 8601, empty before.

    *started* came up with the restart; *down* did not start; *left* do not run and need not; *kept*
    were not stopped for it.
    *command* is what a person has to type there, empty unless it was asked for; *seen* is what was
    seen of what a person did.
    """

    node: str
    outcome: Outcome
    at: str = ""
    started: tuple[str, ...] = ()
    down: tuple[str, ...] = ()
    command: str = ""
    seen: Seen | None = None
    left: tuple[LeftDown, ...] = ()
    kept: tuple[str, ...] = ()


def restart_waves(spec: RunSpec) -> tuple[tuple[NodePlan, ...], ...]:
    """Return who restarts its services when: the node that was written to alone, then the other
    nodes with a directory, then vCenters, which log in through those.

    A restart that fails on the first node leaves all others as they are.
    """
    writer, *others = spec.directories
    vcenters = tuple(node for node in spec.vcenters if not node.role.has_directory)
    return tuple(wave for wave in ((writer,), tuple(others), vcenters) if wave)


def is_settled(node: str, noted: Mapping[str, str]) -> bool:
    """Tell whether nothing is left to be done for the services of *node*."""
    return any(key + node in noted for key in (RESTARTED, BY_HAND, NOT_NEEDED))


def all_restarted(nodes: Sequence[NodePlan], noted: Mapping[str, str]) -> bool:
    """Tell whether every service of every one of *nodes* was started after the write for sure: by
    the run, or by a power-on that its host saw.
    """
    return all(
        (RESTARTED + node.fqdn in noted and not noted.get(KEPT + node.fqdn))
        or noted.get(BY_HAND + node.fqdn) == Seen.POWERED_ON
        for node in nodes
    )


def in_need(proofs: Sequence[LoginProof]) -> dict[str, str]:
    """Return for each node whose services have to be restarted what does not work, in one line.

    A vCenter that refuses the token of an STS is in need itself, unless that STS is: then its
    token proves nothing of the vCenter.
    """
    failed = fatal(proofs)
    broken = {p.node for p in failed if p.way in {"sts-token", "metadata"}}
    found: dict[str, str] = {}
    for proof in failed:
        if proof.sts == proof.node or proof.sts not in broken:
            found.setdefault(proof.node, f"{proof.way}: {proof.detail}")
    return found


def down_of(report: ServiceReport, platform: Platform) -> tuple[str, ...]:
    """Return the services of a node that logins need and that do not run."""
    return tuple(name for name in report.stopped if bare(name) in CORE_OF[platform])


def lost_of(report: ServiceReport, node: NodePlan) -> tuple[str, ...]:
    """Return the services of *node* that ran at preflight and do not run now. Those that a person
    starts are left out: no power-on starts them, and no restart is worth it.
    """
    ran = {bare(name) for name in node.ran}
    return tuple(n for n in report.stopped if bare(n) in ran and not is_normally_stopped(n))


def seen_of(
    node: str, noted: Mapping[str, str], *, cycles: int | None, booted: datetime | None
) -> Seen:
    """Return what tells of a restart since *node* was asked for.

    vmdird counts replication cycles in memory, from 0 at each start (lightwave@052a8d45
    vmdir/server/replication/thread.c, dwReplCycleCounter): fewer than before prove a restart, more
    prove nothing, and a node without a partner counts none. The time of power-on is the host's: one
    that only its clock tells differently is no power-on.
    """
    told = noted.get(BOOTED + node)
    if booted is not None and told and booted - datetime.fromisoformat(told) > _SAME_START:
        return Seen.POWERED_ON
    before = noted.get(CYCLES + node, "")
    if cycles is not None and before and cycles < int(before):
        return Seen.VMDIRD
    return Seen.LOGINS


def restart_of(node: NodePlan, noted: Mapping[str, str]) -> NodeRestart:
    """Return what became of the services of *node*."""
    fqdn = node.fqdn
    keys = (RESTARTED, BY_HAND, NOT_NEEDED, ASKED, STARTED, DOWN)
    found = {key: noted.get(key + fqdn, "") for key in keys}
    known = {
        Outcome.RESTARTED: RESTARTED,
        Outcome.BY_HAND: BY_HAND,
        Outcome.NOT_NEEDED: NOT_NEEDED,
        Outcome.FAILED: DOWN,
        Outcome.ASKED: ASKED,
    }
    outcome = next((o for o, key in known.items() if found[key]), Outcome.PENDING)
    return NodeRestart(
        node=fqdn,
        outcome=outcome,
        at=found[RESTARTED] or found[NOT_NEEDED] or found[ASKED],
        started=_names(found[STARTED]),
        down=_names(found[DOWN]),
        command=COMMANDS[node.platform] if outcome is Outcome.ASKED else "",
        seen=Seen(found[BY_HAND]) if found[BY_HAND] else None,
        left=_left(noted.get(LEFT + fqdn, "")),
        kept=_names(noted.get(KEPT + fqdn, "")),
    )


def left_note(left: Sequence[LeftDown]) -> str:
    """Return the note that tells of *left*."""
    return ",".join(f"{each.service}:{each.why}" for each in left)


def _left(note: str) -> tuple[LeftDown, ...]:
    pairs = [name.partition(":") for name in _names(note)]
    return tuple(
        LeftDown(service=name, why=Why(why) if why in set(Why) else Why.UNKNOWN)
        for name, _, why in pairs
    )


def _names(note: str) -> tuple[str, ...]:
    return tuple(name for name in note.split(",") if name)
