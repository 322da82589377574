"""A whole repair by every transport: no password in any argument list, log, report or file."""

from __future__ import annotations

from collections import Counter

import pytest

from argv_sampler import ArgvSampler
from lab_bench import Bench, build
from stsfix.lab import canary, judge
from stsfix.lab.scenario import SCENARIOS
from stsfix_command import Ended, ended

pytestmark = [pytest.mark.e2e, pytest.mark.lab, pytest.mark.reliability("secrets")]

WAYS = {
    "guest-operations": ("sts-and-machine-ssl-expired", "guest", "start_program"),
    "ssh-appliancesh": ("ssh-only", "ssh", "shell"),
    "ssh-bash": ("ssh-bash", "ssh", "exec"),
    "vami": ("vami-only", "vami", "POST /rest/appliance/services/vmdird/stop"),
}
"""Scenario, protocol and call by which the nodes must have been reached. The first renews
certificates, too, so that private keys are on the node for a moment.
"""

READS = ("preflight -vv --html report.html", "status -vv", "verify -vv", "runs --json")
"""What only reads, and reads the same by every way."""

ENDS = {
    "guest-operations": ("export show -vv", "export restore --yes -vv", "release --yes -vv"),
    "ssh-appliancesh": ("rollback --yes -vv", "release --yes -vv"),
    "ssh-bash": ("LOST", "rollback --adopt --yes -vv", "release --yes -vv"),
    "vami": ("release --yes -vv",),
}
"""How the run of each way ends; LOST is the loss of the state folder. Each end is played by one
way: what it does with passwords depends on no other. Only by the last one does the repair stay.
"""


def reached(lab):
    """Count the calls by which something was run on a node, by protocol and kind."""
    found: Counter[tuple[str, str]] = Counter()
    for (protocol, call, _), number in lab.faults.calls.items():
        if protocol in ("ssh", "vami") or call == "start_program":
            found[protocol, call] += number
    return found


def carried_out(bench, words):
    """Run a command, or lose the state folder: what was in it is searched, too."""
    if words != "LOST":
        return bench.stsfix.run(*words.split())
    bench.state.rename(bench.folder / "lost")
    return Ended(code=0, out="", err="")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", WAYS)
def test_no_password_is_left_anywhere(way, tmp_path):
    """A repair by one transport, taken back or not, and its end; then every text is searched."""
    scenario, protocol, call = WAYS[way]
    with build(scenario, topology="embedded") as lab:
        bench = Bench(lab, tmp_path)
        with ArgvSampler() as sampler:
            asked = SCENARIOS[scenario].repair
            run = ended(bench.stsfix.start("run", "--yes", *asked, "-vv"))
            reads = READS if way == "guest-operations" else READS[:1]
            others = [carried_out(bench, words) for words in (*reads, *ENDS[way])]
        calls = reached(lab)
        left = canary.leftovers(lab)
        snapshots = judge.node_snapshots(lab)
        refusals = [judge.token_refusal(lab, node.fqdn) for node in lab.topology.controllers]
        on_nodes = list(canary.texts_of_nodes(lab))
    texts = [(f"argument list: {line[:40]}", line.encode()) for line in sampler.lines]
    texts += [("output", f"{one.out}{one.err}".encode()) for one in (run, *others)]
    left_here = list(canary.texts_below(tmp_path, leave_out=["secrets.toml"]))
    everywhere = [*texts, *on_nodes, *left_here]
    secrets = lab.passwords.everything()

    assert run.code == 0, run.err
    assert [one.err for one in others[len(reads) :] if one.code] == []
    assert (refusals == [None]) is (way == "vami")
    assert all(not names for names in snapshots.values())
    assert calls[protocol, call] > 0
    assert {kind for kind, _ in calls} == {protocol}
    assert any("stsfix.plugin run --yes" in line for line in sampler.lines)
    assert canary.find(secrets, everywhere) == []
    assert left == []
    assert [name for name, text in (*texts, *left_here) if b"PRIVATE KEY" in text] == []
    # The search finds what there is to be found.
    assert canary.find(secrets, canary.texts_below(tmp_path)) == [str(tmp_path / "secrets.toml")]
