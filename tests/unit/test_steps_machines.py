"""Stopping, snapshotting, starting and reverting the nodes of a domain, in the right order."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import pytest

from machines_bench import BOOT, PSC, VC, Bench, powering_on
from memory_vm import nic
from stsfix.remediation.errors import (
    LoginRefusal,
    NodeLoginError,
    NodeNotReadyError,
    NodeUnreachableError,
    NoShellError,
    ProofError,
    TransportUnavailableError,
)
from stsfix.remediation.errors_run import NoWayBackError
from stsfix.remediation.ports import Observed
from stsfix.remediation.steps.credential import ReplaceSts
from stsfix.remediation.steps.machines import Quiesce, TakeSnapshots
from stsfix.snapshot.errors import (
    HostUnreachableError,
    NicDisconnectedError,
    NoSpaceError,
    SnapshotSetIncompleteError,
    VmNotOffError,
)
from stsfix.snapshot.model import PowerState, SnapshotSet
from worlds import spec

if TYPE_CHECKING:
    from stsfix.remediation.ports import ServiceControl


@pytest.fixture
def bench():
    """A domain that is up."""
    return Bench()


@pytest.fixture
def snapshotted(bench):
    """The same with every node off and snapshotted, then changed and on again."""
    bench.do(Quiesce(bench.context))
    bench.do(TakeSnapshots(bench.context))
    bench.do(powering_on(bench.context))
    bench.hosts[0].vm(bench.psc).disk["certificate"] = "new"
    bench.hosts[1].vm(bench.vc).disk["database"] = "new"
    bench.told.clear()
    return bench


def shut_down(bench):
    """Shut every node down."""
    bench.context.coordinator.shut_down(bench.context.shutdown_waves())


def powered_on_after_the_claim(bench):
    """HA or another workstation powers the vCenter on before the other snapshots begin."""

    def before(call, _):
        if call == "await_task":
            bench.hosts[1].vm(bench.vc).power = PowerState.ON

    bench.hosts[0].before = before
    return VmNotOffError


def powered_on_during_the_last(bench):
    """The set is whole by then."""

    def before(call, _):
        if call == "await_task":
            bench.hosts[0].vm(bench.psc).power = PowerState.ON

    bench.hosts[1].before = before
    return VmNotOffError


def full_datastore(bench):
    """The second snapshot fails, and the operator brings everything up for some days."""
    bench.hosts[1].fail_task(NoSpaceError("esx2", "datastore1"))
    return NoSpaceError


def silent_at_the_last_look(bench):
    """The set is whole, but nobody saw that all stayed off."""

    def before(call, _):
        made = bench.hosts[1].vm(bench.vc).snapshots
        if call == "observe_vms" and made:
            raise HostUnreachableError("esx2", "timed out")

    bench.hosts[1].before = before
    return HostUnreachableError


@pytest.mark.parametrize(
    "broken",
    [
        powered_on_after_the_claim,
        powered_on_during_the_last,
        full_datastore,
        silent_at_the_last_look,
    ],
)
def test_no_set_is_made_of_snapshots_of_two_attempts(bench, broken):
    """Whoever was on between them, every node would go back to the time of the second one."""
    bench.do(Quiesce(bench.context))
    with pytest.raises(broken(bench)):
        bench.do(TakeSnapshots(bench.context))
    for host, vm in zip(bench.hosts, (bench.psc, bench.vc), strict=True):
        host.before = None
        host.vm(vm).disk["worked on"] = "for days"
        host.vm(vm).power = PowerState.OFF

    observed = TakeSnapshots(bench.context).probe(bench.notes)
    bench.do(TakeSnapshots(bench.context))

    machines = [host.vm(vm) for host, vm in zip(bench.hosts, (bench.psc, bench.vc), strict=True)]
    assert observed is Observed.REPEATABLE
    assert [list(m.disks.values()) for m in machines] == [[m.disk] for m in machines]
    assert any("of an earlier attempt removed" in line for line in bench.told)
    assert bench.violations() == []


def test_nothing_is_removed_while_a_node_is_on(bench):
    """The earlier attempt's snapshots go when the next one can begin."""
    bench.do(Quiesce(bench.context))
    with pytest.raises(full_datastore(bench)):
        bench.do(TakeSnapshots(bench.context))
    bench.hosts[1].vm(bench.vc).power = PowerState.ON

    with pytest.raises(VmNotOffError):
        bench.do(TakeSnapshots(bench.context))

    assert len(bench.hosts[0].vm(bench.psc).snapshots) == 1


