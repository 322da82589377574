"""What a run tells of a person's part, by the last failure of its journal."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from stsfix.plugin.diagnostics import RunContext, explain
from stsfix.plugin.terminal.runs import JOURNAL_ONLY, run_lines
from stsfix.plugin.view import CLOSED, MEANING, disks_left_out, view_of, what_goes_back
from stsfix.remediation.adoption import ADOPTED
from stsfix.remediation.claims import LEFT_TO
from stsfix.remediation.departed import note_of_departure
from stsfix.remediation.errors_run import DomainLockedError, RestartByHandError
from stsfix.remediation.journal import StoredRun
from stsfix.remediation.left_off import LEFT_OFF
from stsfix.remediation.nodes.service_expectation import WHY_WORDS, Why
from stsfix.remediation.plan import step_names
from stsfix.remediation.records import (
    END_PREFIX,
    NOT_PROVEN,
    REPLACE_STS,
    Mark,
    MarkRecord,
    NoteRecord,
    Phase,
    StepRecord,
    StepState,
)
from stsfix.remediation.restarts import (
    ASKED,
    BY_HAND,
    DOWN,
    KEPT,
    KEPT_WORDS,
    LEFT,
    SEEN_WORDS,
    STEP,
    Outcome,
    Seen,
)
from stsfix.snapshot.errors import VmNotOffError
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


def records_of(text):
    """Return records that are written ``quiesce:done replace-sts:undoing``; ``rollback`` is the
    mark.
    """
    for word in text.split():
        step, _, state = word.partition(":")
        if state:
            yield StepRecord(step=step, state=StepState(state), at=AT)
        else:
            yield MarkRecord(mark=Mark(step), at=AT)


OFF = "quiesce:started quiesce:done take-snapshots:started take-snapshots:done power-on:started"
WROTE = f"{OFF} power-on:done replace-sts:started replace-sts:failed"


@pytest.mark.parametrize(
    ("records", "told"),
    [
        ("", False),
        ("quiesce:started", True),
        ("quiesce:started quiesce:failed", True),
        (OFF, True),
        (f"{OFF} power-on:failed", True),
        (WROTE, False),
        (f"{WROTE} rollback", False),
        (f"{WROTE} rollback replace-sts:undoing", True),
        (f"{WROTE} rollback replace-sts:undoing replace-sts:undo-failed", True),
        (f"{OFF} rollback power-on:undoing", True),
        (f"{OFF} rollback power-on:undoing power-on:undone quiesce:undoing", True),
        ("quiesce:started rollback quiesce:undoing quiesce:undone", False),
    ],
)
def test_nodes_that_an_unfinished_run_shut_down_are_told(records, told):
    """From the record before the first shutdown to the one after the last node was seen on; in
    ``status`` and where the command stops.
    """
    stored = StoredRun(
        spec=spec(),
        plan=step_names(retire=True),
        created=AT,
        version="0",
        inventory={},
        records=tuple(records_of(records)),
    )

    run = view_of(stored, RunContext())

    assert (LEFT_OFF in run.meaning, run.nodes_may_be_off) == (told, told)
    state = explain(VmNotOffError([]), RunContext(run="run-1", off=run.nodes_may_be_off)).state
    assert state.endswith("It has shut nodes down and has not seen all of them on again.") is told


RIVAL = "stsfix-20260101T000000Z-bbbb, begun by anna@desk"


def gave_way(*, end):
    """Return the picture of a run whose claim was the younger one; *end* ends its rollback."""
    lost = {"error": DomainLockedError.__name__}
    names = ("quiesce", "take-snapshots")
    records = (
        StepRecord(step="quiesce", state=StepState.STARTED, at=AT),
        StepRecord(step="quiesce", state=StepState.DONE, at=AT),
        StepRecord(step="take-snapshots", state=StepState.STARTED, at=AT),
        StepRecord(step="take-snapshots", state=StepState.FAILED, facts=lost, at=AT),
        MarkRecord(mark=Mark.ROLLBACK, at=AT),
        StepRecord(step="take-snapshots", state=StepState.UNDOING, at=AT),
        *end,
    )
    stored = StoredRun(
        spec=spec(), plan=names, created=AT, version="0", inventory={}, records=records
    )
    return view_of(stored, RunContext())


def test_a_run_that_gave_way_says_so_and_has_nothing_to_release():
    """Nodes may be off, and no snapshot of it is there."""
    run = gave_way(
        end=(
            StepRecord(step="take-snapshots", state=StepState.UNDONE, at=AT),
            StepRecord(step="quiesce", state=StepState.UNDOING, at=AT),
            NoteRecord(step="quiesce", key=LEFT_TO, value=RIVAL),
            StepRecord(step="quiesce", state=StepState.UNDONE, at=AT),
        )
    )

    assert run.phase is Phase.ROLLED_BACK
    assert run.meaning == (
        f"gave way to {RIVAL}; it wrote nothing, its own snapshot is removed, and nodes that are"
        " off are left to the other run"
    )
    assert run.next_actions == ()


def test_a_run_whose_claim_is_left_is_rolled_back_again():
    """Its snapshot could not be removed: that is what is left to do."""
    run = gave_way(end=(StepRecord(step="take-snapshots", state=StepState.UNDO_FAILED, at=AT),))

    assert run.meaning == f"{MEANING[Phase.ROLLING_BACK]}; {LEFT_OFF}"
    assert run.next_actions == (f"stsfix rollback {spec().run}",)


def test_a_run_whose_rival_is_gone_is_taken_back_like_any_other():
    """It powered the nodes on, and keeps its snapshot until it is released."""
    run = gave_way(
        end=(
            StepRecord(step="take-snapshots", state=StepState.UNDONE, at=AT),
            StepRecord(step="quiesce", state=StepState.UNDOING, at=AT),
            StepRecord(step="quiesce", state=StepState.UNDONE, at=AT),
        )
    )

    assert run.meaning == MEANING[Phase.ROLLED_BACK]
    assert run.next_actions == (f"stsfix release {spec().run}",)


@pytest.mark.parametrize(("key", "value"), [(LEFT_TO, RIVAL), (NOT_PROVEN, "vc1 is silent")])
def test_what_an_earlier_attempt_saw_is_not_told_of_the_last(key, value):
    """It died before it had ended; the next one powered the nodes on, and saw all there is."""
    run = gave_way(
        end=(
            StepRecord(step="take-snapshots", state=StepState.UNDONE, at=AT),
            StepRecord(step="quiesce", state=StepState.UNDOING, at=AT),
            NoteRecord(step="quiesce", key=key, value=value),
            StepRecord(step="quiesce", state=StepState.UNDOING, at=AT),
            StepRecord(step="quiesce", state=StepState.UNDONE, at=AT),
        )
    )

    assert run.meaning == MEANING[Phase.ROLLED_BACK]
    assert run.next_actions == (f"stsfix release {spec().run}",)


def test_a_rollback_whose_directories_were_not_compared_says_so():
    """Every VM was reverted; that the disks went back with them nobody saw."""
    run = gave_way(
        end=(
            StepRecord(step="take-snapshots", state=StepState.UNDONE, at=AT),
            StepRecord(step="quiesce", state=StepState.UNDOING, at=AT),
            NoteRecord(step="quiesce", key=NOT_PROVEN, value="vc1 does not answer"),
            StepRecord(step="quiesce", state=StepState.UNDONE, at=AT),
        )
    )

    assert run.meaning == (
        f"{MEANING[Phase.ROLLED_BACK]}; not proven that every directory went back: vc1 does not"
        " answer"
    )


@pytest.mark.parametrize("seen", Seen)
def test_nobody_claims_to_know_that_a_person_restarted_anything(seen):
    """The node counts as restarted; what was seen of it is said."""
    run = view(*failed("ProofError", **{BY_HAND: seen.value}))

    shown = "\n".join(line.text for line in run_lines(run, width=200))
    assert f"{VC} counts as restarted by hand: {SEEN_WORDS[seen]}" in shown


def test_services_that_could_not_be_stopped_are_told_at_the_end():
    """Each by its name."""
    run = view(*failed("ProofError"), NoteRecord(step=STEP, key=KEPT + VC, value="vpxd,eam"))

    shown = "\n".join(line.text for line in run_lines(run, width=200))
    assert f"- vpxd on {VC} {KEPT_WORDS}" in shown
    assert f"- eam on {VC} {KEPT_WORDS}" in shown


@pytest.mark.parametrize("why", Why)
def test_services_that_did_not_come_up_and_need_not_are_told_at_the_end(why):
    """Each with the reason; the sentence on the whole run names those that nobody disabled."""
    names = step_names(retire=True)
    done = [
        StepRecord(step=name, state=state, at=AT)
        for name in names[names.index(STEP) :]
        for state in (StepState.STARTED, StepState.DONE)
    ]
    run = view(*done[:1], NoteRecord(step=STEP, key=LEFT + VC, value=f"eam:{why}"), *done[1:])

    shown = "\n".join(line.text for line in run_lines(run, width=200))
    assert run.phase is Phase.REPAIRED
    assert f"- eam on {VC} did not come up: {WHY_WORDS[why]}" in shown
    assert run.meaning.endswith(f"; eam on {VC} did not come up") is (why is not Why.DISABLED)


@pytest.mark.parametrize(
    ("since", "told"),
    [
        ([], True),
        ([MarkRecord(mark=Mark.ROLLBACK, at=AT)], True),
        ([MarkRecord(mark=Mark.RESTORED, at=AT)], False),
        (
            [
                MarkRecord(mark=Mark.ROLLBACK, at=AT),
                StepRecord(step=REPLACE_STS, state=StepState.UNDOING, at=AT),
                StepRecord(step=REPLACE_STS, state=StepState.UNDONE, at=AT),
            ],
            False,
        ),
    ],
    ids=["in-force", "not-reverted-yet", "restored", "reverted"],
)
def test_a_certificate_that_is_in_no_directory_any_more_is_not_told(since, told):
    """What was written and taken back has no end to write down."""
    end = NoteRecord(step=REPLACE_STS, key=f"{END_PREFIX}1", value="2028-11-25T02:34:29+00:00")

    run = view(end, *since)

    shown = "\n".join(line.text for line in run_lines(run, width=200))
    assert (run.certificate_ends is not None) is told
    assert ("valid to 2028-11-25" in shown) is told


def test_a_disk_that_was_accepted_by_an_earlier_version_is_told_before_a_rollback():
    """No snapshot holds it; other risks are nothing that a revert leaves out."""
    taken = replace(spec(), accepted=("HOST-CLOCK:esx1", "SNAP-INDEPENDENT-DISK:vc1 on esx1"))

    assert "a disk of vc1 on esx1 was independent" in disks_left_out(taken)
    assert disks_left_out(replace(spec(), accepted=("HOST-CLOCK:esx1",))) == ""


def taken(*records):
    """Return a run whose snapshots were taken at `AT`, and what came after them."""
    plan = step_names(retire=True)
    states = [StepState.STARTED, StepState.DONE]
    first = [StepRecord(step="take-snapshots", state=state, at=AT) for state in states]
    return StoredRun(
        spec=spec(),
        plan=plan,
        created=AT,
        version="0",
        inventory={},
        records=(*first, *records),
    )


def written(*states):
    """Return records of the step that writes."""
    return [StepRecord(step=REPLACE_STS, state=state, at=AT) for state in states]


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([], "Nothing was written: nodes that are off are powered on"),
        (written(StepState.STARTED), "goes back by 50 h 0 min"),
        (
            [MarkRecord(mark=Mark.ADOPTED), *written(StepState.STARTED)],
            "Every node is reverted (vc1.lab.example, vc2.lab.example).",
        ),
        (
            written(StepState.STARTED, StepState.UNDOING, StepState.UNDONE),
            "Every node was reverted: nodes that are off are powered on",
        ),
    ],
    ids=["nothing written", "written", "adopted", "reverted already"],
)
def test_what_is_lost_by_a_rollback_is_said_before_it(records, expected):
    """How long ago the snapshots were taken; of an adopted run this journal does not know."""
    told = what_goes_back(taken(*records), AT + timedelta(hours=50))

    assert expected in told
    assert ("is lost" in told) is ("goes back" in told)


def stored_run(*records):
    """Return a run of two nodes with *records*."""
    return StoredRun(
        spec=spec(),
        plan=step_names(retire=True),
        created=AT,
        version="0",
        inventory={},
        records=records,
    )


@pytest.mark.parametrize(
    ("holder", "told"),
    [
        (None, MEANING[Phase.OPEN]),
        ("", "not finished: its process was stopped or has died, and none works on it now"),
        ("anna@desk, process 7", "not finished; anna@desk, process 7 works on it now"),
    ],
)
def test_an_open_run_is_said_to_run_or_to_have_died(holder, told):
    """Whoever looked at the lock knows which."""
    assert view_of(stored_run(), RunContext(), holder=holder).meaning == told


def test_a_run_that_is_taken_back_now_names_by_whom():
    """A run that is finished does not, though its domain is worked on."""
    back = stored_run(MarkRecord(mark=Mark.ROLLBACK, at=AT))

    assert view_of(back, RunContext(), holder="anna").meaning == CLOSED
    begun = StepRecord(step=step_names(retire=True)[0], state=StepState.STARTED, at=AT)
    back = stored_run(begun, MarkRecord(mark=Mark.ROLLBACK, at=AT))
    meaning = MEANING[Phase.ROLLING_BACK]
    assert view_of(back, RunContext(), holder="anna").meaning == f"{meaning}; anna works on it now"
    assert view_of(back, RunContext(), holder="").meaning.endswith("no process works on it now")


def test_what_was_released_names_the_nodes_that_were_left_out():
    """A snapshot of a VM that comes back is nobody's work any more."""
    gone = note_of_departure("vc2.lab.example", "anna@desk")
    marks = [MarkRecord(mark=mark, at=AT) for mark in (Mark.RELEASING, Mark.RELEASED)]

    run = view_of(stored_run(gone, *marks), RunContext())

    assert run.without == ("vc2.lab.example",)
    assert run.meaning.endswith(
        "not of vc2.lab.example: its VM was called gone for good (--without)"
    )


@pytest.mark.parametrize(("issuer", "word"), [(ADOPTED, "taken over"), ("vmca", "begun")])
def test_a_run_that_was_taken_over_is_not_said_to_have_begun_then(issuer, word):
    """When it began its snapshots tell, not this journal."""
    stored = replace(stored_run(), spec=replace(spec(), issuer=issuer))

    lines = list(run_lines(view_of(stored, RunContext()), width=80))

    assert lines[1].text == f"SSO domain vsphere.local, {word} 2026-03-01 00:00:00 UTC"


def test_what_is_known_from_the_journal_alone_is_said_with_its_time():
    """Another workstation may have taken the run over since."""
    run = view_of(stored_run(MarkRecord(mark=Mark.ROLLBACK, at=AT)), RunContext())

    lines = [line.text for line in run_lines(run, width=80, remark=JOURNAL_ONLY.format(AT))]

    assert run.recorded == AT
    assert "2026-03-01 00:00:00 UTC: no host was asked" in " ".join(lines)
