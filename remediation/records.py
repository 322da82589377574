"""What a run's journal says: records, their order, and the phase they add up to. Pure."""

from __future__ import annotations

import dataclasses
import enum
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stsfix.remediation.model import NodePlan, Platform, Renew, Renewal, Restart, Role, RunSpec
from stsfix.snapshot.model import HostRef, VmId

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime


QUIESCE = "quiesce"
"""The step that shuts every node down."""

TAKE_SNAPSHOTS = "take-snapshots"
"""The step that snapshots every node while all are off."""

POWER_ON = "power-on"
"""The step that powers every node on, and waits."""

REPLACE_STS = "replace-sts"
"""The step that makes and writes the new certificate."""

NOT_PROVEN = "revert-not-proven"
"""Of the notes of `QUIESCE`, whose undo powers reverted nodes on: why the directories could not be
compared with what they were before."""

VERIFY_LOGINS = "verify-logins"
"""The step that proves that people can log in again."""

RETIRE_OLD = "retire-old"
"""The step that removes what the new certificate replaced."""

KEPT_PREFIX = "kept-chain."
"""Of that step's notes, by the chain's name: until when tokens may rest on it, ISO 8601."""

END_PREFIX = "leaf-end."
"""Of that step's notes: when the certificate of each attempt ends, ISO 8601."""


class StepState(enum.StrEnum):
    """How far a step is. PENDING is never written: it is the absence of a record."""

    PENDING = "pending"
    STARTED = "started"
    DONE = "done"
    FAILED = "failed"
    UNDOING = "undoing"
    UNDONE = "undone"
    UNDO_FAILED = "undo-failed"


ALLOWED: frozenset[tuple[StepState, StepState]] = frozenset(
    {
        (StepState.PENDING, StepState.STARTED),
        (StepState.STARTED, StepState.STARTED),  # in doubt, the probe said repeatable
        (StepState.STARTED, StepState.DONE),
        (StepState.STARTED, StepState.FAILED),
        (StepState.FAILED, StepState.STARTED),  # resume
        (StepState.FAILED, StepState.DONE),  # resume, the probe found it complete
        (StepState.FAILED, StepState.FAILED),  # resume, the probe could not tell
        (StepState.STARTED, StepState.UNDOING),
        (StepState.DONE, StepState.UNDOING),
        (StepState.FAILED, StepState.UNDOING),
        (StepState.UNDOING, StepState.UNDOING),  # died while undoing: undo repeats
        (StepState.UNDOING, StepState.UNDONE),
        (StepState.UNDOING, StepState.UNDO_FAILED),
        (StepState.UNDO_FAILED, StepState.UNDOING),
    }
)
"""Every pair (before, after) a step may go through; anything else is refused."""


class Mark(enum.StrEnum):
    """A decision about the whole run. Of a rollback and a restore the later one counts (`turn`);
    there is no way back from the others.
    """

    ROLLBACK = "rollback"
    RESTORING = "restoring"
    RESTORED = "restored"
    ADOPTED = "adopted"
    UNPROVEN = "unproven"
    RELEASING = "releasing"
    RELEASED = "released"


class Phase(enum.StrEnum):
    """What a run is, seen from its records alone."""

    OPEN = "open"
    STOPPED = "stopped"
    REPAIRED = "repaired"
    ROLLING_BACK = "rolling-back"
    ROLLED_BACK = "rolled-back"
    RESTORING = "restoring"
    RESTORED = "restored"
    ADOPTED = "adopted"
    RELEASING = "releasing"
    RELEASED = "released"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """A step is now *state*. *facts* say why, for FAILED and UNDO_FAILED (error class)."""

    step: str
    state: StepState
    facts: Mapping[str, str] = field(default_factory=dict)
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteRecord:
    """A step noted one fact that its probe, its undo or a person needs."""

    step: str
    key: str
    value: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkRecord:
    """The run as a whole took a turn."""

    mark: Mark
    at: datetime | None = None


Record = StepRecord | NoteRecord | MarkRecord


def step_states(plan: Sequence[str], records: Sequence[Record]) -> dict[str, StepState]:
    """Return the last state of every step of *plan*, in plan order."""
    states = dict.fromkeys(plan, StepState.PENDING)
    for record in records:
        if isinstance(record, StepRecord):
            states[record.step] = record.state
    return states


def noted(step: str, records: Sequence[Record]) -> dict[str, str]:
    """Return everything *step* noted; a later note of the same key wins."""
    return {
        record.key: record.value
        for record in records
        if isinstance(record, NoteRecord) and record.step == step
    }


def noted_at_last(step: str, records: Sequence[Record]) -> dict[str, str]:
    """Return what *step* noted in its last attempt to be done or undone: what an earlier one saw
    may hold no more.
    """
    begun = (StepState.STARTED, StepState.UNDOING)
    for index in reversed(range(len(records))):
        record = records[index]
        if isinstance(record, StepRecord) and record.step == step and record.state in begun:
            return noted(step, records[index:])
    return {}


def marks(records: Sequence[Record]) -> frozenset[Mark]:
    """Return the marks the run bears."""
    return frozenset(record.mark for record in records if isinstance(record, MarkRecord))


BACK = frozenset({StepState.UNDOING, StepState.UNDONE, StepState.UNDO_FAILED})
"""States of a step whose taking back has begun."""


