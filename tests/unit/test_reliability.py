"""The counts of docs/reliability.md: what is counted, and that the page knows every kind."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest

import reliability
from generated_pages import DOCS
from reliability import (
    HEADERS,
    KINDS,
    TABLE,
    UNKNOWN,
    Tally,
    is_there,
    rows_of,
    with_earlier,
    written,
)
from stsfix.plugin.exit_codes import EXIT_CODES

TESTS = Path(__file__).parents[1]
MARK = re.compile(r'pytest\.mark\.reliability\("([a-z]+)"\)')
EMPTY = f"# Page\n\n<!-- {TABLE}:begin -->\n<!-- {TABLE}:end -->\n\nMore.\n"


def tally(**played):
    """Return a tally in which all of *played* survived."""
    made = Tally()
    for kind, number in played.items():
        made.take(kind, "passed", [("reliability", kind), ("cases", number)])
    return made


def test_the_page_knows_every_kind_and_no_other():
    """A kind that is new needs `make reliability`."""
    rows = rows_of((DOCS / "reliability.md").read_text("utf-8"))

    assert [row[:2] for row in rows] == [[kind, text] for kind, text in KINDS.items()]
    assert all(len(row) == len(HEADERS) for row in rows)


def test_every_kind_is_played_by_some_test_and_every_crash_test_has_one():
    """Marks stand in the modules."""
    found = {path: set(MARK.findall(path.read_text("utf-8"))) for path in TESTS.rglob("test_*.py")}

    assert set().union(*found.values()) == set(KINDS)
    assert [path.name for path, kinds in found.items() if "crash" in path.parts and not kinds] == []


@pytest.mark.parametrize(
    ("outcome", "properties", "counts"),
    [
        pytest.param("passed", {"reliability": "time"}, (1, 1), id="one test is one case"),
        pytest.param("passed", {"reliability": "time", "cases": 30}, (30, 30), id="told"),
        pytest.param("failed", {"reliability": "time", "cases": 30}, (30, 0), id="failed"),
        pytest.param("skipped", {"reliability": "time"}, (0, 0), id="skipped"),
        pytest.param("passed", {"cases": 30}, (0, 0), id="no kind"),
    ],
)
def test_what_counts(outcome, properties, counts):
    """A test that failed survived none of its cases; one that was skipped played none."""
    made = Tally()

    made.take("test", outcome, list(properties.items()))

    assert (made.played["time"], made.survived["time"]) == counts


def test_a_column_is_written_and_the_other_stays():
    """Numbers of make test and of make test-all come from different runs."""
    first = written(EMPTY, tally(**dict.fromkeys(KINDS, 7)), "test")
    second = written(first, tally(**dict.fromkeys(KINDS, 900)), "test-all")

    assert {row[2] for row in rows_of(first)} == {"7 of 7"}
    assert {row[3] for row in rows_of(first)} == {UNKNOWN}
    assert {tuple(row[2:]) for row in rows_of(second)} == {("7 of 7", "900 of 900")}
    assert second.startswith("# Page\n")
    assert second.endswith("\nMore.\n")


def test_what_was_not_survived_is_written_too():
    """In bold; only a kind that was not played keeps what it had."""
    first = written(EMPTY, tally(**dict.fromkeys(KINDS, 7)), "test")
    second = tally(time=9, faults=9)
    second.take("other", "failed", [("reliability", "faults")])

    found = {row[0]: row[2] for row in rows_of(written(first, second, "test"))}

    kept = dict.fromkeys(KINDS, "7 of 7")
    assert found == {**kept, "time": "9 of 9", "faults": "**9 of 10**"}


def test_what_failed_alone_is_not_silent():
    """A kind of which no case was survived says so."""
    made = Tally()
    made.take("t", "failed", [("reliability", "time"), ("cases", 3)])

    assert [made.cell(kind) for kind in ("time", "faults")] == ["**0 of 3**", ""]


def test_what_failed_is_played_again_alone(tmp_path):
    """Shards add up, and the last time that a case was played counts."""
    file = tmp_path / "folder" / "test-all.json"
    first, again, other = tally(time=3), Tally(), tally(faults=5)
    first.take("weak", "failed", [("reliability", "time")])
    again.take("weak", "passed", [("reliability", "time")])

    found = [with_earlier(made, file, lambda _: True).lines() for made in (first, again, other)]

    assert [[line.split() for line in lines] for lines in found] == [
        [["3", "of", "4", "survived:", "time"]],
        [["4", "of", "4", "survived:", "time"]],
        [["5", "of", "5", "survived:", "faults"], ["4", "of", "4", "survived:", "time"]],
    ]


def test_a_test_that_is_gone_counts_no_more(tmp_path):
    """It was played by an earlier session; what it proved nobody can prove again."""
    file = tmp_path / "test-all.json"
    with_earlier(tally(time=3, faults=5), file, lambda _: True)

    found = with_earlier(tally(deaths=1), file, lambda nodeid: nodeid != "time")

    assert found.played == {"faults": 5, "deaths": 1}
    assert with_earlier(Tally(), file, lambda _: True).played == found.played


@pytest.mark.parametrize(
    ("nodeid", "expected"),
    [
        ("tests/unit/test_reliability.py::test_what_counts[told]", True),
        ("tests/unit/test_reliability.py::test_what_counts", True),
        ("tests/unit/test_reliability.py::test_what[told]", False),
        ("tests/unit/test_of_yesterday.py::test_what_counts", False),
        ("time", False),
    ],
)
def test_a_test_is_there_while_its_function_is(nodeid, expected):
    """Whatever its parameters."""
    assert is_there(nodeid) is expected


def test_a_worker_counts_for_nobody(tmp_path, monkeypatch):
    """All are asked for a summary by xdist; several that write one file at once spoil it."""
    monkeypatch.setattr(reliability, "EARLIER", tmp_path)
    monkeypatch.setenv(reliability.WRITE, "test-all")
    report = SimpleNamespace(
        when="call", nodeid="t", outcome="passed", user_properties=[("reliability", "time")]
    )
    said: list[str] = []
    worker = SimpleNamespace(
        config=SimpleNamespace(workerinput={}), stats={"passed": [report]}, section=said.append
    )

    reliability.tell(worker)

    assert (said, list(tmp_path.iterdir())) == ([], [])


def test_codes_of_what_needs_a_person_are_those_of_the_table():
    """Who looks an error up by its number finds it."""
    page = (DOCS / "reliability.md").read_text("utf-8")
    codes = {leaf.__name__: str(code) for leaf, code in EXIT_CODES.items()}

    told = re.findall(r"`(\w+Error)` \((\d+)\)", page)

    assert len(told) > 20
    assert [(name, code) for name, code in told if codes.get(name) != code] == []
