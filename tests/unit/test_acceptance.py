"""A risk is accepted by name, only where it can be, and the run remembers it."""

from __future__ import annotations

import json

import pytest

from stsfix.remediation.checks.acceptance import Acceptance, accept, parse_acceptances
from stsfix.remediation.checks.findings import RULES
from stsfix.remediation.checks.preflight import Verdict, verdict
from stsfix.remediation.errors_run import AcceptanceError
from stsfix.remediation.model import Finding, NodePlan, Role, RunSpec, Severity
from stsfix.remediation.records import spec_from_json, spec_to_json
from stsfix.snapshot.model import HostRef, VmId

VM = VmId(host=HostRef("esx1.lab.example"), moref="1", instance_uuid="u", name="vc1")
SPEC = RunSpec(
    run="stsfix-1",
    domain="vsphere.local",
    writer="vc1.lab.example",
    nodes=(NodePlan(fqdn="vc1.lab.example", role=Role.EMBEDDED, vm=VM),),
    issuer="own-ca",
    validity_days=10,
    retire=True,
    accepted=("VM-RIGHTS:vc1 on esx1.lab.example",),
)


def finding(name="VM-RIGHTS", subject=str(VM), severity=Severity.BLOCKS):
    """Return a finding."""
    return Finding(id=name, severity=severity, subject=subject, evidence="e", advice="a")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("VM-RIGHTS", Acceptance(id="VM-RIGHTS")),
        ("vm-rights", Acceptance(id="VM-RIGHTS")),
        ("HOST-CLOCK:esx1", Acceptance(id="HOST-CLOCK", subject="esx1")),
        (
            "VM-RIGHTS: vc1 on esx1 ",
            Acceptance(id="VM-RIGHTS", subject="vc1 on esx1"),
        ),
    ],
)
def test_id_and_object_are_read(text, expected):
    """The id in any case, the object after the first colon."""
    assert parse_acceptances([text], RULES) == (expected,)


def test_an_unknown_id_names_what_is_near():
    """A slip of the finger is answered with the right name."""
    with pytest.raises(AcceptanceError, match="the nearest: VM-RIGHTS"):
        parse_acceptances(["VM-RIGTHS"], RULES)


def test_nonsense_is_refused():
    """Nothing near, nothing proposed."""
    with pytest.raises(AcceptanceError, match=r"there is no such finding$"):
        parse_acceptances(["42"], RULES)


def test_a_mere_warning_needs_no_acceptance():
    """Accepting it would promise something that is not so."""
    with pytest.raises(AcceptanceError, match="never forbids"):
        parse_acceptances(["SNAP-EXISTING"], RULES)


@pytest.mark.parametrize(
    "name",
    [
        "NODE-NOT-FOUND",
        "NODE-UNLISTED",
        "REPL-USN-ROLLBACK",
        "REPL-ENTRIES-DIFFER",
        "REPL-NEVER-PULLED",
        "REPL-NO-PARTNER",
        "SNAP-INDEPENDENT-DISK",
        "SNAP-NO-SPACE",
        "SNAP-CONSOLIDATION",
        "SNAP-CHAIN-BROKEN",
        "NOT-CHECKED",
        "HOST-UNREACHABLE",
        "SSO-UNREACHABLE",
        "SSO-LOGIN",
        "HOST-MAINTENANCE",
    ],
)
def test_some_risks_are_nobodys_to_take(name):
    """Partial domain, replication, space and everything unread; the reason is told."""
    with pytest.raises(AcceptanceError) as caught:
        parse_acceptances([name], RULES)

    assert RULES[name].why in caught.value.reason


@pytest.mark.parametrize("subject", ["", "vc1", "VC1", "vc1 on esx1.lab.example"])
def test_an_accepted_blocker_warns(subject):
    """It is still there, and says that it was accepted."""
    (result,) = accept([finding()], [Acceptance(id="VM-RIGHTS", subject=subject)])

    assert (result.severity, result.accepted) == (Severity.WARNS, True)
    assert verdict([result]) is Verdict.WARNINGS


@pytest.mark.parametrize(
    "acceptance",
    [
        Acceptance(id="VM-RIGHTS", subject="vc2"),
        Acceptance(id="VM-RIGHTS", subject="esx1.lab.example"),
        Acceptance(id="HOST-CLOCK"),
    ],
)
def test_what_is_not_named_still_blocks(acceptance):
    """Another object, another finding: nothing is accepted."""
    assert accept([finding()], [acceptance]) == (finding(),)


def test_a_warning_stays_a_warning():
    """A milder finding of the same rule is not marked as accepted."""
    mild = finding("HOST-CLOCK", "esx1.lab.example", Severity.WARNS)

    assert accept([mild], [Acceptance(id="HOST-CLOCK")]) == (mild,)


def test_the_journal_keeps_what_was_accepted():
    """The spec that is saved gives the same value back."""
    assert spec_from_json(spec_to_json(SPEC)) == SPEC


def test_older_journals_are_still_read():
    """A spec without accepted risks is one that had none."""
    old = json.loads(spec_to_json(SPEC))
    del old["accepted"]

    assert spec_from_json(json.dumps(old)).accepted == ()
