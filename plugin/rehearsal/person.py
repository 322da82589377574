"""What a person does in a rehearsal: types on the consoles of nodes what a stopped run printed."""

from __future__ import annotations

import json
import shlex
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stsfix.lab.lab import Lab
    from stsfix.plugin.rehearsal.certificates import Judged

BASH = "/bin/bash"
PATIENCE_S = 120.0
"""Real seconds that a command on a node may take: a restart of all services is one."""


def asked_for(status: str) -> list[tuple[str, str]]:
    """Return node and command of everything that a run waits for, in its order.

    *status* is what ``stsfix status --json`` printed.
    """
    services = json.loads(status)["run"]["services"]
    return [(each["node"], each["command"]) for each in services if each["command"]]


def type_on(lab: Lab, node: str, command: str) -> None:
    """Run *command* as root on the console of *node*, and wait for its end.

    Raises:
        TimeoutError: It did not end.
    """
    guest, password = lab.nodes[node], lab.passwords.nodes[node]
    pid = guest.start_program("root", password, BASH, f"-c {shlex.quote(command)}")
    deadline = time.monotonic() + PATIENCE_S
    while any(found.ended is None for found in guest.list_programs("root", password, [pid])):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{command} on {node} did not end")
        time.sleep(0.05)


def stopped(
    lab: Lab, asked: Sequence[tuple[str, str]], *, before: Sequence[tuple[str, str]]
) -> Judged:
    """Judge that the run waits for a person on every node without a transport, and only there.

    *before* is who typed on which node already: until then such a node has seen no command.
    """
    known = {node for _, node in before}
    expected = lab.scenario.access.without_transport(lab.topology)
    names = [node for node, _ in asked]
    touched = [n for n in expected - known if lab.nodes[n].argv_log.lines]
    wrong = [f"{node} was given a command" for node in touched]
    wrong += [f"{node} has a transport" for node in names if node not in expected]
    return (
        "the run waits for a person, and runs nothing where it has no transport",
        bool(names) and not wrong,
        "; ".join(wrong) or f"waits for {', '.join(names) or 'nobody'}",
    )
