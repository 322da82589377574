"""The embedded lab: hosts, nodes and everything that connects them, in this process."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from stsfix.lab import config_files
from stsfix.lab.appliance import Appliance
from stsfix.lab.attempts import try_to_work
from stsfix.lab.checkpoint import Checkpoint, restore_vm, save_vm
from stsfix.lab.clock import LabClock
from stsfix.lab.estate import VmMaker, build_hosts
from stsfix.lab.esx.machine import OFF, ON, VmRefusedError
from stsfix.lab.faults import FaultBook
from stsfix.lab.machine_trouble import haunt, slow_down, unsettle
from stsfix.lab.outage import hinder
from stsfix.lab.passwords import Passwords, Seed
from stsfix.lab.ports import PortBlock
from stsfix.lab.programs import Network, NodePorts
from stsfix.lab.scenario import SCENARIOS
from stsfix.lab.services import services_of
from stsfix.lab.stores_trouble import tamper
from stsfix.lab.topology import HOSTS, TOPOLOGIES
from stsfix.lab.trouble import silence
from stsfix.lab.world import build_world

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric import rsa

    from stsfix.lab.checkpoint import SavedVm
    from stsfix.lab.esx.host import EsxHost
    from stsfix.lab.esx.machine import VirtualMachine
    from stsfix.lab.scenario import Scenario
    from stsfix.lab.service import Service
    from stsfix.lab.topology import Topology

BOOT_LIMIT_S = 2400.0
"""Field seconds after which a node counts as not booting."""

_SLOWEST_S = 60.0


class UnknownPlanError(ValueError):
    """There is no topology or scenario of that name."""

    def __init__(self, kind: str, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"no {kind} {name!r}; there are {', '.join(known)}")
        self.known = known


class NodesDidNotBootError(Exception):
    """Some node's services were not settled in time."""

    def __init__(self, nodes: list[str]) -> None:
        super().__init__(f"did not boot in time: {', '.join(nodes)}")
        self.nodes = nodes


