"""The small shell of a lab node does what bash does, or says that it cannot."""

from __future__ import annotations

import time

import pytest

from lab_node import NOW, BareNode
from stsfix.lab.disk import NodeFile, Role


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("echo a; echo b", (0, "a\nb\n")),
        ("false && echo no || echo yes", (0, "yes\n")),
        ("true || echo no && echo yes", (0, "yes\n")),
        ("false; echo $?", (0, "1\n")),
        ("rc=7; echo \"$rc ${rc}\" '$rc' \\$rc", (0, "7 7 $rc $rc\n")),
        ("echo 'it'\"'\"'s' # comment", (0, "it's\n")),
        ("exit 3; echo no", (3, "")),
        ("(exit 4); echo $?", (0, "4\n")),
        ("echo one two | cat", (0, "one two\n")),
        ("cat /nope 2>/dev/null; echo $?", (0, "1\n")),
        ("cat /nope", (1, "cat: /nope: No such file or directory\n")),
        ("nosuch -x", (127, "bash: nosuch: command not found\n")),
        ("set -e\nfalse\necho no", (1, "")),
        ("printf '%s-%d\\n' x 5", (0, "x-5\n")),
        ("echo hi > /tmp/f 2>&1; cat < /tmp/f", (0, "hi\n")),
        ("echo a > /tmp/f; echo b >> /tmp/f; cat /tmp/f; rm -f /tmp/f /tmp/g", (0, "a\nb\n")),
        (
            "/bin/bash -c 'echo \"in $?\"; exit 9' > /o 2>&1; echo $? > /rc; cat /o /rc",
            (0, "in 0\n9\n"),
        ),
        ("echo x > /a && mv /a /b && cat /b && test -f /a", (1, "x\n")),
        ("hostname", (0, "vc1.lab.example\n")),
        ("date -u", (0, "Sun Mar  1 12:00:05 UTC 2026\n")),
        ("date -u +%Y-%m-%dT%H:%M:%SZ", (0, "2026-03-01T12:00:05Z\n")),
    ],
)
def test_lines_do_what_bash_does(text, expected):
    """Lists, quotes, redirections, pipes and exit codes are bash's."""
    node = BareNode()

    result = node.sh(text)

    assert result == expected


@pytest.mark.parametrize(
    "text",
    [
        "case a in a) echo;; esac",
        "f() { echo; }",
        "[[ a = a ]]",
        "echo ${x%y}",
        "echo $((1 / 1))",
        "echo `date`",
        "ls *",
        "echo $(echo open",
        "echo 'open",
        "a ;; b",
        "echo )",
    ],
)
def test_what_is_not_understood_is_a_syntax_error(text):
    """Nothing runs from a line with syntax outside the subset, and the code is 2."""
    node = BareNode()

    code, output = node.sh(f"echo ran > /tmp/ran\n{text}")

    assert code == 2
    assert output.startswith("bash: ")
    assert node.tools.files.find("/tmp/ran") is None


def test_umask_sets_the_mode_of_new_files():
    """A script that sets umask 077 leaves 0600 files."""
    node = BareNode()

    node.sh("umask 077; echo x > /tmp/secret")

    assert node.tools.files.find("/tmp/secret") == NodeFile(content=b"x\n", mode=0o600)


def test_a_background_command_outlives_its_shell():
    """``nohup setsid ... &`` returns at once and goes on."""
    node = BareNode(speed=100)
    script = "sleep 20; echo late > /tmp/late"
    node.tools.files.write("/tmp/s.sh", script.encode())

    code, _ = node.sh("nohup setsid /bin/bash /tmp/s.sh > /dev/null 2>&1 < /dev/null &")
    early = node.tools.files.find("/tmp/late")
    deadline = time.monotonic() + 5
    while node.tools.files.find("/tmp/late") is None and time.monotonic() < deadline:
        time.sleep(0.01)

    assert (code, early) == (0, None)
    assert node.tools.files.read("/tmp/late") == b"late\n"


def test_every_command_line_is_recorded_but_no_builtin():
    """What ``ps`` would have shown is in the log; echo and standard input are not."""
    node = BareNode()

    node.sh("echo hidden | cat -; /bin/bash -c 'hostname -s'")

    assert node.argv.lines == ["cat -", "/bin/bash -c 'hostname -s'", "hostname -s"]


def test_vmware_tools_are_only_found_by_path():
    """vmafd-cli and vdcadmintool are not on a guest program's PATH."""
    node = BareNode()
    node.board.start(node.board.services[0])
    node.board.start(node.board.services[1])

    assert node.sh("vmafd-cli get-pnid")[0] == 127
    assert node.sh("/usr/lib/vmware-vmafd/bin/vmafd-cli get-pnid --server-name localhost") == (
        0,
        "vc1.lab.example\n",
    )


def test_vdcadmintool_tells_the_state_of_a_running_vmdird():
    """Menu entry 6 prints the state in vmdir's words, and fails while vmdird is down."""
    node = BareNode()
    ask = "echo 6 | /usr/lib/vmware-vmdir/bin/vdcadmintool"

    down = node.sh(ask)[0]
    for service in node.board.services[:3]:
        node.board.start(service)

    assert down == 1
    assert " VmDir State is - Normal\n" in node.sh(ask)[1]


def test_roles_have_their_node_type():
    """deployment.node.type holds the appliance's own words."""
    assert [role.node_type for role in Role] == ["infrastructure", "management", "embedded"]


@pytest.mark.parametrize(
    "line",
    [
        r"grep -E '\bword\b' /f",
        "grep -E '[[:digit:]]' /f",
        "grep one /f",
        "grep -rE one /f",
        "tail -f /f",
        "cut -d: -f1 /f",
        "stat -c %U /f",
    ],
)
def test_programs_refuse_what_they_do_not_model(line):
    """An option or an expression that is not understood is an error, never a guess."""
    node = BareNode()
    node.tools.files.write("/f", b"one\n")

    code, output = node.sh(line)

    assert code != 0
    assert output.startswith(line.partition(" ")[0] + ": ")


def test_files_tell_when_they_were_written():
    """Stat and ``date -r`` show the node's own clock."""
    node = BareNode()

    node.sh("echo x > /tmp/t")

    assert node.sh("stat -L -c '%s %Y' /tmp/t") == (0, f"2 {int(NOW.timestamp())}\n")
    assert node.sh("date -u -r /tmp/t +%s") == (0, f"{int(NOW.timestamp())}\n")
    assert node.sh("ls /tmp") == (0, "t\n")
