"""Records of a run as the journal's rows have them. Pure."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from stsfix.remediation.records import Mark, MarkRecord, NoteRecord, StepRecord, StepState

if TYPE_CHECKING:
    from stsfix.remediation.records import Record


def encoded(record: Record) -> tuple[str, str, str, str]:
    """Return kind, step, name and value of *record*."""
    match record:
        case StepRecord():
            facts = json.dumps(dict(record.facts), ensure_ascii=False)
            return ("step", record.step, record.state.value, facts)
        case NoteRecord():
            return ("note", record.step, record.key, record.value)
        case MarkRecord():
            return ("mark", "", record.mark.value, "")


def decoded(at: str, kind: str, step: str, name: str, value: str) -> Record:
    """Return the record of such a row, written at *at* (ISO 8601).

    Raises:
        ValueError: A later version wrote it.
    """
    when = datetime.fromisoformat(at)
    if kind == "step":
        return StepRecord(step=step, state=StepState(name), facts=json.loads(value), at=when)
    if kind == "note":
        return NoteRecord(step=step, key=name, value=value, at=when)
    return MarkRecord(mark=Mark(name), at=when)
