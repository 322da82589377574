"""A domain has one open run in a state folder: a second one is refused before anybody is asked."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from memory_hypervisor import MemoryClock
from stsfix.plugin.runs import Runs
from stsfix.remediation.errors_run import DomainLockedError
from stsfix.remediation.journal import Journal, JournalFile
from stsfix.remediation.records import Mark, MarkRecord
from worlds import spec

PLAN = ("quiesce", "take-snapshots")


@pytest.fixture
def file(tmp_path):
    """The journal of a state folder in which one run was begun."""
    made = JournalFile(tmp_path / "state", MemoryClock())
    made.create(spec(), PLAN, version="0", inventory="{}").close()
    return made


def runs(file):
    """Return the runs of *file*, with no adapter that could reach anybody."""
    nobody: Any = None
    return Runs(file, nobody, stop_requested=lambda: False)


def test_an_open_run_forbids_another_one_of_its_domain(file):
    """The error names it; another domain's runs are not forbidden by it."""
    with pytest.raises(DomainLockedError, match=f"run {spec().run}"):
        runs(file).refuse_open_run(spec().domain)

    runs(file).refuse_open_run("other.local")


def test_a_released_run_forbids_nothing(file):
    """What is finished is no obstacle."""
    with closing(Journal(file, spec().run, MemoryClock())) as journal:
        journal.append(MarkRecord(mark=Mark.RELEASED))

    runs(file).refuse_open_run(spec().domain)
