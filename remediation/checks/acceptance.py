"""Taking a risk by name: ``--accept ID[:object]`` turns a blocker into a warning. Pure."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stsfix.remediation.errors_run import AcceptanceError
from stsfix.remediation.model import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from stsfix.remediation.model import Rule

_NEAR = 0.5
"""How alike (0 to 1) an id has to be to be proposed; difflib's ratio."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """A risk that an operator takes: findings of *id*, of one *subject* or of all if empty."""

    id: str
    subject: str = ""

    def covers(self, finding: Finding) -> bool:
        """Tell whether *finding* is meant. A VM may be named without its host."""
        if finding.id != self.id:
            return False
        subject = finding.subject.casefold()
        return self.subject.casefold() in {"", subject, subject.partition(" on ")[0]}


def parse_acceptances(texts: Iterable[str], rules: Mapping[str, Rule]) -> tuple[Acceptance, ...]:
    """Return what the texts ``ID`` or ``ID:object`` accept; ids in any case.

    Raises:
        AcceptanceError: There is no such rule, or its findings cannot be accepted.
    """
    found = []
    for text in texts:
        name, _, subject = text.partition(":")
        name = name.strip().upper()
        rule = rules.get(name)
        if rule is None:
            raise AcceptanceError(text, f"there is no such finding{_near(name, rules)}")
        if rule.severity is not Severity.BLOCKS:
            raise AcceptanceError(text, "this finding never forbids a repair")
        if not rule.acceptable:
            raise AcceptanceError(
                text, f"it cannot be accepted. {rule.why} {rule.advice}".rstrip(".")
            )
        found.append(Acceptance(id=name, subject=subject.strip()))
    return tuple(found)


def _near(name: str, rules: Mapping[str, Rule]) -> str:
    near = difflib.get_close_matches(name, rules, n=3, cutoff=_NEAR)
    return f"; the nearest: {', '.join(near)}" if near else ""


def accept(findings: Sequence[Finding], acceptances: Sequence[Acceptance]) -> tuple[Finding, ...]:
    """Return *findings* in which the blockers that are accepted warn, and say so."""
    return tuple(
        replace(finding, severity=Severity.WARNS, accepted=True)
        if finding.severity is Severity.BLOCKS and any(a.covers(finding) for a in acceptances)
        else finding
        for finding in findings
    )
