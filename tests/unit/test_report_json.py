"""The document of preflight --json is what its published schema says, whatever was seen."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings

from any_inventory import FINDINGS, INVENTORIES
from reports import domain, finding, named, report, validator
from stsfix.plugin.documents.preflight import preflight_document
from stsfix.plugin.output import json_document
from stsfix.plugin.preflight_view import PreflightReport
from stsfix.remediation.durations import phases
from stsfix.remediation.model import Role, Severity


def document(made):
    """Return the document as a reader gets it."""
    return json.loads(json_document(preflight_document(made)))


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(report(), id="expired"),
        pytest.param(report(domain(10, hosts=3, end=900)), id="ten sound nodes"),
        pytest.param(report(replace(domain(), topology=None, hosts=())), id="nothing answers"),
        pytest.param(report(named(domain(), "<script>\u202e\x1b[2J\udcff")), id="hostile words"),
        pytest.param(
            replace(report(), phases=phases({"vc1": Role.EMBEDDED}, ("quiesce", "replace-sts"))),
            id="durations known",
        ),
    ],
)
def test_document_is_what_the_schema_says(made):
    """The published schema describes every field of the document and nothing is missing."""
    found = document(made)

    problems = list(validator().iter_errors(found))

    assert problems == []


@settings(max_examples=40)
@given(INVENTORIES, FINDINGS)
def test_no_inventory_breaks_the_document(inventory, findings):
    """Any text, any bytes as certificates and any date give a document by the schema, in UTF-8."""
    made = PreflightReport.of(inventory, findings, version="0.1.0")

    found = document(made)

    assert list(validator().iter_errors(found)) == []
    assert json.dumps(found, ensure_ascii=False).encode("utf-8")


def test_schema_is_closed_here_so_that_a_new_field_must_be_described():
    """A field that the schema does not name fails, at the top and deep inside."""
    found = document(report())

    found["nodes"][0]["vm"]["colour"] = "red"

    assert [list(e.path) for e in validator().iter_errors(found)] == [["nodes", 0, "vm"]]


def test_every_certificate_is_described_once_and_every_reference_leads_to_one():
    """Entries name certificates by SHA-256; the DER is there under that name."""
    found = document(report())

    named_ones = {
        sha256
        for node in found["nodes"]
        for entry in node["sts"]["credentials"] + node["sts"]["chains"]
        for sha256 in entry["certificates"]
    }
    assert named_ones == set(found["certificates"])
    assert len(named_ones) == 2
    assert found["summary"]["expired"][0] in named_ones


def test_signing_certificate_is_named_with_its_end():
    """A reader finds what signs now, on which nodes, and when it ends."""
    found = document(report(domain(2, end=-3)))

    signing = [c for c in found["certificates"].values() if c["signs_now"]]

    assert [c["nodes"] for c in signing] == [["vc1.lab.example", "vc2.lab.example"]]
    assert signing[0]["not_after"] == "2026-11-20T12:00:00Z"
    assert (signing[0]["expiry"], signing[0]["key"]) == ("expired", "RSA 2048")


@pytest.mark.parametrize(
    ("severities", "verdict", "code"),
    [
        ([], "can repair", 0),
        ([Severity.INFORMS], "can repair", 0),
        ([Severity.INFORMS, Severity.WARNS], "can repair with warnings", 1),
        ([Severity.WARNS, Severity.BLOCKS], "must not", 2),
    ],
)
def test_verdict_and_exit_code_agree(severities, verdict, code):
    """The document says what the command ends with."""
    found = document(report(findings=[finding(severity=severity) for severity in severities]))

    assert (found["verdict"], found["exit_code"]) == (verdict, code)