def test_vcenters_stop_before_the_pscs_they_log_in_through(bench):
    """Nobody but the nodes is stopped."""
    bench.do(Quiesce(bench.context))

    assert bench.power() == {"psc": PowerState.OFF, "vc": PowerState.OFF, "web01": PowerState.ON}
    assert bench.position("vc1 asked") < bench.position("psc1 asked")
    assert Quiesce(bench.context).probe({}) is Observed.COMPLETE
    assert bench.violations() == []


def plugged_by_hand(bench):
    """The vCenter's second adapter was connected by hand, a third one was cut off."""
    bench.hosts[1].vm(bench.vc).nics = (
        nic("Network adapter 1"),
        replace(nic("Network adapter 2"), start_connected=False),
        nic("Network adapter 3", connected=False),
    )


def power_on(bench):
    """Do the step with what the run noted before."""
    bench.do(powering_on(bench.context, lambda: dict(bench.notes)))


def test_an_adapter_that_was_connected_before_is_missed_by_name(bench):
    """While the VM is off nothing tells that it was; one that was cut off before is not missed."""
    plugged_by_hand(bench)
    bench.do(Quiesce(bench.context))

    with pytest.raises(NicDisconnectedError) as caught:
        power_on(bench)

    assert caught.value.vm == bench.vc
    assert caught.value.labels == ("Network adapter 2",)


def test_what_was_noted_of_adapters_is_not_noted_anew_by_a_resume(bench):
    """Half of the nodes are off by then, and look as if they had never been connected."""
    plugged_by_hand(bench)
    bench.do(Quiesce(bench.context))
    first = dict(bench.notes)

    bench.do(Quiesce(bench.context))

    assert bench.notes == first
    with pytest.raises(NicDisconnectedError):
        bench.undo(Quiesce(bench.context))


def test_a_run_without_such_a_note_demands_what_is_set_for_power_on(bench):
    """One of an earlier version, or one that was adopted."""
    plugged_by_hand(bench)
    bench.do(Quiesce(bench.context))
    bench.do(TakeSnapshots(bench.context))
    bench.notes.clear()

    power_on(bench)

    assert bench.power()["vc"] is PowerState.ON


def test_a_half_stopped_domain_is_stopped_again(bench):
    """The probe says so, and doing it again is harmless."""
    bench.hosts[1].vm(bench.vc).power = PowerState.OFF

    observed = Quiesce(bench.context).probe({})
    bench.do(Quiesce(bench.context))

    assert observed is Observed.REPEATABLE
    assert bench.power()["psc"] is PowerState.OFF


def test_snapshots_are_named_after_the_run_and_noted(bench):
    """Each task's key is on record, so that nobody starts a second one."""
    bench.do(Quiesce(bench.context))

    before = TakeSnapshots(bench.context).probe({})
    bench.do(TakeSnapshots(bench.context))

    facts = bench.context.coordinator.observe([bench.psc, bench.vc]).values()
    assert [[s.name for s in fact.snapshots] for fact in facts] == [[spec().run]] * 2
    assert before is Observed.REPEATABLE
    assert not any("earlier attempt" in line for line in bench.told)
    assert len([key for key in bench.notes if key.startswith("snapshot-task ")]) == 2
    assert bench.violations() == []


def test_the_vcenter_is_started_when_the_psc_answers(snapshotted):
    """PSC on, vmdir and STS answer, then the vCenter."""
    shut_down(snapshotted)
    snapshotted.told.clear()
    snapshotted.logins.fail("metadata", PSC, NodeUnreachableError(PSC, "503"), times=4)

    snapshotted.do(powering_on(snapshotted.context))

    assert snapshotted.position("psc1.lab.example ready") < snapshotted.position("vc1 powering on")
    assert snapshotted.power()["vc"] is PowerState.ON


