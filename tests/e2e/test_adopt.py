"""The state folder is lost: the run is found by its snapshots and taken back, or released."""

from __future__ import annotations

import shutil

import pytest

from stsfix.lab import judge
from stsfix.lab.faults import Rule

pytestmark = [pytest.mark.e2e, pytest.mark.lab, pytest.mark.reliability("adoption")]


VC1, VC2 = "vc1.lab.example", "vc2.lab.example"


def lose_state(bench):
    """Delete the state folder, as a broken workstation does."""
    shutil.rmtree(bench.state)


def test_a_repair_is_taken_back_without_its_journal(bench):
    """Every directory is byte for byte as before the run, every node on."""
    assert bench.stsfix.run("run", "--yes").code == 0
    lose_state(bench)

    unknown = bench.stsfix.run("rollback", "--yes")
    rollback = bench.stsfix.run("rollback", "--adopt", "--yes")
    release = bench.stsfix.run("release", "--yes")

    assert (unknown.code, rollback.code, release.code) == (22, 0, 0)
    assert "vc2.lab.example (embedded)" in rollback.said
    assert bench.everything() == bench.before


def test_a_run_that_died_with_every_node_off_is_taken_back(bench):
    """Nodes that are off tell nothing of themselves; their snapshots do."""
    bench.lab.faults.add(Rule(protocol="soap", call="PowerOnVM_Task", times=100))
    assert bench.stsfix.run("run", "--yes").code == 40
    bench.lab.faults.clear()
    lose_state(bench)
    assert set(judge.power(bench.lab).values()) == {"poweredOff"}

    refused = bench.stsfix.run("release", "--adopt", "--yes")
    rollback = bench.stsfix.run("rollback", "--adopt", "--yes")

    assert refused.code == 23
    assert rollback.code == 0
    assert set(judge.power(bench.lab).values()) == {"poweredOn"}
    assert judge.all_sts_entries(bench.lab) == bench.before["entries"]


def test_snapshots_are_released_without_a_journal(bench):
    """Only the run's go; the repair stays."""
    assert bench.stsfix.run("run", "--yes").code == 0
    entries = judge.all_sts_entries(bench.lab)
    lose_state(bench)

    release = bench.stsfix.run("release", "--adopt", "--yes")

    assert release.code == 0
    assert all(not names for names in judge.node_snapshots(bench.lab).values())
    assert judge.all_sts_entries(bench.lab) == entries
    assert judge.foreign_state(bench.lab) == bench.before["foreign"]


def test_half_a_run_is_nobodys(bench):
    """With a snapshot gone nothing is reverted, and it says which one is there."""
    assert bench.stsfix.run("run", "--yes").code == 0
    name = bench.stsfix.run("runs", "--json").json()["runs"][0]["run"]
    bench.delete_snapshot("vc2.lab.example", name)
    lose_state(bench)
    before = bench.everything()

    rollback = bench.stsfix.run("rollback", "--adopt", "--yes")

    assert rollback.code == 8
    assert "only 1 of 2 snapshots" in rollback.err
    assert bench.everything() == before


def test_the_way_out_of_a_run_that_died_after_its_claim_works(bench):
    """Its workstation is lost, every node is off: what the refusal says to do leads to a repair."""
    bench.lab.faults.add(Rule(protocol="soap", call="CreateSnapshot_Task", target="vc2", times=9))
    bench.stsfix.environment["USER"] = "ann"
    assert bench.stsfix.run("run", "--yes").code != 0
    del bench.stsfix.environment["USER"]
    name = bench.stsfix.run("runs", "--json").json()["runs"][0]["run"]
    bench.lab.faults.clear()
    lose_state(bench)
    assert judge.node_snapshots(bench.lab) == {VC1: (name,), VC2: ()}

    forbidden = bench.stsfix.run("run", "--yes")
    refused = bench.stsfix.run("rollback", "--adopt", "--yes")
    bench.delete_snapshot(VC1, name)
    for fqdn in (VC1, VC2):
        bench.lab.set_power(fqdn, "on")
    bench.lab.wait_settled()
    repaired = bench.stsfix.run("run", "--yes")

    assert forbidden.code == 2
    assert "begun by ann@" in forbidden.said
    assert (refused.code, "only 1 of 2 snapshots" in refused.said) == (8, True)
    assert "power all nodes on, PSCs first, and delete the snapshots" in refused.said
    assert repaired.code == 0, repaired.err
    assert judge.token_refusal(bench.lab, VC1) is None


def test_without_any_run_there_is_nothing_to_adopt(bench):
    """Said in one sentence, and nothing is written."""
    rollback = bench.stsfix.run("rollback", "--adopt", "--yes")

    assert rollback.code == 8
    assert bench.stsfix.run("runs", "--json").json()["runs"] == []


def test_a_second_workstation_is_refused_and_told_whose_run_it_is(bench):
    """From another state folder nothing is changed while a run is open, dead or alive."""
    bench.stsfix.environment["USER"] = "ann"
    assert bench.stsfix.run("run", "--yes").code == 0
    lose_state(bench)
    before = bench.everything()
    bench.stsfix.environment["USER"] = "bob"

    second = bench.stsfix.run("run", "--yes")

    del bench.stsfix.environment["USER"]
    assert second.code == 2
    assert "begun by ann@" in second.said
    assert bench.everything() == before
