"""SIGKILL at every record of a real run on the lab; then resume, or rollback, sees it through.

How many records a run has is measured by an undisturbed run, and the table below is checked
against it: a record more or less must be added here, so that none is left out.
"""

from __future__ import annotations

from contextlib import closing

import pytest

from killable import KILLED, Death, Killable
from stsfix.lab import judge
from stsfix.lab.lab import Lab
from stsfix.remediation.journal import JournalFile
from stsfix.remediation.records import Phase
from stsfix.snapshot.system_clock import SystemClock

pytestmark = [pytest.mark.crash, pytest.mark.lab]

RECORDS = 34
"""Records of an undisturbed run of two linked embedded nodes (see the first test)."""

UNDO_RECORDS = 17
"""Records of taking that run back: the mark, and two for each of eight steps."""

SPEED = 2000.0


class Bench:
    """A lab that is put back to its beginning for each case, and what it was then."""

    def __init__(self, lab, folder):
        self.lab = lab
        self.config = lab.write_config(folder)
        self.saved = lab.checkpoint()
        self.before = judge.all_sts_entries(lab)
        self.foreign = judge.foreign_state(lab)
        self.command = Killable()

    def stored(self, state):
        """Return the one run of a state folder."""
        file = JournalFile(state, SystemClock())
        (name,) = file.names()
        return file.read(name)

    def apart(self):
        """Return how the directories differ once they had time to agree."""
        rounds = 100
        while (apart := judge.out_of_sync(self.lab)) and rounds:
            rounds -= 1
            self.lab.clock.sleep(30)
        return apart


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """One lab for the whole module."""
    lab = Lab.build(topology="elm", scenario="expired", speed=SPEED, seed=3)
    with lab:
        yield Bench(lab, tmp_path_factory.mktemp("lab"))


def shape(entries):
    """Return DNs and, per attribute, how many values: what does not depend on fresh keys."""
    return {
        node: {
            dn: {name: len(values) for name, values in attributes.items()}
            for dn, attributes in found.items()
        }
        for node, found in entries.items()
    }


def repaired_state(bench, state):
    """Everything an undisturbed run leaves behind, as far as it can be equal twice."""
    stored = bench.stored(state)
    return {
        "phase": stored.phase,
        "power": judge.power(bench.lab),
        "entries": shape(judge.all_sts_entries(bench.lab)),
        "tokens": [judge.token_refusal(bench.lab, fqdn) for fqdn in bench.lab.nodes],
        "logins": [judge.login_refusal(bench.lab, fqdn) for fqdn in bench.lab.nodes],
        "one leaf": len({judge.signing_leaf(bench.lab, fqdn) for fqdn in bench.lab.nodes}),
        "apart": bench.apart(),
        "snapshots": {
            fqdn: [name == stored.spec.run for name in names]
            for fqdn, names in judge.node_snapshots(bench.lab).items()
        },
        "foreign": judge.foreign_state(bench.lab) == bench.foreign,
    }


@pytest.fixture(scope="module")
def undisturbed(bench, tmp_path_factory):
    """What a run leaves behind that nobody killed, and how many records it took."""
    state = tmp_path_factory.mktemp("undisturbed")
    bench.lab.restore(bench.saved)
    code = bench.command(bench.config, state, "run")
    found = repaired_state(bench, state)
    return code, found, len(bench.stored(state).records)


def test_an_undisturbed_run_repairs_in_the_counted_records(undisturbed):
    """The matrix below covers every record there is."""
    code, found, records = undisturbed

    assert code == 0
    assert records == RECORDS
    assert found["phase"] is Phase.REPAIRED
    assert found["tokens"] == [None, None]
    assert found["logins"] == [None, None]
    assert found["apart"] == []


@pytest.mark.parametrize("durable", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("record", range(RECORDS))
def test_resume_ends_like_an_undisturbed_run(bench, undisturbed, tmp_path, record, durable):
    """Whatever was under way when it died, it is done exactly once in effect."""
    bench.lab.restore(bench.saved)
    _, expected, _ = undisturbed

    died = bench.command(bench.config, tmp_path, "run", Death(record, durable))
    code = bench.command(bench.config, tmp_path, "resume")

    assert died == KILLED
    assert code == 0
    assert repaired_state(bench, tmp_path) == expected


@pytest.mark.parametrize("durable", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("record", range(RECORDS))
def test_rollback_ends_where_the_run_began(bench, tmp_path, record, durable):
    """Every node is on, every directory byte for byte as before, replication in sync."""
    bench.lab.restore(bench.saved)

    died = bench.command(bench.config, tmp_path, "run", Death(record, durable))
    code = bench.command(bench.config, tmp_path, "rollback")

    assert died == KILLED
    assert code == 0
    assert_as_before(bench, tmp_path)


@pytest.mark.parametrize("durable", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("record", range(UNDO_RECORDS))
def test_a_killed_rollback_is_finished_by_the_next(bench, repaired, tmp_path, record, durable):
    """Dying in the middle of taking back leaves nothing half reverted in the end."""
    checkpoint, journal = repaired
    bench.lab.restore(checkpoint)
    for file in journal.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())

    died = bench.command(bench.config, tmp_path, "rollback", Death(record, durable))
    code = bench.command(bench.config, tmp_path, "rollback")

    assert died == KILLED
    assert code == 0
    assert_as_before(bench, tmp_path)


@pytest.fixture(scope="module")
def repaired(bench, tmp_path_factory):
    """A lab after a complete run, and that run's journal."""
    state = tmp_path_factory.mktemp("repaired")
    bench.lab.restore(bench.saved)
    bench.command(bench.config, state, "run")
    with closing(JournalFile(state, SystemClock()).connect()) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return bench.lab.checkpoint(), state


def assert_as_before(bench, state):
    """Everything is as before the run, but for the snapshots that only release deletes."""
    assert bench.stored(state).phase is Phase.ROLLED_BACK
    assert set(judge.power(bench.lab).values()) == {"poweredOn"}
    assert judge.all_sts_entries(bench.lab) == bench.before
    assert bench.apart() == []
    assert judge.foreign_state(bench.lab) == bench.foreign
