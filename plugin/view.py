"""One picture of a run for the command line, JSON and pages. Pure: from the journal alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from stsfix.plugin.renewal_view import RenewalView, renewal_of
from stsfix.plugin.text import lasted
from stsfix.remediation.claims import left_to
from stsfix.remediation.departed import departed
from stsfix.remediation.errors_run import RestartByHandError
from stsfix.remediation.left_off import LEFT_OFF
from stsfix.remediation.newcomers import WRITERS, reverts, wrote_nothing
from stsfix.remediation.nodes.service_expectation import Why
from stsfix.remediation.records import (
    END_PREFIX,
    NOT_PROVEN,
    QUIESCE,
    REPLACE_STS,
    TAKE_SNAPSHOTS,
    Mark,
    MarkRecord,
    NoteRecord,
    Phase,
    StepRecord,
    StepState,
    marks,
    noted,
    noted_at_last,
    step_states,
    turn,
)
from stsfix.remediation.restarts import STEP as RESTART_SERVICES
from stsfix.remediation.restarts import NodeRestart, Outcome, restart_of, restart_waves

if TYPE_CHECKING:
    from datetime import timedelta

    from stsfix.plugin.diagnostics import RunContext
    from stsfix.remediation.journal import StoredRun
    from stsfix.remediation.model import RunSpec

MEANING = {
    Phase.OPEN: "not finished: it is running now, or its process died",
    Phase.STOPPED: "a step failed and nothing further was done",
    Phase.REPAIRED: "repaired and proven; the snapshots are still there",
    Phase.ROLLING_BACK: "being taken back, not finished",
    Phase.ROLLED_BACK: "taken back; every node is on as before; a release deletes its snapshots",
    Phase.RESTORING: "its STS entries are being put back from the export, not finished",
    Phase.RESTORED: (
        "its STS entries were put back from the export; a release deletes what is left of its"
        " snapshots"
    ),
    Phase.ADOPTED: "taken over from its snapshots: what it wrote, and whether it ended, is unknown",
    Phase.RELEASING: "its snapshots are being deleted, not finished",
    Phase.RELEASED: "repaired and proven; its snapshots are deleted, so there is no way back",
}
CLOSED = "taken back before its first snapshot; every node is on as before"
DIED = "not finished: its process was stopped or has died, and none works on it now"
_UNFINISHED = frozenset({Phase.OPEN, Phase.ROLLING_BACK, Phase.RESTORING, Phase.RELEASING})
GAVE_WAY = (
    "gave way to {rival}; it wrote nothing, its own snapshot is removed, and nodes that are off are"
    " left to the other run"
)
RELEASED_UNPROVEN = (
    "NOT PROVEN: the new certificate is written and its snapshots are deleted, but no proof of"
    " logins was given; the old entries are still there, and there is no way back"
)
RELEASED_AFTER_ROLLBACK = "taken back; its snapshots are deleted"
RELEASED_UNWRITTEN = "closed: it wrote nothing; its snapshots are deleted"
RELEASED_AFTER_RESTORE = "its STS entries were put back from the export; its snapshots are deleted"
_INDEPENDENT = "SNAP-INDEPENDENT-DISK:"
RELEASED_AFTER_ADOPTION = (
    "taken over from its snapshots, which are deleted; whether it repaired is unknown here"
)
_NOTE_LENGTH = 200
"""A longer note is a whole certificate; what it means is in the view."""

NEXT_COMMANDS = {
    Phase.OPEN: ("resume", "rollback"),
    Phase.STOPPED: ("resume", "rollback"),
    Phase.REPAIRED: ("release", "rollback"),
    Phase.ROLLING_BACK: ("rollback",),
    Phase.ROLLED_BACK: ("release",),
    Phase.RESTORING: ("export restore", "rollback"),
    Phase.RESTORED: ("release", "rollback"),
    Phase.ADOPTED: ("rollback", "release --adopt"),
    Phase.RELEASING: ("release",),
    Phase.RELEASED: (),
}
"""What makes sense for a run in each phase, the most likely first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """One step. *began* and *ended* are aware UTC, None if that has not happened.

    Both are of the last attempt, or of the taking back if that has begun. *error* is the class
    of the last failure, empty if the step has not failed.
    """

    name: str
    state: StepState
    began: datetime | None
    ended: datetime | None
    error: str
    notes: dict[str, str]

    @property
    def waits(self) -> bool:
        """True if the step did not fail but waits for a person."""
        return self.state is StepState.FAILED and self.error == RestartByHandError.__name__

    @property
    def took(self) -> timedelta | None:
        """How long the last attempt, or the taking back, lasted; None if it has not ended, or this
        workstation's clock went back meanwhile.
        """
        if self.began is None or self.ended is None or self.ended < self.began:
            return None
        return self.ended - self.began


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """One node of the run with where its VM was when the run began."""

    fqdn: str
    role: str
    platform: str
    vm: str
    host: str
    external_database: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """A whole run. *next_actions* are exact commands, the most likely one first.

    *accepted* are the risks the operator took, as ``ID:object``. *certificate_ends* is when the
    new signing certificate ends, None before there is one and when it is gone again. *services*
    tells what became of the services of each node, in the order of their restart. *renewal* is
    what else was renewed, None if nothing. *unproven* tells that its snapshots were released
    although the proof of logins failed. *without* are the nodes whose VM is gone by the operator's
    word; *recorded* is when the journal got its last record. *nodes_may_be_off* is true while the
    run has shut nodes down and not seen all of them on again.
    """

    run: str
    domain: str
    phase: Phase
    meaning: str
    created: datetime
    version: str
    writer: str
    issuer: str
    certificate_ends: datetime | None
    accepted: tuple[str, ...]
    nodes: tuple[NodeView, ...]
    steps: tuple[StepView, ...]
    services: tuple[NodeRestart, ...]
    renewal: RenewalView | None
    next_actions: tuple[str, ...]
    unproven: bool = False
    without: tuple[str, ...] = ()
    recorded: datetime
    nodes_may_be_off: bool = False


