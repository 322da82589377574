"""A preflight for people at a terminal: summary, tree, findings, what a repair would do. Pure.

The same as on the page of `page.preflight`, in lines; however many findings there are, their kinds
fit on a few screens.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stsfix.plugin.certificate_view import expired, validities, validity_words
from stsfix.plugin.preflight_view import (
    POWER_WORDS,
    TRANSPORT_WORDS,
    Health,
    about,
    grouped,
    node_state,
    risk_words,
    shortened,
    total,
    version_words,
)
from stsfix.plugin.terminal.runs import Line, wrapped
from stsfix.plugin.text import MIN_WIDTH, counted, printable
from stsfix.remediation.checks.preflight import Verdict
from stsfix.remediation.durations import UNMEASURED, downtime
from stsfix.remediation.model import Severity
from stsfix.remediation.nodes.service_names import unusually_stopped
from stsfix.remediation.pki.certificates import Certificate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stsfix.plugin.certificate_view import Validity
    from stsfix.plugin.preflight_view import FindingGroup, PreflightReport
    from stsfix.remediation.durations import Phase
    from stsfix.remediation.inventory import NodeInventory
    from stsfix.remediation.model import Finding

_STYLES = {Severity.BLOCKS: "bold red", Severity.WARNS: "yellow", Severity.INFORMS: "bold"}
_TITLES = {
    Severity.BLOCKS: "FORBIDS A REPAIR",
    Severity.WARNS: "WARNINGS",
    Severity.INFORMS: "GOOD TO KNOW",
}
_SHOWN = {Severity.BLOCKS: 10, Severity.WARNS: 5, Severity.INFORMS: 3}
"""Findings of one kind that are spelled out."""

_VERDICTS = {
    Verdict.CLEAN: ("nothing speaks against a repair", "bold green"),
    Verdict.WARNINGS: ("a repair is possible, read the warnings first", "bold yellow"),
    Verdict.BLOCKED: ("no repair yet", "bold red"),
}
_HEALTH_STYLES = {
    Health.BLOCKED: "bold red",
    Health.EXPIRED: "red",
    Health.WARNING: "yellow",
    Health.UNREAD: "yellow",
    Health.GOOD: "",
}
_NAMES = 4
_LONGEST = 500
"""Characters of one text that a terminal is filled with; the JSON has all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeMarks:
    """How branches are drawn: each mark has three characters."""

    branch: str
    last: str
    trunk: str


BOXES = TreeMarks(branch="├─ ", last="└─ ", trunk="│  ")
ASCII = TreeMarks(branch="|- ", last="`- ", trunk="|  ")
_BLANK = "   "


def tree_marks(encoding: str | None) -> TreeMarks:
    """Return `BOXES` if a stream of *encoding* can show them, else `ASCII`."""
    try:
        (BOXES.branch + BOXES.last + BOXES.trunk).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return BOXES


def preflight_lines(
    report: PreflightReport, *, width: int, marks: TreeMarks = ASCII
) -> Iterator[Line]:
    """Yield the whole report: the answer first, then what it rests on."""
    yield from _summary(report, width)
    yield Line("")
    for line in _tree(report, marks):
        yield Line(shortened(line.text, max(width, MIN_WIDTH), gap="..."), line.style)
    for severity in Severity:
        groups = grouped(report.findings, severity)
        if groups:
            yield Line("")
            yield Line(f"{_TITLES[severity]} ({report.count(severity)})", _STYLES[severity])
            for group in groups:
                yield from _group(group, width)
    if report.phases and (report.needs_repair or report.verdict is Verdict.BLOCKED):
        yield Line("")
        yield from _repair(report.phases, width)


