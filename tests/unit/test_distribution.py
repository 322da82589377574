"""Tests that share what is expensive run in one worker; the longest begin first."""

from __future__ import annotations

from pathlib import Path

import pytest

from distribution import OF_LABS, OF_SCENARIOS, ORDER, PARTS, arranged, group_of, rank
from stsfix.lab.scenario import SCENARIOS

ROOT = Path(__file__).parents[2]
LAB = "tests/lab/test_findings.py::test_a_scenario_shows_its_findings_and_no_others"


def test_a_file_is_one_group():
    """Whatever the test and its parameters are."""
    file = "tests/crash/test_sigkill.py"

    assert {group_of(f"{file}::test_a[1-before]"), group_of(f"{file}::test_b")} == {file}


@pytest.mark.parametrize("file", sorted(OF_LABS))
def test_a_lab_of_a_file_is_one_group(file):
    """Whatever goes wrong in it; another lab is another worker's."""
    elm = {
        group_of(f"{file}::test_a[elm]"),
        group_of(f"{file}::test_b[elm quiesce journal record - 1 before forward]"),
    }

    assert len(elm) == 1
    assert group_of(f"{file}::test_a[external-psc]") not in elm
    assert (ROOT / file).exists()


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_one_lab_of_a_scenario_serves_all_files(scenario):
    """Findings, reports and diagnoses of a scenario are in one group."""
    found = {
        group_of(f"{LAB}[{scenario}]"),
        group_of(f"{LAB}[{scenario} --renew all]"),
        group_of(f"tests/lab/test_diagnose_scenarios.py::test_x[{scenario}]"),
        *(
            group_of(f"tests/lab/test_reports_of_lab.py::test_x[{scenario}-{topology}]")
            for topology in ("embedded", "elm", "external-psc")
        ),
    }

    assert len(found) == 1


def test_scenarios_are_spread_evenly():
    """No worker gets much more of them than another."""
    groups = [group_of(f"{LAB}[{scenario}]") for scenario in SCENARIOS]

    sizes = [groups.count(group) for group in set(groups)]
    assert len(sizes) == PARTS
    assert max(sizes) < 2 * min(sizes)


def test_every_file_that_shares_labs_is_known():
    """A file that asks for a shared lab belongs to the scenarios, or its labs are made again."""
    shared = ("import seen", "import shown", "examined", "seen, ", "shown, ")
    users = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "tests/lab").glob("test_*.py")
        if any(
            line.startswith(("from preflight_lab", "from diagnosed_lab"))
            and any(name in line for name in shared)
            for line in path.read_text("utf-8").splitlines()
        )
    }

    assert users <= OF_SCENARIOS
    assert all((ROOT / file).exists() for file in OF_SCENARIOS)


def test_groups_begin_in_a_fixed_order():
    """Scenarios, then the folders with the longest tests, then what is new."""
    files = [LAB, *(f"tests/{folder}/test_x.py::test_y" for folder in (*ORDER, "new"))]

    assert [rank(file) for file in files] == list(range(-1, len(ORDER) + 1))
    assert {path.name for path in (ROOT / "tests").iterdir() if any(path.glob("test_*.py"))} == set(
        ORDER
    )


def test_tests_of_a_lab_follow_each_other():
    """However they were shuffled: a lab is made once, also where tests are handed out singly."""
    deaths = min(OF_LABS)
    nodeids = [
        f"{deaths}::test_b[elm 1]",
        "tests/unit/test_x.py::test_y",
        f"{deaths}::test_b[vami 1]",
        LAB,
        f"{deaths}::test_a[elm]",
    ]

    assert arranged(nodeids, ranked=False) == [0, 4, 2, 1, 3]
    assert arranged(nodeids, ranked=True) == [3, 0, 4, 2, 1]
