"""A run known by its snapshots: what they say is read back, and what they leave out is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import sts_material
from stsfix.plugin.terminal.runs import adoptable_lines
from stsfix.remediation.adoption import (
    Adoptable,
    Member,
    adopted_records,
    choose,
    describe,
    member_of,
)
from stsfix.remediation.engine import Undo, next_action
from stsfix.remediation.errors_run import AdoptionError
from stsfix.remediation.model import Platform
from stsfix.remediation.plan import step_names
from stsfix.remediation.records import Mark, MarkRecord, Phase, phase
from stsfix.snapshot.model import PowerState, SnapshotRef
from worlds import spec

pytestmark = pytest.mark.reliability("adoption")

SPEC = replace(spec(), by="ann@desk, process 1")


def snapshot(node, *, description=None, name=SPEC.run):
    """Return the snapshot that a run takes of *node*."""
    return SnapshotRef(
        vm=node.vm,
        moref=f"snapshot-{node.fqdn}",
        name=name,
        description=describe(SPEC, node) if description is None else description,
        created=sts_material.NOW,
        taken_off=True,
    )


def members():
    """Return the members of the whole run."""
    found = [member_of(snapshot(node), PowerState.ON) for node in SPEC.nodes]
    assert all(isinstance(member, Member) for member in found)
    return [member for member in found if member is not None]


def test_what_a_snapshot_says_is_what_the_run_was():
    """Domain, nodes, roles, VMs, writer and who began it come back."""
    found = choose(members(), "vsphere.local", None)

    assert found.spec.run == SPEC.run
    assert found.spec.nodes == SPEC.nodes
    assert found.spec.writer == SPEC.writer
    assert found.by == "ann@desk__process_1"


def test_a_description_is_short():
    """How long one may be on a real host is not known; 80 characters of name are safe."""
    assert len(describe(SPEC, SPEC.nodes[0])) < 250


@pytest.mark.parametrize("external", [True, False])
def test_where_the_database_of_a_vcenter_on_windows_is_comes_back(external):
    """No snapshot holds one that is elsewhere, so a rollback has to tell it."""
    node = replace(SPEC.nodes[0], platform=Platform.WINDOWS, external_database=external)

    found = member_of(snapshot(node), PowerState.ON, Platform.WINDOWS)

    assert found is not None
    assert found.plan == node
    assert not found.database_untold
    assert len(describe(SPEC, node)) < 250


def test_a_snapshot_of_an_earlier_version_does_not_tell_where_a_database_is():
    """The operator is told to look, of vCenters on Windows only."""
    windows = replace(SPEC.nodes[0], platform=Platform.WINDOWS)
    older = describe(SPEC, windows).partition(" [db=")[0]
    told = [
        member_of(snapshot(windows, description=older), PowerState.ON, platform)
        for platform in (Platform.WINDOWS, Platform.APPLIANCE)
    ]
    untold = [member.database_untold for member in told if member is not None]
    found = Adoptable(spec=SPEC, by="ann", members=tuple(m for m in told if m is not None))

    assert untold == [True, False]
    assert any(
        f"where the database of {windows.fqdn} is" in line for line in adoptable_lines(found)
    )


def test_a_missing_node_is_no_run():
    """A part of the nodes is never taken back."""
    with pytest.raises(AdoptionError, match="only 1 of 2 snapshots"):
        choose(members()[:1], "vsphere.local", None)


def test_two_snapshots_of_one_node_are_no_run():
    """Which of them would be reverted to nobody knows."""
    one, two = members()

    with pytest.raises(AdoptionError, match="two snapshots of vc1"):
        choose([one, one, two], "vsphere.local", None)


def test_snapshots_that_contradict_each_other_are_no_run():
    """Nobody guesses which one lies."""
    one, two = members()

    with pytest.raises(AdoptionError, match="contradict"):
        choose([one, replace(two, writer="vc2.lab.example")], "vsphere.local", None)


def test_of_several_runs_one_has_to_be_named():
    """Both are listed; the named one is taken."""
    both = [*members(), *(replace(m, run="stsfix-2") for m in members())]

    with pytest.raises(AdoptionError, match=f"name one of .*{SPEC.run}"):
        choose(both, "vsphere.local", None)

    assert choose(both, "vsphere.local", "stsfix-2").spec.run == "stsfix-2"


def test_another_domains_run_is_named_and_left_alone():
    """Who looks for the wrong domain sees what there is."""
    with pytest.raises(AdoptionError, match=f"{SPEC.run} of vsphere.local"):
        choose(members(), "other.local", None)


@pytest.mark.parametrize("name", ["stsfix-../../evil", "stsfix-a/b", "stsfix-", "stsfix-a\nb"])
def test_a_name_that_no_run_has_is_no_run(name):
    """Names of snapshots become names of files, so they have one form."""
    assert member_of(snapshot(SPEC.nodes[0], name=name), PowerState.ON) is None


@given(st.text())
@example("SSO domain a before the STS repair; [node=b role=psc writer=b nodes=1 by=]x")
def test_any_description_is_read_without_a_crash(text):
    """Whoever may take snapshots may write anything there."""
    found = member_of(snapshot(SPEC.nodes[0], description=text), PowerState.OFF)

    assert found is None or found.plan.vm == SPEC.nodes[0].vm


def test_a_rollback_of_it_begins_with_the_revert():
    """It counts as a run that has begun to write."""
    plan = step_names(retire=True)
    records = [*adopted_records(plan), MarkRecord(mark=Mark.ROLLBACK)]

    assert next_action(plan, records) == Undo(plan.index("replace-sts"))


def test_what_it_is_says_that_nobody_knows_whether_it_ended():
    """It is not open: nothing can go on with it."""
    plan = step_names(retire=True)

    assert phase(plan, adopted_records(plan)) is Phase.ADOPTED


@pytest.mark.parametrize(("minutes", "is_told"), [(4, False), (6, True)])
def test_a_set_that_took_long_is_told_before_the_question(minutes, is_told):
    """Nothing tells whether a node was on and off again meanwhile; the operator may know."""
    first, *others = members()
    late = replace(first, created=first.created + timedelta(minutes=minutes))

    lines = list(adoptable_lines(choose([late, *others], SPEC.domain, None)))

    assert any(f"within {minutes} minutes" in line for line in lines) is is_told
