"""Counts what the fault tests and the deaths did, over all workers, and prints it."""

from __future__ import annotations

from collections import Counter

TITLES = {"faults": "faults injected", "deaths": "moments at which something went wrong"}
"""What each property counts that a test records."""


def pytest_terminal_summary(terminalreporter):
    """Print how many of each kind there were, and how the command they hit ended."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in TITLES}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "call":
                for name, value in report.user_properties:
                    if name in TITLES:
                        counts[name].update(value)
    for name, found in counts.items():
        if found:
            terminalreporter.section(f"{found.total()} {TITLES[name]}")
            for kind, number in sorted(found.items()):
                terminalreporter.write_line(f"{number:5}  {kind}")
