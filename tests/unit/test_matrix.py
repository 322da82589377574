"""Which part of a long matrix is played, and that those of deaths and faults have everything."""

from __future__ import annotations

import pytest

from deaths import Then, Way, cases
from matrix import VARIABLE, ShardError, part
from moments import JOURNAL, differences
from wrong_calls import kinds, representative, wrong_calls

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
    ("quiesce", "soap", "RetrievePropertiesEx", "esx2"): 1,
    ("quiesce", "task", "PowerOnVM_Task", "vc1"): 1,
    ("quiesce", "guest", "start vmdird", "vc1"): 1,
}


def test_every_record_and_every_call_is_died_at():
    """What changes something dies and is lost in every way, each time, and is seen to both ends."""
    found = list(cases(TABLE))

    assert len(set(found)) == len(found)
    assert not [c for c in found if c.moment.is_boot]
    for (_, protocol, call, target), count in list(TABLE.items())[:-1]:
        mine = [c for c in found if (c.moment.call, c.moment.target) == (call, target)]
        assert {c.moment.nth for c in mine} == set(range(1, count + 1))
        if protocol == JOURNAL or mine[0].moment.changes:
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


def test_every_change_goes_wrong_in_every_way_each_time():
    """And is taken back from there, too. Reads do when somebody is asked the first time."""
    found = list(wrong_calls(TABLE))

    assert len(set(found)) == len(found)
    for row, count in TABLE.items():
        mine = [c for c in found if (c.moment.call, c.moment.target) == row[2:]]
        numbers = set() if row[1] == JOURNAL else set(range(1, count + 1))
        assert {c.moment.nth for c in mine} == numbers
        if mine and mine[0].moment.changes:
            assert len(mine) == count * len(kinds(mine[0].moment))
            assert all(c.back for c in mine)
    reads = [c for c in found if c.moment.call == "RetrievePropertiesEx"]
    first = [c.kind for c in reads if c.moment.nth == 1]
    assert sorted(first) == sorted(kinds(reads[0].moment))
    assert [c.moment.nth for c in reads] == [1] * 4 + [2, 3] + [1] * 4


def test_of_each_kind_of_call_one_is_played_by_default():
    """Whoever it is asked of, and which of many services: each in another way than the last."""
    path = "GET /rest/appliance/services/{}/state"
    table = {**TABLE, **{("quiesce", "vami", path.format(n), "vc1"): 1 for n in "ab"}}

    found = representative(wrong_calls(table))

    calls = [c.moment.call for c in found]
    assert calls[:3] == ["ShutdownGuest", "RetrievePropertiesEx", "PowerOnVM_Task"]
    assert len(calls) == 4
    assert len({c.kind for c in found}) == 4
    assert [c.back for c in found] == [True, False, False, False]
