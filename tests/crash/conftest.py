"""Counts what the fault tests did, over all workers, and prints it."""

from __future__ import annotations

from collections import Counter


def pytest_terminal_summary(terminalreporter):
    """Print how many faults of each kind were survived, and how the command they hit ended."""
    counts: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "call":
                for name, value in report.user_properties:
                    if name == "faults":
                        counts.update(value)
    if counts:
        terminalreporter.section(f"{counts.total()} faults injected")
        for kind, number in sorted(counts.items()):
            terminalreporter.write_line(f"{number:5}  {kind}")
