"""On 8.0 services are restarted only where the proof with the new certificate fails."""

from __future__ import annotations

import pytest

from fault_bench import FaultBench
from lab_keys import shared_keys
from stsfix.lab import judge
from stsfix.lab.lab import Lab
from stsfix.plugin.diagnostics import RunContext
from stsfix.plugin.terminal.runs import run_lines
from stsfix.plugin.view import view_of
from stsfix.remediation.journal import JournalFile
from stsfix.remediation.restarts import Outcome
from stsfix.snapshot.system_clock import SystemClock

pytestmark = pytest.mark.lab

VC1, VC2 = "vc1.lab.example", "vc2.lab.example"


def test_only_the_node_whose_sts_keeps_the_old_certificate_is_restarted(tmp_path):
    """vc1 takes the new credential by itself and is left alone, vc2 does not; both sign with it."""
    with Lab.build("elm", "sts-keeps", speed=1000, keys=shared_keys()) as lab:
        bench, state = FaultBench(lab, tmp_path), tmp_path / "state"
        lab.faults.calls.clear()

        assert bench(state, "run") is None

        restarts = {
            target for _, call, target in lab.faults.calls if call == "service-control --stop"
        }
        assert restarts == {VC2}
        assert judge.signing_leaf(lab, VC1) == judge.signing_leaf(lab, VC2) is not None
        stored = JournalFile(state, SystemClock())
        view = view_of(stored.read(stored.latest()), RunContext())
        outcomes = {services.node: services.outcome for services in view.services}
        assert outcomes == {VC1: Outcome.NOT_NEEDED, VC2: Outcome.RESTARTED}
        shown = "\n".join(line.text for line in run_lines(view, width=100))
        assert f"{VC1} was not restarted" in shown
        assert "Kept TrustedCertChain-1 of the old certificate" in shown
        assert sum("trustedcertchain" in dn.lower() for dn in judge.sts_entries(lab, VC1)) == 2
