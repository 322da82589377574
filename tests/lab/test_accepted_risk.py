"""An accepted risk lets a run be prepared, and the run remembers it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab_keys import shared_keys
from preflight_lab import wired
from stsfix.lab.lab import Lab
from stsfix.plugin.runs import RunOptions, Runs
from stsfix.remediation.checks.preflight import Verdict, verdict
from stsfix.remediation.errors_run import AcceptanceError, PreflightBlockedError
from stsfix.remediation.journal import JournalFile
from stsfix.snapshot.system_clock import SystemClock

pytestmark = pytest.mark.lab

OPTIONS = RunOptions(issuer="own-ca", validity_days=100, retire=True, force=False)
RIGHTS = "VM-RIGHTS"


@pytest.fixture(name="lab", scope="module")
def running_lab():
    """Yield a lab whose first node is not ours to change."""
    with Lab.build("elm", "no-administrator", speed=2000, keys=shared_keys()) as lab:
        yield lab


@pytest.fixture(name="runs")
def runs_of_the_lab(lab, tmp_path):
    """Yield the runs of a fresh state folder."""
    with wired(lab) as wiring:
        yield Runs(JournalFile(tmp_path, SystemClock()), wiring, stop_requested=lambda: False)


def test_without_acceptance_the_run_is_forbidden(runs):
    """The blocker blocks."""
    inventory, findings = runs.look()

    with pytest.raises(PreflightBlockedError, match=RIGHTS):
        runs.prepare(inventory, findings, OPTIONS)


@pytest.mark.parametrize("accepted", [RIGHTS, f"{RIGHTS}:vc1", f"{RIGHTS}:vc1 on esx1.lab.example"])
def test_an_accepted_risk_is_prepared_and_recorded(runs, accepted):
    """The verdict says so, and the spec that is saved names finding and object."""
    inventory, findings = runs.look([accepted])

    spec = runs.prepare(inventory, findings, OPTIONS)

    assert verdict(findings) is Verdict.WARNINGS
    assert spec.accepted == (f"{RIGHTS}:vc1 on esx1.lab.example",)


def test_an_acceptance_of_another_object_changes_nothing(runs):
    """Only what is named is accepted."""
    inventory, findings = runs.look([f"{RIGHTS}:vc2"])

    with pytest.raises(PreflightBlockedError, match=RIGHTS):
        runs.prepare(inventory, findings, OPTIONS)


def test_what_nobody_may_accept_is_refused_before_anybody_is_asked(lab, runs):
    """A wrong option costs no login."""
    before = lab.faults.calls.copy()

    with pytest.raises(AcceptanceError):
        runs.look(["NODE-NOT-FOUND"])

    assert lab.faults.calls == before


def test_the_outlook_names_every_node_in_every_wave(runs):
    """Typical durations, until a run of these nodes was measured."""
    inventory, _ = runs.look()

    first, *_, last = runs.outlook(inventory)

    assert first.step == "quiesce"
    assert first.waves == (("vc1.lab.example", "vc2.lab.example"),)
    assert first.basis.startswith("typical, unmeasured")
    assert last.step == "retire-old"


def test_there_is_no_outlook_for_nodes_that_may_not_be_all(runs):
    """Without the domain's own list nobody knows whom a run would stop."""
    inventory, _ = runs.look()

    assert runs.outlook(replace(inventory, topology=None)) == ()