def view_of(stored: StoredRun, context: RunContext, *, holder: str | None = None) -> RunView:
    """Return the picture of *stored*; *context* knows the options its commands need. *holder* is
    the process that works on its domain now, empty if none does, None where nobody looked.
    """
    spec = stored.spec
    about = replace(context, run=spec.run, phase=stored.phase.value)
    return RunView(
        run=spec.run,
        domain=spec.domain,
        phase=stored.phase,
        meaning=_meaning(stored, holder),
        created=stored.created,
        version=stored.version,
        writer=spec.writer,
        issuer=spec.issuer,
        certificate_ends=_certificate_ends(stored),
        accepted=spec.accepted,
        nodes=tuple(
            NodeView(
                fqdn=n.fqdn,
                role=n.role,
                platform=n.platform,
                vm=n.vm.name,
                host=n.vm.host,
                external_database=n.external_database,
            )
            for n in spec.nodes
        ),
        steps=tuple(_step(name, stored) for name in stored.plan),
        services=_services(stored),
        renewal=renewal_of(stored),
        next_actions=tuple(about.command(name) for name in _next_commands(stored)),
        unproven=stored.released_unproven,
        without=tuple(sorted(departed(stored.records))),
        recorded=max([stored.created, *(r.at for r in stored.records if r.at is not None)]),
        nodes_may_be_off=stored.nodes_may_be_off,
    )


def _services(stored: StoredRun) -> tuple[NodeRestart, ...]:
    undone = step_states(stored.plan, stored.records).get(RESTART_SERVICES) is StepState.UNDONE
    facts = {} if undone else noted(RESTART_SERVICES, stored.records)
    nodes = [node for wave in restart_waves(stored.spec) for node in wave]
    found = tuple(restart_of(node, facts) for node in nodes)
    return found if _waits(stored) else tuple(replace(each, command="") for each in found)


def _waits(stored: StoredRun) -> bool:
    """Tell whether a person is what the run stopped for last; who was asked stays noted."""
    if stored.phase is not Phase.STOPPED:
        return False
    return any(_step(name, stored).waits for name in stored.plan)


def databases_to_restore(spec: RunSpec) -> str:
    """Return what no snapshot takes back, in one clause; empty if there is nothing."""
    names = ", ".join(node.fqdn for node in spec.nodes if node.external_database)
    if not names:
        return ""
    return f"the database of {names} is elsewhere: restore it to the time of the snapshots"


def what_goes_back(stored: StoredRun, now: datetime) -> str:
    """Return in one sentence what taking the run back does to its nodes at *now*."""
    nodes = ", ".join(node.fqdn for node in stored.spec.nodes)
    if not reverts(stored.records):
        undone = StepState.UNDONE in step_states(WRITERS, stored.records).values()
        how = "Every node was reverted" if undone else "Nothing was written"
        return f"{how}: nodes that are off are powered on ({nodes})."
    at = [
        r.at
        for r in stored.records
        if isinstance(r, StepRecord) and (r.step, r.state) == (TAKE_SNAPSHOTS, StepState.DONE)
    ]
    if not at or at[-1] is None or Mark.ADOPTED in marks(stored.records):
        return f"Every node is reverted ({nodes})."
    ago = lasted(now - at[-1])
    return f"Every node goes back by {ago} ({nodes}): what changed there since is lost."


def disks_left_out(spec: RunSpec) -> str:
    """Return which risk of *spec* makes a revert impossible, in one clause; empty if none does.

    An earlier version let independent disks be accepted.
    """
    taken = [risk.partition(":")[2] for risk in spec.accepted if risk.startswith(_INDEPENDENT)]
    if not taken:
        return ""
    return (
        f"a disk of {', '.join(taken)} was independent when the run began: no snapshot holds it,"
        " and no node is reverted while it is"
    )


def _rival(stored: StoredRun) -> str:
    """Return whom the run gave way to, empty if to nobody; then nothing of it is left."""
    return left_to(stored.records) if stored.phase is Phase.ROLLED_BACK else ""


