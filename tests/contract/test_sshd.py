"""OpenSSH's sshd and our client: host keys, logins, lock-out, and what nobody may see."""

from __future__ import annotations

import logging
import resource
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from ssh_client import FQDN, NODE, MemoryKeys, pin, ssh_shell
from sshd_peer import PASSWORD, obstacle, running_sshd
from stsfix.remediation.errors import (
    HostKeyError,
    LoginRefusal,
    NodeLoginError,
    NoShellError,
    TransportUnavailableError,
)
from stsfix.snapshot.errors import AnswerLostError, TaskOverdueError
from stsfix.snapshot.secret import Secret

pytestmark = [pytest.mark.peer, pytest.mark.skipif(bool(obstacle()), reason=obstacle())]

SHORT = timedelta(seconds=60)


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    """An sshd with bash at login."""
    with running_sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture(scope="module")
def appliance(tmp_path_factory):
    """An sshd with appliancesh at login, where bash has to be allowed first."""
    with running_sshd(tmp_path_factory.mktemp("sshd"), login="disabled") as server:
        yield server


def pinned(server, password=PASSWORD, **kwargs):
    """Return a transport that knows the key of *server*."""
    return ssh_shell(server.port, password, sha256=pin(server.fingerprint()), **kwargs)


def test_an_unknown_host_key_gets_no_password(sshd):
    """Nobody confirmed it: PAM is asked nothing, and the fingerprint is ssh-keygen's."""
    before = len(sshd.attempts)

    with ssh_shell(sshd.port, PASSWORD) as shell, pytest.raises(HostKeyError) as caught:
        shell.run(NODE, "true")

    assert caught.value.shown == sshd.fingerprint()
    assert len(sshd.attempts) == before


def test_a_wrong_pin_gets_no_password(sshd):
    """Every kind of key the server has is looked at before it is refused."""
    before = len(sshd.attempts)

    with (
        ssh_shell(sshd.port, PASSWORD, sha256="ab" * 32) as shell,
        pytest.raises(HostKeyError) as caught,
    ):
        shell.run(NODE, "true")

    assert caught.value.is_changed
    assert len(sshd.attempts) == before


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_any_of_a_servers_keys_can_be_pinned(sshd, kind):
    """The server is asked for the pinned key if it shows another one first."""
    with ssh_shell(sshd.port, PASSWORD, sha256=pin(sshd.fingerprint(kind))) as shell:
        assert shell.run(NODE, "echo in").output == "in\n"


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_a_known_host_is_asked_for_its_known_key(sshd, kind, tmp_path):
    """A file of known hosts with one kind of key is enough."""
    file = tmp_path / "known_hosts"
    file.write_text(sshd.key_line(f"[{FQDN}]:{sshd.port}", kind))

    with ssh_shell(sshd.port, PASSWORD, known_hosts=file) as shell:
        assert shell.run(NODE, "echo in").output == "in\n"


def test_a_confirmed_key_is_kept_as_ssh_keygen_reads_it(sshd):
    """The line that is remembered is the one of a known_hosts file."""
    memory = MemoryKeys()

    with ssh_shell(sshd.port, PASSWORD, memory=memory, confirm=lambda question: True) as shell:
        shell.run(NODE, "true")

    assert memory.text == sshd.key_line(f"[{FQDN}]:{sshd.port}")


@pytest.mark.parametrize("method", ["password", "keyboard-interactive"])
def test_one_attempt_with_one_password(method, tmp_path):
    """Either way of login takes the right password, and sends a wrong one exactly once."""
    with running_sshd(tmp_path, methods=(method,)) as server:
        with pinned(server) as shell:
            assert shell.run(NODE, "echo in").output == "in\n"
        with pinned(server, "wrong") as shell, pytest.raises(NodeLoginError) as caught:
            shell.run(NODE, "true")

        assert caught.value.refusal is LoginRefusal.REFUSED
        assert server.attempts == [PASSWORD, "wrong"]


def test_a_server_that_takes_no_password_gets_none(tmp_path):
    """Keys only: nothing is sent, and it is not a refusal."""
    with (
        running_sshd(tmp_path, methods=("publickey",)) as server,
        pinned(server) as shell,
        pytest.raises(TransportUnavailableError, match="takes no passwords of root"),
    ):
        shell.run(NODE, "true")


def test_a_server_that_wants_more_than_a_password(tmp_path):
    """A second factor is not something to guess at."""
    with (
        running_sshd(
            tmp_path,
            methods=("password",),
            settings="PubkeyAuthentication yes\nAuthenticationMethods password,publickey\n",
        ) as server,
        pinned(server) as shell,
        pytest.raises(TransportUnavailableError),
    ):
        shell.run(NODE, "true")


def test_a_lock_is_called_by_its_name(tmp_path):
    """pam_faillock's words are heard before a password is sent: the lock gets none more."""
    with running_sshd(tmp_path, methods=("keyboard-interactive",), deny_after=2) as server:
        refusals = []
        for _ in range(3):
            with pinned(server, "wrong") as shell, pytest.raises(NodeLoginError) as caught:
                shell.run(NODE, "true")
            refusals.append(caught.value.refusal)

        assert refusals[0] is LoginRefusal.REFUSED
        assert refusals[-1] is LoginRefusal.LOCKED
        assert server.attempts == ["wrong", "wrong"]


def test_a_login_that_is_cut_off_counts_as_refused(tmp_path):
    """Sshd drops who was wrong too often: the password was out, so it is not sent again."""
    with (
        running_sshd(tmp_path, methods=("password",), settings="MaxAuthTries 1\n") as server,
        pinned(server, "wrong") as shell,
        pytest.raises(NodeLoginError) as caught,
    ):
        shell.run(NODE, "true")

    assert caught.value.refusal in {LoginRefusal.SILENT, LoginRefusal.REFUSED}


