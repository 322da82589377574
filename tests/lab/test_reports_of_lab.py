"""Reports of what real adapters read from a lab: JSON by the schema, a page, lines that fit."""

from __future__ import annotations

import functools
import json
from typing import Any

import pytest
from lxml import html as parser

from preflight_lab import seen
from reports import validator
from stsfix.lab.scenario import SCENARIOS
from stsfix.plugin.documents.preflight import preflight_document
from stsfix.plugin.output import json_document
from stsfix.plugin.page.preflight import preflight_page
from stsfix.plugin.preflight_view import PreflightReport
from stsfix.plugin.terminal.preflight import preflight_lines
from stsfix.remediation.durations import phases
from stsfix.remediation.plan import step_names

pytestmark = pytest.mark.lab

LABS = [
    ("expired", "external-psc"),
    ("healthy", "embedded"),
    *((scenario, "elm") for scenario in sorted(SCENARIOS)),
]
EVERY_LAB = pytest.mark.parametrize(
    ("scenario", "topology"), LABS, ids=["-".join(names) for names in LABS]
)


@functools.cache
def report_of(scenario, topology):
    """Return what the command would show of a lab."""
    inventory, findings = seen(scenario, topology)
    roles = {node.fqdn: node.role for node in inventory.nodes}
    return PreflightReport.of(
        inventory, findings, version="0.1.0", phases=phases(roles, step_names(retire=True))
    )


@EVERY_LAB
def test_json_is_what_the_schema_says(scenario, topology):
    """Nothing is undocumented, nothing is missing, every named certificate is there."""
    document = json.loads(json_document(preflight_document(report_of(scenario, topology))))

    assert list(validator().iter_errors(document)) == []
    named = {
        sha256
        for node in document["nodes"]
        for entry in (node["sts"] or {"credentials": []})["credentials"]
        for sha256 in entry["certificates"]
    } | {shown["certificate"] for node in document["nodes"] for shown in node["tls"]}
    assert named <= set(document["certificates"])


@EVERY_LAB
def test_page_shows_every_node_and_finding(scenario, topology):
    """Whatever was found is on the page, with the nodes it is about."""
    report = report_of(scenario, topology)

    root: Any = parser.document_fromstring(preflight_page(report))

    text = root.text_content()
    assert all(node.fqdn in text for node in report.inventory.nodes)
    assert {f.id for f in report.findings} == set(root.xpath("//article//code/text()"))
    # Topology, and certificates if one was read: each for a desktop and for a phone.
    none_read = "No certificate could be read." in text
    assert len(root.xpath("//svg[@role='img']")) == (2 if none_read else 4)
    assert none_read == (scenario in {"node-off", "node-suspended"})


@EVERY_LAB
def test_lines_fit_a_terminal_of_80_columns(scenario, topology):
    """No line is wider, but for one word that stays whole (a DN); every finding is named."""
    report = report_of(scenario, topology)

    lines = [line.text for line in preflight_lines(report, width=80)]

    wide = [line.split() for line in lines if len(line) > 80]
    assert [words for words in wide if len(words[-1]) <= 70 or words[:-1] not in ([], ["-"])] == []
    assert all(any(finding.id in line for line in lines) for finding in report.findings)
