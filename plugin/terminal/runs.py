"""What people read: runs and proofs as lines of text with styles. Prints nothing.

Text from the network goes through `text.printable`; styles are rich style names, and a line
means the same without them (NO_COLOR, a file, a screen reader).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from stsfix.plugin.renewal_view import (
    STS_ONLY,
    kept_sentences,
    pin_lines,
    renewal_sentences,
)
from stsfix.plugin.text import folded, lasted, printable
from stsfix.remediation.adoption import ADOPTED, LONG_SPREAD
from stsfix.remediation.logins.proofs import fatal
from stsfix.remediation.model import Platform
from stsfix.remediation.nodes.service_expectation import WHY_WORDS
from stsfix.remediation.records import Phase, StepState
from stsfix.remediation.restarts import KEPT_WORDS, SEEN_WORDS, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from stsfix.plugin.renewal_view import RenewalView
    from stsfix.plugin.view import RunView, StepView
    from stsfix.remediation.adoption import Adoptable
    from stsfix.remediation.model import LoginProof

_STEP_MARKS = {
    StepState.PENDING: ("  ", ""),
    StepState.STARTED: ("->", "cyan"),
    StepState.DONE: ("ok", "green"),
    StepState.FAILED: ("!!", "bold red"),
    StepState.UNDOING: ("<-", "cyan"),
    StepState.UNDONE: ("<<", "yellow"),
    StepState.UNDO_FAILED: ("!!", "bold red"),
}
_STATE_TEXTS = {
    StepState.PENDING: "not begun",
    StepState.STARTED: "under way",
    StepState.DONE: "done",
    StepState.FAILED: "failed",
    StepState.UNDOING: "being taken back",
    StepState.UNDONE: "taken back",
    StepState.UNDO_FAILED: "not taken back",
}
SHORT_LIFE = timedelta(days=5 * 365)
"""A certificate that lives shorter is remarked on, as `stsfix.remediation.pki.vmca.SHORT`."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of output; *style* colours the whole line and carries no meaning of its own."""

    text: str
    style: str = ""


def wrapped(
    text: str, width: int, *, indent: str = "", hang: str = "", style: str = ""
) -> Iterator[Line]:
    """Yield *text* in lines of at most *width* columns; *hang* is in front of all but the first."""
    for line in folded(printable(text), width, first=indent, rest=indent + hang):
        yield Line(line, style)


JOURNAL_ONLY = (
    "Known from this state folder's journal alone, of {:%Y-%m-%d %H:%M:%S} UTC: no host was asked,"
    " and what was done since then from elsewhere (--adopt) or by hand is not in it."
)
"""What `status` and `runs` cannot know."""


def run_lines(run: RunView, *, width: int, remark: str = "") -> Iterator[Line]:
    """Yield one run in full: what it is, its nodes, its steps, and what to do next. *remark* is
    told with what it is.
    """
    yield Line(f"Run {run.run}", "bold")
    began = "taken over" if run.issuer == ADOPTED else "begun"
    when = f"{began} {run.created:%Y-%m-%d %H:%M:%S} UTC"
    yield from wrapped(f"SSO domain {run.domain}, {when}", width)
    good = run.phase in {Phase.REPAIRED, Phase.RELEASED} and run.issuer != ADOPTED
    good = good and not run.unproven and all(s.state is StepState.DONE for s in run.steps)
    style = "green" if good else "yellow"
    yield from wrapped(f"{run.phase}: {run.meaning}", width, style=style)
    if remark:
        yield from wrapped(remark, width)
    yield Line("")
    for node in run.nodes:
        written = ", the one that is written to" if node.fqdn == run.writer else ""
        system = " on Windows" if node.platform == Platform.WINDOWS else ""
        yield from wrapped(
            f"- {node.fqdn} ({node.role}{system}{written}): VM {node.vm} on {node.host}",
            width,
            hang="  ",
        )
    if run.certificate_ends is not None:
        yield from _new_certificate(run, run.certificate_ends, width)
    for risk in run.accepted:
        yield from wrapped(f"Accepted risk: {risk}", width, style="yellow")
    yield Line("")
    yield from _steps(run, width)
    if run.renewal is not None:
        yield from _renewal(run.renewal, width, ended=good)
    if run.phase is Phase.REPAIRED and not (run.renewal and run.renewal.pins):
        if run.renewal is None:
            yield Line("")
        for text in STS_ONLY:
            yield from wrapped(f"- {text}", width, hang="  ")
    there = [step for step in run.steps if step.state is not StepState.UNDONE]
    for text in (text for step in there for text in kept_sentences(step.notes)):
        yield from wrapped(f"- {text}", width, hang="  ")
    yield from _next(run)


