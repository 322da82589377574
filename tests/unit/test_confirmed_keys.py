"""The file of confirmed host keys, and the question at the terminal."""

from __future__ import annotations

import io
import os
import threading

import pytest

from stsfix.plugin.host_keys import ConfirmedKeys, terminal_confirmation
from stsfix.remediation.errors import HostKeyError
from stsfix.remediation.host_keys import HostKeyQuestion, HostKeys, SshPeer
from stsfix.remediation.known_hosts import HostKey

QUESTION = HostKeyQuestion(
    node="vc1.lab.example",
    address="192.0.2.1",
    key=HostKey(kind="ssh-ed25519\x1b[2J", blob=b"one"),
)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_keys_are_kept_for_the_owner_alone(tmp_path):
    """Lines are added to what is there, in a 0600 file in a 0700 folder that is made for it."""
    keys = ConfirmedKeys(tmp_path / "state")
    assert keys.read() == ""

    keys.add("one")
    keys.add("two")

    file = tmp_path / "state" / "known_hosts"
    assert file.read_text() == ConfirmedKeys(tmp_path / "state").read() == "one\ntwo\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_a_line_by_hand_without_an_end_is_not_joined(tmp_path):
    """Who edits the file loses nothing."""
    (tmp_path / "known_hosts").write_text("by hand")

    ConfirmedKeys(tmp_path).add("ours")

    assert ConfirmedKeys(tmp_path).read() == "by hand\nours\n"


def test_a_key_that_cannot_be_kept_is_a_warning(tmp_path, caplog):
    """The connection goes on; the next command asks again."""
    (tmp_path / "plain").write_text("")

    ConfirmedKeys(tmp_path / "plain").add("line")

    assert "cannot be remembered" in caplog.text


def test_keys_that_others_could_have_written_are_not_believed(tmp_path):
    """In a folder that somebody made for us, to vouch for a server of his own."""
    (tmp_path / "known_hosts").write_text("vc1.lab.example ssh-ed25519 b25l\n")
    tmp_path.chmod(0o777)
    keys = HostKeys(ConfirmedKeys(tmp_path), None)
    peer = SshPeer(node="vc1.lab.example", address="192.0.2.1")

    with pytest.raises(HostKeyError, match="others may write into the folder"):
        keys.check(peer, HostKey(kind="ssh-ed25519", blob=b"one"))

    tmp_path.chmod(0o700)
    keys.check(peer, HostKey(kind="ssh-ed25519", blob=b"one"))


@pytest.mark.parametrize(
    ("answer", "meant"),
    [
        ("yes\n", True),
        (" YES \n", True),
        ("y\n", False),
        ("no\n", False),
        ("\n", False),
        ("", False),
    ],
)
def test_only_yes_is_yes(answer, meant, monkeypatch):
    """The fingerprint and how to compare it are shown; anything but yes is no."""
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    monkeypatch.setattr("sys.stderr", Terminal())
    told: list[str] = []

    confirm = terminal_confirmation(told.append)

    assert confirm is not None
    assert confirm(QUESTION) is meant
    shown = "\n".join(told)
    assert QUESTION.key.fingerprint in shown
    assert "vc1.lab.example (192.0.2.1)" in shown
    assert "ssh-keygen -lf" in shown
    assert "\x1b" not in shown


def test_without_a_terminal_nobody_is_asked(monkeypatch):
    """A pipe cannot confirm a key."""
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))

    assert terminal_confirmation(print) is None


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("other")])
def test_what_is_no_file_of_ours_vouches_for_nobody(tmp_path, make):
    """It is not waited for, and told."""
    make(tmp_path / "known_hosts")
    keys = HostKeys(ConfirmedKeys(tmp_path), None)
    said = []

    def ask():
        try:
            keys.check(SshPeer(node="vc1", address="192.0.2.1"), QUESTION.key)
        except HostKeyError as error:
            said.append(str(error))

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(5)

    assert len(said) == 1
    assert "the keys that were confirmed cannot be read" in said[0]
