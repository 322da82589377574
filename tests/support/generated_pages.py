"""Tables of pages that are made from the program's own data; run it as a script to write them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stsfix.lab.scenario import SCENARIOS
from stsfix.remediation.checks.findings import RULES
from stsfix.remediation.diagnosis.causes import CAUSES
from stsfix.remediation.diagnosis.log_signatures import SIGNATURES, WEB_SIGNATURES
from stsfix.remediation.nodes.node_logs import LOGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DOCS = Path(__file__).parents[2] / "docs"
COMMAND = ".venv/bin/python tests/support/generated_pages.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table between the marks ``<!-- name:begin -->`` and ``<!-- name:end -->`` of a page."""

    page: str
    name: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]

    def written_into(self, text: str) -> str:
        """Return *text* with this table between its marks.

        Raises:
            ValueError: The text lacks a mark.
        """
        begin, end = f"<!-- {self.name}:begin -->\n", f"<!-- {self.name}:end -->\n"
        head, opened, rest = text.partition(begin)
        _, closed, tail = rest.partition(end)
        if not opened or not closed:
            raise ValueError(f"{self.page} has no marks of {self.name}")
        rows = [self.headers, ["---"] * len(self.headers), *self.rows]
        return head + begin + "".join(map(_line, rows)) + end + tail


def tables() -> tuple[Table, ...]:
    """Return every table that is made."""
    return (
        Table(
            page="findings.md",
            name="findings",
            headers=("Id", "Severity", "What it says", "Why it matters", "What to do", "Source"),
            rows=[
                (
                    f"`{rule.id}`",
                    rule.severity.value + (", can be accepted" if rule.acceptable else ""),
                    rule.title,
                    rule.why,
                    rule.advice,
                    rule.source,
                )
                for _, rule in sorted(RULES.items())
            ],
        ),
        Table(
            page="diagnose.md",
            name="causes",
            headers=("Id", "What is wrong", "What it does", "What to do", "Go on with", "Source"),
            rows=[
                (
                    f"`{cause.id}`",
                    cause.title,
                    cause.meaning,
                    cause.advice,
                    ", ".join(f"`stsfix {command}`" for command in cause.commands),
                    cause.source,
                )
                for cause in CAUSES
            ],
        ),
        Table(
            page="diagnose.md",
            name="signatures",
            headers=("Kind", "What is searched", "Where", "What it means", "Speaks for", "Source"),
            rows=[
                (
                    f"`{signature.id}`",
                    f"`{signature.pattern}`",
                    ", ".join(signature.logs) or "web pages",
                    signature.tells,
                    ", ".join(f"`{c.id}`" for c in CAUSES if signature.id in c.lines)
                    or "services that are down",
                    signature.source,
                )
                for signature in (*SIGNATURES, *WEB_SIGNATURES)
            ],
        ),
        Table(
            page="diagnose.md",
            name="logs",
            headers=("Log", "Path", "Written by", "Seen in"),
            rows=[(log.name, f"`{log.path}`", ", ".join(log.services), log.source) for log in LOGS],
        ),
        Table(
            page="lab.md",
            name="scenarios",
            headers=("Name", "What is special"),
            rows=[(f"`{name}`", scenario.text) for name, scenario in SCENARIOS.items()],
        ),
    )


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    for table in tables():
        path = DOCS / table.page
        path.write_text(table.written_into(path.read_text(encoding="utf-8")), encoding="utf-8")
