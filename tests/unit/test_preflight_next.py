"""What preflight says to start next asks for the same again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reports import domain, finding, report
from stsfix.plugin.cli.preflight import next_command
from stsfix.remediation.model import Renew, Severity
from stsfix.remediation.renewal import NO_RENEWAL, RenewalPlan

EXPIRED, SOUND = domain(end=-3), domain(end=900)
ROOT = ("vc1.lab.example",)
BLOCKS = finding(severity=Severity.BLOCKS)
ACCEPTED = replace(finding(severity=Severity.WARNS), accepted=True)


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
        (EXPIRED, [ACCEPTED, ACCEPTED], NO_RENEWAL, f"run --accept {ACCEPTED.id}"),
    ],
)
def test_the_next_command_repeats_what_was_asked(inventory, findings, renewal, expected):
    """A run that was looked at with options is not started without them."""
    made = replace(report(inventory, findings), renewal=renewal)

    assert next_command(made) == expected
