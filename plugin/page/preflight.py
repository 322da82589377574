"""``stsfix preflight --html``: one page that needs nothing but itself, not even scripts. Pure.

Its policy forbids every script, every connection and every style but its own; the words of other
people are escaped by `markup` and cannot be anything else.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from typing import TYPE_CHECKING

from stsfix.plugin.certificate_view import Validity, validities, validity_words
from stsfix.plugin.page.markup import Markup, document, element, joined, stylesheet
from stsfix.plugin.page.shapes import inline_icon, severity_icon
from stsfix.plugin.page.style import STYLE
from stsfix.plugin.page.tables import LONGEST, inventory_tables
from stsfix.plugin.page.timeline import MOST_ROWS, timeline_pictures
from stsfix.plugin.page.tools import tools_table
from stsfix.plugin.page.topology import link_words, topology_pictures
from stsfix.plugin.preflight_view import (
    Health,
    about,
    asked_again,
    grouped,
    links,
    risk_words,
    shortened,
    total,
)
from stsfix.plugin.text import counted
from stsfix.remediation.checks.preflight import Verdict
from stsfix.remediation.durations import UNMEASURED, downtime
from stsfix.remediation.model import Severity
from stsfix.remediation.pki.certificates import Certificate, Expiry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from stsfix.plugin.preflight_view import FindingGroup, PreflightReport
    from stsfix.remediation.durations import Phase
    from stsfix.remediation.model import Finding

TITLES = {
    Severity.BLOCKS: "Forbids a repair",
    Severity.WARNS: "Warnings",
    Severity.INFORMS: "Good to know",
}
_KINDS = {Severity.BLOCKS: "bad", Severity.WARNS: "warn", Severity.INFORMS: "note"}
_SHOWN = 12
"""Findings of one kind that are shown without unfolding."""


def preflight_page(report: PreflightReport) -> str:
    """Return the whole page of *report* as HTML."""
    held = validities(report.inventory)
    domain = shortened(report.inventory.domain, 200)
    return document(
        element(
            "html",
            element("head", *_head(f"Preflight of {domain}")),
            element(
                "body",
                element("header", *_summary(report, held, domain)),
                element("main", *_sections(report, held)),
                element("footer", *_footer(report)),
            ),
            lang="en",
        )
    )


def _head(title: str) -> Iterator[Markup]:
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode("ascii")
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    yield element("meta", charset="utf-8")
    yield element("meta", http_equiv="Content-Security-Policy", content=policy)
    yield element("meta", name="viewport", content="width=device-width, initial-scale=1")
    yield element("meta", name="referrer", content="no-referrer")
    yield element("meta", name="robots", content="noindex")
    yield element("title", title)
    yield stylesheet(STYLE)


def _summary(report: PreflightReport, held: tuple[Validity, ...], domain: str) -> Iterator[Markup]:
    yield element("h1", f"Preflight of {domain}")
    yield element("p", f"Seen at {_moment(report)}. Nothing was changed.", class_="soft")
    yield _verdict(report)
    yield element("dl", *_facts(report, held), class_="facts")
    names = ("Topology", "Certificates", "Findings", "Repair", "Inventory")
    links_to = (element("li", element("a", name, href=f"#{name.lower()}")) for name in names)
    yield element("nav", element("ul", *links_to), aria_label="Parts of this report")


def _moment(report: PreflightReport) -> str:
    return f"{report.inventory.taken:%Y-%m-%d %H:%M:%S} UTC"


_VERDICTS = {
    Verdict.BLOCKED: (Health.BLOCKED, "bad", "No repair yet"),
    Verdict.WARNINGS: (Health.WARNING, "warn", "A repair is possible, read the warnings first"),
    Verdict.CLEAN: (Health.GOOD, "good", "Nothing speaks against a repair"),
}


def _verdict(report: PreflightReport) -> Markup:
    """Return the answer to the only question that counts."""
    health, kind, words = _VERDICTS[report.verdict]
    more = verdict_words(report)
    # Forbidden comes first: what could not be read may need a repair.
    if not report.needs_repair and report.verdict is not Verdict.BLOCKED:
        words, more = (
            "Nothing to repair",
            f"If one were needed: {words[0].lower()}{words[1:]}. {more}",
        )
    text = element("p", element("strong", words), more)
    return element("div", inline_icon(health), text, class_=f"verdict {kind}")


def verdict_words(report: PreflightReport) -> str:
    """Return what the verdict asks of the reader, one sentence."""
    if report.verdict is Verdict.BLOCKED:
        blocks = counted(report.count(Severity.BLOCKS), "finding")
        return f"{blocks} to be mended first; each says what to do."
    if report.verdict is Verdict.WARNINGS:
        return "The findings say what could go wrong, and what to do about it."
    return "Nothing speaks against it."


def _facts(report: PreflightReport, held: tuple[Validity, ...]) -> Iterator[Markup]:
    inventory = report.inventory
    roles = Counter(node.role.value for node in inventory.nodes)
    kinds = ", ".join(f"{number} {role}" for role, number in sorted(roles.items()))
    if inventory.topology is None:
        kinds = "as configured: nobody told the domain's own list"
    yield _fact("Nodes", str(len(inventory.nodes)), kinds)
    yield _fact("ESXi hosts read", str(len(inventory.hosts)), "")
    yield _fact("STS signing certificate", *_signing(held, inventory.taken))
    over = sum(v.expiry is Expiry.EXPIRED for v in held)
    yield _fact("Expired certificates", str(over), f"of {counted(len(held), 'certificate')} seen")
    numbers = f"{report.count(Severity.WARNS)} warnings, {report.count(Severity.INFORMS)} to know"
    yield _fact("Findings that forbid", str(report.count(Severity.BLOCKS)), numbers)
    if report.phases:
        basis = "measured" if _measured(report.phases) else "typical, not measured here"
        yield _fact("Expected downtime", about(downtime(report.phases)), basis)


def _signing(held: tuple[Validity, ...], now: datetime) -> tuple[str, str]:
    """Return the state of what signs, and since or until when."""
    signing = [v.certificate for v in held if v.signs]
    if not signing or not isinstance(signing[0], Certificate):
        return ("not read", "") if not signing else ("cannot be read", "")
    words, _, date = validity_words(signing[0], now).rstrip(")").partition(" (")
    several = f"; {len(signing)} different ones sign" if len(signing) > 1 else ""
    return words, date + several


def _fact(name: str, value: str, more: str) -> Markup:
    small = element("small", more) if more else None
    return element("div", element("dt", name), element("dd", value, small))


def _sections(report: PreflightReport, held: tuple[Validity, ...]) -> Iterator[Markup]:
    yield _section("Topology", topology_pictures(report), *_topology_words(report))
    yield _section("Certificates", *_certificates(report, held))
    yield _section("Findings", *_findings(report))
    yield _section("Repair", *_repair(report))
    yield _section("Inventory", *inventory_tables(report, held))


def _section(title: str, *content: Markup) -> Markup:
    name = title.lower()
    heading = element("h2", title, id=name)
    return element("section", heading, *content, aria_labelledby=name)


def _topology_words(report: PreflightReport) -> Iterator[Markup]:
    if report.inventory.topology is None:
        yield element("p", "No directory told who belongs to the domain.")
    legend = ((h, h.value) for h in Health)
    items = (element("li", inline_icon(health), f" {word}") for health, word in legend)
    yield element("ul", *items, class_="legend", aria_label="What the shapes mean")
    flawed = [link for link in links(report) if not (link.sound and link.mutual)]
    if flawed:
        yield element("ul", *(element("li", link_words(link)) for link in flawed))


def _certificates(report: PreflightReport, held: tuple[Validity, ...]) -> Iterator[Markup]:
    if not held:
        yield element("p", "No certificate could be read.")
        return
    yield timeline_pictures(held, report.inventory.taken)
    legend = "Hatched with a cross at its end: expired. An arrow: valid longer than shown."
    yield element("p", legend, class_="legend")
    if len(held) > MOST_ROWS:
        yield element("p", f"{len(held) - MOST_ROWS} more are in the table below.")
    tools = tools_table(report.inventory)
    if tools is not None:
        yield tools


def _findings(report: PreflightReport) -> Iterator[Markup]:
    if not report.findings:
        yield element("p", "None: everything was looked at and is fine.")
    for severity in Severity:
        groups = grouped(report.findings, severity)
        if groups:
            yield element("h3", f"{TITLES[severity]} ({report.count(severity)})")
            yield from map(_group, groups)


def _group(group: FindingGroup) -> Markup:
    kind = _KINDS[group.severity]
    number = len(group.findings)
    head = (
        severity_icon(group.severity),
        element("h4", group.title or group.id),
        element("code", group.id, class_="soft"),
        element("span", f"{number} times", class_="tag dim") if number > 1 else None,
    )
    reasons = (
        ("Why", group.why),
        ("Do", group.advice or ""),
        ("Or", risk_words(group).removeprefix("Or ")),
        ("Source", group.source),
    )
    rows = (
        part
        for name, text in reasons
        if text
        for part in (element("dt", name), element("dd", shortened(text, LONGEST)))
    )
    return element(
        "article",
        element("div", *head, class_="head"),
        *_subjects(group),
        element("dl", *rows),
        class_=f"finding {kind}",
    )


def _subjects(group: FindingGroup) -> Iterator[Markup]:
    lines = [_subject(finding, own_advice=group.advice is None) for finding in group.findings]
    if len(lines) == 1:
        yield element("p", lines[0])
        return
    yield element("ul", *(element("li", line) for line in lines[:_SHOWN]))
    if len(lines) > _SHOWN:
        more = element("summary", f"{len(lines) - _SHOWN} more")
        yield element(
            "details", more, element("ul", *(element("li", line) for line in lines[_SHOWN:]))
        )


def _subject(finding: Finding, *, own_advice: bool) -> Markup:
    accepted = element("span", "accepted risk", class_="tag warn") if finding.accepted else None
    advice = element("div", f"Do: {shortened(finding.advice, LONGEST)}") if own_advice else None
    name = element("strong", shortened(finding.subject, LONGEST))
    evidence = shortened(finding.evidence, LONGEST)
    return joined((name, ": ", evidence, " " if accepted else None, accepted, advice))


def _repair(report: PreflightReport) -> Iterator[Markup]:
    if not report.phases:
        yield element("p", "What a repair would do, and for how long, is not known.")
        return
    is_asked = report.needs_repair or not report.renewal.is_empty
    needed = f"stsfix run{'' if is_asked else ' --force'}{asked_again(report)}"
    yield element(
        "p",
        "This is what ",
        element("code", needed),
        f" would do, in this order, in {about(total(report.phases))}. Nobody can work with the "
        f"domain for {about(downtime(report.phases))} of it. Until the snapshots are released, ",
        element("code", "stsfix rollback"),
        " takes everything back.",
    )
    yield element("ol", *(element("li", *_phase(phase)) for phase in report.phases), class_="steps")


def _phase(phase: Phase) -> Iterator[Markup | str]:
    yield element("strong", phase.title)
    yield f": {about(phase.takes)}"
    yield element("span", "" if phase.down else " (the domain works meanwhile)")
    if phase.waves:
        waves = "; then ".join(", ".join(wave) for wave in phase.waves)
        yield element("div", waves, class_="soft")
    yield element("div", element("small", phase.basis), class_="soft")


def _measured(phases: tuple[Phase, ...]) -> bool:
    return not any(phase.basis.startswith(UNMEASURED) for phase in phases)


def _footer(report: PreflightReport) -> Iterator[Markup]:
    yield element(
        "p",
        f"stsfix {report.version}. This report holds names and certificates of the "
        "domain, and no password or private key. A control or invisible character in a name is "
        "shown as its code.",
    )
