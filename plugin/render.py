"""What people read: preflight, runs and proofs as lines of text with styles. Prints nothing.

Text from the network goes through `text.printable`; styles are rich style names, and a line
means the same without them (NO_COLOR, a file, a screen reader).
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stsfix.plugin.text import printable
from stsfix.remediation.certificates import Certificate, parse
from stsfix.remediation.model import Severity
from stsfix.remediation.records import Phase, StepState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stsfix.plugin.view import RunView, StepView
    from stsfix.remediation.inventory import Inventory, NodeInventory
    from stsfix.remediation.model import Finding, LoginProof
    from stsfix.remediation.preflight import Verdict

_STYLES = {Severity.BLOCKS: "bold red", Severity.WARNS: "yellow", Severity.INFORMS: ""}
_TITLES = {
    Severity.BLOCKS: "FORBIDS A REPAIR",
    Severity.WARNS: "WARNINGS",
    Severity.INFORMS: "GOOD TO KNOW",
}
_STEP_MARKS = {
    StepState.PENDING: ("  ", ""),
    StepState.STARTED: ("->", "cyan"),
    StepState.DONE: ("ok", "green"),
    StepState.FAILED: ("!!", "bold red"),
    StepState.UNDOING: ("<-", "cyan"),
    StepState.UNDONE: ("<<", "yellow"),
    StepState.UNDO_FAILED: ("!!", "bold red"),
}
MIN_WIDTH = 40


@dataclass(frozen=True, slots=True)
class Line:
    """One line of output; *style* colours the whole line and carries no meaning of its own."""

    text: str
    style: str = ""


def wrapped(text: str, width: int, *, indent: str = "", style: str = "") -> Iterator[Line]:
    """Yield *text* in lines of at most *width* columns."""
    room = max(width, MIN_WIDTH)
    lines = textwrap.wrap(printable(text), room, initial_indent=indent, subsequent_indent=indent)
    for line in lines or [""]:
        yield Line(line, style)


def preflight_lines(
    inventory: Inventory, findings: Sequence[Finding], verdict: Verdict, *, width: int
) -> Iterator[Line]:
    """Yield the summary, the tree of nodes, then the findings by severity."""
    counts = {s: sum(f.severity is s for f in findings) for s in Severity}
    gravest = next((s for s in Severity if counts[s]), None)
    style = _STYLES.get(gravest, "green") if gravest is not None else "green"
    yield from _summary(inventory, verdict, counts, width, style)
    yield Line("")
    for node in inventory.nodes:
        yield from _node(node, width)
    for severity in Severity:
        several = [f for f in findings if f.severity is severity]
        if several:
            yield Line("")
            yield Line(f"{_TITLES[severity]} ({len(several)})", _STYLES[severity] or "bold")
            for finding in several:
                yield from _finding(finding, width)


def _summary(
    inventory: Inventory,
    verdict: Verdict,
    counts: dict[Severity, int],
    width: int,
    style: str,
) -> Iterator[Line]:
    hosts = len(inventory.hosts)
    yield Line(f"SSO domain {inventory.domain}", "bold")
    yield from wrapped(
        f"{len(inventory.nodes)} nodes, {hosts} ESXi hosts read, "
        f"{inventory.taken:%Y-%m-%d %H:%M:%S} UTC",
        width,
    )
    found = ", ".join(f"{number} {severity}" for severity, number in counts.items() if number)
    yield from wrapped(
        f"Verdict: {verdict}" + (f" ({found})" if found else ""), width, style=f"bold {style}"
    )


def _node(node: NodeInventory, width: int) -> Iterator[Line]:
    known = "" if node.role_verified else ", unverified"
    yield Line(printable(f"- {node.fqdn} ({node.role}{known})"), "bold")
    if node.vm is not None:
        vm = node.vm
        yield from wrapped(
            f"VM {vm.vm.name} on {vm.vm.host}, {vm.summary.power}, {len(vm.snapshots)} snapshots",
            width,
            indent="    ",
        )
    if node.sts is not None:
        signing = node.sts.signing()
        for credential in sorted(node.sts.credentials, key=lambda e: -(e.index or 0)):
            leaf = parse(credential.chain[0]) if credential.chain else None
            dates = (
                f"{leaf.not_before:%Y-%m-%d} to {leaf.not_after:%Y-%m-%d}"
                if isinstance(leaf, Certificate)
                else "unreadable"
            )
            signs = " (signs)" if credential == signing else ""
            name = credential.dn.split(",", 1)[0].removeprefix("cn=")
            yield from wrapped(f"{name}{signs}: {dates}", width, indent="    ")


def _finding(finding: Finding, width: int) -> Iterator[Line]:
    yield from wrapped(
        f"{finding.id}  {finding.subject}", width, indent="  ", style=_STYLES[finding.severity]
    )
    yield from wrapped(finding.evidence, width, indent="      ")
    yield from wrapped(f"-> {finding.advice}", width, indent="      ")


def run_lines(run: RunView, *, width: int) -> Iterator[Line]:
    """Yield one run in full: what it is, its nodes, its steps, and what to do next."""
    yield Line(f"Run {run.run}", "bold")
    yield from wrapped(f"SSO domain {run.domain}, begun {run.created:%Y-%m-%d %H:%M:%S} UTC", width)
    good = run.phase in {Phase.REPAIRED, Phase.RELEASED}
    style = "green" if good else "yellow"
    yield from wrapped(f"{run.phase}: {run.meaning}", width, style=style)
    yield Line("")
    for node in run.nodes:
        written = ", the one that is written to" if node.fqdn == run.writer else ""
        yield from wrapped(
            f"- {node.fqdn} ({node.role}{written}): VM {node.vm} on {node.host}", width
        )
    yield Line("")
    for step in run.steps:
        yield _step(step)
    if run.next_actions:
        yield Line("")
        yield Line("Next:", "bold")
        for action in run.next_actions:
            yield Line(f"  {action}")


def _step(step: StepView) -> Line:
    mark, style = _STEP_MARKS[step.state]
    times = f"{step.began:%H:%M:%S}" if step.began else ""
    if step.ended is not None:
        times += f" - {step.ended:%H:%M:%S}"
    error = f"  {step.error}" if step.error else ""
    return Line(f"  {mark} {step.name:<18} {step.state:<12} {times}{error}".rstrip(), style)


def proof_lines(proofs: Sequence[LoginProof], *, width: int) -> Iterator[Line]:
    """Yield every way in that was tried."""
    for proof in proofs:
        mark, style = ("ok", "green") if proof.ok else ("!!", "bold red")
        yield from wrapped(f"{mark} {proof.node}  {proof.way}: {proof.detail}", width, style=style)
