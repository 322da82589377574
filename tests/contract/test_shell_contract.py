"""The lab's shell and real bash give the same exit codes and the same output."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from lab_node import BareNode

BASH = shutil.which("bash")

LINES = [
    "echo a;echo b",
    "false && echo no || echo yes",
    "true && false || false; echo $?",
    "false; echo $? $?",
    "(exit 7); echo $?",
    "(echo in; exit 3) > T/f; echo $?; cat T/f",
    "echo one two | cat; echo $?",
    "false | true; echo $?",
    "true | false; echo $?",
    "x=5; (x=6; echo $x); echo $x",
    "x='a b'; echo \"$x\" '$x' \"\\$x\" a\\ b",
    "echo a > T/f; echo b >> T/f; cat T/f",
    "echo out; echo err >&2",
    "(echo out; echo err >&2) 2>/dev/null",
    "(echo out; echo err >&2) > T/f 2>&1; cat T/f",
    "(echo out; echo err >&2) &> T/f; cat T/f",
    "(echo out; echo err >&2) 2> T/e > T/o; cat T/o T/e",
    "echo x 2>&1 1>/dev/null; echo $?",
    "echo \"it's\" 'say \"x\"' it\\'s '<&>' \"*\" 'a;b'",
    "echo a # b",
    "echo a#b '#c'",
    "set -e; true; false; echo no",
    "set -e; false || true; echo yes",
    "exit 9; echo no",
    "printf '%s-%d\\n' x 5",
    "printf '%s' \"$?\" > T/rc; cat T/rc",
    "echo -n a; echo b",
    "echo x > T/a && mv T/a T/b && cat T/b; test -f T/a; echo $?",
    "rm -f T/none; echo $?",
    "cat < /dev/null; echo $?",
    "echo 'echo inner $?; exit 4' > T/s; bash T/s; echo $?",
    "bash -c 'echo \"a b\"; exit 5' > T/o 2>&1; echo $? > T/rc; cat T/o T/rc",
    "umask 077; umask",
    "echo a; \\\n  echo b",
    "\n\n echo a\n\n# comment\n echo b &&\n echo c\n",
    "(sleep 0; echo late) & wait; echo done",
    "echo ok; nosuchprogram 2>/dev/null; echo $?",
    "cat T/missing 2>/dev/null || echo none",
    "echo a |\ncat",
    "echo 'multi\nline'",
    'x=; echo "[$x]" ${x}end',
]


def in_bash(line, folder):
    """Run *line* in real bash, errors into the output."""
    assert BASH is not None
    done = subprocess.run(
        [BASH, "-c", line.replace("T/", f"{folder}/")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        text=True,
        timeout=20,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.peer
@pytest.mark.skipif(BASH is None, reason="bash is not installed")
@pytest.mark.parametrize("line", LINES)
def test_the_labs_shell_does_what_bash_does(line, tmp_path):
    """Exit code and output of real bash equal the lab's."""
    expected = in_bash(line, tmp_path)

    result = BareNode().sh(line.replace("T/", "/tmp/t/"))

    assert result == expected


@pytest.mark.peer
@pytest.mark.skipif(BASH is None, reason="bash is not installed")
@pytest.mark.parametrize(
    "line",
    ["echo 'open", 'echo "open', "echo )", "&& echo", "a ;; b", "echo >", "(echo", "echo a | | b"],
)
def test_what_bash_refuses_the_lab_refuses(line, tmp_path):
    """A syntax error of bash is one of the lab's: code 2 and nothing on standard output."""
    code, _ = in_bash(line, tmp_path)

    assert code == 2
    assert BareNode().sh(line)[0] == 2
