"""Services of a node: read, and restart with a look at the state until a deadline.

``service-control`` may fail although the services come up by themselves minutes later, or succeed
and leave some down (peers.md c13). So whatever way restarts them, its words are only kept for a
message, and the listings decide.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from stsfix.remediation.errors import (
    ServiceRestartError,
)
from stsfix.remediation.nodes import service_logs
from stsfix.remediation.nodes.service_expectation import Watch, expectation
from stsfix.remediation.nodes.service_names import KNOW_NO_STS, bare
from stsfix.remediation.nodes.service_status import (
    report,
)
from stsfix.remediation.ports import READ_LIMIT
from stsfix.remediation.transports.service_ways import (
    MAY_PASS,
    ORDERS,
    UNHEARD,
    Due,
    Said,
    ServiceWay,
    has_stopped,
    read_limit,
)
from stsfix.snapshot.errors import (
    AnswerLostError,
    OperationError,
    TaskOverdueError,
)
from stsfix.snapshot.polling import poll_until
from stsfix.snapshot.words import ending

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.nodes.service_expectation import Expectation
    from stsfix.remediation.nodes.service_logs import LogExcerpt
    from stsfix.remediation.nodes.service_status import ServiceStatus
    from stsfix.remediation.ports import NodeShell, ServiceReport
    from stsfix.snapshot.ports import Clock

_OUTPUT_LIMIT: Final = 2000
"""Characters of service-control's own words that an error keeps: the end tells the failure."""

_HEARD_S: Final = 30.0
"""Seconds within which an order that was heard shows: the script marks that it runs at once."""

NOTHING_STOPPED: Final = "none could be stopped"

_GRACE: Final = 0.1
"""Part of the limit that services get to come up that start by themselves and need not run."""


class ServiceLogs:
    """Fetches what services wrote last, where scripts can be run."""

    def __init__(self, shell: NodeShell) -> None:
        self._shell = shell

    def read(self, node: NodePlan, services: Sequence[str]) -> tuple[LogExcerpt, ...]:
        """Return the last errors of *services*; raises what `ports.NodeShell` does."""
        nonce = secrets.token_hex(8)
        result = self._shell.run(node, service_logs.script(services, nonce))
        return service_logs.parse(result.output, services, nonce)


class PolledServiceControl:
    """`ports.ServiceControl` over a `ServiceWay`; *poll* is the pause between two listings."""

    def __init__(
        self,
        way: ServiceWay,
        *,
        clock: Clock,
        logs: ServiceLogs | None = None,
        poll: timedelta = timedelta(seconds=5),
    ) -> None:
        self._way = way
        self._clock = clock
        self._logs = logs
        self._poll = poll

    def is_by_hand(self, node: NodePlan) -> bool:
        """See `ports.ServiceControl`."""
        del node
        return False

    def read_services(self, node: NodePlan, *, limit: timedelta = READ_LIMIT) -> ServiceReport:
        """See `ports.ServiceControl`; what is starting or stopping counts as stopped."""
        status, _ = self._way.list(node, limit)
        return report(node, status)

    def restart_all(
        self, node: NodePlan, *, limit: timedelta, ran: Collection[str] = ()
    ) -> ServiceReport:
        """See `ports.ServiceControl`. A restart of ours that still runs is waited for first."""
        limit *= self._way.patience
        deadline = self._clock.monotonic() + limit.total_seconds()
        first = self._await_earlier(node, limit)
        expected = expectation(node, first, ran, self._way.platform)
        due = Due(
            ran=(*node.ran, *ran, *first.running),
            by_name=expected.by_name(first),
            running=first.running,
        )
        said = self._order(node, limit, due)
        if first.running and set(first.running) <= set(said.kept):
            raise self._failure(node, (), said, expected, reason=NOTHING_STOPPED)
        left = timedelta(seconds=max(0.0, deadline - self._clock.monotonic()))
        watch = Watch(expected, self._clock, limit * _GRACE)

        def look() -> ServiceStatus | None:
            status, is_restarting = self._way.list(node, read_limit(limit))
            return watch.judge(status, is_restarting=is_restarting)

        done = poll_until(look, clock=self._clock, limit=left, every=self._poll, transient=MAY_PASS)
        done = done or watch.good_enough
        if done is None:
            raise self._failure(node, watch.required, said, expected)
        kept = tuple(name for name in said.kept if bare(name) not in KNOW_NO_STS)
        return report(node, done, expected, kept=kept)

    def _order(self, node: NodePlan, limit: timedelta, due: Due) -> Said:
        """Give the order, and once more if its answer was lost and nothing shows that it was heard:
        services that run say nothing, they ran before. An answer that is late changes nothing: the
        listings tell how it ends.

        Raises:
            ServiceRestartError: Nothing shows it the second time either.
        """
        for _ in range(ORDERS):
            try:
                return self._way.restart(node, limit, due)
            except TaskOverdueError:
                return Said()
            except AnswerLostError:
                if self._has_begun(node, limit, due):
                    return Said()
        raise ServiceRestartError(node.fqdn, (), reason=UNHEARD)

    def _has_begun(self, node: NodePlan, limit: timedelta, due: Due) -> bool:
        """Tell whether a restart of ours runs, or something that ran does not any more."""
        since: list[float] = []

        def look() -> bool | None:
            status, is_restarting = self._way.list(node, read_limit(limit))
            if is_restarting or has_stopped(due.running, status):
                return True
            since.append(self._clock.monotonic())
            return False if since[-1] - since[0] >= _HEARD_S else None

        found = poll_until(
            look, clock=self._clock, limit=limit / 2, every=self._poll, transient=MAY_PASS
        )
        return bool(found)

    def _failure(
        self,
        node: NodePlan,
        missing: Sequence[str],
        said: Said,
        expected: Expectation,
        *,
        reason: str = "the restart still runs",
    ) -> ServiceRestartError:
        reasons = [f"{name} {expected.reason(name)}" for name in missing]
        told = [f"{f.service or 'service-control'}: {f.said}" for f in said.failures if f.said]
        written = self._written(node, missing) if missing else []
        return ServiceRestartError(
            node.fqdn,
            missing,
            ending(said.words, _OUTPUT_LIMIT),
            reason="" if missing else reason,
            evidence=[*reasons, *told, *written],
        )

    def _written(self, node: NodePlan, services: Sequence[str]) -> list[str]:
        """Return what *services* wrote into their logs last, or why nobody knows."""
        if self._logs is None:
            return ["their logs were not read: no script can be run there by this way"]
        try:
            logs = self._logs.read(node, services)
        except OperationError as error:
            return [f"their logs were not read: {error}"]
        return [f"{log.path}: {line}" for log in logs for line in log.lines]

    def _await_earlier(self, node: NodePlan, limit: timedelta) -> ServiceStatus:
        """Return the listing before our restart, once no earlier one of ours runs.

        A run that was killed may have left one running. After half of *limit* the mark is taken
        for a stale one.
        """
        last: list[ServiceStatus] = []

        def look() -> ServiceStatus | None:
            status, is_restarting = self._way.list(node, read_limit(limit), types=True)
            last.append(status)
            return None if is_restarting else status

        done = poll_until(look, clock=self._clock, limit=limit / 2, every=self._poll, transient=())
        return done if done is not None else last[-1]
