"""SIGKILL at every record of a whole run on the lab; then resume, or rollback, sees it through.

How many records a run has is measured by an undisturbed run, and the number below is checked
against it: a record more or less must be added here, so that none is left out. By default every
13th death is played, ``make test-all`` plays all. Deaths at calls, of rollbacks and releases, of
renewals, and in other topologies are in test_deaths.py.
"""

from __future__ import annotations

import pytest

from killable import KILLED, Death
from lab_keys import shared_keys
from run_judge import stored_run
from saved_lab import DeathBench, but_leftovers
from stsfix.lab.lab import Lab
from stsfix.remediation.records import Phase

pytestmark = [pytest.mark.crash, pytest.mark.lab, pytest.mark.reliability("deaths")]

RECORDS = 43
"""Records of an undisturbed run of two linked embedded nodes (see the first test)."""

SPEED = 2000.0


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """One lab for the whole module."""
    lab = Lab.build(topology="elm", scenario="expired", speed=SPEED, seed=3, keys=shared_keys())
    with lab:
        yield DeathBench(lab, tmp_path_factory.mktemp("lab"))


@pytest.fixture(scope="module")
def undisturbed(bench, tmp_path_factory):
    """What a run leaves behind that nobody killed, and how many records it took."""
    state = tmp_path_factory.mktemp("undisturbed")
    bench.restore()
    code = bench.command(bench.config, state, "run")
    found = bench.judge.after_run(state)
    return code, found, len(stored_run(state).records)


def test_an_undisturbed_run_repairs_in_the_counted_records(undisturbed):
    """The matrix below covers every record there is."""
    code, found, records = undisturbed

    assert code == 0
    assert records == RECORDS
    assert found["phase"] is Phase.REPAIRED
    assert found["tokens"] == [None, None]
    assert found["logins"] == [None, None]
    assert found["apart"] == []


@pytest.mark.matrix(13)
@pytest.mark.parametrize("durable", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("record", range(RECORDS))
def test_resume_ends_like_an_undisturbed_run(bench, undisturbed, tmp_path, record, durable):
    """Whatever was under way when it died, it is done exactly once in effect."""
    bench.restore()
    _, expected, _ = undisturbed

    died = bench.command(bench.config, tmp_path, "run", Death(record, durable))
    code = bench.command(bench.config, tmp_path, "resume")

    assert died == KILLED
    assert code == 0
    assert but_leftovers(bench.judge.after_run(tmp_path)) == but_leftovers(expected)


@pytest.mark.matrix(13)
@pytest.mark.parametrize("durable", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("record", range(RECORDS))
def test_rollback_ends_where_the_run_began(bench, tmp_path, record, durable):
    """Every node is on, every directory byte for byte as before, replication in sync."""
    bench.restore()

    died = bench.command(bench.config, tmp_path, "run", Death(record, durable))
    code = bench.command(bench.config, tmp_path, "rollback")

    assert died == KILLED
    assert code == 0
    assert but_leftovers(bench.judge.after_rollback(tmp_path)) == {}
