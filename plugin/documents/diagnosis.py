"""The document of ``stsfix diagnose --json`` (docs/schema/diagnose-1.json). Pure."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

from stsfix.plugin.exit_codes import BLOCKED, SUCCESS, WARNINGS
from stsfix.remediation.diagnosis.log_signatures import BY_ID
from stsfix.remediation.diagnosis.model import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.remediation.diagnosis.model import Diagnosis, NamedCause, Quote

JsonObject = dict[str, object]

EXIT_CODES = {Outcome.NOTHING: SUCCESS, Outcome.UNCHECKED: WARNINGS, Outcome.CAUSE: BLOCKED}
"""What ``stsfix diagnose`` ends with."""


def diagnosis_document(found: Diagnosis, *, command: Callable[[str], str]) -> JsonObject:
    """Return the whole document; *command* makes a command line that can be copied.

    ``schema_version``, datetimes and enums are left to `output.json_document`.
    """
    return {
        "kind": "diagnose",
        "stsfix_version": metadata.version("stsfix"),
        "taken": found.taken,
        "domain": found.domain,
        "outcome": found.outcome,
        "exit_code": EXIT_CODES[found.outcome],
        "causes": [_cause(named, command) for named in found.causes],
        "history": [_quote(line) for line in found.history],
        "sound": found.sound,
        "not_checked": [
            {"subject": part.subject, "what": part.what, "reason": part.reason}
            for part in found.unchecked
        ],
    }


def _cause(named: NamedCause, command: Callable[[str], str]) -> JsonObject:
    cause = named.cause
    return {
        "id": cause.id,
        "title": cause.title,
        "confidence": named.confidence,
        "nodes": named.nodes,
        "meaning": cause.meaning,
        "proofs": named.proofs,
        "lines": [_quote(line) for line in named.lines],
        "advice": cause.advice,
        "commands": [command(name) for name in cause.commands],
        "source": cause.source,
    }


def _quote(line: Quote) -> JsonObject:
    kind = BY_ID.get(line.kind)
    return {
        "node": line.node,
        "where": line.where,
        "kind": line.kind or None,
        "tells": kind.tells if kind is not None else None,
        "text": line.text,
        "written": line.written,
        "file_changed": line.changed,
        "note": line.note or None,
    }
