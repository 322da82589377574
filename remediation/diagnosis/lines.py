"""What nodes wrote and answered, and which cause it speaks for. Pure.

A log line is old evidence: it tells what a service met when it was written. It counts for a cause
that was proven if its dates fit; for one that could not be checked it stands alone, if it is
recent; else it is history, and says why.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from stsfix.remediation.diagnosis.causes import CAUSES
from stsfix.remediation.diagnosis.certificates import shown_signer, span
from stsfix.remediation.diagnosis.evidence import TokenAnswer
from stsfix.remediation.diagnosis.log_lines import RefusedSigner, refused_signer
from stsfix.remediation.diagnosis.log_signatures import BY_ID
from stsfix.remediation.diagnosis.model import Quote
from stsfix.remediation.inventory_certificates import UnreadPart
from stsfix.remediation.nodes.node_facts import ClockReading, NodeFacts
from stsfix.remediation.pki.certificates import Certificate, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from stsfix.remediation.diagnosis.causes import Cause
    from stsfix.remediation.diagnosis.evidence import Evidence
    from stsfix.remediation.diagnosis.model import Suspect
    from stsfix.remediation.inventory import Inventory, NodeInventory
    from stsfix.remediation.nodes.log_script import LogQuote

RECENT: Final = timedelta(days=2)
"""How old a line may be that names a cause alone; services write such lines all the time."""

_EARLY: Final = timedelta(minutes=15)
"""How much before a certificate's end a line about it may seem to be written: clocks differ."""

ASKED: Final = "its STS, asked for a token"
"""Where a quote is from that the STS itself said now."""

DOWN_PAGES: Final = frozenset({"", "no-upstream", "no-endpoint"})
"""Kinds of pages that tell only that no service is behind them."""

_SIGNER: Final = "signer-dates"
_BY_DATES: Final = ("STS-EXPIRED", "STS-STALE", "STS-NOT-YET-VALID")
_SERVER_ERROR: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """One quote, the causes it speaks for, and whether it is all that names them."""

    quote: Quote
    causes: tuple[str, ...]
    alone: bool = False


def quotes(evidence: Evidence) -> tuple[Quote, ...]:
    """Return everything that was written or answered and fits a kind of line."""
    found: list[Quote] = []
    for node in evidence.inventory.nodes:
        told = evidence.of(node.fqdn)
        if not isinstance(told.logs, UnreadPart):
            found += [_of_log(node.fqdn, line) for line in told.logs.quotes]
        if isinstance(told.token, TokenAnswer):
            found += _of_token(node.fqdn, told.token)
        for answer in told.answers:
            where = f"{answer.request}: {answer.status}"
            note = "" if answer.verified else "the node's certificate was not verified"
            kinds = [s.id for s in BY_ID.values() if re.search(s.pattern, answer.text)]
            if answer.status >= _SERVER_ERROR:
                kinds = kinds or [""]
            found += [
                Quote(node=node.fqdn, where=where, kind=kind, text=_clean(answer.text), note=note)
                for kind in kinds
            ]
    return tuple(found)


def _of_token(node: str, answer: TokenAnswer) -> Iterator[Quote]:
    for signature in BY_ID.values():
        if re.search(signature.pattern, answer.text):
            yield Quote(node=node, where=ASKED, kind=signature.id, text=_clean(answer.text))


def _of_log(node: str, line: LogQuote) -> Quote:
    return Quote(
        node=node,
        where=line.path,
        kind=line.signature,
        text=_clean(line.text),
        written=line.written.moment if line.written is not None else None,
        changed=line.changed,
    )


def _clean(text: str) -> str:
    """Return *text* as one line in which each control character is a blank."""
    return "".join(c if c.isprintable() else " " for c in text).strip()


def place(
    evidence: Evidence, suspects: Sequence[Suspect], found: Iterable[Quote]
) -> tuple[list[Placed], list[Quote]]:
    """Return which quotes speak for which causes, and which are history."""
    placed: list[Placed] = []
    history: list[Quote] = []
    for quote in found:
        if quote.kind in DOWN_PAGES:
            continue  # they go with the services that are down
        told = refused_signer(quote.text) if quote.kind == _SIGNER else None
        outcome = (
            _by_dates(evidence, suspects, quote, told)
            if told is not None
            else _by_kind(evidence, suspects, quote)
        )
        if isinstance(outcome, Placed):
            placed.append(outcome)
        else:
            history.append(replace(quote, note=outcome))
    return placed, history


