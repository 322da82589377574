"""What the judge of the matrices says of a restart, by how often each service was started."""

from __future__ import annotations

from collections import Counter

import pytest

from run_judge import still_the_same

NODE = "vc1.lab.example"
BEFORE = {NODE: Counter({"vpxd": 1, "stsd": 1, "lwsmd": 1})}


def judged(kept, *started, restarted=True):
    """Return what is said after another start of the services *started*."""
    noted = {f"kept.{NODE}": kept} | ({f"restarted.{NODE}": "2026"} if restarted else {})
    now = {NODE: BEFORE[NODE] + Counter(started)}
    return [line.split()[0] for line in still_the_same(noted, BEFORE, now)]


@pytest.mark.parametrize(
    ("kept", "started", "found"),
    [
        ("", ("vpxd", "stsd", "lwsmd"), []),
        ("", ("vpxd", "stsd"), []),
        ("", ("stsd",), ["vpxd"]),
        ("", (), ["vpxd", "stsd"]),
        ("vpxd", ("stsd",), []),
        ("vmware-vpxd,sts", (), []),
        ("applmgmt", (), ["vpxd", "stsd"]),
        ("a service that is not named", ("stsd",), ["vpxd"]),
    ],
)
def test_what_runs_on_is_said_unless_the_run_says_so(kept, started, found):
    """By its own name, vMon's or systemd's; Likewise is nobody's business."""
    assert judged(kept, *started) == found


def test_a_node_that_no_restart_is_noted_of_is_said():
    """Whatever was started on it."""
    assert judged("", "vpxd", "stsd", "lwsmd", restarted=False) == [NODE]
