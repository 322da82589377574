"""The same small world three times: a host with VMs vc1 and vc2, in memory, in the lab, in vcsim.

A world says what it cannot do, with the reason; a contract test that needs it is skipped.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from memory_hypervisor import MemoryClock, MemoryHost
from stsfix.lab import pki
from stsfix.snapshot.model import HostRef, PowerState
from stsfix.snapshot.secret import Secret
from stsfix.snapshot.system_clock import SystemClock
from stsfix.snapshot.tls import Endpoint, Trust

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from stsfix.snapshot.model import VmId
    from stsfix.snapshot.ports import Clock, Hypervisor

HOST = HostRef("esx1.lab.example")
MINUTE = timedelta(minutes=1)


@dataclass(kw_only=True)
class World:
    """One host. *cannot* maps a need to the reason why this world cannot meet it."""

    hypervisor: Hypervisor
    clock: Clock
    vc1: VmId
    vc2: VmId
    poll: timedelta = timedelta(milliseconds=20)
    cannot: dict[str, str] = field(default_factory=dict)
    read: Callable[[], Any] = lambda: None
    write: Callable[[Any], None] = lambda _: None
    take_tools_away: Callable[[], None] = lambda: None
    fill_datastore: Callable[[], None] = lambda: None
    end_sessions: Callable[[], None] = lambda: None

    def needs(self, *what: str) -> None:
        """Skip the test if this world cannot do it."""
        for need in what:
            if need in self.cannot:
                pytest.skip(self.cannot[need])

    def power(self, vm: VmId) -> PowerState:
        """Return the power state as the port tells it."""
        return self.hypervisor.observe_vms([vm])[0].summary.power

    def switch_off(self, *vms: VmId) -> None:
        """Shut guests down and wait for it."""
        for vm in vms:
            self.hypervisor.start_guest_shutdown(vm)
        for _ in range(500):
            if all(self.power(vm) is PowerState.OFF for vm in vms):
                return
            self.clock.sleep(self.poll.total_seconds())
        raise TimeoutError("the guests did not shut down")

    def snapshot(self, vm: VmId, name: str) -> Any:
        """Take a snapshot and return it as the port shows it."""
        key = self.hypervisor.start_snapshot(vm, name=name, description="of the contract")
        self.hypervisor.await_task(key, limit=MINUTE)
        snapshots = self.hypervisor.observe_vms([vm])[0].snapshots
        return next(s for s in snapshots if s.name == name)


@contextmanager
def memory_world(_: Path) -> Generator[World]:
    """A host in memory."""
    clock = MemoryClock()
    host = MemoryHost(HOST, clock)
    vc1, vc2 = (host.add_vm(name, disk="original") for name in ("vc1", "vc2"))

    def write(value: Any) -> None:
        host.vm(vc1).disk = value

    yield World(
        hypervisor=host,
        clock=clock,
        vc1=vc1,
        vc2=vc2,
        poll=timedelta(seconds=1),
        read=lambda: host.vm(vc1).disk,
        write=write,
        take_tools_away=lambda: setattr(host.vm(vc1), "tools", False),
        cannot={
            "full datastore": "the fake's datastores are never full",
            "sessions": "the fake has no sessions",
        },
    )


@contextmanager
def lab_world(folder: Path) -> Generator[World]:
    """The product's adapter on a host of the embedded lab."""
    from esx_lab import PASSWORD, ScriptedGuest, running_host
    from stsfix.lab.esx.machine import VirtualMachine

    with running_host() as lab:
        lab.host.add_vm(VirtualMachine(name="vc2", guest=ScriptedGuest()))
        for vm in lab.host.vms:
            vm.power_on()
        (folder / "ca.pem").write_bytes(pki.pem(lab.ca.root))
        with adapter(
            Endpoint(
                name="esx1.lab.example",
                address="127.0.0.1",
                port=lab.host.port,
                trust=Trust(ca_file=folder / "ca.pem"),
            ),
            PASSWORD,
        ) as host:
            vms = {s.vm.name: s.vm for s in host.observe_host().vms}

            def fill() -> None:
                lab.host.datastore("datastore1").free = 0

            def take_tools_away() -> None:
                lab.guest.tools = False

            def write(value: Any) -> None:
                lab.guest.disk["/etc/state"] = value

            yield World(
                hypervisor=host,
                clock=SystemClock(),
                vc1=vms["vc1"],
                vc2=vms["vc2"],
                read=lambda: lab.guest.disk["/etc/state"],
                write=write,
                take_tools_away=take_tools_away,
                fill_datastore=fill,
                end_sessions=lab.host.service.expire_sessions,
            )


@contextmanager
def vcsim_world(folder: Path) -> Generator[World]:
    """The product's adapter on govmomi's simulator, which nobody here wrote."""
    from vcsim_peer import ABSENT, PASSWORD, VCSIM, running_vcsim

    if not VCSIM.is_file():
        pytest.skip(ABSENT)
    with running_vcsim(folder) as endpoint, adapter(endpoint, PASSWORD) as host:
        vms = sorted((s.vm for s in host.observe_host().vms), key=lambda vm: vm.name)

        def end_sessions() -> None:
            content: Any = host.session._content
            content.sessionManager.Logout()

        yield World(
            hypervisor=host,
            clock=SystemClock(),
            vc1=vms[0],
            vc2=vms[1],
            end_sessions=end_sessions,
            cannot={
                "disks": "vcsim's revert restores nothing: it only moves the current snapshot",
                "slow tasks": "vcsim's tasks have ended when their key arrives",
                "tools": "vcsim shuts guests down that have no VMware Tools",
                "full datastore": "vcsim's datastores are never full",
                "connected NICs": "vcsim's adapters are never connected",
                "clock": "vcsim has no HostDateTimeSystem",
            },
        )


@contextmanager
def adapter(endpoint: Endpoint, password: str) -> Generator[Any]:
    """Yield the product's adapter for *endpoint*; it is closed at the end."""
    from stsfix.snapshot.esxi import EsxiHost

    host = EsxiHost(HOST, endpoint, "root", Secret(password), SystemClock())
    try:
        yield host
    finally:
        host.close()


WORLDS = {"memory": memory_world, "lab": lab_world, "vcsim": vcsim_world}
