"""What the steps that make certificates note in the journal, and what it says later. Pure.

Keys hold an attempt's number, a store and a node: ``issued.2.vpxd.vc1.example.com``. A fingerprint
is noted before anything is written, so that a process that died knows what is its own. Of the
certificate that a node's TLS ports are going to show the whole is noted: a later process believes
it, and nothing else that such a port may show.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final

from stsfix.remediation.records import NoteRecord, StepRecord, StepState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

NEW_VMCA_ROOT: Final = "new-vmca-root"
RENEW_CERTIFICATES: Final = "renew-certificates"

_ISSUED: Final = "issued."
_SHOWN: Final = "shown."
_ROOT: Final = "root."
_OLD_ROOT: Final = "old-root."
_END: Final = "ends."
_EXTENSIONS: Final = "extensions."
_REGISTERED: Final = "registered."
UNKNOWN: Final = "unknown"


def issued_key(attempt: int, store: str, node: str) -> str:
    """Return the key of the fingerprint of a leaf that is about to be written."""
    return f"{_ISSUED}{attempt}.{store}.{node}"


def issued(noted: Mapping[str, str], store: str, node: str) -> tuple[str, ...]:
    """Return the fingerprints of every leaf that was ever made for an entry, oldest first."""
    return _by_attempt(noted, _ISSUED, f"{store}.{node}")


def places_issued(noted: Mapping[str, str]) -> Iterator[str]:
    """Yield the node of every leaf that was ever made, in the order of the notes."""
    for key in noted:
        for _, place in _parsed(key, _ISSUED):
            yield place.partition(".")[2]


def shown_key(attempt: int, node: str) -> str:
    """Return the key of a machine certificate that is about to be written, in base64."""
    return f"{_SHOWN}{attempt}.{node}"


def end_key(store: str, node: str) -> str:
    """Return the key of the day on which a new certificate ends."""
    return f"{_END}{store}.{node}"


def root_key(attempt: int, node: str) -> str:
    """Return the key of the fingerprint of a new root of a node's VMCA."""
    return f"{_ROOT}{attempt}.{node}"


def roots(noted: Mapping[str, str], node: str) -> tuple[str, ...]:
    """Return the fingerprints of every root that was ever made for a VMCA, oldest first."""
    return _by_attempt(noted, _ROOT, node)


def old_root_key(node: str) -> str:
    """Return the key of the fingerprint of the root that a VMCA had before."""
    return _OLD_ROOT + node


def extensions_key(store: str, node: str) -> str:
    """Return the key of how many extensions of a vCenter learned the new certificate of *store*;
    `UNKNOWN` if they could not be told.
    """
    return f"{_EXTENSIONS}{store}.{node}"


def stale_extensions(noted: Mapping[str, str], node: str) -> bool:
    """Tell whether extensions of a vCenter could not be told a new certificate."""
    keys = [k for k, v in noted.items() if k.startswith(_EXTENSIONS) and v == UNKNOWN]
    return any(key.removeprefix(_EXTENSIONS).partition(".")[2] == node for key in keys)


def registered_key(number: int, node: str) -> str:
    """Return the key of the name of an extension that is registered with a vCenter."""
    return f"{_REGISTERED}{number}.{node}"


def registered(noted: Mapping[str, str], node: str) -> tuple[str, ...]:
    """Return the names of the extensions that were registered with a vCenter."""
    return _by_attempt(noted, _REGISTERED, node)


def encoded(der: bytes) -> str:
    """Return a certificate as it is noted."""
    return base64.b64encode(der).decode()


def shown_leaves(records: Iterable[object], node: str) -> tuple[bytes, ...]:
    """Return the machine certificates (DER) that a run made for *node* and has not taken back."""
    found: list[tuple[int, bytes]] = []
    for record in records:
        if isinstance(record, StepRecord) and record.step == RENEW_CERTIFICATES:
            if record.state is StepState.UNDONE:
                found.clear()
        elif isinstance(record, NoteRecord) and record.step == RENEW_CERTIFICATES:
            found += [
                (attempt, der)
                for attempt, place in _parsed(record.key, _SHOWN)
                if place == node and (der := _decoded(record.value))
            ]
    return tuple(der for _, der in sorted(found))


def _by_attempt(noted: Mapping[str, str], prefix: str, place: str) -> tuple[str, ...]:
    found = [
        (attempt, value)
        for key, value in noted.items()
        for attempt, named in _parsed(key, prefix)
        if named == place
    ]
    return tuple(value for _, value in sorted(found))


def _parsed(key: str, prefix: str) -> Iterator[tuple[int, str]]:
    """Yield attempt and place of a key of this kind, or nothing."""
    if key.startswith(prefix):
        number, dot, place = key.removeprefix(prefix).partition(".")
        if dot and number.isdecimal():
            yield int(number), place


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
