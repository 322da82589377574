"""SIGKILL before and after every record and every remote call, in every lab; lost answers.

Then somebody carries the run, the rollback or the release on, or takes it back
(docs/adr/0047). By default a fixed part of some labs is played; ``STSFIX_MATRIX=all`` plays all,
``STSFIX_MATRIX=3/8`` the third eighth.
"""

from __future__ import annotations

import os

import pytest

from death_trial import die_and_resume, play
from deaths import cases
from matrix import VARIABLE, part
from moment_labs import LABS, RecordedLabs, dying, rows
from moments import differences, read_table
from saved_lab import but_leftovers
from stsfix.lab import judge
from stsfix.remediation.records import Phase

pytestmark = [
    pytest.mark.crash,
    pytest.mark.lab,
    pytest.mark.timeout(300),
    pytest.mark.reliability("deaths"),
]

TABLES = {
    name: read_table(name) for name, lab in LABS.items() if lab.every or os.environ.get(VARIABLE)
}
CASES = [
    pytest.param(name, case, id=f"{name} {case}")
    for name, table in TABLES.items()
    for case in part(list(cases(table)), every=LABS[name].every or 1)
]


@pytest.fixture(scope="module")
def labs(tmp_path_factory):
    """The labs, each made when the first of its tests asks for it."""
    with RecordedLabs(lambda: tmp_path_factory.mktemp("lab"), dying) as found:
        yield found


@pytest.mark.parametrize("lab", TABLES)
def test_the_table_has_every_record_and_every_call(labs, lab):
    """No moment is left out of the matrix."""
    assert differences(TABLES[lab], rows(lab, labs[lab])) == []


@pytest.mark.parametrize(("lab", "case"), CASES)
def test_what_dies_is_carried_on_or_taken_back(labs, lab, case, record_property):
    """Nothing is done twice, forgotten or half done, and the journal says what is."""
    assert play(labs[lab], case, record_property) == []


@pytest.mark.parametrize("lab", ["renewal"])
def test_a_renewal_that_died_ends_like_an_undisturbed_one(labs, lab):
    """To its very end: every certificate is new and trusted, every node is logged in to, and no
    key stays on one.
    """
    recorded = labs[lab]

    found = die_and_resume(recorded, "renew-certificates", record=5)

    assert found["phase"] is Phase.REPAIRED
    assert (found["tokens"], found["logins"]) == ([None], [None])
    assert (found["certificates apart"], found["expired"], found["refused"]) == ([], [], [])
    assert but_leftovers(found) == but_leftovers(recorded.expected)
    assert [path for path in judge.leftovers(recorded.bench.lab) if "/root/" in path] == []
