"""Passwords are found in a fixed order, once, and never shown."""

from __future__ import annotations

import getpass
import io
import os
import stat
import sys
import traceback

import pytest

from stsfix.plugin.config import load_settings
from stsfix.plugin.errors import SecretError
from stsfix.plugin.secrets import SecretStore, terminal_prompt, variable_name
from stsfix.plugin.secrets_file import read_secrets_file

DOMAIN = """
[sso]
domain = "vsphere.local"
nodes = ["vc1.lab.example"]
[[esxi]]
host = "ESX-1.lab.example"
user = "svc"
"""
SECRETS = """
sso = "file-sso"
[esxi]
"esx-1.LAB.example" = "file-esx1"
default = "file-esx"
[nodes]
"vc1.lab.example" = "file-vc1"
"""


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Prompt:
    """Answers prompts and remembers them."""

    def __init__(self, answer: str = "typed") -> None:
        self.answer = answer
        self.asked: list[str] = []

    def __call__(self, prompt: str) -> str:
        self.asked.append(prompt)
        return self.answer


@pytest.fixture
def secrets_path(tmp_path):
    """Return the path of a good secrets file."""
    path = tmp_path / "secrets.toml"
    path.write_text(SECRETS)
    path.chmod(0o600)
    return path


@pytest.fixture
def without_file(tmp_path):
    """Return settings that name no secrets file."""
    path = tmp_path / "domain.toml"
    path.write_text(DOMAIN)
    return load_settings(path)


@pytest.fixture
def with_file(tmp_path, secrets_path):
    """Return settings that name the good secrets file."""
    path = tmp_path / "domain.toml"
    path.write_text(f'{DOMAIN}\n[secrets]\nfile = "{secrets_path.name}"\n')
    return load_settings(path)


def test_environment_comes_before_the_file(with_file):
    """A variable for one host wins over the one for all, and both over the file."""
    both = {"STSFIX_SECRET_ESXI_ESX_1_LAB_EXAMPLE": "own", "STSFIX_SECRET_ESXI": "all"}

    assert SecretStore(with_file, both).esxi("ESX-1.lab.example").reveal() == "own"
    assert SecretStore(with_file, both).esxi("esx2").reveal() == "all"
    assert SecretStore(with_file, {"STSFIX_SECRET_SSO": "env"}).sso().reveal() == "env"


def test_file_comes_before_the_prompt(with_file):
    """A named entry wins over default, whatever its case; only what is absent is asked for."""
    ask = Prompt()
    store = SecretStore(with_file, {}, ask)

    found = [
        store.sso().reveal(),
        store.esxi("ESX-1.lab.example").reveal(),
        store.esxi("esx2.lab.example").reveal(),
        store.node("VC1.lab.example").reveal(),
        store.node("vc2.lab.example").reveal(),
    ]

    assert found == ["file-sso", "file-esx1", "file-esx", "file-vc1", "typed"]
    assert ask.asked == ["Password of root on node vc2.lab.example: "]


def test_each_secret_is_looked_up_once(without_file):
    """The second call gives the same secret without a second prompt, and redaction knows it."""
    ask = Prompt()
    registered: list[object] = []
    store = SecretStore(without_file, {}, ask, found=registered.append)

    first, second = store.esxi("ESX-1.lab.example"), store.esxi("esx-1.lab.example")

    assert first is second
    assert ask.asked == ["Password of svc on ESXi host ESX-1.lab.example: "]
    assert registered == [first]


def test_missing_secret_names_every_place(without_file):
    """Without a terminal the error says which variables, file and prompt were possible."""
    store = SecretStore(without_file, {}, None)

    with pytest.raises(SecretError) as caught:
        store.node("vc1.lab.example")

    assert str(caught.value) == "password of root on node vc1.lab.example: nowhere to be found"
    text = "\n".join(caught.value.evidence)
    assert "STSFIX_SECRET_NODES_VC1_LAB_EXAMPLE" in text
    assert "(STSFIX_SECRET_NODES)" in text
    assert '[secrets] file = "..."' in text
    assert "a prompt" in text
    assert len(caught.value.places) == 4


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ("VMware1!", "VMware1!"),
        ("\ufeffVMware1!\r\n", "VMware1!"),
        ("VMware1!\n", "VMware1!"),
        (" blank kept ", " blank kept "),
        ("back\\slash\"quote'$€", "back\\slash\"quote'$€"),
        ("in\ufeffside", "in\ufeffside"),
    ],
    ids=["plain", "notepad", "newline", "blanks", "special", "inner"],
)
def test_only_the_wrapping_is_removed(without_file, raw, kept):
    """A byte order mark in front and one line end behind go; everything else is the password."""
    assert SecretStore(without_file, {"STSFIX_SECRET_SSO": raw}).sso().reveal() == kept


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "is empty in $STSFIX_SECRET_SSO"),
        ("\ufeff\n", "is empty in $STSFIX_SECRET_SSO"),
        ("hunter\nhunter", "holds a control character"),
        ("hunter\n\n", "holds a control character"),
        ("hunter\uffff", "holds a control character"),
        ("hunter\udcff", "holds a control character or a broken byte"),
    ],
)
def test_unusable_secret_is_refused_and_not_shown(with_file, raw, reason):
    """An empty or broken value is refused where it stands; the next place is not tried."""
    store = SecretStore(with_file, {"STSFIX_SECRET_SSO": raw}, Prompt())

    with pytest.raises(SecretError) as caught:
        store.sso()

    assert reason in str(caught.value)
    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o700, 0o604, 0o4600])
