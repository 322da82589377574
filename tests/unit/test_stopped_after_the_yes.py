"""Who asks to stop after the yes stops it: what cannot be taken back is not begun any more."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from machines_bench import PSC
from repaired import Repaired
from stsfix.plugin.diagnostics import RunContext, explain
from stsfix.remediation.errors_run import InterruptedRunError
from stsfix.remediation.newcomers import known_nodes, require_no_newcomer
from stsfix.remediation.records import Phase
from stsfix.remediation.steps.export import ExportSts


@pytest.fixture
def world(tmp_path):
    """A run that repaired its domain, and an operator who looks at it."""
    tmp_path.chmod(0o700)
    return Repaired(tmp_path)


def snapshots(world):
    """Return how many snapshots the nodes have."""
    machines = zip(world.bench.hosts, (world.bench.psc, world.bench.vc), strict=True)
    return sum(len(host.vm(vm).snapshots) for host, vm in machines)


@pytest.mark.parametrize("command", ["release", "roll_back"])
def test_nothing_is_begun(world, command):
    """No mark, no shutdown, and every snapshot; the command is given again."""
    world.stopped = True

    with pytest.raises(InterruptedRunError) as caught:
        getattr(world.runs(), command)(world.spec.run)

    assert world.is_untouched()
    assert snapshots(world) == 2
    asked = command.replace("_", "")
    told = explain(
        caught.value, RunContext(run=world.spec.run, phase="repaired", asked=asked, typed="x")
    )
    assert told.what_happened.startswith(f"The {asked} of {world.spec.run} was not begun")
    assert told.next_actions[0].endswith(f"stsfix {asked} {world.spec.run}")
    world.stopped = False
    getattr(world.runs(), command)(world.spec.run)
    ends = {"release": Phase.RELEASED, "roll_back": Phase.ROLLED_BACK}
    assert world.file.read(world.spec.run).phase is ends[command]


def test_nobody_is_called_gone(world):
    """Not by a release that is not wanted any more."""
    world.stopped = True
    del world.bench.hosts[1].vms[world.bench.vc.moref]

    with pytest.raises(InterruptedRunError):
        world.runs().release(world.spec.run, without=["vc1.lab.example"])

    assert world.file.read(world.spec.run).records == world.records


def test_nothing_is_put_back(world):
    """Before the first entry is written."""
    world.bench.do(ExportSts(world.bench.context))
    export = world.bench.context.exports.load(world.spec.run)
    before = world.bench.context.directory(PSC).read_sts_entries()
    world.stopped = True

    with pytest.raises(InterruptedRunError, match=r"the restore of .* was not begun"):
        world.runs().restore(world.spec.run, export)

    assert world.file.read(world.spec.run).phase is Phase.REPAIRED
    assert world.bench.context.directory(PSC).read_sts_entries() == before


def test_a_stop_is_no_silent_directory(world):
    """Nobody answered because nobody was to be asked any more."""

    def stopping():
        raise InterruptedRunError("")

    port: Any = SimpleNamespace(read_topology=stopping)
    with pytest.raises(InterruptedRunError, match=r"^stopped on request$"):
        require_no_newcomer(world.spec, known_nodes(world.spec, {}), lambda _: port)
