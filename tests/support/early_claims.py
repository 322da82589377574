"""What a journal says of all directories before it is so: looked at before anybody waits.

A step that awaited replication is recorded once every directory has followed, and what has followed
stays alike until the next write of its kind. So, while such a record is the last word, directories
are equal in that at any moment, not only after some time: who waits first cannot tell a step that
awaited them from one that did not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from stsfix.lab import judge
from stsfix.remediation.records import RETIRE_OLD, StepState, step_states, turn
from stsfix.remediation.renewal.notes import RENEW_CERTIFICATES
from stsfix.remediation.steps.credential import AwaitReplication

if TYPE_CHECKING:
    from stsfix.lab.lab import Lab
    from stsfix.remediation.journal import StoredRun

STS_ENTRIES = re.compile(
    r"cn=(tenantcredential-\d+|trustedcertchain-\d+,cn=trustedcertificatechains)"
    r",cn=vsphere\.local,cn=tenants,"
)
"""Those of the STS itself: chains of smart cards and identity providers have other places."""

RENEWED_ENTRIES = re.compile(r"cn=[^,]+,cn=serviceprincipals,|cn=[^,]+,.*cn=serviceregistrations,")
"""Accounts of solution users, and endpoints of the lookup service."""


def early_claims(lab: Lab, stored: StoredRun) -> list[str]:
    """Return in what directories differ now although the run says that it awaited them, one line
    each. A run that goes back, or was restored, claims nothing of the kind.
    """
    if turn(stored.records) is not None:
        return []
    states = step_states(stored.plan, stored.records)
    at_rest = {StepState.PENDING, StepState.DONE}
    awaited = states.get(AwaitReplication.name) is StepState.DONE
    awaited = awaited and states.get(RETIRE_OLD, StepState.PENDING) in at_rest
    renewed = states.get(RENEW_CERTIFICATES) is StepState.DONE
    if not (awaited or renewed):
        return []
    return [
        line
        for line in judge.out_of_sync(lab)
        if (awaited and STS_ENTRIES.match(line)) or (renewed and RENEWED_ENTRIES.match(line))
    ]
