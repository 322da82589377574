"""Services are restarted in order, once, and what became of each node is known."""

from __future__ import annotations

import pytest

from restart_bench import PSC1, PSC2, VC, RestartBench
from stsfix.remediation.errors import ServiceRestartError
from stsfix.remediation.ports import Observed
from stsfix.remediation.restarts import NodeRestart, Outcome, restart_of, restart_waves
from worlds import node


@pytest.fixture
def bench():
    """Return two PSCs and a vCenter whose credential is written."""
    return RestartBench()


def test_the_writer_goes_alone_then_directories_then_vcenters(bench):
    """The node that was written to is proven before another one is touched."""
    waves = restart_waves(bench.context.spec)

    assert [[n.fqdn for n in wave] for wave in waves] == [[PSC1], [PSC2], [VC]]

    bench.do()
    assert bench.services.log == [PSC1, PSC2, VC]
    assert bench.probe() is Observed.COMPLETE


def test_one_embedded_node_is_one_wave():
    """Nobody else is waited for."""
    bench = RestartBench(node(VC))

    bench.do()

    assert bench.services.log == [VC]


def test_a_failure_on_the_writer_leaves_the_others_alone(bench):
    """Its services that did not start are noted; after a resume all goes on."""
    bench.services.broken[PSC1] = ("vmware-stsd", "vmdnsd")

    with pytest.raises(ServiceRestartError, match="vmware-stsd"):
        bench.do()

    assert bench.services.log == [PSC1]
    assert restart_of(PSC1, bench.noted) == NodeRestart(
        node=PSC1, outcome=Outcome.FAILED, down=("vmware-stsd", "vmdnsd")
    )
    assert restart_of(VC, bench.noted).outcome is Outcome.PENDING
    assert bench.probe() is Observed.REPEATABLE

    bench.services.broken.clear()
    bench.do()
    assert bench.services.log == [PSC1, PSC1, PSC2, VC]
    assert restart_of(PSC1, bench.noted).down == ()


def test_nodes_of_a_wave_that_fail_together_are_all_told():
    """The first is the error; the others' services and log lines are told and noted."""
    first, *others = (node(f"vc{n}.lab.example") for n in (1, 2, 3))
    bench = RestartBench(first, *others)
    bench.services.broken = {n.fqdn: ("vpxd",) for n in others}

    with pytest.raises(ServiceRestartError, match=r"vc2\.lab"):
        bench.do()

    assert [restart_of(n.fqdn, bench.noted).outcome for n in others] == [Outcome.FAILED] * 2
    assert "vc3.lab.example did NOT start: vpxd" in bench.told
    assert "vc3.lab.example log of vc3.lab.example" in bench.told


def test_a_node_that_is_done_is_not_restarted_again(bench):
    """A resume goes on with the others."""
    bench.services.broken[VC] = ("vpxd",)
    with pytest.raises(ServiceRestartError):
        bench.do()
    bench.services.broken.clear()

    bench.do()

    assert bench.services.log == [PSC1, PSC2, VC, VC]


def test_what_came_up_with_the_restart_is_noted(bench):
    """With an expired certificate vpxd was down before."""
    bench.services.stopped[VC] = ("vpxd", "vsphere-ui")

    bench.do()

    found = restart_of(VC, bench.noted)
    assert (found.outcome, found.started) == (Outcome.RESTARTED, ("vpxd", "vsphere-ui"))
    assert found.at == bench.noted[f"restarted.{VC}"]
