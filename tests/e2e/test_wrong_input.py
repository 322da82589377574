"""Wrong input ends before anything is changed: a sentence, the next action, a stable exit code.

Judged by the lab: no call that writes came in, nothing differs, no file of ours is on a node.
"""

from __future__ import annotations

import json
import re

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ready_keys import another_key
from stsfix.lab.ports import PortBlock

pytestmark = [pytest.mark.e2e, pytest.mark.lab]

VC1, VC2 = "vc1.lab.example", "vc2.lab.example"
ESX1 = "esx1.lab.example"


@pytest.fixture
def bench(shared):
    """The lab with its right configuration, and its accounts unlocked."""
    shared.reset()
    yield shared
    for host in shared.lab.hosts.values():
        host.accounts._failures.clear()
    for node in shared.lab.nodes.values():
        node.disk.failed_logins = 0


def assert_ended(ended, code, *sentences):
    """Fail unless the command ended with *code* and says each of *sentences* and what is next."""
    assert ended.code == code, ended
    for sentence in sentences:
        assert sentence in ended.said
    assert "-> " in ended.said
    assert "Traceback" not in ended.said


def pem_of(key):
    """Return *key* as PKCS#8 PEM without a passphrase."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def dead_port():
    """Return a port that nobody listens on."""
    block = PortBlock()
    port = block.take()
    block.release()
    return port


def test_an_unreachable_host_forbids_the_run(bench):
    """One host that does not answer: found, named, exit 2, nothing begun."""
    port = bench.lab.hosts[ESX1].port
    bench.set_config(lambda text: text.replace(f"port = {port}", f"port = {dead_port()}"))

    ended = bench.stsfix.run("run", "--yes")

    assert_ended(ended, 2, "HOST-UNREACHABLE", f" {ESX1}: ")
    bench.assert_untouched()


def test_an_unpinned_host_gets_no_credential(bench):
    """Another certificate than the pinned one: the host sees no login at all."""
    bench.set_config(
        lambda text: re.sub("sha256:[0-9a-fA-F:]+", "sha256:" + "ab" * 32, text, count=1)
    )

    ended = bench.stsfix.run("run", "--yes")

    assert_ended(ended, 2, "HOST-TLS", f" {ESX1}: ")
    assert bench.count("soap", "Login", ESX1) == 0
    bench.assert_untouched()


def test_a_wrong_host_password_is_tried_once(bench):
    """One login, refused; the account's lock is four more away."""
    bench.set_secrets(lambda text: replaced(text, bench.lab.passwords.hosts[ESX1]))
    before = bench.lab.hosts[ESX1].accounts.attempts["root"]

    ended = bench.stsfix.run("run", "--yes")

    assert_ended(ended, 2, "HOST-LOGIN", f" {ESX1}: ")
    assert bench.lab.hosts[ESX1].accounts.attempts["root"] == before + 1
    bench.assert_untouched()


@pytest.mark.parametrize("command", ["run", "verify"])
def test_a_wrong_sso_password_is_tried_once_in_the_whole_domain(bench, command):
    """One BIND over all nodes, and no STS and no vCenter hears the password."""
    bench.set_secrets(lambda text: replaced(text, bench.lab.passwords.sso))

    ended = bench.stsfix.run(command, "--yes")

    # Who only proves logins is not told what a run would be forbidden for.
    code, said = (2, "SSO-LOGIN") if command == "run" else (34, "refused the login")
    assert_ended(ended, code, said)
    assert bench.count("ldap", "BIND") == 1
    assert bench.count("sts", "issue") == 0
    bench.assert_untouched()


def test_a_wrong_root_password_of_a_node_is_tried_once(bench):
    """The node counts one wrong password; three would lock the account."""
    bench.set_secrets(lambda text: replaced(text, bench.lab.passwords.nodes[VC1]))

    ended = bench.stsfix.run("run", "--yes")

    assert_ended(ended, 2, "GUEST-LOGIN", f" {VC1}: ")
    assert bench.lab.nodes[VC1].disk.failed_logins == 1
    bench.assert_untouched()


def test_an_unknown_domain_is_named_with_the_right_one(bench):
    """The node serves another domain: both are said."""
    bench.set_config(lambda text: text.replace("vsphere.local", "no.such"))

    ended = bench.stsfix.run("run", "--yes")

    assert_ended(ended, 2, "SSO-DOMAIN", "no.such", "vsphere.local")
    bench.assert_untouched()


def test_a_node_that_is_none_is_named(bench):
    """sso.nodes names a machine that does not exist."""
    bench.set_config(lambda text: text.replace(f'nodes = ["{VC1}"]', 'nodes = ["nobody.invalid"]'))

    ended = bench.stsfix.run("run", "--yes")

    assert_ended(ended, 2, "SSO-UNREACHABLE", "nobody.invalid: ")
    bench.assert_untouched()


