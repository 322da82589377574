"""Scripts as a stream: what bash gets, what is found in its answer, what PAM's words mean."""

from __future__ import annotations

import base64
import contextlib
import ctypes
import os
import shlex
import shutil
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stsfix.remediation.errors import LoginRefusal
from stsfix.remediation.nodes.pam_words import refusal_in
from stsfix.remediation.transports.ssh_script import (
    BASH,
    NO_FILE,
    ScriptReader,
    encoded,
    encoded_size,
    get_script,
    payload,
    put_script,
)

BASE64 = shutil.which("base64")
NONCE = "ab12" * 8
IN_CREATE = 0x100
needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")


def in_bash(text, **kwargs):
    """Give *text* to a real bash as the transport does; returns everything it printed."""
    done = subprocess.run(
        shlex.split(BASH),
        input=text.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=30,
        check=False,
        **kwargs,
    )
    return done.stdout


def read(text, *, limit=65536):
    """Return a reader that was fed *text*."""
    reader = ScriptReader(NONCE, output_limit=limit)
    reader.feed(text)
    return reader


@needs_bash
@pytest.mark.parametrize(
    ("script", "code", "output"),
    [
        ("echo out; echo err >&2", 0, "out\nerr\n"),
        ("", 0, ""),
        ("exit 7", 7, ""),
        ("printf 'no line end'", 0, "no line end"),
        ("cat; echo after", 0, "after\n"),
        ("set -e\ntrap 'echo cleaned' EXIT\nfalse\necho no", 1, "cleaned\n"),
        ("cat << 'END'\n$x 'a' \"b\"\nEND\n", 0, "$x 'a' \"b\"\n"),
        ("echo 'it'\\''s' # comment", 0, "it's\n"),
        ("echo a \\", 0, "a\n"),
        ("echo $0 is not a file; true", 0, None),
        ("(kill -9 $BASHPID)", 137, None),
        ("f() { return 3; }; f", 3, ""),
        ("no-such-program-at-all", 127, None),
        ("echo 'open", 2, None),
        ("(", 2, None),
        ("}", 2, None),
        ("EOF\n) | cat\n", 2, None),
    ],
)
def test_bash_runs_any_script_between_the_marks(script, code, output):
    """Exit code and output come back, whatever is in the script, also what no shell can parse."""
    reader = read(in_bash(payload(script, NONCE)))

    assert reader.exit_code == code
    assert output is None or reader.output == output


@needs_bash
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_payload_that_arrives_in_part_runs_nothing(share, tmp_path):
    """A broken connection leaves a script either given or not."""
    script = f"touch {tmp_path}/ran\n# {'x' * 500}\n"
    text = payload(script, NONCE)

    answer = in_bash(text[: int(len(text) * share)])

    assert list(tmp_path.iterdir()) == []
    assert not read(answer).has_begun


@needs_bash
def test_a_script_is_in_no_argument_list_and_no_environment():
    """What ps shows of every process of the script holds nothing of it."""
    script = "secret=canary-value-1; for p in /proc/[0-9]*; do cat $p/cmdline $p/environ; done 2>&1"

    reader = read(in_bash(payload(script, NONCE)), limit=10**7)

    assert reader.exit_code is not None
    assert "bash" in reader.output
    assert "canary-value-1" not in reader.output


@needs_bash
def test_a_terminal_gets_lines_that_base64_reads():
    """No line is longer than a terminal takes, and the end of file ends it."""
    text = payload("echo ä; " + "true; " * 5000, NONCE)

    lines = encoded(text)

    assert max(map(len, lines.split(b"\n"))) < 4096
    assert lines.endswith(b"\n\x04")
    done = subprocess.run(
        ["base64", "-d"], input=lines.removesuffix(b"\x04"), capture_output=True, check=True
    )
    assert done.stdout.decode() == text


@given(st.binary(max_size=2000), st.integers(0, 255), st.lists(st.integers(1, 60)), st.binary())
def test_output_is_found_in_any_pieces(output, code, sizes, noise):
    """How the answer is cut into packets changes nothing."""
    if b"stsfix" in noise + output:
        return
    text = noise + b"stsfix-begin-%b\n" % NONCE.encode() + output
    text += b"\nstsfix-end-%b:%d\n" % (NONCE.encode(), code)
    reader = ScriptReader(NONCE, output_limit=10**6)

    for size in [*sizes, len(text) + 1]:
        reader.feed(text[:size])
        text = text[size:]

    assert reader.exit_code == code
    assert reader.output == output.decode("utf-8", "replace")


def test_output_is_cut_and_its_end_still_found():
    """Ten times the limit costs no more memory than the limit, and the exit code is read."""
    reader = ScriptReader(NONCE, output_limit=100)
    reader.feed(b"stsfix-begin-%b\n" % NONCE.encode())

    for _ in range(1000):
        reader.feed(b"x" * 100)
    assert reader.output == "x" * 100
    reader.feed(b"\nstsfix-end-%b:5\n" % NONCE.encode())

    assert (reader.exit_code, reader.output) == (5, "x" * 100)


def test_a_terminals_line_ends_are_undone():
    """Where stty could not be asked, CR LF is what a line feed became."""
    text = f"Command> shell\r\nstsfix-begin-{NONCE}\r\na\r\nb\r\n\r\nstsfix-end-{NONCE}:0\r\n"

    assert read(text.encode()).output == "a\nb\n"


