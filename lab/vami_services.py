"""Services as the management interface sees them: systemd's units, and vMon's services.

Source: both lists of a real 7.0.2 are in the documentation of Ansible's vmware.vmware_rest
(appliance_services_info, appliance_vmon_service_info): units are lwsmd, vmafdd, vmdird, vmcad,
vmware-vmon, sshd and Photon's own; vpxd, sts and everything else belong to vMon. Which calls are
not allowed when is in VMware's API documentation of ``appliance.services``. That stsd and idmd are
units before 7.0, and the names of the web server, are [K].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from stsfix.lab.faults import Dropped
from stsfix.lab.services import State
from stsfix.lab.vami_wire import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.lab.disk import NodeDisk
    from stsfix.lab.service import Service
    from stsfix.lab.services import Board

STATES = {
    State.RUNNING: "STARTED",
    State.STOPPED: "STOPPED",
    State.START_PENDING: "STARTING",
    State.STOP_PENDING: "STOPPING",
}
APPLMGMT = "applmgmt"
VMON = "vmware-vmon"
_OTHER_KEYS = {
    "vmware-vpostgres": "vmware-vpostgres",
    "vmware-stsd": "sts",
    "vmware-rbd-watchdog": "rbd",
}
_PLAIN_UNITS = {
    "appliance-shutdown": ("/etc/rc.local.shutdown Compatibility", "STOPPED"),
    "crond": ("Command Scheduler", "STARTED"),
    "ntpd": ("Network Time Service", "STARTED"),
    "rsyslog": ("System Logging Service", "STARTED"),
}
_DESCRIPTIONS = {
    "lwsmd": "Likewise Service Control Manager Service",
    "vmafdd": "LSB: Authentication Framework Daemon",
    "vmdird": "LSB: Start and Stop vmdir",
    "vmcad": "LSB: Start and Stop vmca",
}


class Switch(Protocol):
    """Something of the node that runs or does not: sshd, the web server."""

    @property
    def running(self) -> bool:
        """Whether it runs."""

    def start(self) -> None:
        """Start it."""

    def stop(self) -> None:
        """Stop it."""


def belongs_to_vmon(disk: NodeDisk, service: Service) -> bool:
    """Tell whether vMon manages *service*: its profile, and the STS from 7.0 on."""
    return service.profile or (service.name == "vmware-stsd" and disk.release >= (7,))


class Operations:
    """start, stop and restart, with what is not allowed when; *later* runs work in background."""

    def __init__(
        self, disk: NodeDisk, board: Board, later: Callable[[Callable[[], None]], None]
    ) -> None:
        self._disk = disk
        self._board = board
        self._later = later

    def state(self, service: Service) -> str:
        """Return the state in the interface's words."""
        return STATES[self._board.state(service.name)]

    def change(self, service: Service, verb: str) -> None:
        """Start, stop or restart *service* and return when it is done.

        Raises:
            ApiError: Not allowed now, or it did not start.
            Dropped: It is the service that answers: the connection ends with it.
        """
        self._may(service, verb)
        if service.name == APPLMGMT and verb != "start":
            self._later(lambda: self._finish(service, verb))
            raise Dropped
        if not self._carry_out(service, verb):
            raise ApiError(
                "error",
                "com.vmware.applmgmt.err_service_start_failed",
                f"Failed to start service {service.key}",
            )

    def change_each(self, services: list[Service], verb: str) -> None:
        """Stop *services* backwards, then start the wanted ones; those that fail stay down."""
        if verb in ("stop", "restart"):
            self._board.stop_each(reversed(services))
        if verb in ("start", "restart"):
            wanted = self._board.wanted()
            for service in services:
                if service in wanted:
                    self._board.start(service)

    def _finish(self, service: Service, verb: str) -> None:
        self._carry_out(service, verb)

    def _carry_out(self, service: Service, verb: str) -> bool:
        if verb in ("stop", "restart"):
            self._board.stop(service)
        return verb == "stop" or self._board.start(service)

    def _may(self, service: Service, verb: str) -> None:
        state = self._board.state(service.name)
        pending = state in (State.START_PENDING, State.STOP_PENDING)
        disabled = service.name in self._disk.disabled and verb != "stop"
        if pending or disabled:
            reason = "is disabled" if disabled else f"is {STATES[state]}"
            raise ApiError(
                "not_allowed_in_current_state",
                "com.vmware.applmgmt.err_operation_denied",
                f"Operation not allowed in current service state: {service.key} {reason}",
            )


