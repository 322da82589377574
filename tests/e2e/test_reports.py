"""What the commands report before, during and after a repair, for people and as JSON."""

from __future__ import annotations

import time

import pytest

from lab_bench import Bench, build

pytestmark = [pytest.mark.e2e, pytest.mark.lab]

VC1, VC2 = "vc1.lab.example", "vc2.lab.example"
READING = ("preflight", "verify", "runs", "status")
STEPS = 9


@pytest.fixture(scope="module")
def repaired(tmp_path_factory):
    """The lab and stsfix after one repair, with what was said before, during and after it."""
    with build() as lab:
        bench = Bench(lab, tmp_path_factory.mktemp("lab"))
        said = bench.said
        said |= {f"{name} before": bench.stsfix.run(name, "--json") for name in READING[:-1]}
        said["run"] = bench.stsfix.run("run", "--yes")
        said |= {f"{name} after": bench.stsfix.run(name, "--json") for name in READING}
        yield bench


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("preflight before", 0),
        ("verify before", 51),
        ("runs before", 0),
        ("preflight after", 2),
        ("verify after", 0),
        ("runs after", 0),
        ("status after", 0),
    ],
)
def test_a_report_is_one_document_with_its_version(repaired, command, code):
    """Each reporting command writes exactly one JSON document, also when it fails."""
    found = repaired.said[command]

    assert found.json()["schema_version"] == 1
    assert found.code == code


def test_verify_says_which_way_failed_on_which_node(repaired):
    """Before the repair all but the published metadata; afterwards nothing."""
    before = repaired.said["verify before"].json()
    after = repaired.said["verify after"].json()

    ways = {"sts-token", "login-by-token", "login", "vapi-session"}
    assert before["ok"] is False
    assert before["exit_code"] == 51
    assert {(f["node"], f["way"]) for f in before["failed"]} == {
        (node, way) for node in (VC1, VC2) for way in ways
    }
    assert after["ok"] is True
    assert after["failed"] == []
    assert len(after["proofs"]) == 2 * (len(ways) + 1)


def test_status_and_runs_show_the_same_run(repaired):
    """Phase, steps, and commands that can be copied."""
    (listed,) = repaired.said["runs after"].json()["runs"]
    shown = repaired.said["status after"].json()["run"]

    assert listed == shown
    assert shown["phase"] == "repaired"
    assert [step["state"] for step in shown["steps"]] == ["done"] * STEPS
    options = "-c domain.toml --state-dir state"
    assert shown["next_actions"] == [
        f"stsfix release {shown['run']} {options}",
        f"stsfix rollback {shown['run']} {options}",
    ]


def test_progress_has_times_words_and_no_repetition(repaired):
    """Every line of progress begins with a time, none comes twice, each step says how long it
    took; once it is told who signs.
    """
    run = repaired.said["run"]

    told = [line for line in run.err.splitlines() if not line.startswith("Run ")]
    lines = [line for line in told if not line.startswith("Signs the new certificate: ")]
    bare = [line[8:] for line in lines]
    assert run.code == 0
    assert len(told) - len(lines) == 1
    assert all(time.strptime(line[:8], "%H:%M:%S") for line in lines)
    assert len(set(bare)) == len(bare)
    assert sum(" done in " in line for line in lines) == STEPS


def test_no_line_is_wider_than_eighty_columns_but_commands(repaired):
    """Without a terminal text for people is wrapped for a mail; commands are left whole."""
    out = repaired.said["run"].out

    assert [line for line in out.splitlines() if len(line) > 80 and "stsfix " not in line] == []


def test_an_open_run_blocks_a_new_one(repaired):
    """After a repair the snapshots are still there: finish that run first. Nobody is asked."""
    repaired.mark()

    second = repaired.stsfix.run("run", "--yes", "--force")

    assert second.code == 24
    assert "which is repaired" in second.err
    assert repaired.count("soap", "Login") == 0
    repaired.assert_untouched()


def test_the_state_folder_is_private(repaired):
    """Nobody else may read what a run knows of a domain."""
    assert repaired.state.stat().st_mode & 0o077 == 0
