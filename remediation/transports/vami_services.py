"""Services of a node through its management interface, where nothing else gets through.

Each service is stopped and started by a call of its own. vMon itself and applmgmt are left alone:
the interface would saw off the branch it sits on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stsfix.remediation.errors import NoShellError, TransportUnavailableError
from stsfix.remediation.nodes.service_status import ServiceFailure
from stsfix.remediation.nodes.vami_answers import (
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
from stsfix.remediation.transports.service_control import NOTHING_ELSE, OfAppliances, Said
from stsfix.remediation.transports.vami import NAME, Refusal, Vami

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.nodes.service_status import ServiceStatus
    from stsfix.remediation.transports.service_control import Due
    from stsfix.snapshot.ports import Clock

_WAIT_S: Final = 600.0
"""Longest wait for one service; vpxd of a large inventory takes minutes [K]."""

_ROUNDS: Final = 3
"""How often what did not start is started: vpxd may fail while the STS is not up yet [K]."""

_PAUSE_S: Final = 5.0


class VamiWay(OfAppliances):
    """`service_control.ServiceWay` by VAMI; *open_vami* gives a node's interface."""

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
        """See `ServiceWay`.

        Raises:
            NoShellError: The STS of this node cannot be restarted from here (6.5, whose interface
                knows vMon's services only); nothing was stopped.
        """
        deadline = Deadline(self._clock, limit.total_seconds())
        with self._open(node.fqdn) as vami:
            services = _all(node.fqdn, vami)
            if node.role.has_directory and not has_sts(services):
                raise NoShellError(node.fqdn, "vami", "restart its STS: it is not listed there")
            work = _Restart(vami, deadline, self._clock)
            for service in reversed(services):
                if service.state != "STOPPED":
                    work.do(service, "stop")
            for _ in range(_ROUNDS):
                left = _down(node.fqdn, vami, wanted(services, due.ran))
                if not left or not deadline.left_s:
                    break
                for service in left:
                    work.do(service, "start")
            return work.said


class _Restart:
    """Calls that change something; none raises, since the listings tell how it ended."""

    def __init__(self, vami: Vami, deadline: Deadline, clock: Clock) -> None:
        self._vami = vami
        self._deadline = deadline
        self._clock = clock
        self._failures: dict[str, str] = {}

    @property
    def said(self) -> Said:
        """What was refused or got no answer, by service."""
        words = "\n".join(f"{name}: {text}" for name, text in self._failures.items())
        failures = (ServiceFailure(service=n, said=t) for n, t in self._failures.items())
        return Said(words=words, failures=tuple(failures))

    def do(self, service: VamiService, verb: str) -> None:
        """Stop or start *service* and wait for the answer as long as there is time."""
        wait_s = min(_WAIT_S, self._deadline.left_s)
        if not wait_s:
            return
        try:
            refusal = self._vami.post(f"{service.path}/{verb}", wait_s=wait_s)
        except TransportUnavailableError as error:
            self._failures[service.name] = f"{verb}: {error.reason}"
            self._clock.sleep(min(_PAUSE_S, self._deadline.left_s))
            return
        if refusal is None:
            self._failures.pop(service.name, None)
        else:
            self._failures[service.name] = f"{verb}: {refusal}"


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


def _down(node: str, vami: Vami, services: tuple[VamiService, ...]) -> tuple[VamiService, ...]:
    """Return which of *services* are stopped now, in their order."""
    stopped = set(status_of(_all(node, vami)).stopped)
    return tuple(service for service in services if service.name in stopped)