def _by_dates(
    evidence: Evidence, suspects: Sequence[Suspect], quote: Quote, told: RefusedSigner
) -> Placed | str:
    """Place a refusal that names the dates of the certificate that was refused."""
    named = {suspect.cause for suspect in suspects}
    signing = tuple(_in_force(evidence))
    ours = [c for c in signing if told.is_certificate(c.not_before, c.not_after)]
    if ours:
        causes = tuple(cause for cause in _BY_DATES if cause in named)
        if causes and not ours[0].not_before <= evidence.inventory.taken <= ours[0].not_after:
            return Placed(quote=quote, causes=causes)
        if _suspected(suspects, "CLOCK-WRONG", quote.node):
            return Placed(quote=quote, causes=("CLOCK-WRONG",))
        return "the certificate it names is in force and sound: a clock was wrong then"
    if signing:
        return (
            f"it names a certificate that ended {told.last.moment:%Y-%m-%d}; the one in force is "
            f"valid {span(signing[0])}"
        )
    if told.last.latest < evidence.inventory.taken and _is_recent(evidence, quote):
        return Placed(quote=quote, causes=("STS-EXPIRED",), alone=True)
    return "nothing newer was found, and the certificate in force is not known"


def _by_kind(evidence: Evidence, suspects: Sequence[Suspect], quote: Quote) -> Placed | str:
    explaining = [cause for cause in CAUSES if quote.kind in cause.lines]
    fitting = {
        suspect.cause
        for suspect in suspects
        if suspect.cause in {cause.id for cause in explaining}
        and not _is_before(evidence, quote, suspect.since)
    }
    if fitting:
        causes = tuple(cause.id for cause in explaining if cause.id in fitting)
        return Placed(quote=quote, causes=causes)
    node = next(n for n in evidence.inventory.nodes if n.fqdn == quote.node)
    alone = tuple(cause for cause in CAUSES if quote.kind in cause.alone)
    unknown = tuple(c.id for c in alone if not was_checked(evidence.inventory, node, c))
    if not _is_recent(evidence, quote):
        return f"it is {_age_words(evidence, quote)}, and nothing of it was found now"
    if unknown:
        return Placed(quote=quote, causes=unknown[:1], alone=True)
    if alone:
        return "what it tells of was checked, and is sound now"
    return "it fits no cause that was found"


def was_checked(inventory: Inventory, node: NodeInventory, cause: Cause) -> bool:
    """Tell whether *cause* would have been found on *node* by what was read."""
    held = inventory.certificates
    facts = node.facts if isinstance(node.facts, NodeFacts) else None
    checked = {
        "MACHINE-SSL-EXPIRED": all(n.certificates.on("https") for n in inventory.nodes),
        "SOLUTION-USERS-EXPIRED": held is not None and held.has_read("solution users"),
        "TRUST-ANCHOR-MISMATCH": held is not None and held.has_read("lookup service registrations"),
        "CLOCK-WRONG": isinstance(node.clock, ClockReading),
        "VMDIR-READ-ONLY": facts is not None and isinstance(facts.vmdir_state, str),
        "DISK-FULL": facts is not None and isinstance(facts.disks, tuple),
    }
    by_directory = any(n.sts is not None for n in inventory.nodes)
    return bool(checked.get(cause.id, by_directory))


def _in_force(evidence: Evidence) -> Iterator[Certificate]:
    """Yield every certificate that signs now, by directories and by what STSs publish."""
    ders: dict[bytes, None] = {}
    for node in evidence.inventory.nodes:
        signing = node.sts.signing() if node.sts is not None else None
        if signing is not None and signing.chain:
            ders[signing.chain[0]] = None
        shown = shown_signer(evidence, node)
        if shown is not None:
            ders[shown] = None
    yield from (c for c in map(parse, ders) if isinstance(c, Certificate))


def _suspected(suspects: Iterable[Suspect], cause: str, node: str) -> bool:
    return any(s.cause == cause and s.node == node for s in suspects)


def _is_before(evidence: Evidence, quote: Quote, since: datetime | None) -> bool:
    """Tell whether *quote* was written before what it should be about began."""
    written = _moment(evidence, quote)
    return since is not None and written is not None and written < since - _EARLY


def _is_recent(evidence: Evidence, quote: Quote) -> bool:
    written = _moment(evidence, quote)
    return written is None or evidence.inventory.taken - written <= RECENT


def _age_words(evidence: Evidence, quote: Quote) -> str:
    written = _moment(evidence, quote)
    days = (evidence.inventory.taken - written).days if written is not None else 0
    return f"{days} days old"


def _moment(evidence: Evidence, quote: Quote) -> datetime | None:
    """Return when *quote* was written, by this workstation's clock; None for an answer of now."""
    said = quote.written or quote.changed
    node = next((n for n in evidence.inventory.nodes if n.fqdn == quote.node), None)
    if said is None or node is None or not isinstance(node.clock, ClockReading):
        return said
    try:
        return said - node.clock.skew
    except OverflowError:
        return said
