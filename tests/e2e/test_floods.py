"""Answers without end: memory stays bounded, the rest is told, and nothing is half done."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from lab_bench import Bench, build
from matrix import part
from run_judge import RunJudge
from stsfix.lab.faults import Effect, Rule, When
from stsfix.lab.topology import HOSTS
from stsfix_command import ended

pytestmark = [pytest.mark.e2e, pytest.mark.lab, pytest.mark.reliability("resources")]

OUT_OF_MEMORY = 83
LEFT_BYTES = 1 << 20
VC1, VC2 = "vc1.lab.example", "vc2.lab.example"
PEAK_MIB = 256
"""Without a flood it is 75 MiB."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One lab of two nodes for the module."""
    with build(topology="elm") as lab:
        yield Bench(lab, tmp_path_factory.mktemp("lab"))


@pytest.fixture
def bench(shared):
    """The lab as it was, no run in the state folder."""
    shared.lab.restore(shared.saved)
    shared.reset()
    return shared


def flood(bench, protocol, call, target, *, kind="", **more):
    """Let the next matching call be answered without end."""
    rule = Rule(
        protocol=protocol, call=call, target=target, effect=Effect.FLOOD, detail=kind, **more
    )
    return bench.lab.faults.add(rule)


def starved(bench, *words):
    """Run a command that gets no more memory once a vCenter opens a session for it: its answer does
    not end, and is read whole up to its limit.
    """
    process = bench.stsfix.start(*words)

    def starve():
        # Not the address space: each thread has reserved 64 MiB of it for a heap of its own.
        pages = int(Path(f"/proc/{process.pid}/statm").read_text("ascii").split()[5])
        limit = pages * resource.getpagesize() + LEFT_BYTES
        resource.prlimit(process.pid, resource.RLIMIT_DATA, (limit, limit))

    bench.lab.faults.add(Rule(protocol="vapi", call="*", effect=Effect.MEANWHILE, others=starve))
    flood(bench, "vapi", "*", "*", times=100)  # whoever is asked again is flooded again
    try:
        return ended(process)
    finally:
        bench.lab.faults.clear()


def flooded_proofs(bench):
    """Return which ways in fail when some of their answers do not end, and why."""
    flood(bench, "sts", "issue", VC1)
    flood(bench, "soap", "LoginByToken", VC2)
    flood(bench, "vapi", "*", VC2)
    said = bench.stsfix.run("verify", "--json")
    assert said.peak_mib < PEAK_MIB
    failed = said.json()["failed"]
    return [(p["node"], p["way"], p["detail"].rpartition(": ")[2]) for p in failed]


FLOODS = {
    "vms": ("soap", "RetrievePropertiesEx", HOSTS[0], "", "more than 1000000 tags in one answer"),
    "entries": ("ldap", "SEARCH", VC1, "entries", "more than 20000 entries in one answer"),
    "page": ("https", "*", VC1, "", ""),
    "message": ("ldap", "SEARCH", VC1, "length", "more than 16 MiB in one answer"),
    "view": ("soap", "CreateContainerView", HOSTS[0], "", "more than 8 MiB in one answer"),
    "gzip": ("soap", "Login", HOSTS[0], "gzip", "packed (gzip), which nobody asked for"),
    "file": ("soap", "GetGuestFile", "vc1", "", "the answer to a script in the guest was lost"),
}
"""Call, kind of flood and what is said of it; where a clock is read without a finding, nothing."""


@pytest.mark.parametrize("name", part(list(FLOODS), every=len(FLOODS)))
def test_a_preflight_tells_the_rest(bench, name):
    """Whoever floods is named, what else there is is read, and memory is bounded."""
    protocol, call, target, kind, said = FLOODS[name]
    # Which script is the first of a node is chance, and of a clock nothing is said.
    rule = flood(bench, protocol, call, target, kind=kind, times=100 if name == "file" else 1)

    told = bench.stsfix.run("preflight", "--json")

    found = told.json()
    forbidding = [f["evidence"] for f in found["findings"] if f["severity"] == "blocks"]
    assert rule.seen
    assert told.peak_mib < PEAK_MIB
    assert any(said in evidence for evidence in forbidding) is bool(said)
    assert len(found["hosts"]) == len(HOSTS) - (target == HOSTS[0])
    assert found["nodes"]


DRIPS = (("soap", "Retrieve*", HOSTS[0]), ("ldap", "SEARCH", VC1), ("https", "*", VC1))


def test_a_preflight_does_not_wait_for_who_drips(bench):
    """A host, a directory and a front that send a byte now and then are told as such, in time."""
    bench.set_config(lambda text: text.replace("read = 60", "read = 1"))
    rules = [
        bench.lab.faults.add(
            Rule(protocol=p, call=c, target=t, times=999, effect=Effect.DRIP, delay_s=0.1)
        )
        for p, c, t in DRIPS
    ]

    told = bench.stsfix.run("preflight", "--json", limit_s=60)

    bench.lab.faults.clear()
    found = told.json()
    slow = [f["subject"] for f in found["findings"] if "answers too slowly" in f["evidence"]]
    assert all(rule.seen for rule in rules)
    assert {HOSTS[0], VC1} <= set(slow)
    assert VC2 not in slow
    assert len(found["hosts"]) == len(HOSTS) - 1
    assert found["nodes"]


def test_a_run_that_is_flooded_goes_on_and_leaves_nothing_half_done(bench):
    """What was done before the flood is found by looking, and done once; also when the workstation
    has no more memory for the answer, which ends that command and nothing else.
    """
    rules = [
        flood(bench, "soap", "CreateSnapshot_Task", "vc1", when=When.AFTER),
        flood(bench, "soap", "PowerOnVM_Task", "vc2", when=When.AFTER),
        flood(bench, "ldap", "ADD", "*", when=When.AFTER, kind="length"),
        flood(bench, "soap", "StartProgramInGuest", "vc2", nth=2, when=When.AFTER),
        flood(bench, "sts", "issue", VC2, when=When.AFTER),
    ]

    run_judge = RunJudge(bench.lab)

    said = [bench.stsfix.run("run", "--yes"), bench.stsfix.run("resume")]
    out_of_memory = starved(bench, "resume")
    said.append(bench.stsfix.run("resume"))

    assert [each.code for each in said] == [82, 51, 0]
    assert out_of_memory.code == OUT_OF_MEMORY, out_of_memory.said
    assert "no more memory" in out_of_memory.said
    assert "Traceback" not in out_of_memory.said
    assert "its answer was too large: more than 16 MiB in one answer" in said[0].said
    assert all(rule.seen for rule in rules)
    assert max(each.peak_mib for each in said) < PEAK_MIB
    assert run_judge.after_run(bench.state)["tokens"] == [None, None]
    proven = flooded_proofs(bench)
    assert proven == [
        (VC1, "sts-token", "more than 4 MiB in one answer"),
        (VC2, "login-by-token", "more than 8 MiB in one answer"),
        (VC2, "vapi-session", "more than 32 MiB in one answer"),
    ]
