"""One question to a vCenter's own database through psql on its node: a script, an answer. Pure.

Source: database, user and both places of psql are in VMware's own fixcerts (KB 322249) and vCert
(KB 385107). Not tried on a real appliance, and nothing documents it.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from stsfix.remediation.nodes.sections import end_of, mark

if TYPE_CHECKING:
    from stsfix.remediation.nodes.sections import Sections

PSQL: Final = ("/opt/vmware/vpostgres/current/bin/psql", "/usr/bin/psql")
_SECONDS: Final = 60
_NOT_FOUND: Final = "127"
"""What bash, and timeout, end with if there is no such program."""


def script(statement: str, nonce: str, places: tuple[str, str] = PSQL) -> str:
    """Return the script that runs *statement*, which holds no double quote, dollar or backslash."""
    # -A -t: rows only, no alignment; -X: nobody's settings. A database that hangs is left.
    query = f'timeout {_SECONDS} %s -X -A -t -d VCDB -U postgres -c "{statement}" < /dev/null'
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


def answer(found: Sections) -> tuple[str, str | None]:
    """Return in which section psql was there, and what it said; None if it failed."""
    missing = (found.text("code-first") or "").strip() == _NOT_FOUND
    place = "second" if missing else "first"
    code = (found.text(f"code-{place}") or "").strip()
    return place, found.text(place) if code == "0" else None
