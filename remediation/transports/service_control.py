"""Services of a node by ``service-control``, run by whatever runs scripts there.

Source: output formats of 6.5-8.0 are in peers.md (d), from public logs; which services are
normally stopped too. Nothing of it is documented by VMware.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from stsfix.remediation.errors import ServiceRestartError
from stsfix.remediation.model import Platform
from stsfix.remediation.ports import READ_LIMIT, ServiceReport
from stsfix.remediation.service_names import CORE_OF, bare, is_normally_stopped
from stsfix.snapshot.errors import (
    AnswerLostError,
    GuestUnavailableError,
    TaskOverdueError,
    TransientError,
)
from stsfix.snapshot.polling import poll_until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.ports_scripts import ScriptRunner
    from stsfix.snapshot.ports import Clock

STATUS = "service-control --status --all"
_MARK = "/run/stsfix-restart.running"
_LOG = "/run/stsfix-restart.log"
_RUNNING_LINE = "stsfix: a restart is running"
_OUTPUT_LIMIT = 2000
"""Characters of service-control's own words that an error keeps: the end tells the failure."""

_MAY_PASS = (TransientError, GuestUnavailableError, TaskOverdueError, AnswerLostError)
_HEADER = re.compile(r"^\s*(Running|Stopped|StartPending|StopPending|[A-Z]\w*)\s*:\s*(.*)$")
_NAMES: Mapping[Platform, re.Pattern[str]] = {
    Platform.APPLIANCE: re.compile(r"^[a-z][\w.@-]*$"),
    Platform.WINDOWS: re.compile(r"^[A-Za-z][\w-]*$"),
}
_DISPLAY_NAME = re.compile(r"\([^()]*\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceStatus:
    """What one ``service-control --status --all`` says. *pending* is every other state."""

    running: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """True if no service was listed at all: the output was something else."""
        return not (self.running or self.stopped or self.pending)


def parse_status(text: str, platform: Platform = Platform.APPLIANCE) -> ServiceStatus:
    """Read the groups of ``service-control --status --all``, in any order.

    A header is followed by names on its own or the next lines; 6.x may print display names in
    brackets [K]. Lines before the first header and lines that hold other things than names end
    the group they are in: they are warnings or other commands' output.
    """
    groups: dict[str, list[str]] = {}
    group = ""
    for line in text.splitlines():
        header = _HEADER.match(line)
        names = _DISPLAY_NAME.sub(" ", header.group(2) if header else line).split()
        if header:
            group = header.group(1)
        if not all(_NAMES[platform].match(name) for name in names):
            group = ""
        elif group:
            groups.setdefault(group, []).extend(names)
    pending = [
        name for key in groups if key in ("StartPending", "StopPending") for name in groups[key]
    ]
    return ServiceStatus(
        running=_unique(groups.get("Running", [])),
        stopped=_unique(groups.get("Stopped", [])),
        pending=_unique(pending),
    )


def _unique(names: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def missing_services(
    now: ServiceStatus, before: ServiceStatus, platform: Platform = Platform.APPLIANCE
) -> tuple[str, ...]:
    """Return the services that should run and do not, in the order they are listed.

    A stopped service is fine if it normally is, or if it was stopped before and is none of
    `CORE_OF`. One that is still starting is missing, too.
    """
    was_stopped = {bare(name) for name in before.stopped} - CORE_OF[platform]
    stopped = tuple(
        name
        for name in now.stopped
        if bare(name) not in was_stopped and not is_normally_stopped(name)
    )
    return (*now.pending, *stopped)


def restart_script() -> str:
    """Return the script that stops and starts everything in a session of its own.

    The work survives the end of the script's own process (VMware Tools restarting, for one).
    `_MARK` exists while it runs. service-control's exit code is not asked: it fails although
    the services come up by themselves minutes later (peers.md c13).
    """
    work = f"service-control --stop --all; service-control --start --all; rm -f {_MARK}"
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

    *running_line* is what *status* prints while a restart of ours runs. *patience* is how many
    times longer than an appliance the platform may take.
    """

    platform: Platform = Platform.APPLIANCE
    status: str = status_script()
    restart: str = restart_script()
    running_line: str = _RUNNING_LINE
    patience: int = 1


class GuestServiceControl:
    """`ports.ServiceControl` by scripts.

    *shell* runs *scripts*, which are in its language, on nodes; *poll* is the pause between two
    listings.
    """

    def __init__(
        self,
        shell: ScriptRunner,
        *,
        clock: Clock,
        poll: timedelta = timedelta(seconds=5),
        scripts: ServiceScripts | None = None,
    ) -> None:
        self._shell = shell
        self._clock = clock
        self._poll = poll
        self._scripts = scripts or ServiceScripts()

    def read_services(self, node: NodePlan) -> ServiceReport:
        """See `ports.ServiceControl`; what is starting or stopping counts as stopped.

        Raises:
            GuestUnavailableError: The node listed no services at all.
        """
        status, _ = self._read(node)
        return report(node, status)

    def restart_all(self, node: NodePlan, *, limit: timedelta) -> ServiceReport:
        """See `ports.ServiceControl`. A restart of ours that still runs is waited for first."""
        scripts, limit = self._scripts, limit * self._scripts.patience
        deadline = self._clock.monotonic() + limit.total_seconds()
        before = self._await_earlier(node, limit)
        output = ""
        # An answer that was lost changes nothing: it was started, and the listings tell its end.
        with contextlib.suppress(AnswerLostError, TaskOverdueError):
            output = self._run(node, scripts.restart, limit)
        left = timedelta(seconds=max(0.0, deadline - self._clock.monotonic()))
        seen: list[ServiceStatus] = []

        def missing(now: ServiceStatus) -> tuple[str, ...]:
            return missing_services(now, before, scripts.platform)

        def look() -> ServiceStatus | None:
            status, is_restarting = self._read(node, _read_limit(limit))
            seen.append(status)
            return None if is_restarting or missing(status) else status

        done = poll_until(
            look, clock=self._clock, limit=left, every=self._poll, transient=_MAY_PASS
        )
        if done is None:
            words = output[-_OUTPUT_LIMIT:]
            raise ServiceRestartError(
                node.fqdn, missing(seen[-1]) or ("the restart still runs",), words
            )
        return report(node, done)

    def _await_earlier(self, node: NodePlan, limit: timedelta) -> ServiceStatus:
        """Return the listing before our restart, once no earlier one of ours runs.

        A run that was killed may have left one running. After half of *limit* the mark is taken
        for a stale one.
        """
        last: list[ServiceStatus] = []

        def look() -> ServiceStatus | None:
            status, is_restarting = self._read(node, _read_limit(limit))
            last.append(status)
            return None if is_restarting else status

        done = poll_until(look, clock=self._clock, limit=limit / 2, every=self._poll, transient=())
        return done if done is not None else last[-1]

    def _read(self, node: NodePlan, limit: timedelta = READ_LIMIT) -> tuple[ServiceStatus, bool]:
        output = self._run(node, self._scripts.status, limit)
        status = parse_status(output, self._scripts.platform)
        if status.is_empty:
            said = " ".join(output.split())[-200:]
            raise GuestUnavailableError(node.vm, f"service-control listed nothing: {said}")
        return status, self._scripts.running_line in output

    def _run(self, node: NodePlan, script: str, limit: timedelta) -> str:
        result = self._shell.run(node, script, limit=limit)
        return result.output


def _read_limit(limit: timedelta) -> timedelta:
    """Return how long one listing within a restart may wait for a guest that takes no orders."""
    return min(READ_LIMIT, limit / 4)


def report(node: NodePlan, status: ServiceStatus) -> ServiceReport:
    """Return *status* as the report of *node*; what is pending counts as stopped."""
    return ServiceReport(
        node=node.fqdn, running=status.running, stopped=(*status.stopped, *status.pending)
    )
