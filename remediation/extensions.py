"""Which certificate each registered extension of a vCenter is known by: a script, a parser. Pure.

Source: table and columns, database, user and both places of psql are in VMware's own fixcerts (KB
322249) and vCert (KB 385107); the thumbprint is the SHA-1 of a certificate. Not tried on a real
appliance, and nothing documents it.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from dataclasses import dataclass
from typing import Final

from stsfix.remediation.inventory_certificates import COUNT_LIMIT, UnreadPart
from stsfix.remediation.sections import Sections, end_of, mark

PSQL: Final = ("/opt/vmware/vpostgres/current/bin/psql", "/usr/bin/psql")
WHAT: Final = "thumbprints of its extensions"
_QUERY: Final = "SELECT ext_id, thumbprint FROM vpx_ext ORDER BY ext_id"
_SECONDS: Final = 60
_NOT_FOUND: Final = "127"
"""What bash, and timeout, end with if there is no such program."""

_ROW: Final = re.compile(r"(?P<key>[^|\s][^|]{0,254}?)\s*\|\s*(?P<thumbprint>[0-9A-Fa-f:]*)\s*")
_SHA1_DIGITS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """A registered extension. *thumbprint* is a SHA-1, 40 lower-case hex digits, empty if it has
    none: then it logs in otherwise.
    """

    key: str
    thumbprint: str


def script(nonce: str, places: tuple[str, str] = PSQL) -> str:
    """Return the script that lists extensions; it only reads."""
    # -A -t: rows only, no alignment; -X: nobody's settings. A database that hangs is left.
    query = f'timeout {_SECONDS} %s -X -A -t -d VCDB -U postgres -c "{_QUERY}" < /dev/null'
    first, second = (query % shlex.quote(place) for place in places)
    lines = [
        "export LC_ALL=C",
        *_section(nonce, "first", first),
        f'if [ "$code" = {_NOT_FOUND} ]; then',
        *_section(nonce, "second", second),
        "fi",
        f"echo '{end_of(nonce)}'",
        "",
    ]
    return "\n".join(lines)


def _section(nonce: str, name: str, command: str) -> list[str]:
    code = f"echo '{mark(nonce, f'code-{name}')}'"
    return [f"echo '{mark(nonce, name)}'", command, "code=$?", "echo", code, 'echo "$code"']


def parse(output: str, nonce: str) -> tuple[Extension, ...] | UnreadPart:
    """Return the extensions in the *output* of `script`, or why they are not known."""
    found = Sections.of(output, nonce)
    missing = (found.text("code-first") or "").strip() == _NOT_FOUND
    place = "second" if missing else "first"
    text = found.text(place)
    if text is None or (found.text(f"code-{place}") or "").strip() != "0":
        return UnreadPart(what=WHAT, reason=found.why(place))
    rows = [line for line in text.split("\n") if line.strip()]
    matches = [_ROW.fullmatch(row.strip()) for row in rows]
    if len(rows) > COUNT_LIMIT or not all(matches):
        return UnreadPart(what=WHAT, reason=found.why(place))
    extensions = []
    for match in filter(None, matches):
        digits = match["thumbprint"].replace(":", "").lower()
        if len(digits) not in {0, _SHA1_DIGITS}:
            return UnreadPart(what=WHAT, reason=f"{match['key']} has no SHA-1: {digits[:80]!r}")
        extensions.append(Extension(key=match["key"], thumbprint=digits))
    return tuple(extensions)


def thumbprint(der: bytes) -> str:
    """Return the SHA-1 of *der*, 40 lower-case hex digits; it names, and protects nothing."""
    return hashlib.sha1(der, usedforsecurity=False).hexdigest()
