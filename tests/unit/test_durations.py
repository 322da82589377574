"""What a run will do to whom and how long it takes, typical or as measured before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from stsfix.remediation.durations import UNMEASURED, downtime, durations_of, phases
from stsfix.remediation.model import Role
from stsfix.remediation.plan import step_names
from stsfix.remediation.records import Mark, MarkRecord, StepRecord, StepState

PLAN = step_names(retire=True)
EXTERNAL = {
    "vc1": Role.VCENTER,
    "psc1": Role.PSC,
    "psc2": Role.PSC,
}
T0 = datetime(2026, 1, 1, tzinfo=UTC)


def step(name, state, minute):
    """Return a record."""
    return StepRecord(step=name, state=state, at=T0 + timedelta(minutes=minute))


def by_step(found):
    """Return the phases by step."""
    return {phase.step: phase for phase in found}


def test_every_step_of_a_plan_is_a_phase():
    """None is forgotten, none is invented."""
    assert [phase.step for phase in phases(EXTERNAL, PLAN)] == list(PLAN)


def test_pscs_stop_last_and_start_first():
    """The order is that of the run."""
    found = by_step(phases(EXTERNAL, PLAN))

    assert found["quiesce"].waves == (("vc1",), ("psc1", "psc2"))
    assert found["power-on"].waves == (("psc1", "psc2"), ("vc1",))
    assert found["restart-services"].waves == (("psc1",), ("psc2",), ("vc1",))
    assert found["replace-sts"].waves == (("psc1",),)


def test_waves_add_up_and_nodes_of_one_wave_do_not():
    """A wave takes as long as its slowest node."""
    one = by_step(phases({"psc1": Role.PSC}, PLAN))["power-on"]
    two = by_step(phases({"psc1": Role.PSC, "psc2": Role.PSC}, PLAN))["power-on"]
    both = by_step(phases(EXTERNAL, PLAN))["power-on"]

    assert one.takes == two.takes < both.takes


def test_removing_old_credentials_is_no_downtime():
    """By then people can log in again."""
    found = phases(EXTERNAL, PLAN)

    assert downtime(found) == sum((p.takes for p in found[:-1]), timedelta(0))


def test_nobody_claims_to_have_measured():
    """A typical duration says so, with its source."""
    assert all(phase.basis.startswith(f"{UNMEASURED}: ") for phase in phases(EXTERNAL, PLAN))


def test_an_earlier_run_replaces_what_is_typical():
    """Only for the steps that it measured."""
    measured = {"quiesce": timedelta(minutes=17)}

    found = by_step(phases(EXTERNAL, PLAN, measured=measured, measured_by="stsfix-1"))

    assert found["quiesce"].takes == timedelta(minutes=17)
    assert found["quiesce"].basis == "as in stsfix-1"
    assert found["power-on"].basis.startswith(UNMEASURED)


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([], {}),
        (
            [step("quiesce", StepState.STARTED, 0), step("quiesce", StepState.DONE, 4)],
            {"quiesce": timedelta(minutes=4)},
        ),
        ([step("quiesce", StepState.STARTED, 0)], {}),
        (
            [
                step("quiesce", StepState.STARTED, 0),
                step("quiesce", StepState.STARTED, 50),
                step("quiesce", StepState.DONE, 54),
            ],
            {},
        ),
        (
            [step("quiesce", StepState.STARTED, 0), step("quiesce", StepState.FAILED, 4)],
            {},
        ),
        (
            [
                step("quiesce", StepState.STARTED, 0),
                step("quiesce", StepState.DONE, 4),
                MarkRecord(mark=Mark.ROLLBACK),
                step("quiesce", StepState.UNDOING, 9),
                step("quiesce", StepState.UNDONE, 20),
            ],
            {"quiesce": timedelta(minutes=4)},
        ),
    ],
    ids=["nothing", "done", "under way", "in doubt", "failed", "taken back later"],
)
def test_only_a_first_attempt_is_a_measurement(records, expected):
    """Waiting for a person is no duration of a step."""
    assert durations_of(records) == expected