def _next(run: RunView) -> Iterator[Line]:
    """Yield what a person types next: on nodes first, if the run waits for that."""
    typed = [services for services in run.services if services.command]
    if typed or run.next_actions:
        yield Line("")
        yield Line("Next:", "bold")
    for services in typed:
        yield Line(f"  on {services.node}:")
        yield Line(f"    {services.command}")  # never wrapped: it is copied
    for action in run.next_actions:
        yield Line(f"  {action}")


def signer_words(issuer: str, writer: str) -> str:
    """Return who signs the new certificate, as people say it."""
    known = {
        "vmca": f"VMCA of {writer}",
        "own-ca": "a CA made for it",
        "files": "the CA in your files",
    }
    return known.get(issuer, issuer)


def _renewal(renewal: RenewalView, width: int, *, ended: bool) -> Iterator[Line]:
    """Yield what else was renewed, who has to learn it, and the new pins."""
    yield Line("")
    for text in renewal_sentences(renewal):
        yield from wrapped(f"- {text}", width, hang="  ")
    if renewal.pins and not ended:
        yield from wrapped(
            "- Until it ends, the run believes the certificates it made besides domain.toml.",
            width,
            hang="  ",
        )
    elif renewal.pins:
        yield Line("")
        yield from wrapped("Where domain.toml pins these nodes, it has to say now:", width)
        for line in pin_lines(renewal.pins):
            yield Line(f"  {line}")  # never wrapped: it is copied
    for lacking in renewal.unknown_issuers:
        yield from wrapped(
            f"{lacking.ca_file}, by which {lacking.node} is verified, does not hold the issuer of"
            f" the new certificate: add {lacking.issuer}.",
            width,
            style="yellow",
        )


def _new_certificate(run: RunView, ends: datetime, width: int) -> Iterator[Line]:
    """Yield how long the new certificate lives; a short life is worth a remark."""
    short = ends - run.created < SHORT_LIFE
    signer = signer_words(run.issuer, run.writer)
    text = f"New certificate: signed by {signer}, valid to {ends:%Y-%m-%d}"
    if short:
        text += f". That is less than {SHORT_LIFE.days // 365} years: write the date down"
    yield from wrapped(f"{text}.", width, style="yellow" if short else "")


def list_lines(runs: Sequence[RunView], *, width: int) -> Iterator[Line]:
    """Yield two lines or more for each run: name, domain and phase, then what that means."""
    for run in runs:
        yield Line(printable(f"{run.run}  {run.domain}  {run.phase}"), "bold")
        yield from wrapped(run.meaning, width, indent="    ")


def _steps(run: RunView, width: int) -> Iterator[Line]:
    """Yield every step, and whose services did not start."""
    for step in run.steps:
        yield _step(step)
    for services in run.services:
        if services.outcome is Outcome.FAILED:
            text = f"- Services of {services.node} did not all restart: {', '.join(services.down)}"
            yield from wrapped(text, width, hang="  ", style="bold red")
        if services.outcome is Outcome.NOT_NEEDED:
            text = f"- {services.node} was not restarted: every way in worked without it"
            yield from wrapped(text, width, hang="  ")
        for each in services.left:
            text = f"- {each.service} on {services.node} did not come up: {WHY_WORDS[each.why]}"
            yield from wrapped(text, width, hang="  ", style="yellow")
        for name in services.kept:
            text = f"- {name} on {services.node} {KEPT_WORDS}"
            yield from wrapped(text, width, hang="  ", style="yellow")
        if services.seen is not None:
            text = f"- {services.node} counts as restarted by hand: {SEEN_WORDS[services.seen]}"
            yield from wrapped(text, width, hang="  ", style="yellow")


