"""The ESXi hosts of a lab with all their VMs: the nodes', and other people's."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from stsfix.lab.esx.host import EsxHost
from stsfix.lab.esx.host_objects import Datastore
from stsfix.lab.esx.idle_guest import IdleGuest
from stsfix.lab.esx.machine import Disk, DvsPort, Nic, VirtualMachine
from stsfix.lab.esx.session import Accounts
from stsfix.lab.machine_plan import HostPlan
from stsfix.lab.machine_trouble import spoil_datastore, spoil_host, spoil_machine, stale_copy
from stsfix.lab.topology import FOREIGN_VMS, HOSTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stsfix.lab.appliance import Appliance
    from stsfix.lab.clock import LabClock
    from stsfix.lab.faults import FaultBook
    from stsfix.lab.passwords import Passwords, Seed
    from stsfix.lab.scenario import Scenario
    from stsfix.lab.seams import Guest, KeyPair
    from stsfix.lab.topology import ForeignVm, NodePlan, Topology

_DEFAULT_EDITION = "esx.enterprisePlus.cpuPackage"
_DEFAULT_API = "8.0.3.0"
_SNAPSHOT_AGE_DAYS = 40
_WINDOWS_GUEST = "windows9Server64Guest"
"""vim's guestId of Windows Server 2016."""


def build_hosts(
    scenario: Scenario,
    *,
    certificates: Mapping[str, KeyPair],
    passwords: Passwords,
    take_port: Callable[[], int],
    clock: LabClock,
    faults: FaultBook,
) -> dict[str, EsxHost]:
    """Return the hosts, without VMs, not started."""
    plans = {plan.host: plan for plan in scenario.hosts}
    hosts = {}
    for name in HOSTS:
        plan = plans.get(name, HostPlan(host=name))
        datastore = Datastore()
        spoil_datastore(datastore, plan)
        accounts = Accounts(
            users={"root": passwords.hosts[name]},
            lockdown=plan.lockdown,
            exception_users=plan.exception_users,
        )
        hosts[name] = EsxHost(
            name,
            port=take_port(),
            tls=certificates[name],
            clock=clock,
            faults=faults,
            accounts=accounts,
            clock_offset=timedelta(seconds=plan.clock_offset_s),
            edition=plan.licence or _DEFAULT_EDITION,
            api_version=plan.api or _DEFAULT_API,
            datastores=[datastore, Datastore(name="datastore2")],
        )
        spoil_host(hosts[name], plan)
    return hosts


class VmMaker:
    """Makes VMs with identifiers from the seed and registers them on their hosts."""

    def __init__(self, hosts: Mapping[str, EsxHost], seed: Seed, clock: LabClock) -> None:
        self._hosts = hosts
        self._seed = seed
        self._clock = clock

    def nodes(
        self, topology: Topology, scenario: Scenario, guests: Mapping[str, Appliance]
    ) -> dict[str, VirtualMachine]:
        """Make the VM of every node, off; by FQDN."""
        machines: dict[str, VirtualMachine] = {}
        by_hand = scenario.access.without_transport(topology)
        for node in topology.nodes:
            vm = self._vm(node.host, node.vm_name, guests[node.fqdn])
            if scenario.dvs_nics:
                vm.nics[0].dvs = DvsPort(port_key=str(10 + len(machines)))
            vm.guest_operations = scenario.access.guest_operations and node.fqdn not in by_hand
            if guests[node.fqdn].disk.windows is not None:
                vm.guest_id = _WINDOWS_GUEST
            machines[node.fqdn] = vm
        self._special(topology.nodes[0], machines[topology.nodes[0].fqdn], scenario)
        return machines

    def foreign(self) -> None:
        """Make everybody else's VMs, in the power state they have and with their snapshots."""
        for plan in FOREIGN_VMS:
            self._foreign(plan)

    def _special(self, node: NodePlan, vm: VirtualMachine, scenario: Scenario) -> None:
        if scenario.independent_disk:
            vm.disks.append(Disk(mode="independent_persistent"))
        vm.tools_installed = not scenario.tools_missing
        spoil_machine(vm, scenario.machine, self._clock)
        if scenario.machine.stale_copy:
            other = next(name for name in HOSTS if name != node.host)
            self._hosts[other].add_vm(stale_copy(vm))
        if scenario.duplicate_vm:
            other = next(name for name in HOSTS if name != node.host)
            guest = IdleGuest(node.fqdn, clock=self._clock, addresses=("192.0.2.99",))
            self._vm(other, node.vm_name, guest).power_on()

    def _foreign(self, plan: ForeignVm) -> None:
        guest = IdleGuest(
            plan.name.partition(" ")[0],
            clock=self._clock,
            addresses=("192.0.2.50",),
            disk=f"disk of {plan.name}".encode(),
        )
        vm = self._vm(plan.host, plan.name, guest)
        moment = self._clock.now() - timedelta(days=_SNAPSHOT_AGE_DAYS)
        for name in plan.snapshots:
            vm.take_snapshot(name, "somebody's own", now=moment, memory=False, quiesce=False)
        if plan.power == "on":
            vm.power_on(self._clock.now())
        elif plan.power == "suspended":
            vm.power = "suspended"

    def _vm(self, host: str, name: str, guest: Guest) -> VirtualMachine:
        identifier = self._seed.uuid()
        digits = identifier.replace("-", "")[:6]
        mac = "00:0c:29:" + ":".join(digits[at : at + 2] for at in (0, 2, 4))
        return self._hosts[host].add_vm(
            VirtualMachine(
                name=name,
                guest=guest,
                instance_uuid=identifier,
                bios_uuid=self._seed.uuid(),
                nics=[Nic(mac=mac)],
            )
        )
