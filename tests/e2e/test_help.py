"""Help is complete, correct and fast."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

from stsfix.plugin.cli import _COMMANDS
from stsfix_command import Command

pytestmark = pytest.mark.e2e

ALLOWED_S = 0.135
"""CPU seconds that ``stsfix --help`` may take on top of bare Python (150 where that takes 15)."""

HEAVY = ("pyVmomi", "ldap3", "rich", "cryptography", "lxml", "com", "vmware", "paramiko")
ROUNDS = 5


def cpu_seconds(*words):
    """Return the least CPU time of some starts of the interpreter; noise only adds."""
    found = []
    for _ in range(ROUNDS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *words], check=True, capture_output=True, env=environment())
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return min(found)


def environment():
    """Return an environment in which the package under test is found."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}


def test_help_is_fast():
    """As much CPU time as bare Python and 135 ms more, at most."""
    bare = cpu_seconds("-c", "pass")

    helped = cpu_seconds("-m", "stsfix.plugin", "--help")

    assert helped <= bare + ALLOWED_S


def test_help_loads_nothing_heavy():
    """No adapter, no cryptography and no drawing is imported for help."""
    code = (
        "import sys\n"
        "from stsfix.plugin.cli import run_cli\n"
        "assert run_cli(['--help']) == 0\n"
        f"print('LOADED', [name for name in {HEAVY} if name in sys.modules])\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment()
    )

    assert ended.stdout.splitlines()[-1] == "LOADED []"


@pytest.mark.parametrize(
    "command", [*_COMMANDS, "lab up", "lab down", "lab status", "lab scenarios"]
)
def test_every_command_explains_itself(tmp_path, command):
    """Usage, what it does, and each option with a text."""
    ended = Command(tmp_path).run(*command.split(), "--help")

    assert ended.code == 0
    assert ended.out.startswith(f"Usage: stsfix {command} ")
    assert "..." not in ended.out.replace("COMMAND [ARGS]...", "")
    assert max(map(len, ended.out.splitlines())) <= 80
    assert ended.err == ""


def test_help_names_every_command_once(tmp_path):
    """The list is in the order one uses the commands."""
    ended = Command(tmp_path).run("--help")

    listed = [line.split()[0] for line in ended.out.split("Commands:")[1].splitlines() if line]
    assert [name for name in listed if name in _COMMANDS] == list(_COMMANDS)
