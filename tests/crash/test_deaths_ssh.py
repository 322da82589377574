"""SIGKILL before and after every record and every remote call over SSH; lost answers.

Then somebody carries the run, the rollback or the release on, or takes it back
(docs/adr/0047). Played where ``STSFIX_MATRIX`` asks for it: ``all``, or a shard, ``3/8``.
"""

from __future__ import annotations

import os

import pytest

from death_labs import recorded_lab, rows
from death_trial import play
from deaths import cases, differences, read_table
from matrix import VARIABLE, part

pytestmark = [
    pytest.mark.crash,
    pytest.mark.lab,
    pytest.mark.timeout(300),
    pytest.mark.reliability("deaths"),
    pytest.mark.skipif(not os.environ.get(VARIABLE), reason=f"played with {VARIABLE}=all"),
]

LAB = "ssh"
TABLE = read_table(LAB)
CASES = part(list(cases(TABLE)), every=1)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """The lab of all cases, and what an undisturbed run does in it."""
    with recorded_lab(LAB, tmp_path_factory.mktemp("lab")) as found:
        yield found


def test_the_table_has_every_record_and_every_call(recorded):
    """No moment is left out of the matrix."""
    assert differences(TABLE, rows(LAB, recorded)) == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_dies_is_carried_on_or_taken_back(recorded, case, record_property):
    """Nothing is done twice, forgotten or half done, and the journal says what is."""
    assert play(recorded, case, record_property) == []