def test_an_sts_that_never_publishes_does_not_hold_up_the_run(snapshotted):
    """A tenant that cannot be loaded is what a run is there to repair."""
    shut_down(snapshotted)
    snapshotted.logins.fail("metadata", PSC, ProofError(PSC, "metadata", "HTTP 400"), times=999)
    began = snapshotted.clock.monotonic()

    snapshotted.do(powering_on(snapshotted.context))

    assert snapshotted.clock.monotonic() - began < BOOT.total_seconds()
    assert any("publishes no certificate" in line for line in snapshotted.told)


def test_a_node_that_is_shut_down_again_is_not_waited_for(snapshotted):
    """A run that gives way may do that to one that was just powered on: said within a look."""
    shut_down(snapshotted)
    snapshotted.domain.down.add(PSC)

    def before(call, _):
        if call == "observe_vms" and any("waiting for vmdir" in line for line in snapshotted.told):
            snapshotted.hosts[0].vm(snapshotted.psc).power = PowerState.OFF

    snapshotted.hosts[0].before = before
    began = snapshotted.clock.monotonic()

    with pytest.raises(NodeNotReadyError, match="shut down again"):
        snapshotted.do(powering_on(snapshotted.context))

    assert snapshotted.clock.monotonic() - began < BOOT.total_seconds() / 10
    assert snapshotted.power()["vc"] is PowerState.OFF


def test_a_directory_that_does_not_come_back_is_named(snapshotted):
    """The deadline ends the waiting; the node is left running."""
    shut_down(snapshotted)
    snapshotted.domain.down.add(PSC)

    with pytest.raises(NodeNotReadyError, match=PSC):
        snapshotted.do(powering_on(snapshotted.context))

    assert snapshotted.power()["psc"] is PowerState.ON
    assert snapshotted.power()["vc"] is PowerState.OFF


class Doorkeeper:
    """Services of a node whose transport raises *answers* one after the other, then works."""

    def __init__(self, *answers, by_hand=False):
        self.answers = list(answers)
        self.by_hand = by_hand
        self.asked = 0

    def is_by_hand(self, node):
        return self.by_hand

    def read_services(self, node):
        self.asked += 1
        if self.answers:
            raise self.answers.pop(0)


def powered_on_without_guest_operations(bench, services):
    """Power the nodes on while no host lets guest operations through."""
    for host, vm in zip(bench.hosts, (bench.psc, bench.vc), strict=True):
        host.vm(vm).guest_operations = False
    bench.context = replace(bench.context, services=cast("ServiceControl", services))
    bench.do(Quiesce(bench.context))
    bench.do(TakeSnapshots(bench.context))
    bench.told.clear()
    bench.do(powering_on(bench.context))


def test_a_vcenter_without_guest_operations_is_ready_when_its_transport_gets_through(bench):
    """SSH that does not answer yet is waited for."""
    closed = TransportUnavailableError(VC, "SSH", "connection refused")
    services = Doorkeeper(closed, closed)

    powered_on_without_guest_operations(bench, services)

    assert services.asked == 3
    assert f"{VC} ready" in bench.told


@pytest.mark.parametrize(
    "services",
    [
        Doorkeeper(NodeLoginError(VC, "root", "SSH", LoginRefusal.REFUSED)),
        Doorkeeper(NoShellError(VC, "vami", "list services")),
        Doorkeeper(by_hand=True),
    ],
    ids=["refused", "cannot", "by-hand"],
)
def test_what_waiting_does_not_mend_is_not_waited_for(bench, services):
    """A refused password is sent once; a node that nobody can reach is ready when Tools run."""
    powered_on_without_guest_operations(bench, services)

    assert services.asked <= 1
    assert f"{VC} ready" in bench.told


def test_a_transport_that_never_gets_through_is_an_error(bench):
    """It names the node, and the node is left running."""
    closed = [TransportUnavailableError(VC, "SSH", "connection refused")] * 1000

    with pytest.raises(NodeNotReadyError, match=VC):
        powered_on_without_guest_operations(bench, Doorkeeper(*closed))

    assert bench.power()["vc"] is PowerState.ON


