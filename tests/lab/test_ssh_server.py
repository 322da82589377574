"""A node's sshd, held against OpenSSH's client and paramiko: appliancesh, bash, who gets in."""

from __future__ import annotations

import socket
import subprocess
import threading

import paramiko
import pytest

from lab_clients import eventually
from lab_keys import shared_keys
from openssh import OpenSsh, needs_openssh
from stsfix.lab.faults import NOISE, Effect, Rule, When
from stsfix.lab.lab import Lab
from stsfix.lab.root_login import LOGIN_LIMIT
from stsfix.lab.seams import GuestRefusedError
from stsfix.lab.ssh_keys import fingerprint, public_line

pytestmark = [pytest.mark.lab, pytest.mark.peer, needs_openssh]

VC1, VC2 = "vc1.lab.example", "vc2.lab.example"
RELEASES = {"8.0": "embedded", "7.0": "elm", "6.7": "external-psc"}


@pytest.fixture(scope="module")
def labs():
    """A lab of each topology with SSH on, made when it is first asked for."""
    made: dict[str, Lab] = {}

    def get(topology, scenario="ssh-only"):
        key = f"{topology} {scenario}"
        if key not in made:
            lab = Lab.build(topology, scenario, speed=2000, keys=shared_keys())
            made[key] = lab
            lab.start()
        return made[key]

    yield get
    for lab in made.values():
        lab.stop()


@pytest.fixture
def node(labs, tmp_path):
    """Return OpenSSH's client for the first node of a release, and forget what others did."""

    def get(release="8.0", scenario="ssh-only"):
        lab = labs(RELEASES[release], scenario)
        first = next(iter(lab.nodes))
        lab.faults.clear()
        disk = lab.nodes[first].disk
        disk.failed_logins, disk.bash_until = 0, None
        disk.login_shell = "/bin/bash" if scenario == "ssh-bash" else "/bin/appliancesh"
        client = OpenSsh(lab, first, tmp_path)
        # 8.0 offers both, and OpenSSH would try the same password twice.
        client.methods = "password" if release == "6.7" else "keyboard-interactive"
        return client

    return get


@pytest.mark.parametrize("release", ["8.0", "7.0"])
def test_an_unknown_command_ends_with_zero(node, release):
    """Appliancesh parses what ssh asks for, and its exit status says nothing."""
    done = node(release).run("pwd; exit 7")

    assert (done.returncode, done.stdout) == (0, "Unknown command: `pwd;'\n")


def test_an_unknown_command_of_6x_ends_in_a_traceback(node):
    """6.7 says the same and throws up."""
    done = node("6.7").run("/bin/sh -c pwd")

    assert done.returncode == 1
    assert done.stdout == "Unknown command: `/bin/sh'\n"
    assert 'File "/usr/lib/applmgmt/base/bin/vherdrunner", line 8' in done.stderr


@pytest.mark.parametrize("release", RELEASES)
def test_service_control_is_a_plug_in(node, release):
    """Services can be listed without bash, with and without the plug-in's full name."""
    short = node(release).run("service-control --status --all")
    full = node(release).run("com.vmware.service-control --status vmdird")

    assert "Running:\n applmgmt " in short.stdout
    assert full.stdout == "Running:\n vmdird\n"


@pytest.mark.parametrize("release", ["8.0", "7.0"])
def test_shell_by_exec_runs_standard_input_in_bash(node, release):
    """``ssh root@vc shell < script`` runs the script; status 0 whatever it was."""
    client = node(release)
    done = client.run("shell", stdin="hostname\ncat <<EOF\n$x here\nEOF\nexit 9\necho no\n")

    assert done.returncode == 0
    assert done.stdout == f"Shell access is granted to root\n{client.node}\n here\n"