def _summary(report: PreflightReport, width: int) -> Iterator[Line]:
    inventory = report.inventory
    yield from wrapped(f"SSO domain {_cut(inventory.domain)}", width, style="bold")
    known = "" if inventory.topology else " (as configured: nobody told the domain's own list)"
    yield from wrapped(
        f"{counted(len(inventory.nodes), 'node')}{known}, "
        f"{counted(len(inventory.hosts), 'ESXi host')} read, "
        f"{inventory.taken:%Y-%m-%d %H:%M:%S} UTC",
        width,
    )
    for line in _certificates(report):
        yield from wrapped(line, width)
    words, style = _VERDICTS[report.verdict]
    counts = ", ".join(_counts(report))
    yield from wrapped(
        f"Verdict: {words}{f' ({counts})' if counts else ''}",
        width,
        style=style,
    )
    if not report.needs_repair and not report.count(Severity.BLOCKS):
        text = "Nothing needs a repair: every signing certificate is sound."
        yield from wrapped(text, width, style="green")


def _certificates(report: PreflightReport) -> Iterator[str]:
    """Yield what signs, and what else is past its end."""
    inventory = report.inventory
    held = validities(inventory)
    signing = [v for v in held if v.signs]
    for validity in signing:
        certificate = validity.certificate
        state = (
            validity_words(certificate, inventory.taken)
            if isinstance(certificate, Certificate)
            else "cannot be read"
        )
        where = f" on {', '.join(validity.nodes)}" if len(signing) > 1 else ""
        yield f"STS signing certificate{where}: {state}"
    if not signing:
        yield "STS signing certificate: not read"
    others = [v for v in expired(inventory) if not v.signs]
    if others:
        names = ", ".join(map(_named, others[:_NAMES]))
        more = f" and {len(others) - _NAMES} more" if len(others) > _NAMES else ""
        whole = counted(len(held), "certificate")
        yield f"Expired besides what signs, of {whole}: {_cut(names)}{more}"


def _named(validity: Validity) -> str:
    where = f" of {validity.nodes[0]}" if len(validity.nodes) == 1 else ""
    return f"{validity.places[0]}{where}"


def _counts(report: PreflightReport) -> Iterator[str]:
    blocks, warns = report.count(Severity.BLOCKS), report.count(Severity.WARNS)
    if blocks:
        yield f"{counted(blocks, 'reason')} against it"
    if warns:
        yield counted(warns, "warning")
    if accepted := sum(finding.accepted for finding in report.findings):
        yield f"{accepted} of them accepted"
    if informs := report.count(Severity.INFORMS):
        yield f"{informs} good to know"


def _tree(report: PreflightReport, marks: TreeMarks) -> Iterator[Line]:
    """Yield domain, nodes, VM and host of each: lines that are not wrapped, or the tree breaks."""
    nodes = report.inventory.nodes
    yield Line(printable(_cut(report.inventory.domain)), "bold")
    for number, node in enumerate(nodes, 1):
        own, below = (marks.last, _BLANK) if number == len(nodes) else (marks.branch, marks.trunk)
        state = node_state(node, report)
        words = f"{state.health.upper()}: {state.signer}"
        yield Line(printable(f"{own}{node.fqdn}  {words}"), _HEALTH_STYLES[state.health])
        yield Line(printable(f"{below}{marks.trunk}{_about(node)}"))
        yield from _machine(node, report, below, marks)


def _about(node: NodeInventory) -> str:
    role = f"{node.role}{'' if node.role_verified else ' (unverified)'}"
    services = node.services
    number = len(unusually_stopped(services.stopped)) if services is not None else 0
    stopped = f"{counted(number, 'service')} stopped" if number else ""
    way = TRANSPORT_WORDS[node.transport] if node.transport is not None else ""
    return ", ".join(filter(None, (role, version_words(node), way, stopped)))


