"""What the ESXi adapter reads of hosts of the lab and of odd VMs."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from esx_lab import PASSWORD
from esxi_world import host_world
from stsfix.lab.esx.machine import Disk, DvsPort, Nic, Question
from stsfix.lab.esx.session import Accounts
from stsfix.snapshot.model import LockdownMode

pytestmark = pytest.mark.lab


@pytest.fixture
def hosts(tmp_path):
    """Makes hosts; they are stopped and logged out at the end."""
    return partial(host_world, tmp_path)


@pytest.fixture
def world(hosts):
    """A plain host."""
    with hosts() as made:
        yield made


def test_host_facts_are_read(hosts):
    """Lockdown, maintenance, management, version, edition and clock are the host's."""
    accounts = Accounts(
        users={"root": PASSWORD},
        lockdown="lockdownNormal",
        exception_users=frozenset({"root"}),
    )
    with hosts(
        accounts=accounts,
        maintenance=True,
        managed_by="10.0.0.5",
        version="7.0.3",
        api_version="7.0.3.0",
        build="21930508",
        clock_offset=timedelta(seconds=-90),
    ) as world:
        facts = world.host.observe_host()

    assert facts.lockdown is LockdownMode.NORMAL
    assert facts.maintenance
    assert facts.managed_by == "10.0.0.5"
    assert (facts.version, facts.build) == ("7.0.3", "21930508")
    assert facts.licence_edition == "esx.enterprisePlus.cpuPackage"
    assert abs(facts.clock_skew + timedelta(seconds=90)) < timedelta(seconds=1)
    assert [store.name for store in facts.datastores] == ["datastore1"]


@pytest.mark.parametrize("version", ["6.5", "6.7", "7.0.0.0", "8.0.3.0", "9.1.1.0"])
def test_hosts_of_all_releases_are_understood(hosts, version):
    """The newest version that both sides know is spoken."""
    with hosts(api_version=version) as world:
        assert world.facts().vm.name == "vc1"


@pytest.mark.parametrize(
    ("attribute", "value", "fact", "expected"),
    [
        ("fault_tolerance", "running", "fault_tolerance", True),
        ("bus_sharing", "physicalSharing", "bus_sharing", 1),
        ("passthrough", True, "passthrough", 1),
        ("encryption_key_id", "key-1", "encrypted", True),
        ("consolidation_needed", True, "consolidation_needed", True),
        ("change_tracking", True, "change_tracking", True),
        ("managed_by", ("com.vmware.vim.eam", "agent"), "managed_by", "com.vmware.vim.eam"),
        ("disabled_methods", ("CreateSnapshot_Task",), "disabled_methods", 1),
    ],
)
def test_facts_of_odd_vms_are_read(world, attribute, value, fact, expected):
    """Each setting of a VM arrives as its own fact."""
    setattr(world.lab.vm, attribute, value)

    found = getattr(world.facts(), fact)

    assert (len(found) if isinstance(found, tuple) else found) == expected


def test_a_question_is_read(world):
    """A pending question arrives as its text on one line."""
    world.lab.vm.question = Question(text="moved or\ncopied?")

    assert world.facts().question == "moved or copied?"


def test_disks_are_read(world):
    """Mode, sharing and raw mappings of each disk arrive."""
    world.lab.vm.disks = [
        Disk(),
        Disk(mode="independent_persistent"),
        Disk(sharing="sharingMultiWriter"),
        Disk(rdm="physicalMode"),
        Disk(rdm="virtualMode"),
    ]

    disks = world.facts().disks

    assert [d.mode for d in disks][:2] == ["persistent", "independent_persistent"]
    assert [d.sharing for d in disks][2] == "sharingMultiWriter"
    assert [d.physical_rdm for d in disks] == [False, False, False, True, False]
    assert {d.datastore for d in disks} <= {"datastore1", ""}
    assert len({d.label for d in disks}) == len(disks)


def test_a_port_of_a_distributed_switch_is_read(world):
    """An adapter on a distributed port tells the port, one on a standard switch none."""
    world.lab.vm.nics = [Nic(), Nic(dvs=DvsPort(port_key="7"))]

    assert [nic.dvs_port for nic in world.facts().nics] == [None, "7"]


def test_guest_names_come_from_tools(world):
    """Host name and addresses are there while Tools runs."""
    off = world.facts().summary
    world.lab.vm.power_on()
    on = world.facts()

    assert (off.hostname, off.addresses) == ("", ())
    assert on.summary.hostname == "vc1.lab.example"
    assert "10.0.0.1" in on.summary.addresses
    assert on.tools_running
    assert on.guest_operations_ready
