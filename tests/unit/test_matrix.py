"""Which part of a long matrix is played, and that the matrix of deaths has everything."""

from __future__ import annotations

import pytest

from deaths import CHANGES, JOURNAL, Then, Way, cases, differences
from matrix import VARIABLE, ShardError, part

CASES = list(range(20))


def test_a_fixed_part_is_played_by_default(monkeypatch):
    """Each n-th, from the first."""
    monkeypatch.delenv(VARIABLE, raising=False)

    assert part(CASES, every=7) == [0, 7, 14]


def test_all_is_all(monkeypatch):
    """Nothing is left out."""
    monkeypatch.setenv(VARIABLE, "all")

    assert part(CASES, every=7) == CASES


def test_shards_are_all_together_and_share_nothing(monkeypatch):
    """Whatever their number."""
    played = []
    for number in range(1, 4):
        monkeypatch.setenv(VARIABLE, f"{number}/3")
        played += part(CASES, every=7)

    assert sorted(played) == CASES


@pytest.mark.parametrize("text", ["most", "0/3", "4/3", "1/", "/3", "-1/3"])
def test_what_names_no_part_is_refused(monkeypatch, text):
    """Nobody believes that all was played when nothing was."""
    monkeypatch.setenv(VARIABLE, text)

    with pytest.raises(ShardError):
        part(CASES, every=7)


TABLE = {
    ("quiesce", JOURNAL, "record", "-"): 2,
    ("quiesce", "soap", "ShutdownGuest", "vc1"): 2,
    ("quiesce", "soap", "RetrievePropertiesEx", "esx1"): 3,
    ("quiesce", "task", "PowerOnVM_Task", "vc1"): 1,
}


def test_every_record_and_every_call_is_died_at():
    """What changes something dies and is lost in every way, each time, and is seen to both ends."""
    found = list(cases(TABLE))

    assert len(set(found)) == len(found)
    for (_, protocol, call, _), count in TABLE.items():
        mine = [c for c in found if c.moment.call == call]
        assert {c.moment.nth for c in mine} == set(range(1, count + 1))
        if protocol == JOURNAL or CHANGES.fullmatch(call):
            ends = {(c.moment.nth, c.then) for c in mine if c.way is not Way.BEFORE}
            wanted = {(n, t) for n in range(1, count + 1) for t in (Then.FORWARD, Then.BACK)}
            assert wanted <= ends


@pytest.mark.parametrize(
    ("row", "count", "told"),
    [
        (("quiesce", "soap", "ShutdownGuest", "vc1"), 3, True),
        (("quiesce", "soap", "ShutdownGuest", "vc2"), 1, True),
        (("quiesce", "soap", "RetrievePropertiesEx", "esx1"), 0, True),
        (("quiesce", "soap", "RetrievePropertiesEx", "esx1"), 2, False),
    ],
    ids=["once more", "another node", "never", "once less, and it is repeated"],
)
def test_what_the_table_lacks_is_told(row, count, told):
    """One call more than the table has would be left out; how often is asked is the time's."""
    recorded = {**TABLE, row: count}

    assert bool(differences(TABLE, recorded)) is told
