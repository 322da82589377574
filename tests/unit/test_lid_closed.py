"""A workstation that sleeps in the middle of what all nodes have to do at one time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from machines_bench import Bench, powering_on
from memory_hypervisor import MemoryClock
from stsfix.remediation.steps.machines import Quiesce, TakeSnapshots
from stsfix.remediation.steps.way_back import revert_all
from stsfix.snapshot.model import PowerState


@pytest.fixture
def bench():
    """A domain that is up."""
    return Bench()


class Lid(MemoryClock):
    """A clock of a workstation that sleeps for *night* seconds in the middle of a call."""

    def __init__(self, night):
        super().__init__()
        self.night = night
        self.asleep = 0.0

    def now(self):
        return super().now() + timedelta(seconds=self.asleep)

    def close(self):
        self.asleep, self.night = self.asleep + self.night, 0.0


@pytest.mark.parametrize(("night", "times"), [(8 * 3600, 2), (30, 1)])
def test_a_set_in_the_middle_of_which_the_workstation_slept_is_taken_anew(bench, night, times):
    """Whoever was on and off again that night would go back to another time than the others."""
    lid = Lid(night)
    bench.context = replace(bench.context, clock=lid)
    bench.do(Quiesce(bench.context))

    def before(call, _):
        if call == "await_task":
            lid.close()

    bench.hosts[0].before = before
    bench.do(TakeSnapshots(bench.context))

    starts = [host.count("start_snapshot") for host in bench.hosts]
    assert starts == [times, times]
    machines = [bench.hosts[0].vm(bench.psc), bench.hosts[1].vm(bench.vc)]
    assert [len(machine.snapshots) for machine in machines] == [1, 1]
    assert any("slept for 28800 s" in line for line in bench.told) is (times > 1)
    assert bench.violations() == []


@pytest.mark.parametrize(("night", "times"), [(8 * 3600, 2), (30, 1)])
def test_who_was_reverted_before_the_workstation_slept_is_reverted_again(bench, night, times):
    """Somebody powered the PSC on that night, and it met a vCenter from the future."""
    for step in (Quiesce, TakeSnapshots, powering_on):
        bench.do(step(bench.context))
    lid = Lid(night)
    bench.context = replace(bench.context, clock=lid)
    psc = bench.hosts[0].vm(bench.psc)
    psc.disk["certificate"] = "new"

    def before(call, _):
        del call
        if lid.night and psc.disk["certificate"] == "old":
            psc.disk["certificate"] = "met the future"
            lid.close()

    bench.hosts[1].before = before
    revert_all(bench.context, "replace-sts")

    assert [host.count("start_revert") for host in bench.hosts] == [times, times]
    assert psc.disk["certificate"] == ("old" if times > 1 else "met the future")
    assert bench.power()["psc"] is bench.power()["vc"] is PowerState.OFF
    assert any("slept for 28800 s" in line for line in bench.told) is (times > 1)
    assert bench.violations() == []


def test_a_node_that_is_on_after_that_night_is_shut_down_first(bench):
    """Nobody is reverted while anybody is on."""
    for step in (Quiesce, TakeSnapshots, powering_on):
        bench.do(step(bench.context))
    lid = Lid(3600)
    bench.context = replace(bench.context, clock=lid)
    psc, revert = bench.hosts[0].vm(bench.psc), bench.context.coordinator.revert

    def night(found, vms):
        revert(found, vms)
        if lid.night:
            psc.power = PowerState.ON
        lid.close()

    object.__setattr__(bench.context.coordinator, "revert", night)
    revert_all(bench.context, "replace-sts")

    assert psc.power is PowerState.OFF
    assert bench.violations() == []
