"""The services of an appliance: which there are, what each needs, and one state machine."""

from __future__ import annotations

import contextlib
import enum
import logging
import threading
from typing import TYPE_CHECKING, Protocol

from stsfix.lab.disk import Role
from stsfix.lab.faults import Dropped, Refused
from stsfix.lab.service import Service
from stsfix.lab.windows.services import windows_services

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stsfix.lab.clock import LabClock
    from stsfix.lab.disk import NodeDisk
    from stsfix.lab.faults import FaultBook

logger = logging.getLogger(__name__)

STS_PATIENCE_S = 600.0
"""Field seconds that vpxd-svcs waits for an STS that is not up yet, before it fails."""


LATE = "late"
"""Detail of a REFUSE rule for ``start <service>``: the start is reported as failed, and the
service comes up by itself `LATE_S` field seconds later, with what needs it."""

LATE_S = 90.0


class State(enum.StrEnum):
    """A service's state; the value is the header service-control prints (peers.md d)."""

    STOPPED = "Stopped"
    START_PENDING = "StartPending"
    STOP_PENDING = "StopPending"
    RUNNING = "Running"


class Verdict(enum.Enum):
    """What a gate says to a service that wants to start."""

    READY = "ready"
    NOT_YET = "not yet"
    NO = "no"


class PowerLost(Exception):  # noqa: N818 - an event of the lab, as in faults.py
    """Raised in the node's own threads when its power was cut."""


class StartFailedError(Exception):
    """The server behind a service does not start; the text is what it logs."""


class Program(Protocol):
    """The server behind a service; both calls return when it is done."""

    def start(self) -> None:
        """Begin to serve, or raise StartFailedError."""

    def stop(self) -> None:
        """Serve no more; without effect if it does not."""


def services_of(disk: NodeDisk) -> tuple[Service, ...]:
    """Return the services of a node in the order they start.

    Source: service names and the printed order are in peers.md (d); VMware documents neither,
    so which service needs which is [INFERRED] apart from vpxd and vpxd-svcs needing the STS.
    """
    if disk.windows is not None:
        return windows_services(disk.role, disk.windows)
    front = "vmware-envoy" if disk.release >= (7,) else "vmware-rhttpproxy"
    found = [
        Service(name="lwsmd", start_s=4, stop_s=2, profile=False),
        Service(name="vmafdd", start_s=5, stop_s=3, profile=False, needs=("lwsmd",)),
    ]
    if disk.role.has_directory:
        found += _directory_services(older=disk.release < (7,))
    found += [
        Service(name=front, start_s=4, stop_s=3),
        Service(name="applmgmt", start_s=4, stop_s=2),
        Service(name="pschealth", start_s=3, stop_s=2),
    ]
    if disk.role.has_vcenter:
        found += _vcenter_services()
    if disk.role is Role.PSC:
        found.append(Service(name="vmware-psc-client", start_s=10, stop_s=5))
    manual = ("vmcam", "vmware-imagebuilder", "vmware-netdumper", "vmware-rbd-watchdog")
    found += [Service(name=name, start_s=5, stop_s=3, automatic=False) for name in manual]
    return tuple(found)


def _directory_services(*, older: bool) -> list[Service]:
    found = [
        Service(name="vmdird", start_s=8, stop_s=6, profile=False, needs=("vmafdd",)),
        Service(name="vmcad", start_s=5, stop_s=3, profile=False, needs=("vmdird",)),
    ]
    if older:
        found.append(
            Service(name="vmware-sts-idmd", start_s=8, stop_s=5, profile=False, needs=("vmdird",))
        )
    # 6.x: the STS asks an identity service of its own process (vmdir.md 3.5, v1.0 RMI).
    asked = ("vmdird", "vmware-sts-idmd") if older else ("vmdird",)
    found += [
        Service(name="vmware-stsd", start_s=25, stop_s=12, profile=False, needs=asked),
        Service(name="vmdnsd", start_s=3, stop_s=2, profile=False, needs=("vmdird",)),
    ]
    return found


def _vcenter_services() -> list[Service]:
    return [
        Service(name="vmware-vpostgres", start_s=10, stop_s=8),
        Service(name="vmware-vpxd-svcs", start_s=30, stop_s=10, needs=("vmware-vpostgres",)),
        Service(name="vmware-vpxd", start_s=30, stop_s=20, needs=("vmware-vpxd-svcs",)),
        Service(name="vmware-vapi-endpoint", start_s=14, stop_s=8, needs=("vmware-vpxd-svcs",)),
        Service(name="vsphere-ui", start_s=16, stop_s=10, needs=("vmware-vpxd",)),
    ]


