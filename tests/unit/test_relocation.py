"""VMs that are on another host by now are found again, and nothing is mistaken for them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from memory_hypervisor import MemoryClock, MemoryHost
from memory_vm import MemoryVm
from stsfix.plugin.diagnostics import explain
from stsfix.remediation.claims import LEFT_TO
from stsfix.remediation.journal import JournalFile
from stsfix.remediation.model import NodePlan, Role, RunSpec
from stsfix.remediation.records import (
    QUIESCE,
    TAKE_SNAPSHOTS,
    Mark,
    MarkRecord,
    NoteRecord,
    StepRecord,
    StepState,
)
from stsfix.remediation.relocation import (
    bears_snapshots,
    current_spec,
    find_moved,
    note_of,
)
from stsfix.snapshot.errors import HostUnreachableError, VmKeyMissingError, VmNotFoundError
from stsfix.snapshot.model import HostRef, PowerState, SnapshotRef, VmId
from stsfix.snapshot.system_clock import SystemClock

RUN = "stsfix-20260101-000000-abcd"


class World:
    """Two nodes on two hosts and a third host without any."""

    def __init__(self):
        clock = MemoryClock()
        self.hosts = {
            host.host: host
            for host in (MemoryHost(f"esx{n}.lab.example", clock) for n in (1, 2, 3))
        }
        self.esx1, self.esx2, self.esx3 = self.hosts.values()
        self.vc1 = self.own(self.esx1.add_vm("vc1"), "a")
        self.vc2 = self.own(self.esx2.add_vm("vc2"), "b")
        self.spec = RunSpec(
            run=RUN,
            domain="vsphere.local",
            writer="vc1.lab.example",
            issuer="own-ca",
            validity_days=3650,
            retire=True,
            nodes=tuple(
                NodePlan(fqdn=f"{vm.name}.lab.example", role=Role.EMBEDDED, vm=vm)
                for vm in (self.vc1, self.vc2)
            ),
        )

    def own(self, vm: VmId, uuid: str) -> VmId:
        """Give *vm* a UUID that no other host has."""
        found = self.hosts[vm.host].vms[vm.moref]
        found.id = replace(vm, instance_uuid=uuid * 32)
        return found.id

    def register(self, vm: VmId, host: MemoryHost, *, snapshot: str = "") -> VmId:
        """Register the VM on another host, too, under another number."""
        there = replace(vm, host=host.host, moref="77")
        named = SnapshotRef(
            vm=there,
            moref="77-snapshot-1",
            name=snapshot,
            description="",
            created=host.clock.now(),
            taken_off=True,
        )
        host.vms["77"] = MemoryVm(
            id=there, power=PowerState.OFF, snapshots=[named] if snapshot else []
        )
        return there

    def move(self, vm: VmId, host: MemoryHost, *, snapshot: str = "") -> VmId:
        """Register the VM there instead."""
        del self.hosts[vm.host].vms[vm.moref]
        return self.register(vm, host, snapshot=snapshot)

    def silence(self, host: MemoryHost) -> None:
        """Let a host not answer any more."""
        for nth in range(1, 9):
            host.fail("observe_host", HostUnreachableError(host.host, "silent"), nth=nth)

    def find(self, *, with_snapshot: bool = False, without: HostRef | None = None):
        hosts = {name: host for name, host in self.hosts.items() if name != without}
        return find_moved(self.spec, hosts, with_snapshot=with_snapshot)


@pytest.fixture
def world():
    """Everybody where the run has them."""
    return World()


def test_nobody_moved_and_no_other_host_is_asked(world):
    """A host without a node is not looked at for nothing."""
    assert world.find() == {}
    assert world.esx3.count("observe_host") == 0


@pytest.mark.parametrize("host", ["esx2", "esx3"])
def test_a_moved_vm_is_found_by_its_uuid(world, host):
    """On a host with other nodes, or on one without; the number may be another one."""
    there = world.move(world.vc1, getattr(world, host))

    assert world.find() == {"vc1.lab.example": there}


def test_a_copy_elsewhere_changes_nothing(world):
    """As long as the VM is where it was, nobody looks further."""
    world.register(world.vc1, world.esx3)

    assert world.find(with_snapshot=True) == {}


def test_a_vm_of_a_dead_host_is_taken_with_its_snapshot_only(world):
    """HA registers it elsewhere; before it bears our snapshot it may as well be a copy."""
    there = world.register(world.vc1, world.esx3, snapshot=RUN)
    world.silence(world.esx1)

    assert world.find(with_snapshot=False) == {}
    assert world.find(with_snapshot=True) == {"vc1.lab.example": there}


def test_a_registration_that_its_host_cannot_use_may_still_run(world):
    """Storage that is gone for the host is not gone for the VM: only the snapshot tells."""
    there = world.register(world.vc1, world.esx3, snapshot=RUN)
    observe = world.esx1.observe_host

    def stale():
        facts = observe()
        return replace(facts, vms=[replace(vm, connection="inaccessible") for vm in facts.vms])

    world.esx1.observe_host = stale

    assert world.find(with_snapshot=False) == {}
    assert world.find(with_snapshot=True) == {"vc1.lab.example": there}


def test_a_vm_without_our_snapshot_is_not_taken_for_ours(world):
    """It has the UUID, but not what was taken of it: a restored copy, say."""
    world.move(world.vc1, world.esx3, snapshot="nightly")

    with pytest.raises(VmNotFoundError) as caught:
        world.find(with_snapshot=True)

    assert "vc1 on esx3.lab.example" in caught.value.__notes__[0]
    assert RUN in caught.value.__notes__[0]


def test_an_encrypted_vm_that_is_off_elsewhere_is_not_taken(world):
    """Only its own host is known to have the key; it is named."""
    there = world.move(world.vc1, world.esx3, snapshot=RUN)
    world.esx3.vms["77"].encrypted = True

    with pytest.raises(VmKeyMissingError, match=r"only esx1\.lab\.example") as caught:
        world.find(with_snapshot=True)

    assert caught.value.vm == there
    assert "Register it on esx1.lab.example again" in explain(caught.value).next_actions[0]


def test_an_encrypted_vm_that_runs_elsewhere_has_its_key_there(world):
    """A vCenter moved it; its snapshots can be deleted there."""
    there = world.move(world.vc1, world.esx3, snapshot=RUN)
    world.esx3.vms["77"].encrypted = True
    world.esx3.vms["77"].power = PowerState.ON

    assert world.find(with_snapshot=True) == {"vc1.lab.example": there}


def test_two_other_registrations_are_nobody_s_guess(world):
    """Both are named; nothing is chosen."""
    world.move(world.vc1, world.esx2)
    world.register(world.vc1, world.esx3)

    with pytest.raises(VmNotFoundError) as caught:
        world.find()

    (why,) = caught.value.__notes__
    assert "esx2" in why
    assert "esx3" in why


def test_a_host_that_was_taken_out_of_the_configuration_holds_nothing(world):
    """The operator said so; its VM is taken from where it is, or missed by name."""
    there = world.move(world.vc1, world.esx2)
    assert world.find(without=world.esx1.host) == {"vc1.lab.example": there}

    del world.esx2.vms["77"]
    with pytest.raises(VmNotFoundError, match="vc1 on esx1") as caught:
        world.find(without=world.esx1.host)
    assert "domain.toml" in caught.value.__notes__[0]


def test_what_is_nowhere_stays_where_it_was(world):
    """The next step says which VM is missing."""
    del world.esx1.vms[world.vc1.moref]

    assert world.find() == {}


def test_a_vm_without_a_uuid_is_like_no_other(world):
    """An empty UUID equals nothing."""
    nodes = tuple(replace(node, vm=replace(node.vm, instance_uuid="")) for node in world.spec.nodes)
    world.spec = replace(world.spec, nodes=nodes)
    world.own(world.esx3.add_vm("other"), "")

    assert world.find() == {}


def test_the_journal_keeps_where_the_vm_is(world, tmp_path):
    """The last note counts, for a journal that is open and for one that is read."""
    file = JournalFile(tmp_path / "state", SystemClock())
    journal = file.create(world.spec, (TAKE_SNAPSHOTS,), version="1", inventory="{}")
    first = replace(world.vc1, host=world.esx2.host, moref="7")
    second = replace(world.vc1, host=world.esx3.host, moref="8")
    journal.append(note_of("vc1.lab.example", first))
    journal.append(note_of("vc1.lab.example", second))

    assert [node.vm for node in journal.spec.nodes] == [second, world.vc2]
    journal.close()
    assert [node.vm for node in file.read(RUN).spec.nodes] == [second, world.vc2]
    assert current_spec(world.spec, ()) is world.spec


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ((), False),
        ((StepState.STARTED,), False),
        ((StepState.STARTED, StepState.DONE), True),
        ((StepState.STARTED, StepState.DONE, StepState.UNDOING, StepState.UNDONE), True),
        ((StepState.STARTED, StepState.DONE, Mark.RELEASING), False),
    ],
)
def test_vms_bear_their_snapshots_between_taking_and_releasing(records, expected):
    """Before and after, a VM without one is still the run's."""
    made = tuple(
        MarkRecord(mark=record)
        if isinstance(record, Mark)
        else StepRecord(step=TAKE_SNAPSHOTS, state=record)
        for record in records
    )

    assert bears_snapshots(made) is expected


def test_vms_of_a_run_that_once_left_them_to_another_need_not_bear_its_snapshots():
    """The next attempt may power them on; what was discarded before is still gone."""
    records = (
        StepRecord(step=TAKE_SNAPSHOTS, state=StepState.DONE),
        StepRecord(step=QUIESCE, state=StepState.UNDOING),
        NoteRecord(step=QUIESCE, key=LEFT_TO, value="stsfix-2"),
        StepRecord(step=QUIESCE, state=StepState.UNDOING),
    )

    assert not bears_snapshots(records)
