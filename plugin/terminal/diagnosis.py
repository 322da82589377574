"""A diagnosis for people at a terminal: causes in order, with what they rest on. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stsfix.plugin.terminal.runs import Line, wrapped
from stsfix.plugin.text import counted, lasted
from stsfix.remediation.diagnosis.log_signatures import BY_ID
from stsfix.remediation.diagnosis.model import Confidence, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from stsfix.remediation.diagnosis.model import Diagnosis, NamedCause, Quote

_LINES: Final = 6
"""Quotes of one cause that are spelled out; the JSON has all."""

_OTHERS: Final = 8
"""Things of one kind, history or not checked, that are spelled out."""

_LONGEST: Final = 480
"""Characters of one quote."""

_HEADS: Final = {
    Outcome.NOTHING: ("nothing wrong was found", "bold green"),
    Outcome.UNCHECKED: ("nothing wrong was found in what could be read", "bold yellow"),
}


def diagnosis_lines(
    found: Diagnosis, *, width: int, command: Callable[[str], str]
) -> Iterator[Line]:
    """Yield the whole diagnosis: the answer first; *command* makes command lines to copy."""
    yield from wrapped(f"SSO domain {found.domain}", width, style="bold")
    yield from wrapped(f"{found.taken:%Y-%m-%d %H:%M:%S} UTC by this workstation's clock", width)
    yield from _answer(found, width)
    for number, named in enumerate(found.causes, 1):
        yield Line("")
        yield from _cause(found, number, named, width, command)
    if not found.causes:
        yield from _soundness(found, width, command)
    if found.unchecked:
        yield Line("")
        yield Line(f"NOT CHECKED ({len(found.unchecked)})", "yellow")
        for part in found.unchecked[:_OTHERS]:
            text = f"- {part.subject}: {part.what}: {part.reason}"
            yield from wrapped(text, width, hang="  ")
        yield from _rest(found.unchecked, _OTHERS, width)
    if found.history:
        yield Line("")
        yield Line(f"LOG LINES THAT ARE HISTORY ({len(found.history)})", "bold")
        for line in found.history[:_OTHERS]:
            yield from _quote(found, line, width, indent="")
        yield from _rest(found.history, _OTHERS, width)


def _answer(found: Diagnosis, width: int) -> Iterator[Line]:
    if not found.causes:
        words, style = _HEADS[found.outcome]
        yield from wrapped(f"Diagnosis: {words}", width, style=style)
        return
    first = found.causes[0]
    more = len(found.causes) - 1
    others = f", and {counted(more, 'other cause')}" if more else ""
    text = f"Diagnosis: {first.cause.title}{others}"
    yield from wrapped(text, width, style="bold red")


def _cause(
    found: Diagnosis, number: int, named: NamedCause, width: int, command: Callable[[str], str]
) -> Iterator[Line]:
    cause = named.cause
    sure = named.confidence is Confidence.PROVEN
    style = "bold red" if sure else "bold yellow"
    yield from wrapped(f"{number}. {cause.id}: {cause.title}", width, hang="   ", style=style)
    yield from wrapped(f"{_sure(named)}. On {', '.join(named.nodes)}.", width, indent="   ")
    yield from wrapped(cause.meaning, width, indent="   ")
    for proof in named.proofs:
        yield from wrapped(f"- {proof}", width, indent="   ", hang="  ")
    for line in named.lines[:_LINES]:
        yield from _quote(found, line, width, indent="   ")
    yield from _rest(named.lines, _LINES, width, indent="   ")
    yield from wrapped(f"Next: {cause.advice}", width, indent="   ", hang="      ", style="bold")
    for name in cause.commands:
        yield Line(f"     {command(name)}")  # never wrapped: it is copied


def _sure(named: NamedCause) -> str:
    if named.confidence is Confidence.PROVEN:
        return "Proven by what was read"
    return "Only log lines say so: it could not be checked"


def _quote(found: Diagnosis, line: Quote, width: int, *, indent: str) -> Iterator[Line]:
    kind = BY_ID.get(line.kind)
    head = f"> {line.node}, {line.where}"
    if line.written is not None:
        head += f", {line.written:%Y-%m-%d %H:%M:%S} ({_ago(found, line)})"
    elif line.changed is not None:
        head += f", a line without a time; the file was written {line.changed:%Y-%m-%d %H:%M:%S}"
    yield from wrapped(head, width, indent=indent, hang="  ")
    text = line.text if len(line.text) <= _LONGEST else f"{line.text[:_LONGEST]}..."
    yield from wrapped(text or "(an empty page)", width, indent=f"{indent}    ")
    told = [line.note[:1].upper() + line.note[1:] + "." if line.note else ""]
    told += [kind.tells if kind is not None and not line.note else ""]
    for sentence in filter(None, told):
        yield from wrapped(f"= {sentence}", width, indent=f"{indent}  ", hang="  ")


def _ago(found: Diagnosis, line: Quote) -> str:
    if line.written is None:
        return ""
    apart = found.taken - line.written
    if apart.total_seconds() < 0:
        return f"{lasted(-apart)} from now, by the node's clock"
    return f"{lasted(apart)} ago" if apart.days < 1 else f"{counted(apart.days, 'day')} ago"


def _soundness(found: Diagnosis, width: int, command: Callable[[str], str]) -> Iterator[Line]:
    for sentence in found.sound:
        yield from wrapped(f"- {sentence}", width, hang="  ")
    yield Line("")
    yield Line("Next, to prove every way to log in:", "bold")
    yield Line(f"  {command('verify')}")


def _rest(things: Sequence[object], shown: int, width: int, *, indent: str = "") -> Iterator[Line]:
    if len(things) > shown:
        text = f"and {len(things) - shown} more: --json has all of them"
        yield from wrapped(text, width, indent=indent)
