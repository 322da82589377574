"""Rules, and what was found by them. Every layer's checks speak in these two values."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Severity(enum.StrEnum):
    """What a finding does to a run."""

    BLOCKS = "blocks"
    WARNS = "warns"
    INFORMS = "informs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing that is looked for. *id* is stable, documented, and never reused.

    One sentence each: *title* is what is wrong, *why* what could happen, *advice* the next
    action. *source* names document, KB or measurement, or says "unverified". *severity* is that
    of its gravest finding. A blocker may be *acceptable*: then an operator can take the risk
    with ``--accept``; what makes a run fail or a domain unrecoverable is not.
    """

    id: str
    severity: Severity
    title: str
    why: str
    source: str
    advice: str
    acceptable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One result of preflight. *subject* is a host, VM, node or entry; *evidence* what was seen.

    *title*, *why* and *source* are its rule's, so that a saved finding explains itself. One that
    an operator *accepted* blocked before, and warns now. A check that could not be made is a
    finding of its own, never silence.
    """

    id: str
    severity: Severity
    subject: str
    evidence: str
    advice: str
    title: str = ""
    why: str = ""
    source: str = ""
    accepted: bool = False


class Finder:
    """Makes findings by the rules of one module."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = {rule.id: rule for rule in rules}

    def __call__(
        self,
        rule_id: str,
        subject: str,
        evidence: str,
        *,
        severity: Severity | None = None,
        advice: str | None = None,
    ) -> Finding:
        """Return a finding by the rule *rule_id*; *severity* and *advice* replace the rule's.

        Raises:
            KeyError: The module has no such rule: a bug.
        """
        rule = self._rules[rule_id]
        return Finding(
            id=rule.id,
            severity=severity or rule.severity,
            subject=subject,
            evidence=evidence,
            advice=advice or rule.advice,
            title=rule.title,
            why=rule.why,
            source=rule.source,
        )
