"""Diagnoses of labs, without the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from diagnosis_table import DIAGNOSED
from preflight_lab import shown, wired
from stsfix.plugin.sources import diagnosis_sources
from stsfix.remediation.diagnosis.diagnose import diagnose
from stsfix.remediation.diagnosis.investigate import investigate

if TYPE_CHECKING:
    from stsfix.lab.lab import Lab
    from stsfix.remediation.diagnosis.evidence import Evidence
    from stsfix.remediation.diagnosis.model import Diagnosis, NamedCause


def examine(lab: Lab) -> tuple[Evidence, Diagnosis]:
    """Return what one diagnosis of *lab* reads and names."""
    with wired(lab) as wiring:
        evidence = investigate(diagnosis_sources(wiring))
    return evidence, diagnose(evidence)


def examined(scenario: str, topology: str = "elm") -> tuple[Evidence, Diagnosis]:
    """Return what one diagnosis of a fresh lab of *scenario* reads and names.

    Raises:
        LookupError: The scenario is not among `diagnosis_table.DIAGNOSED`.
    """
    if scenario not in DIAGNOSED:
        raise LookupError(f"add {scenario} to NAMED in tests/support/diagnosis_table.py")
    evidence, _ = shown(scenario, topology)
    return evidence, diagnose(evidence)


def named(diagnosis: Diagnosis) -> dict[str, str]:
    """Return the confidence of each cause that is named, by its id, in their order."""
    return {found.cause.id: found.confidence.name for found in diagnosis.causes}


def cause_of(diagnosis: Diagnosis, cause: str) -> NamedCause:
    """Return what is told of *cause*.

    Raises:
        LookupError: It is not named.
    """
    for found in diagnosis.causes:
        if found.cause.id == cause:
            return found
    raise LookupError(f"{cause} is not among {list(named(diagnosis))}")