def test_6x_lets_nobody_into_bash_before_it_is_enabled(node):
    """``shell`` is disabled; shell.set enables it for a time; by exec no input gets through."""
    client = node("6.7")

    before = client.run("shell", stdin="hostname\n").stdout
    refused = client.run("shell.set --enabled maybe").stdout
    client.run("shell.set --enabled True --timeout 60")
    told = client.run("shell.get").stdout
    after = client.run("shell", stdin="hostname\n").stdout

    assert before == "Shell is disabled.\n"
    assert "invalid choice" in refused
    assert "Enabled: True\n   Timeout: 5" in told
    assert after == "Shell access is granted to root\n"


@pytest.mark.parametrize("release", RELEASES)
def test_bash_on_a_terminal(node, release):
    """Greeting, prompts, the shell and the way back, as in public transcripts."""
    client = node(release)
    client.run("shell.set --enabled true")

    with client.terminal() as screen:
        greeting = screen.read_to("Command> ")
        screen.type("shell\n")
        granted = screen.read_to("]# " if release == "6.7" else "]# \x1b[0m")
        screen.type("echo $((\nhostname\n")
        screen.read_to(f"{client.node}\r\n")
        screen.type("exit\n")
        back = screen.read_to("Command> ")
        screen.type("nonsense\n")
        unknown = screen.read_to("Command> ")
        screen.type("exit\n")
        code = screen.process.wait(10)

    assert greeting.startswith("Last login: ")
    assert '\r\nConnected to service\r\n\r\n    * List APIs: "help api list"\r\n' in greeting
    assert greeting.endswith('    * Launch BASH: "shell"\r\n\r\nCommand> ')
    assert "shell\r\nShell access is granted to root\r\n" in granted
    assert f"root@{client.node.partition('.')[0]} [ " in granted
    assert back.endswith("logout\r\nCommand> ")
    assert "Unknown command: `nonsense'\r\n" in unknown
    assert code == 0


def test_what_is_typed_ahead_is_echoed_twice(node):
    """The terminal echoes while a command runs, and the shell again at its prompt."""
    client = node("6.7", "ssh-bash")

    with client.terminal() as screen:
        screen.read_to("]# ")
        screen.type("sleep 2000\n")
        screen.read_to("sleep 2000\r\n")
        screen.type("echo one\necho two\n")
        ahead = screen.read_to("echo two\r\n")
        again = screen.read_to("echo two\r\ntwo\r\n")

    assert ahead == "echo one\r\necho two\r\n"
    assert again.count("echo one\r\none\r\n") == 1


def test_without_echo_nothing_is_shown_and_lines_have_a_limit(node):
    """Stty -echo silences terminal and shell; the 4096th byte of a line is lost."""
    client = node("6.7", "ssh-bash")

    with client.terminal() as screen:
        screen.read_to("]# ")
        screen.type("stty -echo\n")
        screen.read_to("]# ")
        screen.type("echo secret | base64 -w0; cat\n" + "x" * 5000 + "\n\x04")
        shown = screen.read_to("]# ")

    assert shown.startswith("c2VjcmV0Cg==")
    assert "secret" not in shown
    assert shown.count("x") == 4095


def test_a_pipe_is_read_ahead_of_the_child(node):
    """Lines that come with ``shell`` in one piece are appliancesh's, not bash's."""
    done = node().run(stdin="shell\nhostname\n")

    assert "Shell access is granted to root\nCommand> Unknown command: `hostname'" in done.stdout