class VmonServices:
    """``/rest/appliance/vmon/service``."""

    def __init__(self, disk: NodeDisk, board: Board, operations: Operations) -> None:
        self._disk = disk
        self._operations = operations
        self.services = {
            _OTHER_KEYS.get(service.name, service.key): service
            for service in board.services
            if belongs_to_vmon(disk, service)
        }

    def list(self) -> dict[str, Any]:
        """Return every service of vMon, by its key."""
        return {key: self._info(key, service) for key, service in self.services.items()}

    def get(self, key: str) -> dict[str, Any]:
        """Return one service.

        Raises:
            ApiError: vMon has no such service.
        """
        return self._info(key, self._service(key))

    def change(self, key: str, verb: str) -> None:
        """See `Operations.change`."""
        self._operations.change(self._service(key), verb)

    def _service(self, key: str) -> Service:
        if key not in self.services:
            raise _unknown(key)
        return self.services[key]

    def _info(self, key: str, service: Service) -> dict[str, Any]:
        state = self._operations.state(service)
        automatic = "AUTOMATIC" if service.automatic else "MANUAL"
        info = {
            "name_key": f"cis.{key}.ServiceName",
            "description_key": f"cis.{key}.ServiceDescription",
            "startup_type": "DISABLED" if service.name in self._disk.disabled else automatic,
            "state": state,
        }
        return info | ({"health": "HEALTHY", "health_messages": []} if state == "STARTED" else {})


class Units:
    """``/rest/appliance/services``: units of systemd; *switches* are those that are no services."""

    def __init__(
        self,
        disk: NodeDisk,
        board: Board,
        operations: Operations,
        later: Callable[[Callable[[], None]], None],
        switches: dict[str, Switch],
    ) -> None:
        self._operations = operations
        self._later = later
        self._switches = switches
        self._vmon = [s for s in board.services if belongs_to_vmon(disk, s)]
        self._services = {s.name: s for s in board.services if s not in self._vmon}

    def list(self) -> dict[str, Any]:
        """Return every unit."""
        names = {*_PLAIN_UNITS, *self._services, *self._switches, VMON}
        return {name: self._info(name) for name in names}

    def get(self, name: str) -> dict[str, Any]:
        """Return one unit; what describes it is then only its name, as a real one does.

        Raises:
            ApiError: There is no such unit.
        """
        return self._info(name) | {"description": f"{name}.service"}

    def change(self, name: str, verb: str) -> None:
        """Start, stop or restart a unit.

        Raises:
            ApiError: No such unit, not allowed now, or it did not start.
            Dropped: It is the one that answers: the connection ends with it.
        """
        self._info(name)
        if name in self._services:
            self._operations.change(self._services[name], verb)
        elif name == VMON:
            self._later(lambda: self._operations.change_each(self._vmon, verb))
            if verb != "start":
                raise Dropped
        elif (switch := self._switches.get(name)) is not None:
            self._later(lambda: _turn(switch, verb))

    def _info(self, name: str) -> dict[str, Any]:
        description, state = _PLAIN_UNITS.get(name, (_DESCRIPTIONS.get(name, name), ""))
        if name in self._services:
            state = self._operations.state(self._services[name])
        elif name == VMON:
            description, state = "VMware Service Lifecycle Manager", "STARTED"
        elif name in self._switches:
            state = "STARTED" if self._switches[name].running else "STOPPED"
        if not state:
            raise _unknown(name)
        return {"description": description, "state": state}


def _turn(switch: Switch, verb: str) -> None:
    if verb in ("stop", "restart"):
        switch.stop()
    if verb in ("start", "restart"):
        switch.start()


def _unknown(name: str) -> ApiError:
    return ApiError(
        "not_found", "com.vmware.applmgmt.err_invalid_service", f"Service {name} does not exist"
    )