def _step(step: StepView) -> Line:
    mark, style = _STEP_MARKS[step.state]
    time = f"{step.began:%H:%M:%S}" if step.began else ""
    took = lasted(step.took) if step.took is not None else ""
    state, error = _STATE_TEXTS[step.state], step.error
    if step.waits:
        mark, style, state, error = "..", "bold yellow", "waits", "for a person"
    text = f"{mark} {step.name:<18} {state:<10} {time}  {took:<6}"
    return Line(f"  {text}  {error}".rstrip(), style)


def adoptable_lines(found: Adoptable) -> Iterator[str]:
    """Yield what the snapshots on the hosts tell of a run."""
    spec = found.spec
    yield f"Found run {spec.run} of SSO domain {spec.domain}, begun by {found.by or 'somebody'}:"
    for member in found.members:
        plan = member.plan
        yield (
            f"- {plan.fqdn} ({plan.role}): VM {plan.vm.name} on {plan.vm.host}, now"
            f" {member.power.removeprefix('powered').lower()},"
            f" snapshot of {member.created:%Y-%m-%d %H:%M:%S} UTC"
        )
    if found.spread > LONG_SPREAD:
        minutes = found.spread.total_seconds() / 60
        yield (
            f"They were taken within {minutes:.0f} minutes. Whether a node was on and off again in"
            " between, nothing tells: if one was, do not revert to them, or the directories stay"
            " apart for good."
        )
    untold = ", ".join(m.plan.fqdn for m in found.members if m.database_untold)
    if untold:
        yield (
            f"Its snapshots do not tell where the database of {untold} is. If it is on"
            " another server, no snapshot holds it: after a rollback restore it to their time."
        )


def adoption_question(found: Adoptable, *, releasing: bool) -> str:
    """Return what is asked before a run is taken over: nobody but the operator knows the first."""
    nodes = ", ".join(node.fqdn for node in found.spec.nodes)
    end = (
        "delete its snapshots? There is no way back then."
        if releasing
        else f"take it back, reverting every node ({nodes})?"
    )
    return f"Take {found.spec.run} over here (only if nobody works on it from elsewhere) and {end}"


def proof_lines(proofs: Sequence[LoginProof], *, width: int) -> Iterator[Line]:
    """Yield every way in that was tried, node by node, then how many work."""
    failed = fatal(proofs)
    for node in dict.fromkeys(proof.node for proof in proofs):
        yield Line(printable(node), "bold")
        for proof in proofs:
            if proof.node == node:
                mark, style = ("ok", "green") if proof.ok else ("--", "yellow")
                if proof in failed:
                    mark, style = "!!", "bold red"
                text = f"{mark} {proof.way}: {proof.detail}"
                yield from wrapped(text, width, indent="  ", hang="   ", style=style)
    yield Line("")
    lost = sum(not proof.ok for proof in proofs) - len(failed)
    if lost and not failed:
        text = (
            f"Logins work; {lost} of {len(proofs)} proofs could not be had, others stand for them."
        )
        yield from wrapped(text, width, style="bold green")
        return
    if not failed:
        yield from wrapped(f"All {len(proofs)} ways in work.", width, style="bold green")
        return
    ways = "; ".join(f"{node}: {ways}" for node, ways in failed_ways(proofs).items())
    text = f"{len(failed)} of {len(proofs)} ways in do NOT work. {ways}"
    yield from wrapped(text, width, style="bold red")


def failed_ways(proofs: Sequence[LoginProof]) -> dict[str, str]:
    """Return for each node on which something failed the ways that did, joined by commas."""
    ways: dict[str, list[str]] = {}
    for proof in fatal(proofs):
        if not proof.ok:
            ways.setdefault(proof.node, []).append(proof.way)
    return {node: ", ".join(found) for node, found in ways.items()}
