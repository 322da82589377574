"""A run that takes days, and workstations whose clocks are wrong when they go on with it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fault_bench import FaultBench
from lab_keys import shared_keys
from stsfix.lab import judge
from stsfix.lab.faults import Effect, Rule
from stsfix.lab.lab import Lab
from stsfix.remediation.errors import ClockSkewError, ProofError
from stsfix.remediation.errors_run import InterruptedRunError

pytestmark = [pytest.mark.crash, pytest.mark.lab, pytest.mark.reliability("time")]

EXPORTED, RESTARTED = 4, 7
"""How many steps are done: before the credential, before the logins."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One lab for the module."""
    with Lab.build("embedded", "expired", speed=2000, seed=5, keys=shared_keys()) as lab:
        bench = FaultBench(lab, tmp_path_factory.mktemp("lab"))
        bench(tmp_path_factory.mktemp("first"), "run", steps=0)
        yield bench


@pytest.fixture
def bench(shared):
    """The lab as it was."""
    shared.lab.restore(shared.saved)
    return shared


def test_a_run_resumed_on_a_wrong_clock_makes_no_certificate(bench, tmp_path):
    """It says by how much the clock is off; set right, the run goes on to its end."""
    assert isinstance(bench(tmp_path, "run", steps=EXPORTED), InterruptedRunError)
    before = judge.all_sts_entries(bench.lab)

    error = bench(tmp_path, "resume", ahead=timedelta(days=2))
    untouched = judge.all_sts_entries(bench.lab) == before

    assert isinstance(error, ClockSkewError)
    assert untouched
    assert bench(tmp_path, "resume") is None
    assert bench.judge.after_run(tmp_path)["tokens"] == [None]


def test_logins_on_a_wrong_clock_prove_nothing_and_harm_nothing(bench, tmp_path):
    """The STS refuses a request of yesterday; it is no refused password, and the message says
    whose clock is off.
    """
    assert isinstance(bench(tmp_path, "run", steps=RESTARTED), InterruptedRunError)

    error = bench(tmp_path, "resume", ahead=timedelta(days=-1))

    assert isinstance(error, ProofError)
    assert "clock" in str(error)
    assert bench(tmp_path, "resume") is None


def test_sessions_that_end_at_any_moment_are_opened_again(bench, tmp_path):
    """The host forgets its sessions right when it is asked to change something: nothing was done,
    so that it is asked once more, with a password that it took before.
    """
    (host,) = {bench.lab.host_of(fqdn) for fqdn in bench.lab.nodes}
    calls = ("ShutdownGuest", "CreateSnapshot_Task", "PowerOnVM_Task", "StartProgramInGuest")
    rules = [
        bench.lab.faults.add(
            Rule(
                protocol="soap",
                call=call,
                effect=Effect.MEANWHILE,
                others=bench.lab.hosts[host].service.expire_sessions,
            )
        )
        for call in calls
    ]

    error = bench(tmp_path, "run")
    bench.lab.faults.clear()

    assert error is None
    assert all(rule.seen > 1 for rule in rules)
    assert bench.judge.after_run(tmp_path)["tokens"] == [None]


def test_a_run_that_somebody_left_for_a_while_ends_like_any_other(bench, tmp_path):
    """With the nodes off, and before the credential: longer than a host keeps a session."""
    for command, steps in (("run", 2), ("resume", 2)):
        assert isinstance(bench(tmp_path, command, steps=steps), InterruptedRunError)
        bench.lab.clock.sleep(3600)

    assert bench(tmp_path, "resume") is None
    assert bench.judge.after_run(tmp_path)["tokens"] == [None]
