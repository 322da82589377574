"""What preflight says to start next asks for the same again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reports import domain, finding, report
from stsfix.plugin.cli.preflight import next_command
from stsfix.plugin.diagnostics import RunContext
from stsfix.remediation.model import Renew, Severity
from stsfix.remediation.renewal.plan import NO_RENEWAL, RenewalPlan

EXPIRED, SOUND = domain(end=-3), domain(end=900)
ROOT = ("vc1.lab.example",)
BLOCKS = finding(severity=Severity.BLOCKS)
ACCEPTED = replace(finding(severity=Severity.WARNS), subject="vc1 on esx1", accepted=True)
OTHER = replace(BLOCKS, subject="vc2 on esx1")
RISK = f"--accept '{ACCEPTED.id}:vc1 on esx1'"


@pytest.mark.parametrize(
    ("inventory", "findings", "renewal", "expected"),
    [
        (EXPIRED, [], NO_RENEWAL, "run"),
        (SOUND, [], NO_RENEWAL, ""),
        (EXPIRED, [BLOCKS], NO_RENEWAL, "preflight"),
        (EXPIRED, [], RenewalPlan(renew=Renew.EXPIRED), "run --renew expired"),
        (SOUND, [], RenewalPlan(renew=Renew.ALL), ""),
        (
            SOUND,
            [],
            RenewalPlan(renew=Renew.ALL, new_roots=ROOT),
            "run --new-vmca-root --renew all",
        ),
        (SOUND, [], RenewalPlan(renew=Renew.EXPIRED, new_roots=ROOT), "run --new-vmca-root"),
        (EXPIRED, [BLOCKS], RenewalPlan(renew=Renew.ALL), "preflight --renew all"),
        (EXPIRED, [ACCEPTED, ACCEPTED], NO_RENEWAL, f"run {RISK}"),
        (EXPIRED, [ACCEPTED, OTHER], NO_RENEWAL, f"preflight {RISK}"),
    ],
)
def test_the_next_command_repeats_what_was_asked(inventory, findings, renewal, expected):
    """A run that was looked at with options is not started without them."""
    made = replace(report(inventory, findings), renewal=renewal)

    command = next_command(made)
    assert command == expected
    assert not command or RunContext().command(command) == f"stsfix {command}"
