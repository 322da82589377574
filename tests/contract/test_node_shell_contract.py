"""One contract for every way to run commands on a node: memory, lab, OpenSSH's sshd."""

from __future__ import annotations

from datetime import timedelta

import pytest

from contract_worlds import world_parameters
from shell_worlds import WORLDS, why_not
from stsfix.remediation.errors import NodeFileError
from stsfix.remediation.ports import LOGIN_REFUSED
from stsfix.snapshot.secret import Secret

pytestmark = pytest.mark.lab

LIMIT = timedelta(seconds=60)


@pytest.fixture(scope="module", params=list(world_parameters(WORLDS, why_not)))
def world(request, tmp_path_factory):
    """A node that is reached by one of the ways."""
    with WORLDS[request.param](tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture
def run(world):
    """Run a script on the node."""
    return lambda script, **kwargs: world.shell.run(world.node, script, limit=LIMIT, **kwargs)


@pytest.mark.parametrize(
    ("script", "code", "output"),
    [
        ("echo one", 0, "one\n"),
        ("echo out; echo err >&2", 0, "out\nerr\n"),
        ("exit 7", 7, ""),
        ("false", 1, ""),
        ("", 0, ""),
        ("printf 'no end'", 0, "no end"),
        ("echo 'it'\\''s \"ä\" $x'", 0, 'it\'s "ä" $x\n'),
        ("x=5; (x=6; echo $x); echo $x", 0, "6\n5\n"),
        ("set -e\nfalse\necho no", 1, ""),
        ("echo a\n\n\necho b # comment", 0, "a\n\n\nb\n".replace("\n\n\n", "\n")),
        ("cat < /dev/null; echo after", 0, "after\n"),
        ("cat; echo end of input", 0, "end of input\n"),
    ],
)
def test_a_script_gives_its_exit_code_and_both_streams(run, script, code, output):
    """Exactly what it printed, whatever the login shell is."""
    result = run(script)

    assert (result.exit_code, result.output) == (code, output)


def test_a_secret_script_runs_as_any_other(run):
    """A Secret is a script, too."""
    assert run(Secret("echo seen")).output == "seen\n"


def test_long_output_is_cut_at_the_limit(run):
    """The exit code is still the script's."""
    result = run(f"echo {'x' * 5000}; exit 3", output_limit=100)

    assert result.output == "x" * 100
    assert result.exit_code == 3


def test_a_long_script_is_run_whole(run):
    """No line limit of any terminal cuts it."""
    script = f"a='{'y' * 20_000}'\n" + "true\n" * 500 + 'echo "$a" | cat; echo end'

    assert run(script).output == "y" * 20_000 + "\nend\n"


@pytest.mark.parametrize(
    "content", [b"", b"text\n", b"\x00\xff'$(x)\r\n\x04\x03", bytes(range(256)) * 500]
)
def test_a_file_is_read_as_it_was_put(world, content):
    """Any bytes, with the mode that was asked for, and nothing else is left."""
    path = f"{world.folder}/file"

    world.shell.put(world.node, path, Secret(content), mode=0o640)

    assert world.shell.get(world.node, path, limit_bytes=200_000) == content
    assert world.mode(path) == 0o640
    assert world.left() == {path}


def test_a_file_is_for_its_owner_alone(world):
    """The mode of a file that is put without one is 0600; a longer one is replaced."""
    path = f"{world.folder}/file"
    world.shell.put(world.node, path, b"longer than that", mode=0o644)

    world.shell.put(world.node, path, b"short")

    assert world.shell.get(world.node, path) == b"short"
    assert world.mode(path) == 0o600


def test_a_script_sees_a_file_that_was_put(world, run):
    """put, get and run are of one node."""
    path = f"{world.folder}/file"
    world.shell.put(world.node, path, b"echo from the file\n")

    assert run(f"bash {path}").output == "from the file\n"


def test_a_missing_file_is_an_error_of_the_file(world):
    """It names the path."""
    with pytest.raises(NodeFileError) as caught:
        world.shell.get(world.node, f"{world.folder}/none")

    assert caught.value.path == f"{world.folder}/none"


def test_a_file_over_the_limit_is_not_read(world):
    """The limit itself is allowed."""
    path = f"{world.folder}/file"
    world.shell.put(world.node, path, b"12345")

    assert world.shell.get(world.node, path, limit_bytes=5) == b"12345"
    with pytest.raises(NodeFileError, match="larger than 4 bytes"):
        world.shell.get(world.node, path, limit_bytes=4)


def test_a_refused_password_is_sent_once(world):
    """The error is one of `LOGIN_REFUSED`, and the node saw one attempt."""
    before = world.attempts()

    with pytest.raises(LOGIN_REFUSED):
        world.with_password("wrong").run(world.node, "true", limit=LIMIT)

    assert world.attempts() == before + 1


def test_every_way_has_a_name(world):
    """What a report says of how a node was reached."""
    assert world.shell.describe(world.node)
