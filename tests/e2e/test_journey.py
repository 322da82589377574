"""A whole repair by the command line: every report, every stop, and nothing secret anywhere."""

from __future__ import annotations

import json
import signal
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from stsfix.lab import judge
from stsfix.lab.faults import Effect, Rule
from stsfix_command import LIMIT_S, ended

pytestmark = [pytest.mark.e2e, pytest.mark.lab]

VC1, VC2 = "vc1.lab.example", "vc2.lab.example"


def slow(bench, call, seconds=1.5):
    """Hold up one call, so that a command can be met while it is at it."""
    protocol = "ldap" if call.isupper() else "soap"
    rule = Rule(protocol=protocol, call=call, effect=Effect.DELAY, delay_s=seconds)
    bench.lab.faults.add(rule)
    return rule


def await_call(rule, process):
    """Return once *rule* has been met by *process*."""
    deadline = time.monotonic() + LIMIT_S
    while rule.seen == 0 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert rule.seen, process.communicate()


@contextmanager
def started(bench, *words):
    """A command in an interpreter of its own; killed if the test fails."""
    process = bench.stsfix.start(*words)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def hidden(bench):
    """Return every password of the lab in the forms that files and logs could hold."""
    found = set()
    for password in bench.lab.passwords.everything():
        found |= {password, json.dumps(password)[1:-1], repr(password)[1:-1]}
    return found


def leaks(bench, *texts):
    """Return the passwords that are in any text or in any file below the state folder."""
    files = [f.read_bytes() for f in bench.state.rglob("*") if f.is_file()]
    return [
        password
        for password in hidden(bench)
        if any(password in text for text in texts)
        or any(password.encode() in content for content in files)
    ]


def test_a_repair_from_preflight_to_release(bench):
    """Every command says what it did; the lab agrees; no password is anywhere."""
    with started(bench, "run", "--yes", "-vv") as process:
        arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        environment = Path(f"/proc/{process.pid}/environ").read_bytes()
        run = ended(process)
    commands = {
        name: bench.stsfix.run(*name.split(), "-vv")
        for name in ("runs", "status", "verify", "release --yes", "runs --json")
    }

    assert run.code == 0
    assert [code.code for code in commands.values()] == [0, 0, 0, 0, 0]
    assert "repaired and proven" in commands["status"].out
    assert "All 10 ways in work." in commands["verify"].out
    assert "Which services run: stsfix preflight" in commands["verify"].err
    (listed,) = commands["runs --json"].json()["runs"]
    assert listed["phase"] == "released"
    assert listed["next_actions"] == []
    assert all(not names for names in judge.node_snapshots(bench.lab).values())
    assert judge.foreign_state(bench.lab) == bench.before["foreign"]
    texts = [run.out, run.err, *(c.out + c.err for c in commands.values())]
    texts += [arguments.decode(), environment.decode()]
    assert leaks(bench, *texts) == []
    assert bench.leftovers() == []
    modes = {f.stat().st_mode & 0o777 for f in bench.state.rglob("*") if f.is_file()}
    assert modes == {0o600}


def test_a_failing_run_goes_back_by_itself_when_told_so(bench):
    """--on-failure rollback: one document with the error and the run; all is as before."""
    bench.lab.faults.add(Rule(protocol="ldap", call="DELETE", target=VC1, times=1000))

    run = bench.stsfix.run("run", "--yes", "--json", "--on-failure", "rollback")

    document = run.json()
    assert run.code == document["exit_code"] == 46
    assert document["error"] == "DirectoryFaultError"
    assert document["run"]["phase"] == "rolled-back"
    assert judge.all_sts_entries(bench.lab) == bench.before["entries"]
    assert set(judge.power(bench.lab).values()) == {"poweredOn"}


def test_a_stopped_run_prints_commands_that_work(bench):
    """The commands on the screen, typed as they are, take the run back and release it."""
    rule = bench.lab.faults.add(Rule(protocol="ldap", call="ADD", target=VC1, times=1000))
    stopped = bench.stsfix.run("run", "--yes")
    rule.times = 0

    back = next(line for line in stopped.err.splitlines() if "stsfix rollback" in line)
    rolled_back = bench.stsfix.run(*back.split()[1:], "--yes")
    onwards = next(line for line in rolled_back.out.splitlines() if "stsfix release" in line)
    released = bench.stsfix.run(*onwards.split()[1:], "--yes")

    assert stopped.code == 46
    assert "stsfix resume" in stopped.err
    assert rolled_back.code == released.code == 0
    assert "taken back; its snapshots are deleted" in released.out
    assert bench.everything() == bench.before


def test_a_second_signal_ends_it_at_once_and_it_can_be_taken_back(bench):
    """SIGTERM twice: exit 130 in the middle of a call; rollback ends where the run began."""
    rule = slow(bench, "ADD", 4)

    with started(bench, "run", "--yes") as process:
        await_call(rule, process)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        stopped = ended(process)
    bench.lab.faults.clear()
    rolled_back = bench.stsfix.run("rollback", "--yes")

    assert stopped.code == 130
    assert rolled_back.code == 0
    assert judge.all_sts_entries(bench.lab) == bench.before["entries"]
    assert set(judge.power(bench.lab).values()) == {"poweredOn"}


def test_a_signal_before_anything_is_changed_changes_nothing(bench):
    """SIGINT during preflight: 130, cleaned up, no run is begun."""
    rule = slow(bench, "RetrievePropertiesEx")

    with started(bench, "run", "--yes") as process:
        await_call(rule, process)
        process.send_signal(signal.SIGINT)
        stopped = ended(process)

    assert stopped.code == 130
    assert "nothing was changed" in stopped.err
    assert bench.stsfix.run("runs", "--json").json()["runs"] == []
    bench.assert_untouched()


def test_one_command_at_a_time_and_an_interrupted_run_is_finished_by_resume(bench):
    """While one runs, a second is refused and names it; SIGINT stops the first with 94 where it
    can go on; resume, as printed, finishes.
    """
    rule = slow(bench, "CreateSnapshot_Task", 3)

    with started(bench, "run", "--yes") as process:
        await_call(rule, process)
        second = bench.stsfix.run("rollback", "--yes")
        process.send_signal(signal.SIGINT)
        stopped = ended(process)
    command = next(line for line in stopped.err.splitlines() if "stsfix resume" in line)
    resumed = bench.stsfix.run(*command.split()[1:])

    assert second.code == 24
    assert f"process {process.pid}" in second.err
    assert stopped.code == 94
    assert "once more to exit now" in stopped.err
    assert resumed.code == 0
    assert [judge.token_refusal(bench.lab, node) for node in (VC1, VC2)] == [None, None]