def test_file_transfer_is_refused_as_in_the_field(node):
    """Sftp takes appliancesh's words for a packet of 1433299822 bytes."""
    client = node()

    done = subprocess.run(
        client.command("root@127.0.0.1", program="sftp"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        env=client.environment(),
        timeout=30,
        check=False,
    )

    assert done.returncode != 0
    assert "message too long 1433299822" in done.stderr


@pytest.mark.parametrize("release", RELEASES)
def test_bash_as_login_shell(node, release):
    """Exit status, both outputs and standard input are bash's; no greeting but sshd's banner."""
    client = node(release, "ssh-bash")

    done = client.run("cat; echo oops >&2; exit 7", stdin="from here\n")
    script = client.run("bash -s", stdin='echo a\nread x\nthe line\necho "$x"\n')

    assert (done.returncode, done.stdout) == (7, "from here\n")
    assert done.stderr.endswith("oops\n")
    assert script.stdout == "a\nthe line\n"


def test_what_ps_would_show_is_recorded_and_nothing_else(node):
    """Command lines of sshd's children are in the argument log, their input is not."""
    client = node(scenario="ssh-bash")
    client.run("bash -s", stdin="echo hidden1\ncat <<EOF >/tmp/x\nhidden2\nEOF\nrm -f /tmp/x\n")

    lines = client.lab.nodes[client.node].argv_log.lines

    assert lines[-4:] == ["/bin/bash -c 'bash -s'", "bash -s", "cat", "rm -f /tmp/x"]
    assert "hidden" not in "\n".join(lines)


@pytest.mark.parametrize("release", RELEASES)
def test_a_wrong_password_counts_once_and_for_all_ways_in(node, release):
    """Pam has one tally: after three wrong passwords the right one is refused everywhere."""
    client = node(release)
    disk = client.lab.nodes[client.node].disk
    right = client.lab.passwords.nodes[client.node]

    counted = []
    for number in range(LOGIN_LIMIT):
        assert client.run("pwd", password=f"wrong {number}").returncode == 255
        counted.append(disk.failed_logins)
    locked = client.run("pwd")

    assert counted == [1, 2, 3]
    assert locked.returncode == 255
    with pytest.raises(GuestRefusedError, match="InvalidGuestLogin"):
        client.lab.nodes[client.node].read_file("root", right, "/etc/issue")


def interactive(client, answers):
    """Log in by keyboard-interactive and return what was asked; paramiko's client."""
    asked: list[object] = []

    def answer(title, instructions, prompts):
        asked.append((title, instructions, [text for text, _ in prompts]))
        return [answers[len(asked) - 1]] if prompts else []

    port = client.lab.network.ports[client.node].ssh
    transport = paramiko.Transport(("127.0.0.1", port))
    try:
        transport.start_client(timeout=10)
        transport.auth_interactive("root", answer)
        asked.append("welcome")
    except paramiko.SSHException as error:
        asked.append(type(error).__name__)
    finally:
        transport.close()
    return asked


@pytest.mark.parametrize(
    ("release", "text"),
    [
        ("7.0", "Account locked due to 3 failed logins"),
        ("8.0", "The account is locked due to 3 failed logins.\n(15 minutes left to unlock)"),
    ],
)
def test_a_locked_account_says_so_before_it_asks(node, release, text):
    """Keyboard-interactive shows pam's message; the right password does not help."""
    client = node(release)
    client.lab.nodes[client.node].disk.failed_logins = LOGIN_LIMIT

    asked = interactive(client, [client.lab.passwords.nodes[client.node]])

    assert asked == [("", text, ["Password: "]), "AuthenticationException"]


@pytest.fixture
def expired(tmp_path):
    """A node of 8.0 whose root password has expired."""
    with Lab.build("embedded", "ssh-root-password-expired", speed=2000, keys=shared_keys()) as lab:
        yield OpenSsh(lab, VC1, tmp_path)


def test_an_expired_password_asks_for_another(expired):
    """By keyboard-interactive the dialogue begins; whoever does not answer is not let in."""
    right = expired.lab.passwords.nodes[VC1]

    asked = interactive(expired, [right, ""])

    change = "You are required to change your password immediately (password expired)."
    assert asked[:2] == [("", "", ["Password: "]), ("", change, ["Current password: "])]
    assert asked[2] == "AuthenticationException"
    assert expired.lab.nodes[VC1].disk.root_password == right


def test_an_expired_password_can_be_changed_and_is_another_one_then(expired):
    """The whole dialogue: the lab's root has a new password afterwards."""
    right = expired.lab.passwords.nodes[VC1]

    asked = interactive(expired, [right, right, "another one", "another one"])

    assert asked[-1] == "welcome"
    assert expired.lab.nodes[VC1].disk.root_password == "another one"


def test_with_an_expired_password_no_command_runs(expired):
    """By the password method one gets in and no further."""
    port = expired.lab.network.ports[VC1].ssh
    transport = paramiko.Transport(("127.0.0.1", port))
    transport.start_client(timeout=10)
    transport.auth_password("root", expired.lab.passwords.nodes[VC1], fallback=False)
    channel = transport.open_session()
    channel.exec_command("service-control --stop --all")
    code = channel.recv_exit_status()
    text = channel.makefile_stderr().read().decode()
    transport.close()

    assert code == 1
    assert text == (
        "WARNING: Your password has expired.\nPassword change required but no TTY available.\n"
    )
    assert not any("service-control" in line for line in expired.lab.nodes[VC1].argv_log.lines)


def test_the_host_key_is_the_nodes_own(node, tmp_path):
    """OpenSSH sees the keys that are on the disk; their fingerprint is ssh-keygen's."""
    client = node("7.0")
    client.run("pwd")
    (key, _) = client.lab.nodes[VC1].disk.ssh_host_keys
    other = client.lab.nodes[VC2].disk.ssh_host_keys[0]
    file = tmp_path / "key.pub"
    file.write_text(public_line(key))

    told = subprocess.run(
        ["ssh-keygen", "-l", "-E", "sha256", "-f", str(file)],
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout.split()[1]

    assert public_line(key).split()[1] in client.known_hosts.read_text()
    assert told == f"SHA256:{in_base64(fingerprint(key))}"
    assert public_line(other) != public_line(key)


def in_base64(digest):
    """Return a digest as OpenSSH writes it."""
    import base64

    return base64.b64encode(bytes.fromhex(digest)).decode().rstrip("=")


def is_open(lab, fqdn):
    """Tell whether somebody listens on the node's SSH port."""
    with socket.socket() as probe:
        probe.settimeout(5)
        return probe.connect_ex(("127.0.0.1", lab.network.ports[fqdn].ssh)) == 0


def test_sshd_lives_and_dies_with_its_node(tmp_path):
    """Power cut drops a login; nobody listens while it is off; key and shell outlive a revert."""
    before = loops()
    with Lab.build("embedded", "ssh-bash", speed=2000, keys=shared_keys()) as lab:
        client = OpenSsh(lab, VC1, tmp_path)
        vm = lab.machines[VC1]
        taken = vm.take_snapshot("run", "", now=lab.clock.now(), memory=False, quiesce=False)
        with client.terminal() as screen:
            screen.read_to("]# ")
            lab.set_power(VC1, "cut")
            code = screen.process.wait(10)
        while_off = is_open(lab, VC1)
        vm.revert(taken, suppress_power_on=True)
        lab.set_power(VC1, "on")
        lab.wait_settled()
        again = client.run("hostname")
        lab.set_power(VC1, "off")
        shut_down = eventually(lambda: not is_open(lab, VC1))

    assert code == 255
    assert not while_off
    assert again.stdout == f"{VC1}\n"
    assert shut_down
    assert loops() == before


def loops():
    """Return the threads of event loops."""
    return {thread for thread in threading.enumerate() if thread.name == "lab-loop"}


def test_ssh_is_off_unless_a_scenario_says_so():
    """As on an appliance after its installation."""
    with Lab.build("embedded", "expired", speed=2000, keys=shared_keys()) as lab:
        assert not is_open(lab, VC1)


def test_a_refused_login_by_a_rule_is_not_counted(node):
    """auth: the answer is that of a wrong password, pam never hears of it."""
    client = node()
    client.lab.faults.add(Rule(protocol="ssh", call="auth"))

    refused, welcome = client.run("pwd"), client.run("pwd")

    assert (refused.returncode, welcome.returncode) == (255, 0)
    assert client.lab.nodes[client.node].disk.failed_logins == 0


def test_the_answer_of_a_command_can_be_lost(node):
    """exec, after: all was done, and the client never learns it."""
    client = node(scenario="ssh-bash")
    files = client.lab.nodes[client.node].disk.files
    client.lab.faults.add(Rule(protocol="ssh", call="exec", when=When.AFTER, effect=Effect.DROP))

    done = client.run("echo x > /root/done")

    assert done.returncode == 255
    assert files.pop("/root/done").content == b"x\n"


def test_output_can_break_off_or_be_noise(node):
    """data: the second piece is noise, the third never comes."""
    client = node(scenario="ssh-bash")
    client.lab.faults.add(Rule(protocol="ssh", call="data", nth=2))
    client.lab.faults.add(Rule(protocol="ssh", call="data", nth=3, effect=Effect.DROP))

    done = client.run("echo one; echo two; echo three; echo four > /root/four")

    assert done.returncode == 255
    assert done.stdout == "one\n" + NOISE.decode(errors="replace").replace("\r\n", "\n")
    assert "/root/four" not in client.lab.nodes[client.node].disk.files


def test_a_garbled_command_ends_well_and_says_nothing_of_use(node):
    """exec: noise in the place of the output, and exit code 0; nothing was done."""
    client = node(scenario="ssh-bash")
    client.lab.faults.add(Rule(protocol="ssh", call="exec", effect=Effect.GARBAGE))

    done = client.run("echo one; echo two > /root/two")

    assert done.returncode == 0
    assert done.stdout == NOISE.decode(errors="replace").replace("\r\n", "\n")
    assert "/root/two" not in client.lab.nodes[client.node].disk.files


def test_a_flooded_command_says_more_than_anybody_reads(node):
    """exec: output goes on until the client hangs up; nothing was done."""
    client = node(scenario="ssh-bash")
    client.lab.faults.add(Rule(protocol="ssh", call="exec", effect=Effect.FLOOD))

    with client.started("-T", "root@127.0.0.1", "echo x > /root/flooded") as screen:
        for _ in range(20):
            screen.read_to("<a>x</a>" * 1000)

    assert "/root/flooded" not in client.lab.nodes[client.node].disk.files


def test_a_client_that_hangs_up_ends_what_it_started(node):
    """The next output finds nobody: bash ends, its trap cleans up; what nohup runs goes on."""
    client = node(scenario="ssh-bash")
    files = client.lab.nodes[client.node].disk.files
    script = (
        "trap 'rm -f /tmp/mine' EXIT; echo x > /tmp/mine; echo ready\n"
        "nohup setsid bash -c 'sleep 2000; echo x > /root/later' > /dev/null 2>&1 < /dev/null &\n"
        "sleep 1000; echo nobody; echo y > /root/never\n"
    )
    with client.started("-T", "root@127.0.0.1", "bash -s") as screen:
        screen.type(script)
        screen.read_to("ready\n")

    assert "/tmp/mine" in files
    assert eventually(lambda: "/tmp/mine" not in files)
    assert eventually(lambda: "/root/later" in files)
    assert "/root/never" not in files
    del files["/root/later"]


def test_one_slow_login_holds_nobody_up(node):
    """What holds a login up holds up only that one."""
    client = node()
    reached, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        reached.set()
        let_go.wait(60)

    client.lab.faults.add(Rule(protocol="ssh", call="auth", effect=Effect.MEANWHILE, others=hold))
    slow = threading.Thread(target=client.run, args=("pwd",))

    slow.start()
    try:
        assert reached.wait(60)
        code = client.run("pwd").returncode
        was_held = slow.is_alive()
    finally:
        let_go.set()
        slow.join()

    assert code == 0
    assert was_held


def test_commands_are_in_no_log(node, caplog):
    """Asyncssh would log them; sshd does not."""
    with caplog.at_level("INFO"):
        node().run("shell.set --enabled secret-word")

    assert "secret-word" not in caplog.text
