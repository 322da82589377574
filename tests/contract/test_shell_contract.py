"""The lab's shell and real bash give the same exit codes and the same output."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from lab_node import BareNode

BASH = shutil.which("bash")
SCRIPTS = Path(__file__).parents[1] / "data" / "shell" / "scripts.txt"

_TEXT = "(echo one; echo 'two  2'; echo; echo 'e.rr; err: [12]'; echo -n last) > T/f;"
TEXT_LINES = [
    "tail -n 2 T/f; echo $?",
    "tail -n 0 T/f | wc -c",
    "tail -n 9 -- T/f | wc -l",
    "tail -c 7 T/f; echo; tail -c 999 T/f | wc -c",
    "head -n 1 T/f; head -c 5 T/f; echo $?",
    "tail -n 1 T/none 2>/dev/null; echo $?",
    "cat T/f | tail -n1 | cut -b 1-2",
    "cut -b 2-4 T/f; echo $?",
    "grep -aE -e 'one|last' T/f; echo $?",
    "grep -aE 'e\\.rr' T/f | cut -b 1-4",
    "grep -aE 'err: \\[1' T/f; echo $?",
    "grep -aE -e 'o(ne|.  2)$' T/f",
    "grep -aE 'nothing' T/f; echo $?",
    "grep -aEc 'o' T/f; grep -aEvc 'o' T/f",
    "grep -aE '' T/f | wc -l",
    "grep -aF '[12]' T/f; grep -aiF 'ONE' T/f; grep -aqF one T/f; echo $?",
    "grep -aE -m 1 'e' T/f",
    "grep -aE 'a(' T/f 2>/dev/null; echo $?",
    "grep -aE one T/none 2>/dev/null; echo $?",
    "tail -c 4 T/none 2>/dev/null | grep -aE one | tail -n 3; echo $?",
    "stat -L -c '%s %a' T/f; stat -L -c '%s' T/none 2>/dev/null; echo $?",
    "wc -c T/none 2>/dev/null; echo $?; wc -l < T/f",
    "timeout 20 tail -c 8 -- T/f 2>/dev/null | grep -aE -e last | tail -n 4 | cut -b 1-900",
    "ls T/f 2>/dev/null | wc -l; ls T/none 2>/dev/null; echo $?",
]
"""What scripts that look into logs use, on a file whose last line has no end."""

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
    *(f"{_TEXT} {line}" for line in TEXT_LINES),
    "cat <<EOF\na $x 'b' \"c\" \\$x \\\\ `\nEOF\necho after".replace("`", ""),
    "x=1; cat <<'EOF'\na $x \\$x `b` \\\nEOF\necho after",
    "cat <<-EOF\n\ttabs\n\t  and blanks\n\tEOF\necho after",
    "cat <<A; cat <<B\none\nA\ntwo\nB\necho after",
    "cat > T/f <<EOF && echo written\nx\nEOF\ncat T/f",
    "cat <<EOF | cat\npiped\nEOF",
    "(cat <<EOF\nin a group\nEOF\n) > T/f; cat T/f",
    "cat <<< 'a  b'",
    'echo "$(echo one; echo two)" $(echo three)',
    "x=$(echo a; exit 3); echo $? $x",
    "echo $(echo $(echo nested) ')' \")\")",
    "x=$(false) && echo yes || echo no",
    'echo "a $(cat <<< inner) b"',
    "trap 'echo bye $?' EXIT; echo hi; exit 4",
    "trap 'echo bye' EXIT; (echo sub; exit 2); echo $?",
    "trap 'echo bye' EXIT; trap - EXIT; echo hi",
    "(trap 'echo inner' EXIT; echo sub); echo out",
    "set -e; trap 'echo cleaned' EXIT; false; echo no",
    'echo line | (read x; echo "got $x")',
    "read x < /dev/null; echo $?",
    "echo aGkK | base64 -d",
    "printf '%s' aGk | base64 -d; echo $?",
    "echo hello | base64 -w0; echo; echo hello | base64",
    "echo abcdef | head -c 3; echo",
    'umask 077; d=$(mktemp -d) && echo x > "$d/f" && test -d "$d" && rm -rf "$d"; test -d "$d"',
    "rm -rf T/none; echo $?",
    "echo 'a\\\nb' \"c\\\nd\" e\\\nf",
    "(flock -n 9; echo $?; (flock -n 8; echo $?) 8>T/l) 9>T/l; (flock -n 9; echo $?) 9>T/l",
    "(flock -n 9; (flock -w 0.1 8; test $? -eq 1 && exit 96; echo no) 8>T/l; echo $?) 9>T/l",
    "(trap 'echo bye' EXIT; flock -n 9; (flock -n 9; echo the same $?)) 9>T/l; echo $?",
    "flock -n 7 2>/dev/null; echo $?",
    "echo x > T/l; (flock -n 9; echo $?; (flock -n 8; echo $?) 8<T/l; cat T/l) 9<T/l",
    "((flock -n 9; echo no) 9<T/none) 2>/dev/null; echo $?",
    "mkdir T/d; (flock -n 9; echo $?) 9<T/d; (flock -n 9; echo $?) 9</bin/cat",
    *SCRIPTS.read_text(encoding="utf-8").removesuffix("\n").split("\n%%\n"),
]

INPUTS = [
    "echo a\necho b\n",
    "echo a\n)\necho no\n",
    "cat\nechoed\nnot run\n",
    "cat <<EOF\nhere\nEOF\necho after\n",
    "base64 -d > T/f\naGkK\naGkK\n",
    "head -c 4\nabc\necho run\n",
    'read x\nthe line\necho "got $x"\n',
    "bash\necho child\nexit 3\necho no\n",
    "(bash -s)\necho child\n",
    "exit 7\necho no\n",
    "echo 'two\nlines'\n",
    "true &&\necho b\n",
    "(echo a\necho b)\n",
    "if true\nthen\necho a\nfi\necho b\n",
    "for i in a b; do\necho $i\ndone\n",
    "while read -r x; do\necho got $x\ndone\none\ntwo\n",
    "if true; then cat; fi\nrest\n",
    'echo "open\necho no',
    "set -e\nfalse\necho no\n",
    "trap 'echo bye' EXIT\necho hi\n",
    "echo no line end",
    "bash /dev/stdin\necho child\n",
    "cat < /dev/null\necho after\n",
    "echo x | cat\necho after\n",
]


def in_bash(line, folder, stdin=""):
    """Run *line*, or else *stdin*, in real bash, errors into the output."""
    assert BASH is not None
    done = subprocess.run(
        [BASH, "-c", line.replace("T/", f"{folder}/")] if line else [BASH],
        input=stdin.replace("T/", f"{folder}/"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        text=True,
        timeout=20,
        umask=0o022,
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
@pytest.mark.parametrize("text", INPUTS)
def test_a_script_on_standard_input_runs_as_in_bash(text, tmp_path):
    """Command by command: what one reads of the input is not run, errors end it."""
    code, output = in_bash("", tmp_path, text)

    result = BareNode().input(text.replace("T/", "/tmp/t/"))

    assert result[0] == code
    assert without_errors(result[1]) == without_errors(output)


def without_errors(output):
    """Leave out what bash says of itself: its words differ between releases."""
    return [line for line in output.splitlines() if "bash: " not in line]


@pytest.mark.peer
@pytest.mark.skipif(BASH is None, reason="bash is not installed")
@pytest.mark.parametrize(
    "line",
    [
        "echo 'open",
        'echo "open',
        "echo )",
        "&& echo",
        "a ;; b",
        "echo >",
        "(echo",
        "echo a | | b",
        "if true; fi",
        "if true; then echo",
        "for i in a; echo",
        "for i in a; do done",
        "done",
        "{ echo a",
        "echo $(echo",
        "while true; do echo",
        "echo a; then",
        "()",
    ],
)
def test_what_bash_refuses_the_lab_refuses(line, tmp_path):
    """A syntax error of bash is one of the lab's: code 2 and nothing on standard output."""
    code, _ = in_bash(line, tmp_path)

    assert code == 2
    assert BareNode().sh(line)[0] == 2
