"""SIGKILL at the records of a run that gives VMCA a new root and renews every certificate.

The steps it shares with an STS-only run are in test_sigkill.py; here it dies from the first record
of `new-vmca-root` to the last of `verify-logins`. Normally three records are tried, each once; with
``STSFIX_FAULTS=all`` (``make test-all``) every one, before and after it is durable. Every note and
write of these steps is tried in memory by test_renewal_kills.py.
"""

from __future__ import annotations

import os

import pytest

from killable import KILLED, Death
from lab_keys import shared_keys
from run_judge import stored_run
from saved_lab import DeathBench, but_leftovers
from stsfix.lab import judge
from stsfix.lab.lab import Lab
from stsfix.remediation.checks_renewal import Wish
from stsfix.remediation.records import MarkRecord, Phase

pytestmark = [
    pytest.mark.crash,
    pytest.mark.lab,
    pytest.mark.timeout(3600),
    pytest.mark.reliability("deaths"),
]

FULL = os.environ.get("STSFIX_FAULTS") == "all"
SPEED = 2000.0
FIRST, LAST = "new-vmca-root", "verify-logins"
RECORDS = 54
"""As many as there are from FIRST to LAST; the first test compares."""

CASES = [
    pytest.param(record, durable, id=f"{record}-{'after' if durable else 'before'}")
    for record in range(RECORDS)
    for durable in (False, True)
    if FULL or (record % 20 == 7 and durable is (record == 27))
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """One lab for the whole module: everything that VMCA issued has expired, and its root."""
    with Lab.build("embedded", "vmca-root-expired", speed=SPEED, seed=3, keys=shared_keys()) as lab:
        yield DeathBench(lab, tmp_path_factory.mktemp("lab"), Wish(new_vmca_root=True))


@pytest.fixture(scope="module")
def undisturbed(bench, tmp_path_factory):
    """What a run leaves behind that nobody killed, and the range of the records in question."""
    state = tmp_path_factory.mktemp("undisturbed")
    bench.restore()
    code = bench.command(bench.config, state, "run")
    found = bench.judge.after_run(state)
    steps = [
        "" if isinstance(record, MarkRecord) else record.step
        for record in stored_run(state).records
    ]
    end = len(steps) - steps[::-1].index(LAST)
    return code, found, range(steps.index(FIRST), end)


def test_an_undisturbed_run_repairs_everything(undisturbed):
    """The cases below cover every record there is."""
    code, found, records = undisturbed

    assert code == 0
    assert found["phase"] is Phase.REPAIRED
    assert (found["tokens"], found["logins"]) == ([None], [None])
    assert (found["certificates apart"], found["expired"], found["refused"]) == ([], [], [])
    assert len(records) == RECORDS


@pytest.mark.parametrize(("record", "durable"), CASES)
def test_resume_ends_like_an_undisturbed_run(bench, undisturbed, tmp_path, record, durable):
    """Nothing is renewed twice in effect, nothing is forgotten, and no key stays on a node."""
    _, expected, records = undisturbed
    bench.restore()

    died = bench.command(bench.config, tmp_path, "run", Death(records[record], durable))
    code = bench.command(bench.config, tmp_path, "resume")

    assert (died, code) == (KILLED, 0)
    found = bench.judge.after_run(tmp_path)
    assert but_leftovers(found) == but_leftovers(expected)
    assert [path for path in judge.leftovers(bench.lab) if "/root/" in path] == []


@pytest.mark.parametrize(("record", "durable"), CASES if FULL else CASES[1:2])
def test_rollback_ends_where_the_run_began(bench, undisturbed, tmp_path, record, durable):
    """Stores, directories and VMCA are what they were, whatever had been written."""
    *_, records = undisturbed
    bench.restore()

    died = bench.command(bench.config, tmp_path, "run", Death(records[record], durable))
    code = bench.command(bench.config, tmp_path, "rollback")

    assert (died, code) == (KILLED, 0)
    assert but_leftovers(bench.judge.after_rollback(tmp_path)) == {}
