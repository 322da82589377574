"""A domain has one open run in a state folder: a second one is refused before anybody is asked."""

from __future__ import annotations

from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest

from memory_hypervisor import MemoryClock
from stsfix.plugin.runs import Runs
from stsfix.remediation.errors_run import DomainLockedError, PlanChangedError
from stsfix.remediation.inventory import Inventory, NodeInventory
from stsfix.remediation.journal import Journal, JournalFile
from stsfix.remediation.model import Role
from stsfix.remediation.plan import step_names
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


def written_by_a_later_version(file):
    """Let the run of *file* say what this version does not know."""
    with closing(file.connect()) as connection:
        connection.execute("UPDATE runs SET spec = replace(spec, 'writer', 'writers')")


def test_a_run_of_a_later_version_forbids_another_one_of_its_domain_only(file):
    """Whether it is finished nobody can tell; another domain's is nobody's obstacle."""
    written_by_a_later_version(file)
    with pytest.raises(PlanChangedError):
        runs(file).refuse_open_run(spec().domain)

    runs(file).refuse_open_run("other.local")
    assert file.latest(spec().domain) == spec().run


def test_a_run_that_a_later_version_went_on_with_hides_no_look(file):
    """Its durations are not known here; what preflight saw is shown all the same."""
    written_by_a_later_version(file)
    wiring: Any = SimpleNamespace(settings=SimpleNamespace(sts=SimpleNamespace(retire_old=True)))
    topology: Any = SimpleNamespace()
    inventory = Inventory(
        domain=spec().domain,
        taken=MemoryClock().now(),
        nodes=(NodeInventory(fqdn="vc1", role=Role.EMBEDDED),),
        hosts=(),
        topology=topology,
        problems=(),
    )

    found = Runs(file, wiring, stop_requested=lambda: False).outlook(inventory)

    assert [phase.step for phase in found] == list(step_names(retire=True))