class Board:
    """The services of one boot of one node. A new boot has a new board."""

    def __init__(
        self,
        disk: NodeDisk,
        *,
        clock: LabClock,
        faults: FaultBook,
        programs: dict[str, Program],
        gates: dict[str, Callable[[], Verdict]],
    ) -> None:
        self.services = services_of(disk)
        self.started_log: list[str] = []
        self._disk = disk
        self._clock = clock
        self._faults = faults
        self._programs = programs
        self._gates = gates
        self._gone = threading.Event()
        self._boot_over = threading.Event()
        self._closing = threading.Event()
        self._operation = threading.RLock()
        self._states = {service.name: State.STOPPED for service in self.services}

    def find(self, name: str) -> Service | None:
        """Return the service of that name or vMon key, None if the node has none."""
        for service in self.services:
            if name in (service.name, service.key):
                return service
        return None

    def state(self, name: str) -> State:
        """Return the state of the service called *name*."""
        return self._states[name]

    def names(self, state: State) -> list[str]:
        """Return the names of all services in *state*, sorted."""
        return sorted(name for name, found in list(self._states.items()) if found is state)

    def running(self) -> list[str]:
        """Return the names of the services that run, sorted."""
        return self.names(State.RUNNING)

    def missing(self) -> list[str]:
        """Return the names of wanted services that do not run, in the order of start."""
        return [s.name for s in self.wanted() if self._states[s.name] is not State.RUNNING]

    def wanted(self) -> list[Service]:
        """Return what ``--start --all`` starts: automatic and not disabled, in order."""
        return [s for s in self.services if s.automatic and s.name not in self._disk.disabled]

    def start(self, service: Service, *, booting: bool = False) -> bool:
        """Start *service* and return when it runs, or False when it failed.

        Raises:
            PowerLost: The node has no power any more.
        """
        with self._operation:
            if self._states[service.name] is State.RUNNING:
                return True
            if self._closing.is_set():
                return False
            self._states[service.name] = State.START_PENDING
            started = False
            try:
                started = self._try_start(service, booting=booting)
            finally:
                self._states[service.name] = State.RUNNING if started else State.STOPPED
            return started

    def stop(self, service: Service, *, haste: float = 1.0) -> None:
        """Stop *service* and return when it is stopped; *haste* scales how long it takes.

        Raises:
            PowerLost: The node has no power any more.
        """
        with self._operation:
            if self._states[service.name] is State.STOPPED:
                return
            self._states[service.name] = State.STOP_PENDING
            self.pause(service.stop_s * haste)
            self._halt(service)

    def stop_each(self, services: Iterable[Service], *, haste: float = 1.0) -> None:
        """Stop *services* one after the other, in the given order."""
        for service in services:
            self.stop(service, haste=haste)

    def boot_all(self) -> None:
        """Start what is wanted, in order, until all is tried or `end_boot` is called.

        Raises:
            PowerLost: The node has no power any more.
        """
        for service in self.wanted():
            if self._boot_over.is_set():
                return
            self.start(service, booting=True)

    def end_boot(self) -> None:
        """Let the boot start no further service; one of its that waits for an STS fails now."""
        self._boot_over.set()

    def begin_shutdown(self) -> None:
        """Let nothing start any more, whoever asks."""
        self._boot_over.set()
        self._closing.set()

    def pause(self, field_seconds: float) -> None:
        """Let field time pass.

        Raises:
            PowerLost: The node has no power any more.
        """
        if self._clock.wait(self._gone, field_seconds):
            raise PowerLost

    def cut(self) -> None:
        """Power is gone: nothing serves any more on return; other threads get PowerLost."""
        self._gone.set()
        with self._operation:
            for service in reversed(self.services):
                self._halt(service)

    def _try_start(self, service: Service, *, booting: bool) -> bool:
        missing = [n for n in service.needs if self._states[n] is not State.RUNNING]
        try:
            with self._faults.around("guest", f"start {service.name}", self._disk.fqdn):
                self.pause(min(service.start_s, 10) if missing else service.start_s)
        except Dropped:
            return False
        except Refused as refusal:
            if refusal.rule.detail == LATE:
                self._start_later(service)
            return False
        if missing or not self._passes_gate(service, booting=booting):
            return False
        program = self._programs.get(service.server)
        try:
            if program is not None:
                program.start()
        except StartFailedError as error:
            logger.info("%s: %s: %s", self._disk.fqdn, service.name, error)
            return False
        self.started_log.append(service.name)
        return True

    def _start_later(self, service: Service) -> None:
        """Let vMon bring *service* up by itself after a while (peers.md c13)."""

        def work() -> None:
            with contextlib.suppress(PowerLost):
                self.pause(LATE_S)
                self.start(service)
                for other in self.wanted():
                    if service.name in other.needs:
                        self.start(other)

        threading.Thread(target=work, daemon=True, name=f"lab-late-{service.name}").start()

    def _passes_gate(self, service: Service, *, booting: bool) -> bool:
        gate = self._gates.get(service.server)
        if gate is None:
            return True
        waited = 0.0
        while (verdict := gate()) is Verdict.NOT_YET and waited < STS_PATIENCE_S:
            if self._closing.is_set() or (booting and self._boot_over.is_set()):
                break
            self.pause(5.0)
            waited += 5.0
        return verdict is Verdict.READY

    def _halt(self, service: Service) -> None:
        program = self._programs.get(service.server)
        if program is not None and self._states[service.name] is not State.STOPPED:
            program.stop()
        self._states[service.name] = State.STOPPED