def turn(records: Sequence[Record]) -> Mark | None:
    """Return which way the run went last: ROLLBACK, RESTORING, RESTORED, or None if forwards.

    What is undone after a restore takes the restored entries back as well, and nodes that are
    partly reverted are no longer what a restore proved.
    """
    for record in reversed(records):
        if isinstance(record, StepRecord) and record.state in BACK:
            return Mark.ROLLBACK
        if isinstance(record, MarkRecord) and record.mark in {
            Mark.ROLLBACK,
            Mark.RESTORING,
            Mark.RESTORED,
        }:
            return record.mark
    return None


def phase(plan: Sequence[str], records: Sequence[Record]) -> Phase:
    """Tell what the run is. Pure, so that every viewer says the same."""
    borne = marks(records)
    states = set(step_states(plan, records).values())
    undone = states <= {StepState.PENDING, StepState.UNDONE}
    way = turn(records)
    for holds, found in (
        # Of a released run, too: entries of both times may be there.
        (way is Mark.RESTORING, Phase.RESTORING),
        (Mark.RELEASED in borne, Phase.RELEASED),
        (Mark.RELEASING in borne, Phase.RELEASING),
        (way is Mark.RESTORED, Phase.RESTORED),
        (way is Mark.ROLLBACK, Phase.ROLLED_BACK if undone else Phase.ROLLING_BACK),
        (Mark.ADOPTED in borne, Phase.ADOPTED),
    ):
        if holds:
            return found
    if StepState.FAILED in states:
        return Phase.STOPPED
    return Phase.REPAIRED if states == {StepState.DONE} else Phase.OPEN


def lacks_proof_only(plan: Sequence[str], records: Sequence[Record]) -> bool:
    """Tell whether the run stopped at the proof of logins, by a way in that failed, after every
    step before was done. What comes after the proof has not begun.
    """
    if phase(plan, records) is not Phase.STOPPED or VERIFY_LOGINS not in plan:
        return False
    place = plan.index(VERIFY_LOGINS)
    states = list(step_states(plan, records).values())
    last = [r for r in records if isinstance(r, StepRecord) and r.step == VERIFY_LOGINS][-1:]
    return (
        set(states[:place]) == {StepState.DONE}
        and states[place] is StepState.FAILED
        and [r.facts.get("error") for r in last] == ["ProofError"]
    )


def released_unproven(plan: Sequence[str], records: Sequence[Record]) -> bool:
    """Tell whether the run is, or is being, released by the operator's word alone. The word of a
    process that died before the release began does not count: the run may have been resumed.
    """
    proof = step_states(plan, records).get(VERIFY_LOGINS)
    return {Mark.UNPROVEN, Mark.RELEASING} <= marks(records) and proof is StepState.FAILED


def spec_to_json(spec: RunSpec) -> str:
    """Return *spec* as JSON; `spec_from_json` gives an equal value back."""
    return json.dumps(
        {
            "run": spec.run,
            "domain": spec.domain,
            "writer": spec.writer,
            "issuer": spec.issuer,
            "validity_days": spec.validity_days,
            "retire": spec.retire,
            "accepted": list(spec.accepted),
            "by": spec.by,
            "renew": spec.renew.value,
            "renewals": [dataclasses.asdict(renewal) for renewal in spec.renewals],
            "new_roots": list(spec.new_roots),
            "restart": spec.restart.value,
            "nodes": [
                {
                    "fqdn": node.fqdn,
                    "role": node.role.value,
                    "host": node.vm.host,
                    "moref": node.vm.moref,
                    "instance_uuid": node.vm.instance_uuid,
                    "name": node.vm.name,
                    "platform": node.platform.value,
                    "external_database": node.external_database,
                    "ran": list(node.ran),
                }
                for node in spec.nodes
            ],
        },
        ensure_ascii=False,
    )


def spec_from_json(text: str) -> RunSpec:
    """Return the RunSpec that `spec_to_json` wrote.

    Raises:
        ValueError, KeyError, TypeError: The text is not such a value.
    """
    raw = json.loads(text)
    return RunSpec(
        run=raw["run"],
        domain=raw["domain"],
        writer=raw["writer"],
        issuer=raw["issuer"],
        validity_days=raw["validity_days"],
        retire=raw["retire"],
        # Older journals have none of these.
        accepted=tuple(raw.get("accepted", ())),
        renew=Renew(raw.get("renew", Renew.NONE)),
        renewals=tuple(Renewal(**renewal) for renewal in raw.get("renewals", ())),
        new_roots=tuple(raw.get("new_roots", ())),
        restart=Restart(raw.get("restart", Restart.ALL)),
        by=raw.get("by", ""),
        nodes=tuple(
            NodePlan(
                fqdn=node["fqdn"],
                role=Role(node["role"]),
                vm=VmId(
                    host=HostRef(node["host"]),
                    moref=node["moref"],
                    instance_uuid=node["instance_uuid"],
                    name=node["name"],
                ),
                # Older journals know appliances only.
                platform=Platform(node.get("platform", Platform.APPLIANCE)),
                external_database=bool(node.get("external_database", False)),
                ran=tuple(node.get("ran", ())),
            )
            for node in raw["nodes"]
        ),
    )
