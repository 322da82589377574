"""Services of a node: read, and restart with a look at the state until a deadline.

``service-control`` may fail although the services come up by themselves minutes later, or succeed
and leave some down (peers.md c13). So whatever way restarts them, its words are only kept for a
message, and the listings decide.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from stsfix.remediation.errors import (
    NoShellError,
    ServiceRestartError,
    TransportUnavailableError,
)
from stsfix.remediation.model import Platform
from stsfix.remediation.nodes import service_logs
from stsfix.remediation.nodes.service_expectation import Watch, expectation
from stsfix.remediation.nodes.service_status import (
    STATUS,
    parse_failures,
    parse_status,
    parse_unstopped,
    report,
)
from stsfix.remediation.nodes.start_types import SCRIPT as TYPES
from stsfix.remediation.nodes.start_types import split_types
from stsfix.remediation.ports import READ_LIMIT, UNAVAILABLE
from stsfix.snapshot.errors import (
    AnswerLostError,
    GuestUnavailableError,
    OperationError,
    TaskOverdueError,
    TransientError,
)
from stsfix.snapshot.polling import poll_until
from stsfix.snapshot.words import ending, last_words

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.nodes.service_expectation import Expectation
    from stsfix.remediation.nodes.service_logs import LogExcerpt
    from stsfix.remediation.nodes.service_status import ServiceFailure, ServiceStatus
    from stsfix.remediation.ports import NodeShell, ServiceReport
    from stsfix.remediation.ports_scripts import ScriptRunner
    from stsfix.remediation.transports.ssh import SshShell
    from stsfix.snapshot.ports import Clock

_MARK: Final = "/run/stsfix-restart.running"
_LOG: Final = "/run/stsfix-restart.log"
_RUNNING_LINE: Final = "stsfix: a restart is running"
_OUTPUT_LIMIT: Final = 2000
"""Characters of service-control's own words that an error keeps: the end tells the failure."""

_ORDERS: Final = 2
_HEARD_S: Final = 30.0
"""Seconds within which an order that was heard shows: the script marks that it runs at once."""

UNHEARD: Final = "nothing shows that the restart began"

_GRACE: Final = 0.1
"""Part of the limit that services get to come up that start by themselves and need not run."""

