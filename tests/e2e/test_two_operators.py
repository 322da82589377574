"""Two workstations begin to repair one domain in the same moment: one repairs, one gives way."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from lab_bench import Bench, build
from stsfix.lab import judge
from stsfix.lab.faults import Effect, Rule

pytestmark = [pytest.mark.e2e, pytest.mark.lab, pytest.mark.reliability("operators")]

LOCKED = 24


@pytest.fixture(scope="module")
def workstations(tmp_path_factory):
    """One lab and two folders, each with configuration and state of its own."""
    with build() as lab:
        yield [Bench(lab, tmp_path_factory.mktemp(name)) for name in ("anna", "bert")]


def meeting(lab, call):
    """Let the first two of *call* on one VM wait for each other; return the rule."""
    barrier = threading.Barrier(2, timeout=40)

    def meet():
        with suppress(threading.BrokenBarrierError):
            barrier.wait()

    rule = Rule(
        protocol="soap", call=call, target="vc1", times=2, effect=Effect.MEANWHILE, others=meet
    )
    return barrier, lab.faults.add(rule)


def test_one_of_two_that_begin_at_once_repairs_and_the_other_leaves_nothing(workstations):
    """Both have looked and found nobody when they meet, also right before their claims."""
    lab = workstations[0].lab
    meetings = [meeting(lab, call) for call in ("ShutdownGuest", "CreateSnapshot_Task")]

    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(lambda bench: bench.stsfix.run("run", "--yes"), workstations))
    lab.faults.clear()

    assert all(rule.seen >= 2 and not barrier.broken for barrier, rule in meetings)
    assert sorted(one.code for one in ended) == [0, LOCKED], [one.said for one in ended]
    winner, loser = sorted(zip(ended, workstations, strict=True), key=lambda one: one[0].code)
    run = winner[1].stsfix.run("runs", "--json").json()["runs"][0]["run"]
    assert f"locked by {run}, begun by" in loser[0].said
    assert judge.node_snapshots(lab) == dict.fromkeys(lab.nodes, (run,))
    assert set(judge.power(lab).values()) == {"poweredOn"}
    assert judge.foreign_state(lab) == winner[1].before["foreign"]
    assert all(judge.token_refusal(lab, node.fqdn) is None for node in lab.topology.controllers)
    told = loser[1].stsfix.run("status", "--json").json()["run"]
    assert told["phase"] == "rolled-back"
    assert told["meaning"].startswith(f"gave way to {run}, begun by")
    assert told["next_actions"] == []
    assert "RUN-SNAPSHOTS" in loser[1].stsfix.run("run", "--yes").said