def _machine(
    node: NodeInventory, report: PreflightReport, below: str, marks: TreeMarks
) -> Iterator[Line]:
    found = node.location.found
    if found is None:
        live = len(node.location.live)
        text = f"{live} VMs match, which one is not known" if live else "VM not found on any host"
        yield Line(f"{below}{marks.last}{text}", "bold red")
        return
    power = POWER_WORDS[found.power]
    snapshots = f", {counted(len(node.vm.snapshots), 'snapshot')}" if node.vm is not None else ""
    yield Line(printable(f"{below}{marks.last}VM {_cut(found.vm.name)}, {power}{snapshots}"))
    hosts = [host for host in report.inventory.hosts if host.host == found.vm.host]
    version = f" {hosts[0].version}" if hosts else ""
    yield Line(printable(f"{below}{_BLANK}{marks.last}ESXi {found.vm.host}{_cut(version)}"))


def _group(group: FindingGroup, width: int) -> Iterator[Line]:
    """Yield findings of one kind: one in full, several with their reason once."""
    style = "" if group.severity is Severity.INFORMS else _STYLES[group.severity]
    if len(group.findings) == 1:
        yield from _single(group.findings[0], group, width, style)
        return
    head = f"{group.id}  {group.title} ({len(group.findings)} times)"
    yield from wrapped(head, width, indent="  ", style=style)
    shown = _SHOWN[group.severity]
    for finding in itertools.islice(group.findings, shown):
        yield from _item(_told(finding), width)
        if group.advice is None:
            yield from wrapped(f"-> {_cut(finding.advice)}", width, indent="        ")
    if len(group.findings) > shown:
        more = f"and {len(group.findings) - shown} more (all of them: --json, --html)"
        yield from _item(more, width)
    yield from _reason(group, width)


def _item(text: str, width: int) -> Iterator[Line]:
    """Yield *text* behind a dash, further lines below its first word."""
    for number, line in enumerate(wrapped(text, width, indent=" " * 8)):
        yield Line(f"      - {line.text[8:]}") if number == 0 else line


def _single(finding: Finding, group: FindingGroup, width: int, style: str) -> Iterator[Line]:
    yield from wrapped(f"{group.id}  {group.title}", width, indent="  ", style=style)
    yield from wrapped(_told(finding), width, indent="      ")
    yield from _reason(group, width)


def _told(finding: Finding) -> str:
    return f"{_cut(finding.subject)}{_taken(finding)}: {_cut(finding.evidence)}"


def _reason(group: FindingGroup, width: int) -> Iterator[Line]:
    if group.why and group.severity is not Severity.INFORMS:
        yield from wrapped(_cut(group.why), width, indent="      ")
    if group.advice is not None:
        yield from wrapped(f"-> {_cut(group.advice)}", width, indent="      ")
    if risk := risk_words(group):
        yield from wrapped(f"-> {_cut(risk)}", width, indent="      ")


def _taken(finding: Finding) -> str:
    return " (risk accepted)" if finding.accepted else ""


def _cut(text: str) -> str:
    return shortened(text, _LONGEST, gap="...")


def _repair(phases: tuple[Phase, ...], width: int) -> Iterator[Line]:
    """Yield the order of operations with durations."""
    yield Line("WHAT A REPAIR DOES, IN THIS ORDER", "bold")
    for number, phase in enumerate(phases, 1):
        note = "" if phase.down else "; the domain works meanwhile"
        yield from wrapped(
            f"{number}. {phase.title}: {about(phase.takes)}{note}", width, indent="  "
        )
        if phase.waves:
            waves = "; then ".join(map(_wave, phase.waves))
            yield from wrapped(waves, width, indent="     ")
    measured = not any(phase.basis.startswith(UNMEASURED) for phase in phases)
    basis = "As in an earlier run" if measured else "Typical durations, not measured here"
    text = f"Downtime {about(downtime(phases))}, {about(total(phases))} in all. {basis}."
    yield from wrapped(text, width, indent="  ", style="bold")


def _wave(wave: tuple[str, ...]) -> str:
    if len(wave) > _NAMES:
        return f"{len(wave)} nodes together"
    return f"{', '.join(wave)}{' together' if len(wave) > 1 else ''}"