def test_a_ca_certificate_needs_its_own_key(bench):
    """With issuer = "files" and another key: found before the question whether to begin."""
    (bench.folder / "own.pem").write_bytes(bench.lab.ca_pem)
    (bench.folder / "other.key").write_bytes(pem_of(another_key()))
    bench.set_config(
        lambda text: text.replace(
            "[timeouts]",
            '[sts]\nissuer = "files"\nca_certificate = "own.pem"\nca_key = "other.key"\n[timeouts]',
        )
    )

    ended = bench.stsfix.run("run", "--yes")

    assert_ended(ended, 21, "no certificate in", "belongs to")
    bench.assert_untouched()


def test_a_missing_configuration_says_where_to_get_one(bench):
    """No file: exit 3, and nobody is contacted."""
    ended = bench.stsfix.run("run", "--yes", "-c", "nowhere.toml")

    assert_ended(ended, 3, "nowhere.toml: there is no such file", "Or name it with -c FILE")
    assert bench.count("soap", "Login") == 0


def test_broken_toml_says_the_line(bench):
    """A syntax error: exit 3 with line and column."""
    bench.set_config(lambda text: text.replace("[sso]", "[sso"))

    ended = bench.stsfix.run("run", "--yes")

    assert_ended(ended, 3, "line 2")
    assert bench.count("soap", "Login") == 0


def test_an_unknown_key_is_refused(bench):
    """A misspelt key would silently be a default: exit 3, named."""
    bench.set_config(lambda text: text.replace("[timeouts]", "[timeouts]\nshutdwon = 3"))

    ended = bench.stsfix.run("preflight")

    assert_ended(ended, 3, "shutdwon")


def test_a_secrets_file_that_others_can_read_is_refused(bench):
    """Mode 0644: exit 4, the mode is said, and nobody is contacted."""
    (bench.folder / "secrets.toml").chmod(0o644)

    ended = bench.stsfix.run("run", "--yes")

    assert_ended(ended, 4, "secrets.toml", "chmod 600")
    assert bench.count("soap", "Login") == 0


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--fore"),
        ("run", "--on-failure", "explode"),
        ("nonsense",),
        ("status", "one", "two"),
        ("rehearse", "--scenario", "nonsense"),
        ("lab", "up", "--scenario", "nonsense"),
    ],
    ids=" ".join,
)
def test_a_wrong_command_line_is_64(bench, words):
    """One sentence, the usage, exit 64."""
    ended = bench.stsfix.run(*words)

    assert ended.code == 64
    assert "Usage: stsfix" in ended.err
    assert "Error: " in ended.err
    assert ended.out == ""


@pytest.mark.parametrize("command", ["rehearse", "lab up"])
def test_an_unknown_scenario_gets_the_nearest_and_the_list(bench, command):
    """Who mistypes a scenario is told what is near, and where all are."""
    ended = bench.stsfix.run(*command.split(), "--scenario", "expird")

    assert "did you mean expired" in ended.said
    assert "healthy" not in ended.said
    assert "healthy" in bench.stsfix.run("lab", "scenarios").out
    assert bench.stsfix.run("lab", "scenarios", "nonsense").code == 1


def test_a_mistyped_command_gets_the_nearest(bench):
    """Nobody reads the list of all at three in the morning."""
    assert "Did you mean 'rollback'?" in bench.stsfix.run("roll-back").err


def test_without_a_terminal_only_yes_begins(bench):
    """Nobody can be asked: exit 64, before any password is used."""
    ended = bench.stsfix.run("run")

    assert ended.code == 64
    assert "--yes" in ended.err
    assert bench.count("soap", "Login") == 0
    bench.assert_untouched()


@pytest.mark.parametrize("command", ["status", "resume", "rollback", "release"])
def test_a_run_that_is_none_is_named(bench, command):
    """Exit 22, and the command that lists the runs."""
    ended = bench.stsfix.run(command, "stsfix-none", "--yes")

    assert_ended(ended, 22, "stsfix-none", "stsfix runs -c domain.toml --state-dir state")
    assert bench.count("soap", "Login") == 0


def replaced(text, password):
    """Return the secrets with *password* wrong, as TOML writes it."""
    return text.replace(json.dumps(password, ensure_ascii=False), '"wrong-password"')


def test_a_lab_is_not_made_where_others_may_write(bench):
    """A log or configuration in it could be a link to anything of ours."""
    folder = bench.folder / "open"
    folder.mkdir()
    folder.chmod(0o777)
    (bench.folder / "target").write_text("precious")
    (folder / "lab.log").symlink_to(bench.folder / "target")

    ended = bench.stsfix.run("lab", "up", "--dir", "open")
    bench.stsfix.run("lab", "down", "--dir", "open")  # nothing, unless this test fails

    assert ended.code == 1
    assert "is no place for a lab" in ended.err
    assert (bench.folder / "target").read_text() == "precious"
