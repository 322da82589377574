"""One picture of a run for the command line, JSON and pages. Pure: from the journal alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stsfix.remediation.records import (
    MarkRecord,
    NoteRecord,
    Phase,
    StepRecord,
    StepState,
    step_states,
)

if TYPE_CHECKING:
    from datetime import datetime

    from stsfix.remediation.journal import StoredRun

MEANING = {
    Phase.OPEN: "not finished: it is running now, or its process died",
    Phase.STOPPED: "a step failed and nothing further was done",
    Phase.REPAIRED: "repaired and proven; the snapshots are still there",
    Phase.ROLLING_BACK: "being taken back, not finished",
    Phase.ROLLED_BACK: "taken back; every node is on as before, the snapshots are still there",
    Phase.RELEASING: "its snapshots are being deleted, not finished",
    Phase.RELEASED: "finished; its snapshots are deleted",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """One step. *began* and *ended* are aware UTC, None if that has not happened.

    *error* is the class of the last failure, empty if the step has not failed.
    """

    name: str
    state: StepState
    began: datetime | None
    ended: datetime | None
    error: str
    notes: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """One node of the run with where its VM was when the run began."""

    fqdn: str
    role: str
    vm: str
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """A whole run. *next_actions* are exact commands, the most likely one first."""

    run: str
    domain: str
    phase: Phase
    meaning: str
    created: datetime
    version: str
    writer: str
    nodes: tuple[NodeView, ...]
    steps: tuple[StepView, ...]
    next_actions: tuple[str, ...]


def view_of(stored: StoredRun) -> RunView:
    """Return the picture of *stored*."""
    spec = stored.spec
    return RunView(
        run=spec.run,
        domain=spec.domain,
        phase=stored.phase,
        meaning=MEANING[stored.phase],
        created=stored.created,
        version=stored.version,
        writer=spec.writer,
        nodes=tuple(
            NodeView(fqdn=n.fqdn, role=n.role, vm=n.vm.name, host=n.vm.host) for n in spec.nodes
        ),
        steps=tuple(_step(name, stored) for name in stored.plan),
        next_actions=next_actions(stored.phase, spec.run),
    )


def _step(name: str, stored: StoredRun) -> StepView:
    records = [r for r in stored.records if not isinstance(r, MarkRecord) and r.step == name]
    changes = [r for r in records if isinstance(r, StepRecord)]
    settled = {StepState.DONE, StepState.FAILED, StepState.UNDONE, StepState.UNDO_FAILED}
    last = changes[-1] if changes else None
    return StepView(
        name=name,
        state=step_states(stored.plan, stored.records)[name],
        began=changes[0].at if changes else None,
        ended=last.at if last is not None and last.state in settled else None,
        error=last.facts.get("error", "") if last is not None else "",
        notes={r.key: r.value for r in records if isinstance(r, NoteRecord)},
    )


def next_actions(phase: Phase, run: str) -> tuple[str, ...]:
    """Return the commands that make sense for a run in *phase*."""
    match phase:
        case Phase.OPEN | Phase.STOPPED:
            return (f"stsfix resume {run}", f"stsfix rollback {run}")
        case Phase.REPAIRED:
            return (f"stsfix release {run}", f"stsfix rollback {run}")
        case Phase.ROLLING_BACK:
            return (f"stsfix rollback {run}",)
        case Phase.ROLLED_BACK | Phase.RELEASING:
            return (f"stsfix release {run}",)
        case Phase.RELEASED:
            return ()