def test_taking_the_write_back_reverts_every_node_and_leaves_all_off(snapshotted):
    """All off, all reverted, nobody on; what the disks hold is what they held."""
    snapshotted.undo(ReplaceSts(snapshotted.context))

    assert snapshotted.hosts[0].vm(snapshotted.psc).disk == {"certificate": "old"}
    assert snapshotted.hosts[1].vm(snapshotted.vc).disk == {"database": "old"}
    assert snapshotted.power() == {
        "psc": PowerState.OFF,
        "vc": PowerState.OFF,
        "web01": PowerState.ON,
    }
    assert snapshotted.violations() == []


def test_a_set_with_a_hole_is_not_reverted_at_all(snapshotted):
    """Somebody deleted one snapshot: no node is even stopped."""
    context = snapshotted.context
    found = context.coordinator.find(context.spec.run, context.vms)
    assert isinstance(found, SnapshotSet)
    member = found.of(snapshotted.vc)
    key = snapshotted.hosts[1].start_removal(member)
    snapshotted.hosts[1].await_task(key, limit=timedelta(seconds=60))

    with pytest.raises(SnapshotSetIncompleteError, match="vc1"):
        snapshotted.undo(ReplaceSts(snapshotted.context))

    assert snapshotted.power()["psc"] is PowerState.ON
    assert snapshotted.hosts[0].vm(snapshotted.psc).disk == {"certificate": "new"}


def test_nobody_goes_back_to_one_of_two_snapshots_of_the_runs_name(snapshotted):
    """The second one came late, of a call whose process died: no node is even stopped."""
    machine = snapshotted.hosts[0].vm(snapshotted.psc)
    first = machine.snapshots[0]
    machine.snapshots.append(replace(first, moref="late"))
    machine.disks["late"] = {"certificate": "new"}

    with pytest.raises(SnapshotSetIncompleteError, match=r"psc1 on .*: 2 snapshots of"):
        snapshotted.undo(ReplaceSts(snapshotted.context))

    assert snapshotted.power()["psc"] is PowerState.ON
    assert snapshotted.hosts[1].vm(snapshotted.vc).disk == {"database": "new"}


def test_a_node_with_an_independent_disk_is_not_reverted_nor_any_other(snapshotted):
    """An earlier version let that be accepted; no snapshot holds the disk, so nobody goes back."""
    snapshotted.hosts[1].vm(snapshotted.vc).disk_mode = "independent_persistent"

    with pytest.raises(
        SnapshotSetIncompleteError, match=r"vc1 on esx2.*Hard disk 1 is independent"
    ):
        snapshotted.undo(ReplaceSts(snapshotted.context))

    assert snapshotted.power()["psc"] is PowerState.ON
    assert snapshotted.hosts[0].vm(snapshotted.psc).disk == {"certificate": "new"}


def test_undo_keeps_snapshots_and_powers_on_in_order(snapshotted):
    """Only release deletes; the vCenter waits for the PSC."""
    for step in (ReplaceSts, powering_on, TakeSnapshots, Quiesce):
        snapshotted.undo(step(snapshotted.context))

    assert set(snapshotted.power().values()) == {PowerState.ON}
    context = snapshotted.context
    assert isinstance(context.coordinator.find(context.spec.run, context.vms), SnapshotSet)
    assert snapshotted.violations() == []


def deleted(bench):
    """Somebody deletes a snapshot of the run."""
    bench.hosts[1].vm(bench.vc).snapshots.clear()


def made_independent(bench):
    """Somebody takes a disk out of all snapshots."""
    bench.hosts[0].vm(bench.psc).disk_mode = "independent_persistent"


@pytest.mark.parametrize("lose", [deleted, made_independent])
def test_nothing_is_written_that_no_snapshot_would_take_back(bench, lose):
    """All nodes are on by then, and writing is what comes next."""
    bench.do(Quiesce(bench.context))
    bench.do(TakeSnapshots(bench.context))
    lose(bench)

    with pytest.raises(NoWayBackError, match=r"no snapshots of that name|independent"):
        power_on(bench)

    assert set(bench.power().values()) == {PowerState.ON}
