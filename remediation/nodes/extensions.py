"""Which certificate each registered extension of a vCenter is known by: a script, a parser. Pure.

Source: table and columns, database, user and both places of psql are in VMware's own fixcerts (KB
322249) and vCert (KB 385107); the thumbprint is the SHA-1 of a certificate. Not tried on a real
appliance, and nothing documents it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from stsfix.remediation.inventory_certificates import COUNT_LIMIT, UnreadPart
from stsfix.remediation.nodes import vcdb
from stsfix.remediation.nodes.sections import Sections
from stsfix.snapshot.words import shortened

PSQL: Final = vcdb.PSQL
WHAT: Final = "thumbprints of its extensions"
_QUERY: Final = "SELECT ext_id, thumbprint FROM vpx_ext ORDER BY ext_id"
_ROW: Final = re.compile(r"(?P<key>[^|\s][^|]{0,254}?)\s*\|\s*(?P<thumbprint>[0-9A-Fa-f:]*)\s*")
_SHA1_DIGITS: Final = 40
_SHA1: Final = re.compile(r"[0-9A-Fa-f]{40}")
_UPDATED: Final = re.compile(r"^UPDATE ([0-9]{1,9})\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """A registered extension. *thumbprint* is a SHA-1, 40 lower-case hex digits, empty if it has
    none: then it logs in otherwise.
    """

    key: str
    thumbprint: str


def script(nonce: str, places: tuple[str, str] = PSQL) -> str:
    """Return the script that lists extensions; it only reads."""
    return vcdb.script(_QUERY, nonce, places)


def parse(output: str, nonce: str) -> tuple[Extension, ...] | UnreadPart:
    """Return the extensions in the *output* of `script`, or why they are not known."""
    found = Sections.of(output, nonce)
    place, text = vcdb.answer(found)
    if text is None:
        return UnreadPart(what=WHAT, reason=found.why(place))
    rows = [line for line in text.split("\n") if line.strip()]
    matches = [_ROW.fullmatch(row.strip()) for row in rows]
    if len(rows) > COUNT_LIMIT or not all(matches):
        return UnreadPart(what=WHAT, reason=found.why(place))
    extensions = []
    for match in filter(None, matches):
        digits = match["thumbprint"].replace(":", "").lower()
        if len(digits) not in {0, _SHA1_DIGITS}:
            return UnreadPart(
                what=WHAT, reason=f"{match['key']} has no SHA-1: {shortened(digits, 80)!r}"
            )
        extensions.append(Extension(key=match["key"], thumbprint=digits))
    return tuple(extensions)


def replace_script(old: str, new: str, nonce: str, places: tuple[str, str] = PSQL) -> str:
    """Return the script that lets extensions be known by another certificate: those, and only
    those, whose thumbprint is *old*. Both are SHA-1s, 40 hex digits; they are written as
    fixcerts writes them (KB 322249).

    Raises:
        ValueError: One of them is no SHA-1.
    """
    if not (_SHA1.fullmatch(old) and _SHA1.fullmatch(new)):
        raise ValueError("a thumbprint is 40 hex digits")
    pairs = ":".join(new[at : at + 2] for at in range(0, _SHA1_DIGITS, 2)).upper()
    statement = (
        f"UPDATE vpx_ext SET thumbprint = '{pairs}'"  # noqa: S608 - both are hex digits, see above
        f" WHERE lower(replace(thumbprint, ':', '')) = '{old.lower()}'"
    )
    return vcdb.script(statement, nonce, places)


def parse_replaced(output: str, nonce: str) -> int | UnreadPart:
    """Return how many extensions were changed, or why that is not known."""
    found = Sections.of(output, nonce)
    place, text = vcdb.answer(found)
    match = _UPDATED.search(text or "")
    return int(match[1]) if match else UnreadPart(what=WHAT, reason=found.why(place))


def thumbprint(der: bytes) -> str:
    """Return the SHA-1 of *der*, 40 lower-case hex digits; it names, and protects nothing."""
    return hashlib.sha1(der, usedforsecurity=False).hexdigest()
