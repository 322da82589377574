"""A node that joined the domain since the run began has no snapshot: nothing is written then."""

from __future__ import annotations

from dataclasses import replace

import pytest

from machines_bench import PSC, Bench, powering_on
from repaired import STOPPED, Repaired
from stsfix.plugin.diagnostics import RunContext, explain
from stsfix.remediation.errors_run import NodesJoinedError
from stsfix.remediation.newcomers import known_nodes
from stsfix.remediation.records import Phase
from stsfix.remediation.steps.machines import PowerOn, Quiesce, TakeSnapshots
from stsfix.snapshot.errors import HypervisorFaultError
from stsfix.snapshot.model import PowerState

NEWCOMER = "vc9.lab.example"


@pytest.fixture
def world(tmp_path):
    """A run that stopped right before its first write."""
    tmp_path.chmod(0o700)
    return Repaired(tmp_path, STOPPED)


def signs(world):
    """Let the issuer tell that it was asked."""

    def asked():
        raise HypervisorFaultError("issuer", "asked", "it would sign now")

    world.bench.context = replace(world.bench.context, issuer=asked)


def test_a_stopped_run_does_not_write_when_it_is_resumed(world):
    """It is closed, and a new run has the new node."""
    signs(world)
    world.bench.domain.computers = (NEWCOMER,)

    with pytest.raises(NodesJoinedError, match="vc9") as caught:
        world.runs().carry_on(world.spec.run)

    assert caught.value.unwritten
    assert world.is_untouched()
    assert world.runs().roll_back(world.spec.run) is Phase.ROLLED_BACK


def test_a_stopped_run_goes_on_where_nobody_joined(world):
    """The issuer is asked."""
    signs(world)

    with pytest.raises(HypervisorFaultError, match="would sign"):
        world.runs().carry_on(world.spec.run)


@pytest.mark.parametrize("listed", [True, False])
def test_a_run_looks_before_it_writes(listed):
    """Between preflight and the first write there are minutes; what was listed then is no news."""
    bench = Bench()
    bench.do(Quiesce(bench.context))
    bench.do(TakeSnapshots(bench.context))
    bench.domain.computers = (NEWCOMER,)
    known = known_nodes(bench.context.spec, {"topology": {"computers": [NEWCOMER] * listed}})
    step = PowerOn(bench.context, known)

    if listed:
        bench.do(step)
    else:
        with pytest.raises(NodesJoinedError, match="vc9"):
            bench.do(step)

    assert bench.power()["psc"] is bench.power()["vc"] is PowerState.ON


def test_the_writer_alone_is_asked_in_an_undisturbed_run():
    """The others were asked minutes ago."""
    bench = Bench()
    bench.do(Quiesce(bench.context))
    bench.do(TakeSnapshots(bench.context))
    asked = []
    directory = bench.context.directory

    class Asked:
        def __init__(self, fqdn):
            self.fqdn, self.port = fqdn, directory(fqdn)

        def read_topology(self):
            asked.append(self.fqdn)
            return self.port.read_topology()

        def __getattr__(self, name):
            return getattr(self.port, name)

    bench.context = replace(bench.context, directory=Asked)
    bench.do(powering_on(bench.context))

    assert asked == [PSC]


def test_what_to_do_is_to_close_the_run():
    """Nothing is there to be put back."""
    context = RunContext(run="stsfix-1", phase="stopped")

    told = explain(NodesJoinedError("stsfix-1", [NEWCOMER], unwritten=True), context)

    assert "stsfix rollback stsfix-1" in told.next_actions[1]
    assert not any("export restore" in action for action in told.next_actions)
