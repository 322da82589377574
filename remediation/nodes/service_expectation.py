"""Which services of a node have to run after its restart, and which are only told of. Pure.

A node was powered on minutes before its restart: services that are still starting then, or gave
up because the signing certificate has expired, ran before the run all the same. So what counts is
what ran or was starting when preflight listed the services, what ran when the restart began, and,
where the node tells it, how each service is started (docs/adr/0063-services-that-have-to-run.md).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from stsfix.remediation.nodes.service_names import CORE_OF, bare, is_normally_stopped
from stsfix.remediation.nodes.start_types import StartType

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import timedelta

    from stsfix.remediation.model import NodePlan, Platform
    from stsfix.remediation.nodes.service_status import ServiceStatus
    from stsfix.snapshot.ports import Clock


class Why(enum.StrEnum):
    """Why a service that does not run after the restart is told of, and is no failure."""

    AUTOMATIC = "automatic"
    MANUAL = "manual"
    DISABLED = "disabled"
    UNKNOWN = "unknown"


WHY_WORDS: Final[Mapping[Why, str]] = MappingProxyType(
    {
        Why.AUTOMATIC: "it starts by itself, but did not run before the run either",
        Why.MANUAL: "it is started by hand only",
        Why.DISABLED: "it is disabled",
        Why.UNKNOWN: "it did not run before either; whether it should, the node does not tell",
    }
)
"""Each is the rest of a sentence that says that a service did not come up with the restart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftDown:
    """A service that does not run after the restart, and need not."""

    service: str
    why: Why


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """What does not run. *required* has to; *left* is told of. *is_starting* and *may_come* tell
    that one of *left* is under way, or starts by itself and is stopped.
    """

    required: tuple[str, ...] = ()
    left: tuple[LeftDown, ...] = ()
    is_starting: bool = False

    @property
    def may_come(self) -> bool:
        """Tell whether waiting for a while makes sense."""
        return any(each.why is Why.AUTOMATIC for each in self.left)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a node's services have to be after a restart.

    *at_preflight* are those that ran when the run was planned, empty if nobody could list them;
    *at_begin* those that ran, or were starting, when the first restart began. Both are `bare`
    names, as are the keys of *types*.
    """

    platform: Platform
    at_preflight: frozenset[str]
    at_begin: frozenset[str]
    types: Mapping[str, StartType]

    def ran(self, name: str) -> bool:
        """Tell whether the service *name* ran before its restart."""
        return bare(name) in self.at_preflight or bare(name) in self.at_begin

    def absent(self, now: ServiceStatus) -> Absent:
        """Return what does not run *now*, in the order it is listed, what is pending first."""
        pending = frozenset(now.pending)
        down = (*now.pending, *now.stopped)
        required = tuple(n for n in down if self._is_required(n, pending=n in pending))
        left = tuple(
            LeftDown(service=name, why=why)
            for name in down
            if name not in required and (why := self._why(name, pending=name in pending))
        )
        return Absent(
            required=required,
            left=left,
            is_starting=any(each.service in pending for each in left),
        )

    def by_name(self, first: ServiceStatus) -> tuple[str, ...]:
        """Return the services of the listing *first* that ran and that ``--start --all`` does not
        start: vMon leaves them to a person, or their name says so where it does not tell.
        """
        listed = (*first.running, *first.pending, *first.stopped)
        return tuple(name for name in listed if self.ran(name) and self._is_by_hand(name))

    def reason(self, name: str) -> str:
        """Return why *name* has to run, as the rest of a sentence about it."""
        if bare(name) in self.at_preflight:
            return "ran before the run"
        if bare(name) in self.at_begin:
            return "ran, or was starting, before its restart"
        if bare(name) in CORE_OF[self.platform]:
            return "did not run before its restart; nobody logs in without it"
        return "starts by itself; whether it ran before the run is not known"

    def _type(self, name: str) -> StartType | None:
        return self.types.get(bare(name))

    def _is_by_hand(self, name: str) -> bool:
        """Tell whether vMon leaves the start of *name* to a person; where it does not tell, its
        name says so.
        """
        kind = self._type(name)
        return kind is StartType.MANUAL or (kind is None and is_normally_stopped(name))

    def _is_required(self, name: str, *, pending: bool) -> bool:
        """What logins need, and what ran, is; what starts by itself too, unless it was seen
        stopped before the run. What is disabled never is, what is started by hand only if logins
        need it.
        """
        kind, ran = self._type(name), self.ran(name)
        core = bare(name) in CORE_OF[self.platform]
        if kind is StartType.DISABLED:
            return False
        if self._is_by_hand(name):
            return core and ran
        if is_normally_stopped(name):
            return ran
        by_itself = kind is StartType.AUTOMATIC or pending
        return core or ran or (by_itself and not self.at_preflight)

    def _why(self, name: str, *, pending: bool) -> Why | None:
        """Return why *name*, which need not run, is told of; None if nobody misses it."""
        kind = self._type(name)
        missed = self.ran(name) or bare(name) in CORE_OF[self.platform]
        if kind is StartType.DISABLED:
            return Why.DISABLED if missed else None
        if self._is_by_hand(name):
            return Why.MANUAL if missed else None
        if is_normally_stopped(name):
            return None
        return Why.AUTOMATIC if kind is StartType.AUTOMATIC or pending else Why.UNKNOWN


def expectation(
    node: NodePlan, first: ServiceStatus, ran: Collection[str], platform: Platform
) -> Expectation:
    """Return what has to run on *node* after a restart.

    Args:
        node: With what ran at preflight.
        first: The listing right before this restart.
        ran: What ran, or was starting, when the first attempt to restart began; an attempt that
            broke off leaves everything stopped.
        platform: Whose names they are.
    """
    # What is only starting was not seen running; that is an answer where nothing else gives one.
    starting = () if node.ran else first.pending
    return Expectation(
        platform=platform,
        at_preflight=frozenset(map(bare, node.ran)),
        at_begin=frozenset(map(bare, (*ran, *first.running, *starting))),
        types=first.types,
    )


class Watch:
    """Looks at the listings after a restart. What need not run and starts by itself is waited for
    until *grace* is over since everything that has to run does.
    """

    def __init__(self, expected: Expectation, clock: Clock, grace: timedelta) -> None:
        self._expected = expected
        self._clock = clock
        self._grace_s = grace.total_seconds()
        self._since: float | None = None
        self.required: tuple[str, ...] = ()
        self.good_enough: ServiceStatus | None = None

    def judge(self, status: ServiceStatus, *, is_restarting: bool) -> ServiceStatus | None:
        """Return *status* if nothing is waited for any more.

        Afterwards `good_enough` is *status* if everything that has to run does, else `required`
        is what does not.
        """
        absent = self._expected.absent(status)
        self.required = absent.required
        self.good_enough = None if is_restarting or absent.required else status
        if self.good_enough is None:
            self._since = None
            return None
        now = self._clock.monotonic()
        self._since = now if self._since is None else self._since
        waits = absent.may_come and now - self._since < self._grace_s
        return None if waits or absent.is_starting else status