@pytest.mark.parametrize("other", ["", "cd" * 16])
def test_what_a_script_prints_does_not_end_it(other):
    """An end mark with another nonce in the output is output, such as a log of an earlier run."""
    text = f"stsfix-begin-{NONCE}\na\nstsfix-end-{other}:0\nb\n\nstsfix-end-{NONCE}:7\n"

    reader = read(text.encode())

    assert reader.exit_code == 7
    assert reader.output == f"a\nstsfix-end-{other}:0\nb\n"


@pytest.mark.parametrize("other", ["", "cd" * 16])
def test_another_nonce_is_no_mark(other):
    """Echoed or forged marks of another run are output or noise."""
    text = f"stsfix-begin-{other}\nx\nstsfix-end-{other}:0\n"

    reader = read(text.encode())

    assert reader.exit_code is None
    assert "stsfix-begin" in reader.noise


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("You are required to change your password immediately (root enforced)", "EXPIRED"),
        ("WARNING: Your password has expired.\r\nPassword change required but no TTY", "EXPIRED"),
        ("Password change required but no TTY available.", "EXPIRED"),
        ("User password expired", "EXPIRED"),
        ("Changing password for root.\n(current) UNIX password: ", "EXPIRED"),
        ("The account is locked due to 3 failed logins.\n(10 minutes left to unlock)", "LOCKED"),
        ("Account locked due to 5 failed logins", "LOCKED"),
        ("Account temporarily locked (30 seconds left)", "LOCKED"),
        ("Password: ", None),
        ("VMware vCenter Server 8.0.2.00000\nUnknown command: `echo'", None),
        ("There were 2 failed login attempts since the last successful login.", None),
        ("", None),
    ],
)
def test_what_pam_says_of_an_account(said, means):
    """Expired and locked are told from what merely mentions passwords."""
    assert refusal_in(said) == (None if means is None else LoginRefusal[means])


@needs_bash
@pytest.mark.parametrize("content", [b"", b"\x00\xff'$(touch no)\r\n", bytes(range(256)) * 300])
@pytest.mark.parametrize("name", ["plain", "with 'quotes' $x", "-n"])
def test_files_are_put_and_read_back(content, name, tmp_path):
    """Any bytes under any name, with the mode asked for and nothing else left."""
    path = str(tmp_path / name)

    put = read(in_bash(payload(put_script(path, content, 0o640, "n1"), NONCE), cwd=tmp_path))
    got = read(in_bash(payload(get_script(path, 10**6), NONCE)), limit=encoded_size(len(content)))

    assert (put.exit_code, put.output) == (0, "")
    assert base64.b64decode("".join(got.output.split())) == content
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == [name]


@contextlib.contextmanager
def made_in(folder):
    """Give a list that, behind the block, has the names of the files made in *folder* meanwhile."""
    names: list[str] = []
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(watch, os.fsencode(folder), IN_CREATE) >= 0
    try:
        yield names
        with contextlib.suppress(BlockingIOError):
            events = os.read(watch, 65536)
            while events:
                size = int.from_bytes(events[12:16], sys.byteorder)
                names.append(events[16 : 16 + size].rstrip(b"\0").decode())
                events = events[16 + size :]
    finally:
        os.close(watch)


@needs_bash
@pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
def test_what_is_put_is_in_no_other_file(tmp_path):
    """Bash writes a here-document into $TMPDIR: every one before 5.1, since then one that is larger
    than a pipe.
    """
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    script = put_script(str(tmp_path / "key"), b"x" * 10**6, 0o600, "n1")
    document = f"cat << 'END' > /dev/null\n{'x' * 10**6}\nEND\n"

    with made_in(temporary) as by_document:
        assert in_bash(f"export TMPDIR={temporary}\n{payload(document, NONCE)}")
    with made_in(temporary) as by_us:
        assert in_bash(f"export TMPDIR={temporary}\n{payload(script, NONCE)}")

    assert (tmp_path / "key").stat().st_size == 10**6
    assert by_document
    assert by_us == []


@needs_bash
def test_a_file_that_cannot_be_put_leaves_the_old_one(tmp_path):
    """A folder in its place is an error, and no temporary file stays."""
    (tmp_path / "there").mkdir()

    put = read(in_bash(payload(put_script(f"{tmp_path}/there", b"x", 0o600, "n1"), NONCE)))

    assert put.exit_code != 0
    assert "there" in put.output
    assert [path.name for path in tmp_path.rglob("*")] == ["there"]


@needs_bash
def test_nobody_else_may_read_a_file_while_it_is_written(tmp_path):
    """What others may read is decided when it is whole; until then it is its owner's."""
    tools, target = tmp_path / "tools", tmp_path / "target"
    tools.mkdir()
    target.mkdir()
    watching = tools / "base64"
    watching.write_text(
        f'#!/bin/sh\nstat -c %a {target}/*.stsfix-* > {tmp_path}/seen\nexec {BASE64} "$@"\n'
    )
    watching.chmod(0o755)
    script = f"PATH={tools}:$PATH\n{put_script(f'{target}/key', b'x', 0o644, 'n1')}"

    put = read(in_bash(payload(script, NONCE)))

    assert (put.exit_code, put.output) == (0, "")
    assert (tmp_path / "seen").read_text() == "600\n"
    assert (target / "key").stat().st_mode & 0o777 == 0o644


@needs_bash
def test_a_missing_file_has_an_exit_code_of_its_own(tmp_path):
    """Not there is told from not readable."""
    got = read(in_bash(payload(get_script(f"{tmp_path}/none", 10), NONCE)))

    assert got.exit_code == NO_FILE
