"""Services of a node through its management interface, where nothing else gets through.

Each service is stopped and started by a call of its own. vMon itself and applmgmt are left alone:
the interface would saw off the branch it sits on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stsfix.remediation.errors import (
    NoShellError,
    TransportUnavailableError,
)
from stsfix.remediation.nodes.service_status import ServiceFailure
from stsfix.remediation.nodes.vami_answers import (
    ANSWERS_HERE,
    UNITS,
    VMON,
    VamiService,
    controlled,
    has_sts,
    parse_services,
    status_of,
    wanted,
)
from stsfix.remediation.transports.deadline import Deadline
from stsfix.remediation.transports.service_ways import NOTHING_ELSE, OfAppliances, Said
from stsfix.remediation.transports.vami import NAME, Refusal, Vami

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from datetime import timedelta

    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.nodes.service_status import ServiceStatus
    from stsfix.remediation.transports.service_ways import Due
    from stsfix.snapshot.ports import Clock

_WAIT_S: Final = 600.0
"""Longest wait for one service; vpxd of a large inventory takes minutes [K]."""

_ROUNDS: Final = 3
"""How often what did not start is started: vpxd may fail while the STS is not up yet [K]."""

_PAUSE_S: Final = 5.0


class VamiWay(OfAppliances):
    """`service_ways.ServiceWay` by VAMI; *open_vami* gives a node's interface."""

    def __init__(self, open_vami: Callable[[str], Vami], clock: Clock) -> None:
        self._open = open_vami
        self._clock = clock

    def list(
        self, node: NodePlan, limit: timedelta, *, types: bool = False
    ) -> tuple[ServiceStatus, bool]:
        """See `ServiceWay`; each request has its own deadline, and types are told in any case."""
        del limit, types
        with self._open(node.fqdn) as vami:
            return status_of(_all(node.fqdn, vami)), False

    def restart(self, node: NodePlan, limit: timedelta, due: Due = NOTHING_ELSE) -> Said:
        """See `ServiceWay`. Stops get half of *limit*, so that there is time to start again.

        Raises:
            NoShellError: The STS of this node cannot be restarted from here (6.5, whose interface
                knows vMon's services only); nothing was stopped.
        """
        half_s = limit.total_seconds() / 2
        with self._open(node.fqdn) as vami:
            services = _all(node.fqdn, vami)
            if node.role.has_directory and not has_sts(services):
                raise NoShellError(node.fqdn, "vami", "restart its STS: it is not listed there")
            work = _Restart(vami, self._clock)
            up = [service for service in reversed(services) if service.state != "STOPPED"]
            work.do(up, "stop", Deadline(self._clock, half_s))
            now = _looked(node.fqdn, vami)
            kept = _kept(up, work.failed, now)
            starts = Deadline(self._clock, half_s)
            for _ in range(_ROUNDS):
                left = _down(wanted(services, due.ran), now)
                if not left or not starts.left_s:
                    break
                work.do(left, "start", starts)
                now = _looked(node.fqdn, vami)
            return Said(words=work.words, failures=work.failures, kept=(*kept, ANSWERS_HERE))


class _Restart:
    """Calls that change something; none raises, since the listings tell how it ended."""

    def __init__(self, vami: Vami, clock: Clock) -> None:
        self._vami = vami
        self._clock = clock
        self.failed: dict[str, str] = {}

    @property
    def words(self) -> str:
        """What was refused or got no answer, a line for each service."""
        return "\n".join(f"{name}: {text}" for name, text in self.failed.items())

    @property
    def failures(self) -> tuple[ServiceFailure, ...]:
        """The same, service by service."""
        return tuple(ServiceFailure(service=n, said=t) for n, t in self.failed.items())

    def do(self, services: Iterable[VamiService], verb: str, deadline: Deadline) -> None:
        """Stop or start each of *services*, as long as there is time."""
        for service in services:
            wait_s = min(_WAIT_S, deadline.left_s)
            if wait_s:
                self._do(service, verb, wait_s)
            else:
                self.failed[service.name] = f"{verb}: there was no time left for it"

    def _do(self, service: VamiService, verb: str, wait_s: float) -> None:
        try:
            refusal = self._vami.post(f"{service.path}/{verb}", wait_s=wait_s)
        except TransportUnavailableError as error:
            self.failed[service.name] = f"{verb}: {error.reason}"
            self._clock.sleep(min(_PAUSE_S, wait_s))
            return
        if refusal is None:
            self.failed.pop(service.name, None)
        else:
            self.failed[service.name] = f"{verb}: {refusal}"


def _looked(node: str, vami: Vami) -> tuple[VamiService, ...] | None:
    """Return the services as they are listed now, None if they are not: what was stopped has to be
    started all the same.
    """
    try:
        return _all(node, vami)
    except TransportUnavailableError:
        return None


def _kept(
    up: Iterable[VamiService], failed: Collection[str], now: tuple[VamiService, ...] | None
) -> tuple[str, ...]:
    """Return who of those that were *up* before the stops runs *now*; where nobody knows, whose
    stop *failed*.
    """
    running = failed if now is None else {s.name for s in now if s.state == "STARTED"}
    return tuple(service.name for service in up if service.name in running)


def _all(node: str, vami: Vami) -> tuple[VamiService, ...]:
    """Return the services that a restart is about.

    Raises:
        TransportUnavailableError: The interface lists none.
    """
    units, vmon = _listed(vami, UNITS), _listed(vami, VMON)
    found = controlled(
        units if not isinstance(units, Refusal) else (),
        vmon if not isinstance(vmon, Refusal) else (),
    )
    if not found or isinstance(vmon, Refusal):
        why = str(vmon) if isinstance(vmon, Refusal) else "its list is empty"
        raise TransportUnavailableError(node, NAME, f"it does not list vMon's services: {why}")
    return found


def _listed(vami: Vami, path: str) -> tuple[VamiService, ...] | Refusal:
    body = vami.get(path)
    return body if isinstance(body, Refusal) else parse_services(body, path)


def _down(
    services: tuple[VamiService, ...], now: tuple[VamiService, ...] | None
) -> tuple[VamiService, ...]:
    """Return which of *services* are stopped *now*, in their order; all if nobody knows."""
    if now is None:
        return services
    stopped = set(status_of(now).stopped)
    return tuple(service for service in services if service.name in stopped)