class Lab:
    """One SSO domain on three hosts. Build it with `build`; use it as a context manager.

    Attributes:
        hosts: By name, also those without a node.
        nodes: The guests of the nodes' VMs, by FQDN.
        machines: The nodes' VMs, by FQDN.
        faults: One book for everything.
        ca_pem: What signed every certificate but the first host's.
    """

    def __init__(
        self,
        topology: Topology,
        scenario: Scenario,
        *,
        speed: float,
        seed: int,
        keys: Sequence[rsa.RSAPrivateKey] | None = None,
        passwords: Path | None = None,
        first_port: int | None = None,
    ) -> None:
        self.topology = topology
        self.scenario = scenario
        self.clock = LabClock(speed)
        self.faults = FaultBook()
        source = Seed(seed)
        nodes = [node.fqdn for node in topology.nodes]
        self.passwords = Passwords(
            sso=source.password(),
            hosts={name: source.password() for name in HOSTS},
            nodes={fqdn: source.password() for fqdn in nodes},
        )
        if passwords is not None:
            self.passwords = Passwords.read(passwords, hosts=HOSTS, nodes=nodes)
        world = build_world(topology, scenario, seed=source, passwords=self.passwords, keys=keys)
        self._add_faults()
        self.ca_pem = world.ca_pem
        self.host_certificates = world.host_certificates
        self._block = PortBlock(first_port)
        take = self._block.take
        self.network = Network(
            clock=self.clock,
            faults=self.faults,
            ports={
                node.fqdn: NodePorts(
                    https=take(),
                    ldaps=take(),
                    ldap=take(),
                    vami=take(),
                    ssh=take(),
                    sts=take(),
                )
                for node in topology.nodes
            },
        )
        self.nodes = self.network.nodes
        for fqdn, disk in world.disks.items():
            self.nodes[fqdn] = Appliance(disk, self.network)
        self.hosts: dict[str, EsxHost] = build_hosts(
            scenario,
            certificates=world.host_certificates,
            passwords=self.passwords,
            take_port=take,
            clock=self.clock,
            faults=self.faults,
        )
        self._maker = VmMaker(self.hosts, source, self.clock)
        self.machines = self._maker.nodes(topology, scenario, self.nodes)
        self._maker.foreign()

    @classmethod
    def build(
        cls,
        topology: str = "elm",
        scenario: str = "expired",
        *,
        speed: float = 120.0,
        seed: int = 1,
        keys: Sequence[rsa.RSAPrivateKey] | None = None,
        passwords: Path | None = None,
        first_port: int | None = None,
    ) -> Lab:
        """Return a lab that is not started.

        Args:
            topology: embedded, elm or external-psc.
            scenario: A name of `stsfix.lab.scenario.SCENARIOS`.
            speed: How many field seconds pass in one real second; only durations scale.
            seed: Names, identifiers and passwords follow from it; keys do not.
            keys: Keys to use instead of new ones, see `stsfix.lab.trust.make_keys`.
            passwords: A file to take them from, see `Passwords.read`; else the seed's.
            first_port: First of `ports.BLOCK` ports; else a free block is taken.

        Raises:
            UnknownPlanError: No such topology or scenario.
        """
        if topology not in TOPOLOGIES:
            raise UnknownPlanError("topology", topology, tuple(TOPOLOGIES))
        if scenario not in SCENARIOS:
            raise UnknownPlanError("scenario", scenario, tuple(SCENARIOS))
        return cls(
            TOPOLOGIES[topology],
            SCENARIOS[scenario],
            speed=speed,
            seed=seed,
            keys=keys,
            passwords=passwords,
            first_port=first_port,
        )

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.callback(self.stop)
            self.start()
            undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the hosts and power all nodes on. On return every service of every node runs,
        as far as it can (vpxd does not while the STS cannot issue) and the scenario lets it.

        Raises:
            NodesDidNotBootError: Some node was not settled in time; the lab runs.
        """
        self._start_hosts()
        for vm in self.machines.values():
            if vm.power != ON:
                vm.power_on(self.clock.now())
        self.wait_settled()
        self._unsettle()

    def stop(self) -> None:
        """Cut every guest and stop every server; no thread and no port of the lab is left."""
        for _, vm in self.all_machines():
            if vm.power == ON:
                vm.power_off()
        for host in self.hosts.values():
            host.stop()
        self.network.loop.stop()
        self._block.release()

    def wait_settled(self) -> None:
        """Wait until every node that is on has started, or failed to start, its services.

        Raises:
            NodesDidNotBootError: Some did not in `BOOT_LIMIT_S` field seconds.
        """
        deadline = time.monotonic() + max(self.clock.real(BOOT_LIMIT_S), _SLOWEST_S)
        late = [
            fqdn
            for fqdn, node in self.nodes.items()
            if self.machines[fqdn].power == ON
            and not node.wait_settled(max(0.0, deadline - time.monotonic()))
        ]
        if late:
            raise NodesDidNotBootError(late)

    def all_machines(self) -> Iterator[tuple[str, VirtualMachine]]:
        """Yield host name and VM of every VM there is."""
        for name, host in self.hosts.items():
            for vm in host.vms:
                yield name, vm

    def host_of(self, fqdn: str) -> str:
        """Return the name of the host that node *fqdn*'s VM is registered on."""
        return next(name for name, vm in self.all_machines() if vm is self.machines[fqdn])

    def services_of(self, fqdn: str) -> tuple[Service, ...]:
        """Return the services of node *fqdn*, whether it is on or off."""
        return services_of(self.nodes[fqdn].disk)

    def set_power(self, fqdn: str, state: str) -> None:
        """Power a node's VM *on*, shut its guest down (*off*) or *cut* its power.

        Raises:
            KeyError: There is no such node.
            ValueError: There is no such state.
            VmRefusedError: The VM is in the wrong state.
        """
        vm = self.machines[fqdn]
        if state == "on":
            vm.power_on(self.clock.now())
        elif state == "off":
            vm.shut_down_guest()
        elif state == "cut":
            vm.power_off()
        else:
            raise ValueError(f"no power state {state!r}; there are on, off and cut")

    def move(self, fqdn: str, host: str) -> None:
        """Unregister a node's VM and register it on *host*, as HA does after a host failure and
        people do by hand. It and its snapshots get other managed object ids there.

        Raises:
            KeyError: There is no such node or host.
            VmRefusedError: The VM is not off, or a task works on it.
        """
        vm, target = self.machines[fqdn], self.hosts[host]
        home = self.hosts[self.host_of(fqdn)]
        vm.require_power(OFF)
        if home.board.works_on(vm):
            raise VmRefusedError("TaskInProgress")
        home.remove_vm(vm)
        vm.moref = ""
        target.add_vm(vm)
        for snapshot in vm.snapshots():
            snapshot.key = f"{vm.moref}-snapshot-{snapshot.number}"

    def write_config(self, folder: Path) -> Path:
        """Write domain.toml, ca.pem and secrets.toml (0600) and return domain.toml's path."""
        return config_files.write_config(self, folder)

    def checkpoint(self) -> Checkpoint:
        """Return a copy of every VM, running or not; nothing is disturbed.

        Settings of hosts (lockdown, licence, clock, accounts) are not in it.
        """
        return Checkpoint(
            vms=tuple(save_vm(vm, host) for host, vm in self.all_machines()),
            free={name: host.datastore("datastore1").free for name, host in self.hosts.items()},
        )

    def restore(self, saved: Checkpoint) -> None:
        """Bring every VM back to *saved*, forget all faults but the scenario's, and wait until
        nodes that were on have booted. Sessions and tasks of the hosts end.

        Raises:
            NodesDidNotBootError: Some node was not settled in time.
        """
        self.faults.clear()
        self._add_faults()
        for host in self.hosts.values():
            host.stop()
        # All first: one that boots again must not meet a partner from the future.
        for vm in saved.vms:
            if vm.vm.power == ON:
                vm.vm.power_off()
        for vm in saved.vms:
            self._register(vm)
            restore_vm(vm)
        for name, host in self.hosts.items():
            host.datastore("datastore1").free = saved.free[name]
        self._start_hosts()
        self.wait_settled()
        self._unsettle()

    def _register(self, saved: SavedVm) -> None:
        (now,) = [host for host, vm in self.all_machines() if vm is saved.vm]
        if (now, saved.vm.moref) != (saved.host, saved.moref):
            self.hosts[now].remove_vm(saved.vm)
            saved.vm.moref = saved.moref
            self.hosts[saved.host].add_vm(saved.vm)

    def _add_faults(self) -> None:
        silence(self.faults, self.topology, self.scenario.links)
        slow_down(self.faults, self.scenario.hosts)
        hinder(self.faults, self.topology, self.scenario.outage)

    def _start_hosts(self) -> None:
        down = {plan.host for plan in self.scenario.hosts if plan.down}
        for name, host in self.hosts.items():
            if name not in down:
                host.start()

    def _unsettle(self) -> None:
        if self.scenario.outage.tried:
            try_to_work(self)
        node = self.topology.nodes[0]
        vm = self.machines[node.fqdn]
        unsettle(vm, self.scenario.machine)
        haunt(self.faults, vm, node, self.scenario.machine)
        tamper([appliance.disk for appliance in self.nodes.values()], self.scenario.stores)
