"""How many scheduled tasks of users a vCenter has: a script, a parser. Pure.

Source: vCert (KB 385107) counts the rows of ``vpx_sched_persistent_user_token`` before it replaces
the STS certificate, and says nothing of releases whose database has no such table: there nobody
counts them here either. Each row is a token that a task logs in with (KB 385375). Not tried on a
real appliance. Names of the tasks are not read: nothing that is public says how they belong to the
tokens.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from stsfix.remediation.inventory_certificates import UnreadPart
from stsfix.remediation.nodes import vcdb
from stsfix.remediation.nodes.sections import Sections

if TYPE_CHECKING:
    from collections.abc import Sequence

WHAT: Final = "scheduled tasks of users"
TABLE: Final = "vpx_sched_persistent_user_token"
_IS_THERE: Final = "SELECT count(*) FROM information_schema.tables WHERE table_name = 'TABLE'"
_COUNT: Final = "SELECT count(usertoken_id) FROM TABLE"
_NUMBER: Final = re.compile(r"\s*([0-9]{1,9})\s*")


def script(nonces: Sequence[str], places: tuple[str, str] = vcdb.PSQL) -> str:
    """Return the script that asks whether there is such a table, and for its rows; it only reads.

    Args:
        nonces: Two, of letters and digits.
        places: Where psql may be.
    """
    asked = zip((_IS_THERE, _COUNT), nonces, strict=True)
    return "\n".join(
        vcdb.script(statement.replace("TABLE", TABLE), nonce, places) for statement, nonce in asked
    )


def parse(output: str, nonces: Sequence[str]) -> int | UnreadPart:
    """Return how many tasks there are by the *output* of `script`, or why that is not known."""
    found: list[int] = []
    for nonce in nonces:
        sections = Sections.of(output, nonce)
        place, text = vcdb.answer(sections)
        number = _NUMBER.fullmatch(text or "")
        if number is None:
            return UnreadPart(what=WHAT, reason=sections.why(place))
        found.append(int(number[1]))
        if found == [0]:  # nobody says where such a release would keep them
            return UnreadPart(what=WHAT, reason="its database has no such table")
    return found[-1]
