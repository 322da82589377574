"""Counts what the fault tests and the deaths did, over all workers, and prints it; makes the runs
that somebody or something interferes with.
"""

from __future__ import annotations

from collections import Counter

import pytest

from fault_bench import FaultBench
from interfered import Case
from lab_keys import shared_keys
from stsfix.lab.lab import Lab

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


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """One lab for the whole module."""
    with Lab.build("elm", "expired", speed=2000, seed=5, keys=shared_keys()) as lab:
        bench = FaultBench(lab, tmp_path_factory.mktemp("lab"))
        bench(tmp_path_factory.mktemp("first"), "run", steps=0)
        yield bench


@pytest.fixture(scope="module")
def expected(built, tmp_path_factory):
    """What an undisturbed run leaves behind."""
    built.lab.restore(built.saved)
    state = tmp_path_factory.mktemp("undisturbed")
    assert built(state, "run") is None
    return built.judge.after_run(state)


@pytest.fixture
def case(built, expected, tmp_path):
    """A lab as it was in the beginning."""
    built.lab.restore(built.saved)
    yield Case(built, tmp_path, expected)
    built.lab.faults.clear()
    for host in built.lab.hosts.values():
        host.start()
