"""Markers tell replication that works from replication that does not."""

from __future__ import annotations

import pytest

from lab_keys import shared_keys
from stsfix.lab import judge
from stsfix.lab.lab import Lab
from stsfix.lab.marker import replication_failures, ways
from stsfix.lab.vmdir.reader import dump

pytestmark = pytest.mark.lab

VC1, VC2 = "vc1.lab.example", "vc2.lab.example"


def lab_of(scenario):
    """Return a fast lab that is not started."""
    return Lab.build("elm", scenario, speed=2000, keys=shared_keys())


def test_sound_replication_carries_every_marker_both_ways_and_nothing_is_left():
    """Afterwards the directories are equal and hold what they held before."""
    with lab_of("expired") as lab:
        before = dump(lab.nodes[VC1].disk.directory, "")

        failures = replication_failures(lab, limit_s=20)

        assert failures == ()
        assert ways(lab) == (f"{VC1} -> {VC2}", f"{VC2} -> {VC1}")
        assert judge.out_of_sync(lab) == []
        assert dump(lab.nodes[VC1].disk.directory, "") == before


def test_a_node_that_was_reverted_alone_is_found():
    """What it writes is ignored by its partner: the lab's own sign of the wrong procedure."""
    with lab_of("replication-broken") as lab:
        failures = replication_failures(lab, limit_s=0.5)

        assert any(f"what {VC1} writes does not arrive at {VC2}" in line for line in failures)