def _next_commands(stored: StoredRun) -> tuple[str, ...]:
    if _rival(stored):
        return ()
    gone = Mark.RELEASING in marks(stored.records)
    return tuple(c for c in NEXT_COMMANDS[stored.phase] if c != "rollback" or not gone)


def _meaning(stored: StoredRun, holder: str | None) -> str:
    rival = _rival(stored)
    if rival:
        return GAVE_WAY.format(rival=rival)
    is_turned = stored.phase in {Phase.ROLLING_BACK, Phase.ROLLED_BACK}
    waiting = [s.node for s in _services(stored) if s.outcome is Outcome.ASKED]
    if waiting and _waits(stored) and not is_turned:
        return f"waits for a person: the services of {', '.join(waiting)} have to be restarted"
    if stored.phase is Phase.RELEASED:
        return _released(stored)
    lacking = _lacking(stored) if stored.phase is Phase.REPAIRED else ""
    parts = (
        _state(stored, holder),
        _unproven_revert(stored),
        LEFT_OFF if stored.nodes_may_be_off and not holder else "",
        databases_to_restore(stored.spec) if is_turned else "",
        f"{lacking} did not come up" if lacking else "",
        _worker(stored.phase, holder),
    )
    return "; ".join(filter(None, parts))


def _state(stored: StoredRun, holder: str | None) -> str:
    """Return what its phase means; of a run that goes forwards only its holder tells whether it is
    at work.
    """
    phase = stored.phase
    if phase is Phase.OPEN and holder is not None:
        return "not finished" if holder else DIED
    taken = step_states((TAKE_SNAPSHOTS,), stored.records)[TAKE_SNAPSHOTS]
    if phase is Phase.ROLLED_BACK and taken is StepState.PENDING:
        return CLOSED
    return MEANING[phase]


def _worker(phase: Phase, holder: str | None) -> str:
    """Return whether a process works on an unfinished run, where that was looked at and is not told
    by its state.
    """
    if holder is None or phase not in _UNFINISHED or (phase is Phase.OPEN and not holder):
        return ""
    return f"{holder or 'no process'} works on it now"


def _unproven_revert(stored: StoredRun) -> str:
    """Return what is not known of a run that was taken back, released since or not; empty if
    nothing was reverted, or all of it was proven.
    """
    why = noted_at_last(QUIESCE, stored.records).get(NOT_PROVEN)
    back = turn(stored.records) is Mark.ROLLBACK and stored.phase is not Phase.ROLLING_BACK
    if why is None or not back:
        return ""
    return f"not proven that every directory went back: {why}"


def _lacking(stored: StoredRun) -> str:
    """Return the services that did not come up, although nobody disabled them."""
    return ", ".join(
        f"{each.service} on {found.node}"
        for found in _services(stored)
        for each in found.left
        if each.why is not Why.DISABLED
    )


def _released(stored: StoredRun) -> str:
    gone = ", ".join(sorted(departed(stored.records)))
    left = f"not of {gone}: its VM was called gone for good (--without)" if gone else ""
    return "; ".join(filter(None, (_way_out(stored), left, _unproven_revert(stored))))


def _way_out(stored: StoredRun) -> str:
    way = turn(stored.records)
    if way is Mark.RESTORED:
        return RELEASED_AFTER_RESTORE
    if way is Mark.ROLLBACK:
        return RELEASED_AFTER_ROLLBACK
    if wrote_nothing(stored.records):
        return RELEASED_UNWRITTEN
    if stored.released_unproven:
        return RELEASED_UNPROVEN
    adopted = Mark.ADOPTED in marks(stored.records)
    return RELEASED_AFTER_ADOPTION if adopted else MEANING[Phase.RELEASED]


def _certificate_ends(stored: StoredRun) -> datetime | None:
    """Return the end of the last certificate that was made (a resumed run may have made two);
    None too when it is in no directory any more.
    """
    state = step_states(stored.plan, stored.records).get(REPLACE_STS)
    if state is StepState.UNDONE or turn(stored.records) is Mark.RESTORED:
        return None
    ends = [r.value for r in stored.records if isinstance(r, NoteRecord) and _is_end(r)]
    return datetime.fromisoformat(ends[-1]) if ends else None


def _is_end(record: NoteRecord) -> bool:
    return record.step == REPLACE_STS and record.key.startswith(END_PREFIX)


def _step(name: str, stored: StoredRun) -> StepView:
    records = [r for r in stored.records if not isinstance(r, MarkRecord) and r.step == name]
    changes = [r for r in records if isinstance(r, StepRecord)]
    settled = {StepState.DONE, StepState.FAILED, StepState.UNDONE, StepState.UNDO_FAILED}
    last = changes[-1] if changes else None
    begun = [r for r in changes if r.state in {StepState.STARTED, StepState.UNDOING}]
    return StepView(
        name=name,
        state=step_states(stored.plan, stored.records)[name],
        began=begun[-1].at if begun else None,
        ended=last.at if last is not None and last.state in settled else None,
        error=last.facts.get("error", "") if last is not None else "",
        notes={
            r.key: r.value
            for r in records
            if isinstance(r, NoteRecord) and len(r.value) <= _NOTE_LENGTH
        },
    )