_MAY_PASS = (TransientError, *UNAVAILABLE, TaskOverdueError, AnswerLostError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What was said while services restarted, and what failed by these words; *kept* could not be
    stopped.
    """

    words: str = ""
    failures: tuple[ServiceFailure, ...] = ()
    kept: tuple[str, ...] = ()


class ServiceWay(Protocol):
    """One way to list and restart services; raises what `ports.NodeShell` does.

    *patience* is how many times longer than an appliance the platform may take.
    """

    @property
    def platform(self) -> Platform:
        """Whose services they are."""

    @property
    def patience(self) -> int:
        """At least 1."""

    def list(
        self, node: NodePlan, limit: timedelta, *, types: bool = False
    ) -> tuple[ServiceStatus, bool]:
        """Return all services, and whether a restart of ours still runs; with *types* also how
        each is started, where that can be had.
        """

    def restart(self, node: NodePlan, limit: timedelta, due: Due) -> Said:
        """Stop and start everything; returns what was said meanwhile. May return early.

        Raises:
            AnswerLostError: Nobody knows whether the order was heard.
            ServiceRestartError: No service was stopped, so none was restarted.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What a restart is to start besides what starts by itself. *ran* is all that ran before it,
    *by_name* those of them that ``service-control --start --all`` leaves stopped, *running* what
    the listing right before it has as running.
    """

    ran: tuple[str, ...] = ()
    by_name: tuple[str, ...] = ()
    running: tuple[str, ...] = ()


NOTHING_ELSE: Final = Due()


def restart_script(by_name: Sequence[str] = ()) -> str:
    """Return the script that stops and starts everything in a session of its own, and starts the
    services *by_name*.

    The work survives the end of the script's own process (VMware Tools restarting, for one).
    `_MARK` exists while it runs. service-control's exit code is not asked.
    """
    verbs = ("--stop --all", "--start --all", *(f"--start {name}" for name in by_name))
    work = "; ".join([*(f"service-control {verb}" for verb in verbs), f"rm -f {_MARK}"])
    return "\n".join(
        [
            "umask 077",
            f"touch {_MARK}",
            f"nohup setsid /bin/bash -c '{work}' > {_LOG} 2>&1 < /dev/null &",
            "wait",
            f"cat {_LOG}",
            f"rm -f {_LOG}",
            STATUS,
            "",
        ]
    )


def status_script() -> str:
    """Return the script that lists all services, and says if a restart of ours still runs."""
    return f"test -e {_MARK} && echo '{_RUNNING_LINE}'\n{STATUS}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceScripts:
    """How services are listed and restarted on a platform.

    *types* is what *status* is followed by to tell how each service is started, empty if nothing
    tells. *restart* takes the services that are started by name. *running_line* is what *status*
    prints while a restart of ours runs. *patience* is how many times longer than an appliance the
    platform may take.
    """

    platform: Platform = Platform.APPLIANCE
    status: str = status_script()
    types: str = f"{TYPES}\n"
    restart: Callable[[Sequence[str]], str] = restart_script
    running_line: str = _RUNNING_LINE
    patience: int = 1


class ShellWay:
    """`ServiceWay` by service-control in a shell; *scripts* are in its language."""

    def __init__(self, shell: ScriptRunner, scripts: ServiceScripts | None = None) -> None:
        self._shell = shell
        self._scripts = scripts or ServiceScripts()

    @property
    def platform(self) -> Platform:
        """See `ServiceWay`."""
        return self._scripts.platform

    @property
    def patience(self) -> int:
        """See `ServiceWay`."""
        return self._scripts.patience

    def list(
        self, node: NodePlan, limit: timedelta, *, types: bool = False
    ) -> tuple[ServiceStatus, bool]:
        """See `ServiceWay`."""
        script = self._scripts.status + (self._scripts.types if types else "")
        output, found = split_types(self._shell.run(node, script, limit=limit).output)
        status = parse_status(output, self.platform)
        if status.is_empty:
            raise GuestUnavailableError(node.vm, _nothing_listed(output))
        return replace(status, types=found), self._scripts.running_line in output

    def restart(self, node: NodePlan, limit: timedelta, due: Due = NOTHING_ELSE) -> Said:
        """See `ServiceWay`."""
        script = self._scripts.restart(due.by_name)
        return told(self._shell.run(node, script, limit=limit).output)


class OfAppliances:
    """What ways have in common that exist on appliances only."""

    platform = Platform.APPLIANCE
    patience = 1


class PlugInWay(OfAppliances):
    """`ServiceWay` by appliancesh's own service-control, where no bash is to be had."""

    def __init__(self, shell: SshShell) -> None:
        self._shell = shell

    def list(
        self, node: NodePlan, limit: timedelta, *, types: bool = False
    ) -> tuple[ServiceStatus, bool]:
        """See `ServiceWay`; no plug-in tells how services are started."""
        del types
        output = self._shell.run_plug_in(node, STATUS, limit=limit)
        status = parse_status(output)
        if status.is_empty:
            raise TransportUnavailableError(node.fqdn, "SSH", _nothing_listed(output))
        return status, False

    def restart(self, node: NodePlan, limit: timedelta, due: Due = NOTHING_ELSE) -> Said:
        """See `ServiceWay`. A stop that breaks off is followed by a start all the same, unless
        nothing was stopped.
        """
        half = limit / 2
        output = ""
        try:
            output = self._shell.run_plug_in(node, "service-control --stop --all", limit=half)
        except (AnswerLostError, TaskOverdueError) as error:
            status, _ = self.list(node, half)
            if not _has_stopped(due.running, status):
                raise AnswerLostError(node.fqdn, "service-control --stop --all") from error
        for names in ("--all", *due.by_name):
            output += self._shell.run_plug_in(node, f"service-control --start {names}", limit=half)
        return told(output)


class SshWay(OfAppliances):
    """`ServiceWay` over SSH: by a bash, or by appliancesh's plug-in where none is to be had."""

    def __init__(self, shell: SshShell) -> None:
        self._bash = ShellWay(shell)
        self._plug_in = PlugInWay(shell)

    def list(
        self, node: NodePlan, limit: timedelta, *, types: bool = False
    ) -> tuple[ServiceStatus, bool]:
        """See `ServiceWay`."""
        try:
            return self._bash.list(node, limit, types=types)
        except NoShellError:
            return self._plug_in.list(node, limit)

    def restart(self, node: NodePlan, limit: timedelta, due: Due = NOTHING_ELSE) -> Said:
        """See `ServiceWay`."""
        try:
            return self._bash.restart(node, limit, due)
        except NoShellError:
            return self._plug_in.restart(node, limit, due)


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
        left = timedelta(seconds=max(0.0, deadline - self._clock.monotonic()))
        watch = Watch(expected, self._clock, limit * _GRACE)

        def look() -> ServiceStatus | None:
            status, is_restarting = self._way.list(node, _read_limit(limit))
            return watch.judge(status, is_restarting=is_restarting)

        done = poll_until(
            look, clock=self._clock, limit=left, every=self._poll, transient=_MAY_PASS
        )
        done = done or watch.good_enough
        if done is None:
            raise self._failure(node, watch.required, said, expected)
        return report(node, done, expected, kept=said.kept)

    def _order(self, node: NodePlan, limit: timedelta, due: Due) -> Said:
        """Give the order, and once more if its answer was lost and nothing shows that it was heard:
        services that run say nothing, they ran before. An answer that is late changes nothing: the
        listings tell how it ends.

        Raises:
            ServiceRestartError: Nothing shows it the second time either.
        """
        for _ in range(_ORDERS):
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
            status, is_restarting = self._way.list(node, _read_limit(limit))
            if is_restarting or _has_stopped(due.running, status):
                return True
            since.append(self._clock.monotonic())
            return False if since[-1] - since[0] >= _HEARD_S else None

        found = poll_until(
            look, clock=self._clock, limit=limit / 2, every=self._poll, transient=_MAY_PASS
        )
        return bool(found)

    def _failure(
        self, node: NodePlan, missing: Sequence[str], said: Said, expected: Expectation
    ) -> ServiceRestartError:
        reasons = [f"{name} {expected.reason(name)}" for name in missing]
        told = [f"{f.service or 'service-control'}: {f.said}" for f in said.failures if f.said]
        written = self._written(node, missing) if missing else []
        return ServiceRestartError(
            node.fqdn,
            missing,
            ending(said.words, _OUTPUT_LIMIT),
            reason="" if missing else "the restart still runs",
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
            status, is_restarting = self._way.list(node, _read_limit(limit), types=True)
            last.append(status)
            return None if is_restarting else status

        done = poll_until(look, clock=self._clock, limit=limit / 2, every=self._poll, transient=())
        return done if done is not None else last[-1]


def told(output: str) -> Said:
    """Return what service-control said while it restarted everything."""
    return Said(words=output, failures=parse_failures(output), kept=parse_unstopped(output))


def _has_stopped(running: Collection[str], status: ServiceStatus) -> bool:
    """Tell whether one of the services that were *running* is listed, and does not run any more."""
    return not set(running).isdisjoint((*status.stopped, *status.pending))


def _read_limit(limit: timedelta) -> timedelta:
    """Return how long one listing within a restart may wait for a guest that takes no orders."""
    return min(READ_LIMIT, limit / 4)


def _nothing_listed(output: str) -> str:
    return f"service-control listed nothing: {last_words(output, 200)}"
