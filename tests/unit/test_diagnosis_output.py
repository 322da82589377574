"""A diagnosis as JSON by its schema, and at a terminal: 80 columns, no colour needed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings

from any_evidence import EVIDENCE
from reports import validator
from sts_material import NODE, NOW
from stsfix.plugin.diagnostics import RunContext
from stsfix.plugin.documents.diagnosis import diagnosis_document
from stsfix.plugin.output import json_document
from stsfix.plugin.terminal.diagnosis import diagnosis_lines
from stsfix.plugin.text import printable
from stsfix.remediation.diagnosis.causes import BY_ID
from stsfix.remediation.diagnosis.diagnose import diagnose
from stsfix.remediation.diagnosis.model import (
    Confidence,
    Diagnosis,
    NamedCause,
    Quote,
    Unchecked,
)

COMMAND = RunContext().command
LINE = Quote(
    node=NODE,
    where="/var/log/vmware/vpxd-svcs/vpxd-svcs.log",
    kind="signer-dates",
    text="Signing certificate is not valid at ...",
    written=NOW - timedelta(hours=2),
    changed=NOW,
)
EXPIRED = NamedCause(
    cause=BY_ID["STS-EXPIRED"],
    confidence=Confidence.PROVEN,
    nodes=(NODE,),
    proofs=(f"{NODE}: TenantCredential-1 signs",),
    lines=(LINE,),
)
SOUND = Diagnosis(
    domain="vsphere.local",
    taken=NOW,
    causes=(),
    history=(),
    sound=(f"{NODE}: its STS issues tokens",),
    unchecked=(),
)
UNREAD = Unchecked(subject=NODE, what="logs", reason="no transport")
WHOLE = replace(
    SOUND,
    causes=(EXPIRED, replace(EXPIRED, confidence=Confidence.LOG_ONLY, proofs=())),
    history=(replace(LINE, note="it names another certificate", written=None),),
    unchecked=(UNREAD,) * 20,
)


def text(found, width=80):
    """Return what a terminal without colour shows."""
    return "\n".join(line.text for line in diagnosis_lines(found, width=width, command=COMMAND))


def document(found):
    """Return the document as a reader gets it."""
    return json.loads(json_document(diagnosis_document(found, command=COMMAND)))


@pytest.mark.parametrize("found", [SOUND, WHOLE, replace(SOUND, unchecked=(UNREAD,))])
def test_document_is_what_the_schema_says(found):
    """The published schema describes every field, and nothing is missing."""
    assert list(validator("diagnose-1").iter_errors(document(found))) == []


@pytest.mark.parametrize(
    ("found", "outcome", "code"),
    [
        (SOUND, "nothing wrong was found", 0),
        (
            replace(SOUND, unchecked=(UNREAD,)),
            "nothing wrong was found in what could be read",
            1,
        ),
        (WHOLE, "a cause was found", 2),
        (replace(WHOLE, unchecked=()), "a cause was found", 2),
    ],
)
def test_outcome_and_exit_code_agree(found, outcome, code):
    """What could not be read is not taken for sound."""
    told = document(found)

    assert (told["outcome"], told["exit_code"]) == (outcome, code)


def test_the_answer_comes_first():
    """Domain, time, the gravest cause; then each cause with what it rests on."""
    lines = text(WHOLE).splitlines()

    assert lines[:5] == [
        "SSO domain vsphere.local",
        "2026-11-23 12:00:00 UTC by this workstation's clock",
        "Diagnosis: The STS signing certificate has expired, and 1 other cause",
        "",
        "1. STS-EXPIRED: The STS signing certificate has expired",
    ]


def test_a_cause_has_its_proofs_its_lines_and_the_next_commands():
    """Word for word, with the place, the time of the line and what it means."""
    shown = text(WHOLE)

    assert f"   - {NODE}: TenantCredential-1 signs" in shown
    assert "2026-11-23 10:00:00 (2 h 0 min ago)" in " ".join(shown.split())
    assert "     stsfix preflight\n     stsfix run" in shown
    assert "Only log lines say so: it could not be checked." in shown


def test_nothing_wrong_says_what_was_seen_to_work_and_how_to_prove_it():
    """And so does the command that follows."""
    shown = text(SOUND)

    assert "Diagnosis: nothing wrong was found" in shown
    assert "its STS issues tokens" in shown
    assert shown.endswith("  stsfix verify")


def test_many_things_are_counted():
    """A domain of any size fits on some screens; the JSON has all."""
    assert "and 12 more: --json has all of them" in text(WHOLE)
    assert len(document(WHOLE)["not_checked"]) == 20


@settings(max_examples=40)
@given(EVIDENCE)
def test_no_evidence_breaks_the_output(evidence):
    """Any words of others: a document by the schema, and lines that a terminal does not obey."""
    found = diagnose(evidence)

    told = document(found)
    lines = list(diagnosis_lines(found, width=80, command=COMMAND))

    assert list(validator("diagnose-1").iter_errors(told)) == []
    assert json.dumps(told, ensure_ascii=False).encode("utf-8")
    assert all(printable(line.text) == line.text for line in lines)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_lines_fit_the_width(width):
    """Only words that cannot be broken, and commands, may be longer."""
    long = [line for line in text(WHOLE, width).splitlines() if len(line) > width]

    assert all(" " not in line.strip("> ,") for line in long)
