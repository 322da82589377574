"""Nodes whose VM is gone for good, by the operator's word: a release does without them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stsfix.remediation.records import TAKE_SNAPSHOTS, NoteRecord

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stsfix.remediation.records import Record

_GONE: Final = "gone."
"""Before the node's FQDN: key of the note that says whose word it is."""


def departed(records: Iterable[Record]) -> frozenset[str]:
    """Return the nodes, by FQDN, that a release does without."""
    return frozenset(
        record.key.removeprefix(_GONE)
        for record in records
        if isinstance(record, NoteRecord) and record.key.startswith(_GONE)
    )


def note_of_departure(fqdn: str, by: str) -> NoteRecord:
    """Return the record that says that *by* knows the VM of *fqdn* to be gone for good."""
    return NoteRecord(step=TAKE_SNAPSHOTS, key=f"{_GONE}{fqdn}", value=by)