def test_file_with_another_mode_is_refused(secrets_path, mode):
    """Any mode besides 0600 and 0400 is refused with the command that mends it."""
    secrets_path.chmod(mode)

    with pytest.raises(SecretError, match=rf"has mode {mode:04o}.*chmod 600"):
        read_secrets_file(secrets_path)


def test_read_only_file_is_accepted(secrets_path):
    """0400 is stricter than 0600 and good enough."""
    secrets_path.chmod(stat.S_IRUSR)

    assert read_secrets_file(secrets_path).sso is not None


def test_link_is_followed_to_the_file_that_counts(secrets_path, tmp_path):
    """The mode that is checked is the one of the file a link leads to."""
    link = tmp_path / "link.toml"
    link.symlink_to(secrets_path)

    accepted = read_secrets_file(link)
    secrets_path.chmod(0o644)

    assert accepted.sso is not None
    with pytest.raises(SecretError, match="has mode 0644"):
        read_secrets_file(link)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_file_of_another_user_is_refused(secrets_path):
    """Who owns the file could change its mode and read it."""
    os.chown(secrets_path, 12345, -1)

    with pytest.raises(SecretError, match="belongs to another user"):
        read_secrets_file(secrets_path)


def test_fifo_and_missing_file_are_refused(tmp_path):
    """What is no regular file does not hang the start; what is not there is named."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo, 0o600)

    with pytest.raises(SecretError, match="is not a regular file"):
        read_secrets_file(fifo)
    with pytest.raises(SecretError, match=r"cannot be read \(No such file or directory\)"):
        read_secrets_file(tmp_path / "absent")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'sso = "hunter2\n', "is not valid TOML at line 1"),
        (b"hunter2 = [" + b"[" * 20000, "is not valid TOML"),
        (b'sso = "hunter2\xff"', "is not UTF-8 text"),
        (b'password = "hunter2"', r"has a key besides sso, export, \[esxi\] and \[nodes\]"),
        (b"sso = 22222", "sso must be a string"),
        (b'esxi = "hunter2"', r"\[esxi\] must be a table"),
        (b'[nodes]\nvc1.lab = "hunter2"', r"\[nodes\] must hold strings"),
    ],
)
def test_broken_file_is_refused_without_its_content(secrets_path, content, reason):
    """The error and everything chained to it hold nothing of what the file says."""
    secrets_path.write_bytes(content)

    with pytest.raises(SecretError, match=reason) as caught:
        read_secrets_file(secrets_path)

    shown = "".join(traceback.format_exception(caught.value))
    assert "hunter2" not in shown
    assert caught.value.__context__ is None


def test_prompt_that_is_closed_is_a_missing_secret(without_file):
    """End of input at the prompt is an error of its own, not a crash."""

    def closed(_: str) -> str:
        raise EOFError

    with pytest.raises(SecretError, match="closed without an answer"):
        SecretStore(without_file, {}, closed).sso()


def test_empty_answer_is_refused(without_file):
    """Pressing Enter is not a password."""
    with pytest.raises(SecretError, match="is empty as typed"):
        SecretStore(without_file, {}, Prompt("")).sso()


def test_no_prompt_without_a_terminal():
    """Under pytest nobody sits at stdin, so there is nobody to ask."""
    assert terminal_prompt() is None


def test_a_prompt_cannot_command_the_terminal(monkeypatch):
    """The name of a node may come out of a directory."""
    asked: list[str] = []
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(getpass, "getpass", asked.append)
    ask = terminal_prompt()

    assert ask is not None
    ask("Password of root on node vc1\x1b[2J\nPassword of root on ESXi host esx1: ")

    assert asked == [r"Password of root on node vc1\x1b[2J\nPassword of root on ESXi host esx1: "]


def test_variable_names_are_the_documented_ones():
    """Upper case, everything but letters and digits as an underscore."""
    assert variable_name("sso") == "STSFIX_SECRET_SSO"
    assert variable_name("esxi", "esx-1.lab") == "STSFIX_SECRET_ESXI_ESX_1_LAB"
