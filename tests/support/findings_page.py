"""The table of docs/findings.md, made from the registry; run it as a script to write the page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from stsfix.remediation.findings import RULES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stsfix.remediation.model import Rule

PAGE = Path(__file__).parents[2] / "docs" / "findings.md"
BEGIN = "<!-- findings:begin -->\n"
END = "<!-- findings:end -->\n"


def with_table(page: str, rules: Iterable[Rule]) -> str:
    """Return *page* with a row for each rule between its two marks.

    Raises:
        ValueError: The page lacks a mark.
    """
    head, begin, rest = page.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError("the page has no marks")
    return head + BEGIN + _table(rules) + END + tail


def _table(rules: Iterable[Rule]) -> str:
    lines = ["| Id | | What it says | Why it matters | What to do |", "|---|---|---|---|---|"]
    for rule in sorted(rules, key=lambda rule: rule.id):
        cells = (f"`{rule.id}`", rule.severity.value, rule.title, rule.why, rule.advice)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), RULES.values()), encoding="utf-8")
