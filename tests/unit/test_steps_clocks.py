"""Before a certificate is made the workstation's clock is compared with the node's."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from credential_bench import VC1, Bench
from renewal_bench import Bench as RenewalBench
from stsfix.remediation.errors import ClockSkewError
from stsfix.remediation.ports import Observed

pytestmark = pytest.mark.reliability("time")


@pytest.mark.parametrize("days", [2, -2])
def test_no_credential_is_written_on_a_clock_that_is_wrong(days):
    """Set right, the step is simply done."""
    bench = Bench()
    before = bench.names()
    sound = bench.context
    bench.context = replace(sound, node_clock=lambda _: timedelta(days=days))

    with pytest.raises(ClockSkewError, match=VC1) as caught:
        bench.replace()
    untouched = bench.names() == before and not bench.noted
    observed = bench.probe()
    bench.context = sound
    bench.replace()

    assert caught.value.skew_s == days * 86400
    assert untouched
    assert observed is Observed.REPEATABLE
    assert bench.names() != before


@pytest.mark.parametrize(
    ("skew", "accepted"),
    [
        pytest.param(None, (), id="not told"),
        pytest.param(timedelta(minutes=9), (), id="forgiven by the STS"),
        pytest.param(timedelta(days=2), (f"NODE-CLOCK:{VC1}",), id="accepted"),
    ],
)
def test_what_is_not_known_or_taken_as_a_risk_does_not_stop_the_run(skew, accepted):
    """The credential is written."""
    bench = Bench()
    before = bench.names()
    spec = replace(bench.context.spec, accepted=accepted)
    bench.context = replace(bench.context, spec=spec, node_clock=lambda _: skew)

    bench.replace()

    assert bench.names() != before


def test_nothing_is_signed_on_a_clock_that_is_wrong():
    """No entry is touched; set right, the renewal is simply done, at one look per node and VMCA."""
    bench = RenewalBench()
    sound = bench.context
    asked: list[str] = []

    def told(skew):
        def clock(node):
            asked.append(node)
            return skew

        return replace(sound, node_clock=clock)

    bench.context = told(timedelta(days=2))
    with pytest.raises(ClockSkewError, match=VC1):
        bench.do(bench.renewing())
    untouched = not bench.noted and not bench.stores.written
    asked.clear()
    bench.context = told(timedelta(minutes=1))
    bench.do(bench.renewing())
    looks = list(asked)
    bench.do(bench.renewing())

    assert untouched
    bench.assert_renewed()
    assert looks == asked == [VC1]


def test_a_renewal_on_a_clock_that_was_taken_as_a_risk_goes_on():
    """As with the credential."""
    bench = RenewalBench()
    spec = replace(bench.context.spec, accepted=(f"NODE-CLOCK:{VC1}",))
    bench.context = replace(bench.context, spec=spec, node_clock=lambda _: timedelta(days=2))

    bench.do(bench.renewing())

    bench.assert_renewed()
