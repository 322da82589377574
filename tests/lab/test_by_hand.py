"""Nodes without a transport: a run stops, a person restarts services, and is not believed."""

from __future__ import annotations

import pytest

from fault_bench import FaultBench
from lab_keys import shared_keys
from stsfix.lab.lab import Lab
from stsfix.plugin.diagnostics import RunContext
from stsfix.plugin.exit_codes import EXIT_CODES
from stsfix.plugin.rehearsal.person import asked_for, type_on
from stsfix.plugin.terminal.runs import run_lines
from stsfix.plugin.view import view_of
from stsfix.remediation.errors_run import RestartByHandError
from stsfix.remediation.journal import JournalFile
from stsfix.remediation.restarts import Outcome
from stsfix.snapshot.system_clock import SystemClock
from stsfix_command import Command

pytestmark = pytest.mark.lab

PSC1, PSC2, VC1, VC2 = (f"{name}.lab.example" for name in ("psc1", "psc2", "vc1", "vc2"))


def view(state):
    """Return the picture of the newest run."""
    journal = JournalFile(state, SystemClock())
    return view_of(journal.read(journal.latest()), RunContext())


def test_a_run_waits_for_a_person_and_believes_the_nodes_only(tmp_path):
    """PSCs before vCenters; a vCenter whose vpxd is down still is asked for again."""
    with Lab.build("external-psc", "by-hand", speed=1000, keys=shared_keys()) as lab:
        bench, state = FaultBench(lab, tmp_path), tmp_path / "state"

        stopped = bench(state, "run")

        assert isinstance(stopped, RestartByHandError)
        assert stopped.nodes == (PSC2, VC2)
        first = view(state)
        outcomes = {services.node: services.outcome for services in first.services}
        assert outcomes == {
            PSC1: Outcome.RESTARTED,
            PSC2: Outcome.ASKED,
            VC1: Outcome.PENDING,  # vCenters wait for a PSC that waits
            VC2: Outcome.ASKED,
        }
        assert "waits for a person" in first.meaning
        shown = "\n".join(line.text for line in run_lines(first, width=80))
        assert f"  on {VC2}:\n    service-control --stop --all && service-control" in shown
        assert not lab.nodes[VC2].argv_log.lines

        command = Command(tmp_path, {"STSFIX_CONFIG": "domain.toml", "STSFIX_STATE_DIR": "state"})
        again = command.run("resume", "--on-failure", "rollback", "--json")  # nobody has typed

        document = again.json()
        assert again.code == document["exit_code"] == EXIT_CODES[RestartByHandError]
        assert document["run"]["phase"] == "stopped"  # it has not failed: nothing is taken back
        asked = asked_for(again.out)
        assert VC2 in dict(asked)
        lines = document["diagnosis"]["evidence"]
        assert any(line.startswith(f"{VC2}: login-by-token") for line in lines)

        for node, typed in asked:
            type_on(lab, node, typed)

        assert bench(state, "resume") is None
        outcomes = {services.node: services.outcome for services in view(state).services}
        assert outcomes == {
            PSC1: Outcome.RESTARTED,
            PSC2: Outcome.BY_HAND,
            VC1: Outcome.RESTARTED,
            VC2: Outcome.BY_HAND,
        }
