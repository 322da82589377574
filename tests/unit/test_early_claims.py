"""Of what a journal claims of all directories the judge asks only, and all, that is claimed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

import pytest

from early_claims import early_claims
from stsfix.lab import judge
from stsfix.remediation.journal import StoredRun
from stsfix.remediation.plan import step_names
from stsfix.remediation.records import Mark, MarkRecord, StepRecord, StepState
from worlds import spec

if TYPE_CHECKING:
    from stsfix.lab.lab import Lab

CREDENTIAL = "cn=tenantcredential-2,cn=vsphere.local,cn=tenants,cn=identitymanager: vc2"
SMART_CARD = "cn=ca,cn=clientcertificatepolicies,cn=vsphere.local,cn=tenants: vc2"
ACCOUNT = "cn=vpxd-1,cn=serviceprincipals,dc=vsphere: vc2"
ENDPOINT = "cn=endpoint0,cn=a,cn=serviceregistrations,cn=lookupservice: vc2"
APART = [CREDENTIAL, SMART_CARD, ACCOUNT, ENDPOINT]


@pytest.mark.parametrize(
    ("done", "begun", "mark", "claimed"),
    [
        ("replace-sts", "", None, []),
        ("await-replication", "", None, [CREDENTIAL]),
        ("renew-certificates", "", None, [CREDENTIAL, ACCOUNT, ENDPOINT]),
        ("verify-logins", "retire-old", None, [ACCOUNT, ENDPOINT]),
        ("retire-old", "", None, [CREDENTIAL, ACCOUNT, ENDPOINT]),
        ("retire-old", "", Mark.ROLLBACK, []),
        ("retire-old", "", Mark.RESTORING, []),
    ],
)
def test_what_was_awaited_has_to_be_alike(monkeypatch, done, begun, mark, claimed):
    """From the record that says so to the next write of its kind, and only forwards."""
    monkeypatch.setattr(judge, "out_of_sync", lambda _: APART)
    names = step_names(retire=True, renews=True)
    records = [
        StepRecord(step=name, state=state)
        for name in names[: names.index(done) + 1]
        for state in (StepState.STARTED, StepState.DONE)
    ]
    records += [StepRecord(step=begun, state=StepState.STARTED)] if begun else []
    ends = [MarkRecord(mark=mark)] if mark else []
    stored = StoredRun(
        spec=spec(),
        plan=names,
        created=datetime(2026, 1, 1, tzinfo=UTC),
        version="0",
        inventory={},
        records=(*records, *ends),
    )

    assert early_claims(cast("Lab", None), stored) == claimed
