"""What people do to a run while it is under way: it stops, says so, and goes on or back as if
nothing had been; what it cannot mend it leaves alone and names.
"""

from __future__ import annotations

import re

import pytest

from interfered import (
    QUIESCED,
    REPLACED,
    RESTARTED,
    SNAPSHOTTED,
    STARTED,
    VC1,
    VC2,
    Deed,
    both_ends,
)
from run_judge import stored_run
from stsfix.lab import judge
from stsfix.lab.faults import Effect, Rule
from stsfix.remediation.errors import (
    DirectoryLoginError,
    SsoLoginError,
)
from stsfix.remediation.records import Phase
from stsfix.snapshot.errors import (
    SnapshotSetIncompleteError,
    VmNotFoundError,
    VmNotOffError,
)

pytestmark = [pytest.mark.crash, pytest.mark.lab, pytest.mark.reliability("interference")]

ESX3 = "esx3.lab.example"


@both_ends
def test_a_node_that_somebody_powers_on_too_early_is_not_snapshotted(case, end):
    """No snapshot is taken of anybody; off again, all are."""
    case.begin(QUIESCED)
    case.power_on(VC1)

    error = case.go()

    assert isinstance(error, VmNotOffError)
    assert set(judge.node_snapshots(case.lab).values()) == {()}
    case.shut_down(VC1)
    case.ends(end)


@both_ends
def test_a_set_during_which_a_node_was_powered_on_is_never_used(case, end):
    """A resume removes it and takes another one; a rollback reverts to none."""
    case.begin(QUIESCED)
    case.lab.faults.add(
        Rule(protocol="task", call="CreateSnapshot_Task", effect=Effect.DELAY, delay_s=0.3)
    )
    case.lab.faults.add(
        Deed(
            protocol="task",
            call="CreateSnapshot_Task",
            target="vc2",
            deed=lambda: case.power_on(VC1),
        )
    )

    error = case.go()
    case.lab.faults.clear()
    case.shut_down(VC1)
    spoilt = {fqdn: tuple(case.lab.machines[fqdn].snapshots()) for fqdn in (VC1, VC2)}

    assert isinstance(error, VmNotOffError)
    case.ends(end)
    kept = {fqdn: tuple(case.lab.machines[fqdn].snapshots()) for fqdn in (VC1, VC2)}
    assert (kept == spoilt) is (end == "rollback")


def test_a_deleted_snapshot_forbids_to_revert_anybody(case):
    """Half a set is none: every node stays on as it is, the error says which is missing, and the
    run is still what it was.
    """
    assert case.go("run") is None
    vm = case.lab.machines[VC2]
    vm.remove_snapshot(case.ours(VC2), with_children=False)
    before = judge.all_sts_entries(case.lab)

    error = case.go("rollback")

    assert isinstance(error, SnapshotSetIncompleteError)
    assert "vc2" in str(error)
    assert stored_run(case.state).phase is Phase.REPAIRED
    assert judge.all_sts_entries(case.lab) == before
    assert set(judge.power(case.lab).values()) == {"poweredOn"}
    assert judge.out_of_sync(case.lab) == []


@both_ends
@pytest.mark.parametrize("steps", [SNAPSHOTTED, REPLACED])
def test_a_foreign_snapshot_on_top_of_ours_is_left_alone(case, steps, end):
    """Neither rollback nor release touches it."""
    case.begin(steps)
    vm = case.lab.machines[VC1]
    vm.take_snapshot("nightly", "backup", now=case.lab.clock.now(), memory=False, quiesce=False)

    assert case.go("resume" if end == "resume" else "rollback") is None

    assert "nightly" in judge.node_snapshots(case.lab)[VC1]
    assert judge.out_of_sync(case.lab) == []
    if end == "rollback":
        assert case.bench.judge.after_rollback(case.state) == {}
    assert case.go("release") is None
    assert judge.node_snapshots(case.lab) == {VC1: ("nightly",), VC2: ()}


@both_ends
def test_a_renamed_vm_is_still_the_same(case, end):
    """Names are for people."""
    case.begin(QUIESCED)
    vm = case.lab.machines[VC1]
    name, vm.name = vm.name, "do not touch"

    try:
        case.ends(end)
    finally:
        vm.name = name


@both_ends
@pytest.mark.parametrize("steps", [QUIESCED, SNAPSHOTTED])
def test_a_vm_that_somebody_moved_is_found_again(case, steps, end):
    """It has another number on a host without nodes; release finds it there, too."""
    case.begin(steps)
    case.lab.move(VC1, ESX3)

    case.ends(end)

    assert case.lab.host_of(VC1) == ESX3
    (node,) = [n for n in stored_run(case.state).spec.nodes if n.fqdn == VC1]
    assert node.vm.host == ESX3
    assert case.go("release") is None
    assert judge.node_snapshots(case.lab) == {VC1: (), VC2: ()}


@both_ends
def test_a_vm_that_ha_registered_elsewhere_is_found_by_its_snapshot(case, end):
    """Its own host is dead; that the VM bears the run's snapshot tells it from any copy."""
    case.begin(SNAPSHOTTED)
    home = case.lab.host_of(VC1)
    case.lab.hosts[home].stop()
    case.lab.move(VC1, ESX3)

    try:
        case.ends(end)
    finally:
        case.lab.hosts[home].start()


def test_a_vm_that_moved_away_is_not_mistaken(case):
    """Its number given to another VM does not make that one ours: nobody is touched."""
    case.begin(STARTED)
    vm = case.lab.machines[VC1]
    uuid, vm.instance_uuid = vm.instance_uuid, "00000000-0000-0000-0000-00000000dead"

    error = case.go("rollback")
    vm.instance_uuid = uuid

    assert isinstance(error, VmNotFoundError)
    assert set(judge.power(case.lab).values()) == {"poweredOn"}
    case.goes_back()


@pytest.mark.parametrize(
    ("steps", "kind"),
    [(STARTED, DirectoryLoginError), (RESTARTED, (DirectoryLoginError, SsoLoginError))],
)
@both_ends
def test_a_password_that_changed_is_tried_once(case, steps, kind, end):
    """One attempt a command, on one node; with the right one, the run goes on."""
    case.begin(steps)
    secrets = case.bench.config.with_name("secrets.toml")
    good = secrets.read_text("utf-8")
    secrets.write_text(re.sub("(?m)^sso = .*$", 'sso = "Not-The-One-1!"', good), "utf-8")
    before = case.lab.faults.calls.copy()

    error = case.go()
    made = case.lab.faults.calls - before
    secrets.write_text(good, "utf-8")

    assert isinstance(error, kind)
    assert sum(n for key, n in made.items() if key[1] in {"BIND", "issue", "create"}) == 1
    case.ends(end)
