"""What a run tells of a person's part, by the last failure of its journal."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from stsfix.plugin.diagnostics import RunContext
from stsfix.plugin.view import MEANING, view_of
from stsfix.remediation.errors import RestartByHandError
from stsfix.remediation.journal import StoredRun
from stsfix.remediation.plan import step_names
from stsfix.remediation.records import NoteRecord, Phase, StepRecord, StepState
from stsfix.remediation.restarts import ASKED, DOWN, STEP, Outcome
from worlds import node, spec

VC = "vc1.lab.example"
AT = datetime(2026, 3, 1, tzinfo=UTC)
WAITED = RestartByHandError.__name__


def failed(error, **facts):
    """Return one attempt of the restart that ended with *error*, after notes."""
    return [
        StepRecord(step=STEP, state=StepState.STARTED, at=AT),
        *(NoteRecord(step=STEP, key=key + VC, value=value) for key, value in facts.items()),
        StepRecord(step=STEP, state=StepState.FAILED, facts={"error": error}, at=AT),
    ]


def view(*records):
    """Return the picture of a run of one node with the records of its restart."""
    plan = replace(spec(), nodes=(node(VC),), writer=VC)
    names = step_names(retire=True)
    done = [
        StepRecord(step=name, state=state, at=AT)
        for name in names[: names.index(STEP)]
        for state in (StepState.STARTED, StepState.DONE)
    ]
    stored = StoredRun(
        spec=plan,
        plan=names,
        created=AT,
        version="0",
        inventory={},
        records=(*done, *records),
    )
    return view_of(stored, RunContext())


def test_a_run_waits_for_a_person_where_that_is_what_it_stopped_for():
    """The command to type is told with it."""
    run = view(*failed(WAITED, **{ASKED: AT.isoformat()}))

    assert run.meaning == f"waits for a person: the services of {VC} have to be restarted"
    assert run.services[0].command


@pytest.mark.parametrize("error", ["HostUnreachableError", "DirectoryFaultError"])
def test_another_failure_of_the_resume_is_not_hidden_by_who_was_asked(error):
    """The person may have typed everything; what failed now is something else."""
    run = view(*failed(WAITED, **{ASKED: AT.isoformat()}), *failed(error))

    assert run.phase is Phase.STOPPED
    assert run.meaning == MEANING[Phase.STOPPED]
    assert [(each.outcome, each.command) for each in run.services] == [(Outcome.ASKED, "")]
    assert [step.error for step in run.steps if step.error] == [error]


def test_services_that_did_not_start_are_told_although_a_person_was_asked_before():
    """The node was given a transport meanwhile, and its restart failed."""
    asked = failed(WAITED, **{ASKED: AT.isoformat()})

    run = view(*asked, *failed("ServiceRestartError", **{DOWN: "vmware-vpxd"}))

    assert run.services[0].outcome is Outcome.FAILED
    assert run.services[0].down == ("vmware-vpxd",)
