"""The ways to list and restart the services of a node: service-control, from a bash or without.

A way says what it did and what it was told; what that means `service_control` decides.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from stsfix.remediation.errors import (
    NoShellError,
    ServiceRestartError,
    TransportUnavailableError,
)
from stsfix.remediation.model import Platform
from stsfix.remediation.nodes.service_status import (
    STARTING_LINE,
    STATUS,
    STOPPED_LINE,
    parse_failures,
    parse_kept,
    parse_status,
    parse_unstopped,
)
from stsfix.remediation.nodes.start_types import SCRIPT as TYPES
from stsfix.remediation.nodes.start_types import split_types
from stsfix.remediation.ports import READ_LIMIT, UNAVAILABLE
from stsfix.snapshot.errors import (
    AnswerLostError,
    GuestUnavailableError,
    TaskOverdueError,
    TransientError,
)
from stsfix.snapshot.words import last_words

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from datetime import timedelta

    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.nodes.service_status import ServiceFailure, ServiceStatus
    from stsfix.remediation.ports_scripts import ScriptRunner
    from stsfix.remediation.transports.ssh import SshShell

_MARK: Final = "/run/stsfix-restart.running"
_LOG: Final = "/run/stsfix-restart.log"
_RUNNING_LINE: Final = "stsfix: a restart is running"


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

ORDERS: Final = 2
"""How often a restart is ordered of which nothing shows that it was heard."""

UNHEARD: Final = "nothing shows that the restart began"

MAY_PASS: Final = (TransientError, *UNAVAILABLE, TaskOverdueError, AnswerLostError)
"""What a look at services may fail with while they restart."""


def restart_script(by_name: Sequence[str] = ()) -> str:
    """Return the script that stops everything, lists what runs on, and starts everything, the
    services *by_name* too, in a session of its own.

    The work survives the end of the script's own process (VMware Tools restarting, for one).
    `_MARK` exists while it runs. service-control's exit code is not asked.
    """
    work = "; ".join(
        [
            "service-control --stop --all",
            f"echo {STOPPED_LINE}",
            STATUS,
            f"echo {STARTING_LINE}",
            *(f"service-control --start {name}" for name in ("--all", *by_name)),
            f"rm -f {_MARK}",
        ]
    )
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
        return told(self._shell.run(node, script, limit=limit).output, self.platform)


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
        """See `ServiceWay`. A stop that breaks off is followed by a start all the same. If nothing
        shows that it was heard both are ordered once more: nothing goes on by itself here.
        """
        half, output = limit / 2, ""
        for _ in range(ORDERS):
            words, is_lost = self._ordered(node, "--stop --all", half)
            status = self._looked(node, read_limit(limit))
            for name in ("--all", *due.by_name):
                words += self._ordered(node, f"--start {name}", half)[0]
            output += words
            if not is_lost or (status and has_stopped(due.running, status)):
                said = told(output)
                return replace(said, kept=status.running) if status else said
        raise ServiceRestartError(node.fqdn, (), output, reason=UNHEARD)

    def _ordered(self, node: NodePlan, order: str, limit: timedelta) -> tuple[str, bool]:
        """Return what service-control said, and whether its answer was lost."""
        try:
            return self._shell.run_plug_in(node, f"service-control {order}", limit=limit), False
        except (AnswerLostError, TaskOverdueError):
            return "", True

    def _looked(self, node: NodePlan, limit: timedelta) -> ServiceStatus | None:
        """Return what is listed now, None if nothing is: what was stopped has to be started all
        the same.
        """
        try:
            return self.list(node, limit)[0]
        except MAY_PASS:
            return None


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


def told(output: str, platform: Platform = Platform.APPLIANCE) -> Said:
    """Return what service-control said while it restarted everything. What runs on after the stop
    was not stopped; where that was not listed its words tell.
    """
    kept = parse_kept(output, platform)
    return Said(
        words=output,
        failures=parse_failures(output),
        kept=parse_unstopped(output) if kept is None else kept,
    )


def has_stopped(running: Collection[str], status: ServiceStatus) -> bool:
    """Tell whether one of the services that were *running* is listed, and does not run any more."""
    return not set(running).isdisjoint((*status.stopped, *status.pending))


def read_limit(limit: timedelta) -> timedelta:
    """Return how long one listing within a restart may wait for a guest that takes no orders."""
    return min(READ_LIMIT, limit / 4)


def _nothing_listed(output: str) -> str:
    return f"service-control listed nothing: {last_words(output, 200)}"