def test_nothing_listens_there():
    """A closed port is unavailable, at once."""
    with (
        ssh_shell(1, PASSWORD, sha256="ab" * 32) as shell,
        pytest.raises(TransportUnavailableError, match="refused"),
    ):
        shell.run(NODE, "true")


def test_a_connection_that_broke_is_made_anew(sshd):
    """Between two scripts a node may have rebooted; a script that ran meanwhile is in doubt."""
    with pinned(sshd) as shell:
        shell.run(NODE, "true")
        cut = threading.Timer(2.0, sshd.drop)
        cut.start()
        with pytest.raises(AnswerLostError):
            shell.run(NODE, "sleep 30", limit=SHORT)
        cut.join()

        assert shell.run(NODE, "echo again").output == "again\n"
        sshd.drop()
        assert shell.run(NODE, "echo at once").output == "at once\n"


def test_a_script_that_takes_too_long_is_overdue(sshd):
    """The limit holds, also for a script that keeps talking."""
    with pinned(sshd) as shell, pytest.raises(TaskOverdueError):
        shell.run(NODE, "while :; do echo x; sleep 0.2; done", limit=timedelta(seconds=2))


def test_scripts_of_one_node_run_side_by_side(sshd):
    """Several threads share one connection and get their own answers."""
    answers: dict[int, str] = {}

    def work(number):
        answers[number] = shell.run(NODE, f"sleep 0.3; echo {number}", limit=SHORT).output

    with pinned(sshd) as shell:
        before = len(sshd.attempts)
        threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert answers == {n: f"{n}\n" for n in range(4)}
    assert len(sshd.attempts) == before + 1


def test_bash_is_left_as_it_was_found(appliance):
    """What had to be allowed for bash is forbidden again at the end, once."""
    before = len(appliance.typed)
    with pinned(appliance) as shell:
        shell.run(NODE, "true", limit=SHORT)
        assert (appliance.folder / "state").read_text() == "enabled"
        shell.run(NODE, "true", limit=SHORT)

    assert (appliance.folder / "state").read_text() == "disabled"
    changes = [line for line in appliance.typed[before:] if line.startswith("shell.set")]
    assert changes == ["shell.set --enabled true", "shell.set --enabled false"]


def test_bash_that_was_allowed_stays_so(tmp_path):
    """Nothing is changed where nothing has to be."""
    with running_sshd(tmp_path, login="enabled") as server:
        with pinned(server) as shell:
            shell.run(NODE, "true", limit=SHORT)

        assert [line for line in server.typed if line.startswith("shell.set")] == []
        assert (tmp_path / "state").read_text() == "enabled"


def test_without_any_bash_the_appliances_own_commands_remain(tmp_path):
    """The answer of ``shell`` is told, and service-control still works as a plug-in. What was
    allowed for nothing is forbidden again.
    """
    with running_sshd(tmp_path, login="locked") as server:
        with pinned(server) as shell:
            fake = server.folder / "bin" / "service-control"
            fake.write_text("#!/bin/bash\necho Running: vmdird $*\n")
            fake.chmod(0o700)

            for _ in range(2):
                with pytest.raises(NoShellError, match="Shell is disabled"):
                    shell.run(NODE, "true", limit=SHORT)
            said = shell.run_plug_in(NODE, "service-control --status --all")

            assert said == "Running: vmdird --status --all\n"
        changes = [line for line in server.typed if line.startswith("shell.set")]
        assert changes == ["shell.set --enabled true", "shell.set --enabled false"]


@pytest.mark.parametrize("login", ["bash", "appliance"])
def test_secrets_are_seen_nowhere(login, request, caplog, tmp_path):
    """Neither script nor password is in an argument list, a log, a history or a file."""
    server = request.getfixturevalue("sshd" if login == "bash" else login)
    seen: set[str] = set()
    stop = threading.Event()
    sampler = threading.Thread(target=_sample_arguments, args=(seen, stop))
    caplog.set_level(logging.DEBUG)
    sampler.start()
    try:
        with pinned(server) as shell:
            script = Secret("key=canary-in-script; sleep 1; echo ${#key}")
            result = shell.run(NODE, script, limit=SHORT)
            shell.put(NODE, str(tmp_path / "key"), Secret(b"canary-in-file " * 1000))
    finally:
        stop.set()
        sampler.join()

    assert result.output == "16\n"
    assert any("bash --noprofile --norc" in line for line in seen)
    places = [*seen, *(record.getMessage() for record in caplog.records)]
    for file in ("log", "commands", "home/.bash_history", "sshd.log"):
        path = server.folder / file
        places += [path.read_text()] if path.exists() else []
    assert [place for place in places if "canary" in place or PASSWORD in place] == []
    assert [p.name for p in Path("/tmp").glob("sh-thd*")] == []  # bash's here-documents


def _sample_arguments(seen, stop):
    while not stop.is_set():
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.add(file.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
            except OSError:
                continue
        time.sleep(0.02)


def test_output_without_end_takes_time_and_no_memory(sshd):
    """What is beyond the limit is let go of as it comes; the connection serves the next script."""
    with pinned(sshd) as shell:
        shell.run(NODE, "true", limit=SHORT)
        before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(TaskOverdueError):
            shell.run(NODE, "yes", limit=timedelta(seconds=2))
        after_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        result = shell.run(NODE, "echo ok", limit=SHORT)

    assert result.output.strip() == "ok"
    assert after_kib - before_kib < 32 * 1024
