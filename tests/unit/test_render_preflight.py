"""A preflight at a terminal: the answer first, grouped, 80 columns, no colour needed."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings

from any_inventory import FINDINGS, INVENTORIES
from reports import domain, finding, named, report
from stsfix.plugin.documents.preflight import preflight_document
from stsfix.plugin.output import json_document
from stsfix.plugin.page.preflight import preflight_page
from stsfix.plugin.preflight_view import PreflightReport
from stsfix.plugin.terminal.preflight import ASCII, BOXES, preflight_lines, tree_marks
from stsfix.plugin.text import printable
from stsfix.remediation.durations import phases
from stsfix.remediation.inventory import Location
from stsfix.remediation.model import Role, Severity
from stsfix.remediation.ports import ServiceReport


def text(made, *, width=80, marks=ASCII):
    """Return what a terminal without colour shows."""
    return "\n".join(line.text for line in preflight_lines(made, width=width, marks=marks))


def test_the_answer_comes_first():
    """Domain, what was read, what is expired and the verdict, then the tree."""
    made = report(findings=[finding(severity=Severity.BLOCKS), finding(), finding()])

    assert text(made).splitlines()[:6] == [
        "SSO domain vsphere.local",
        "2 nodes, 2 ESXi hosts read, 2026-11-23 12:00:00 UTC",
        "STS signing certificate: expired 3 days ago (2026-11-20)",
        "Verdict: no repair yet (1 reason against it, 2 warnings)",
        "",
        "vsphere.local",
    ]


@pytest.mark.parametrize(
    ("marks", "tree"),
    [
        (
            BOXES,
            [
                "├─ vc1.lab.example  EXPIRED: STS expired 3 days ago",
                "│  │  embedded, 7.0.3",
                "│  └─ VM vc1, on, 0 snapshots",
                "│     └─ ESXi esx1.lab.example 7.0.3",
                "└─ vc2.lab.example  EXPIRED: STS expired 3 days ago",
                "   │  embedded, 7.0.3",
                "   └─ VM vc2, on, 0 snapshots",
                "      └─ ESXi esx2.lab.example 7.0.3",
            ],
        ),
        (
            ASCII,
            [
                "|- vc1.lab.example  EXPIRED: STS expired 3 days ago",
                "|  |  embedded, 7.0.3",
                "|  `- VM vc1, on, 0 snapshots",
                "|     `- ESXi esx1.lab.example 7.0.3",
            ],
        ),
    ],
)
def test_tree_leads_from_domain_to_host(marks, tree):
    """Each node stands with its state, its VM and the host of that."""
    lines = text(report(findings=[]), marks=marks).splitlines()

    start = lines.index("vsphere.local") + 1
    assert lines[start : start + len(tree)] == tree


@pytest.mark.parametrize(
    ("encoding", "marks"),
    [("utf-8", BOXES), ("cp437", BOXES), ("ascii", ASCII), (None, ASCII), ("no such", ASCII)],
)
def test_boxes_are_drawn_where_they_can_be_shown(encoding, marks):
    """A stream that cannot encode them gets plain characters."""
    assert tree_marks(encoding) is marks


def test_node_without_vm_is_shouted():
    """A node that runs nowhere known has no host in the tree."""
    inventory = domain()
    lost = replace(inventory.nodes[0], location=Location(), vm=None)
    made = report(replace(inventory, nodes=(lost, inventory.nodes[1])), [])

    assert "|  `- VM not found on any host" in text(made)


def test_thousand_findings_stay_readable():
    """One kind is told once with a count; every kind is there; it fits on a few screens."""
    many = [finding("HOST-CLOCK", subject=f"esx{n}.lab.example") for n in range(500)]
    many += [finding("SNAP-DEEP", Severity.INFORMS, f"vm{n}") for n in range(500)]
    many += [finding("NODE-NOT-FOUND", Severity.BLOCKS, f"vc{n}") for n in range(20)]

    shown = text(report(findings=many))

    assert len(shown.splitlines()) < 80
    assert "  HOST-CLOCK  The host's clock is wrong (500 times)" in shown
    assert "      - and 495 more (all of them: --json, --html)" in shown
    assert shown.count("Set the clocks by the same NTP server.") == 3
    assert shown.index("FORBIDS A REPAIR (20)") < shown.index("WARNINGS (500)")
    assert shown.index("WARNINGS (500)") < shown.index("GOOD TO KNOW (500)")


def test_single_finding_is_told_in_full():
    """Identifier, title, object, evidence, reason, advice; one that was accepted says so."""
    taken = replace(finding(), accepted=True)

    shown = text(report(findings=[taken]))

    assert (
        "  HOST-CLOCK  The host's clock is wrong\n"
        "      esx1.lab.example (risk accepted): It is 15 min ahead.\n"
        "      Guests take the host's time.\n"
        "      -> Set the clocks by the same NTP server."
    ) in shown
    assert "(1 warning, 1 of them accepted)" in " ".join(shown.split())


def test_who_may_take_a_risk_is_told_how():
    """As it can be typed; of what cannot be accepted nothing is said, nor where it is accepted."""
    names = "esx1.lab.example", "esx 2; rm"
    risks = [finding("HOST-CLOCK", Severity.BLOCKS, name) for name in names]
    none = finding("NODE-NOT-FOUND", Severity.BLOCKS)

    one = " ".join(text(report(findings=[risks[1], none])).split())
    both = " ".join(text(report(findings=risks)).split())
    page = preflight_page(report(findings=risks[:1]))

    assert "-> Or take the risk: --accept 'HOST-CLOCK:esx 2; rm'" in one
    assert one.count("--accept") == 1
    assert "-> Or take the risk of all: --accept HOST-CLOCK; of one: --accept" in both
    assert "<dt>Or</dt><dd>take the risk: --accept HOST-CLOCK:esx1.lab.example</dd>" in page
    assert "--accept" not in text(report(findings=[replace(finding(), accepted=True)]))


def test_advice_that_differs_stands_with_its_object():
    """Two findings of one kind with advice of their own keep it."""
    several = [finding(subject=f"vc{n}", advice=f"Name vc{n}.") for n in (1, 2)]

    shown = text(report(findings=several))

    assert "      - vc1: It is 15 min ahead.\n        -> Name vc1." in shown
    assert "        -> Name vc2." in shown


def test_repair_is_told_in_order_only_where_one_is_needed():
    """Phases with durations and nodes, then the downtime; nothing for a sound domain."""
    known = phases(
        {"psc1": Role.PSC, "vc1": Role.VCENTER}, ("quiesce", "replace-sts", "retire-old")
    )

    needed = text(replace(report(findings=[]), phases=known))
    sound = text(replace(report(domain(end=900), []), phases=known))

    assert "  1. Shut down every guest: about 8 min\n     vc1; then psc1" in needed
    assert "  3. Remove the old credentials: about 1 min; the domain works meanwhile" in needed
    assert "Downtime about 9 min, about 10 min in all." in needed
    assert "Shut down every guest" not in sound
    assert "Nothing needs a repair" in sound


def test_nodes_that_may_not_be_all_are_said_to_be_those_of_the_configuration():
    """Nobody takes one node for the whole domain."""
    shown = text(report(replace(domain(1), topology=None)))

    assert "1 node (as configured: nobody told the domain's own list)" in shown
    assert "as configured" not in text(report(domain(1)))


@pytest.mark.parametrize("width", [80, 40])
def test_lines_fit_and_hostile_names_are_spelled_out(width):
    """Nothing is wider than the terminal, and nothing moves its cursor."""
    evil = named(domain(), "a b " * 40 + "\x1b[2J\u202e")

    lines = list(preflight_lines(report(evil), width=width))

    assert max(len(line.text) for line in lines) <= width
    assert all(printable(line.text) == line.text for line in lines)


@settings(max_examples=25)
@given(INVENTORIES, FINDINGS)
def test_no_inventory_breaks_the_lines(inventory, findings):
    """Any text, any bytes as certificates and any date give printable lines."""
    made = PreflightReport.of(inventory, findings, version="0.1.0")

    lines = list(preflight_lines(made, width=80))

    assert lines
    assert all(printable(line.text) == line.text for line in lines)


def test_a_thousand_findings_fit_a_terminal_and_a_second():
    """Of each kind the first are spelled out and the rest counted; the JSON has every one."""
    many = [
        finding(f"KIND-{number % 4}", subject=f"esx{number}.lab.example") for number in range(1000)
    ]
    seen = report(findings=many)
    began = time.perf_counter()

    lines = [line.text for line in preflight_lines(seen, width=80, marks=ASCII)]
    document = json.loads(json_document(preflight_document(seen)))
    page = preflight_page(seen)
    took = time.perf_counter() - began

    assert len(lines) < 150
    assert max(map(len, lines)) <= 80
    assert sum("more" in line for line in lines) == 4
    assert len(document["findings"]) == 1000
    assert page.count("lab.example") > 1000
    assert took < 5


def test_services_that_are_always_stopped_are_not_counted():
    """The tree counts what the finding names."""
    services = ServiceReport(node="vc1", running=("vmdird",), stopped=("vmcam", "vmware-vpxd"))
    seen = domain()
    nodes = tuple(replace(node, services=services) for node in seen.nodes)

    shown = text(report(inventory=replace(seen, nodes=nodes)))

    assert shown.count("1 service stopped") == len(nodes)
