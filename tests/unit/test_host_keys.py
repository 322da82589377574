"""Host keys: what a file of known hosts says, what is pinned, and what a person is asked."""

from __future__ import annotations

import base64
import hashlib
import hmac
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssh_client import FQDN, MemoryKeys
from stsfix.remediation.errors import HostKeyError
from stsfix.remediation.host_keys import HostKeys, SshPeer
from stsfix.remediation.known_hosts import (
    HostKey,
    Known,
    known_keys,
    names_of,
    openssh_form,
)

KEY = HostKey(kind="ssh-ed25519", blob=b"one")
OTHER = HostKey(kind="ssh-ed25519", blob=b"other")
RSA = HostKey(kind="ssh-rsa", blob=b"rsa")
NO_ENDS = ("\x0b", "\x0c", "\x1c", "\x1e", "\x85", "\u2028", "\r", "\xa0")
"""What Python takes for the end of a line or a field, and ssh does not."""


def hashed(name):
    """Return *name* as OpenSSH hides it."""
    salt = b"s" * 20
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return "|1|" + "|".join(base64.b64encode(part).decode() for part in (salt, digest))


def keygen(*arguments):
    """Return what ssh-keygen prints."""
    done = subprocess.run(
        ["ssh-keygen", "-q", *arguments],
        check=True,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    return done.stdout


@pytest.mark.parametrize(
    ("text", "trusted"),
    [
        (KEY.line("vc1.lab.example"), [KEY]),
        (KEY.line("VC1.lab.example,192.0.2.1"), [KEY]),
        (KEY.line("other,192.0.2.1"), [KEY]),
        (KEY.line("*.lab.example"), [KEY]),
        (KEY.line("vc?.lab.example"), [KEY]),
        (KEY.line("*.lab.example,!vc1.lab.example"), []),
        (KEY.line(hashed("vc1.lab.example")), [KEY]),
        (KEY.line(hashed("vc2.lab.example")), []),
        (KEY.line("[vc1.lab.example]:22"), []),
        (KEY.line("vc2.lab.example"), []),
        (f"# {KEY.line(FQDN)}", []),
        (f"@cert-authority {KEY.line(FQDN)}", []),
        (f"{KEY.line(FQDN)}  a comment\n\n{RSA.line(FQDN)}\r\n", [KEY, RSA]),
        (f"{KEY.line(FQDN)}\n{KEY.line(FQDN)}", [KEY]),
        (f"{FQDN} ssh-ed25519", []),
        (f"{FQDN} ssh-ed25519 not*base64", []),
        *((f"# {FQDN}:22 SSH-2.0-x{end}{KEY.line(FQDN)}", []) for end in NO_ENDS),
        *((f"other{end}{KEY.line(FQDN)}", []) for end in NO_ENDS),
        (KEY.line(FQDN).replace(" ", "\t"), [KEY]),
        (f"  {KEY.line(FQDN)}  ", [KEY]),
        ("|1|broken ssh-ed25519 b25l", []),
        ("|1|a|b|c ssh-ed25519 b25l", []),
        ("", []),
    ],
)
def test_lines_that_name_a_server(text, trusted):
    """Plain, hashed and pattern names are found; markers and broken lines vouch for nobody."""
    found = known_keys(text, names_of((FQDN, "192.0.2.1"), 22))

    assert found == Known(trusted=tuple(trusted))


def test_a_port_of_its_own_is_part_of_the_name():
    """At another port than 22 only ``[name]:port`` counts."""
    names = names_of((FQDN, FQDN), 2222)

    assert names == (f"[{FQDN}]:2222",)
    assert known_keys(KEY.line(f"[{FQDN}]:2222"), names).trusted == (KEY,)
    assert known_keys(KEY.line(FQDN), names).trusted == ()


def test_revoked_keys_are_told_apart():
    """A line with @revoked is no trust."""
    found = known_keys(f"@revoked {KEY.line('*')}\n{OTHER.line(FQDN)}", (FQDN,))

    assert found == Known(trusted=(OTHER,), revoked=(KEY,))


@given(st.text(max_size=200))
def test_any_text_is_read(text):
    """No file breaks the reader."""
    assert known_keys(text, (FQDN,)).revoked == ()


@pytest.mark.peer
@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_ssh_keygen_agrees(kind, tmp_path):
    """What ssh-keygen hashes is found, and the fingerprint is the one that it prints."""
    file = tmp_path / "key"
    keygen("-t", kind, "-N", "", "-f", str(file))
    words = file.with_suffix(".pub").read_text().split()
    known = tmp_path / "known_hosts"
    known.write_text(f"[{FQDN}]:2222 {words[0]} {words[1]}\nother {words[0]} {words[1]}\n")
    keygen("-H", "-f", str(known))
    shown = keygen("-lf", str(file)).split()[1]

    (found,) = known_keys(known.read_text(), names_of((FQDN,), 2222)).trusted

    assert FQDN not in known.read_text()
    assert found.fingerprint == shown
    assert openssh_form(found.sha256) == shown


class Person:
    """Answers questions about host keys; *asked* are those."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = []

    def __call__(self, question):
        self.asked.append(question)
        return self.answer


def peer(**kwargs):
    """Return the SSH server of a node."""
    return SshPeer(node=FQDN, address="192.0.2.1", **kwargs)


def test_a_pinned_key_is_enough():
    """With the right pin nothing is asked or looked up."""
    HostKeys(MemoryKeys(OTHER.line(FQDN)), None).check(peer(sha256=KEY.sha256), KEY)


def test_a_pin_is_stronger_than_a_person():
    """A key that is not the pinned one is refused, without a question; both are named."""
    person = Person(answer=True)

    with pytest.raises(HostKeyError) as caught:
        HostKeys(MemoryKeys(), person).check(peer(sha256=KEY.sha256), OTHER)

    assert KEY.fingerprint in str(caught.value)
    assert caught.value.shown == OTHER.fingerprint
    assert caught.value.is_changed
    assert person.asked == []


def test_a_confirmed_key_is_remembered():
    """A person is asked once; from then on the key is known, and its kind is asked for."""
    person, memory = Person(answer=True), MemoryKeys()
    keys = HostKeys(memory, person)

    keys.check(peer(), KEY)
    keys.check(peer(), KEY)

    assert [question.key for question in person.asked] == [KEY]
    assert memory.text == f"{FQDN} ssh-ed25519 b25l\n"
    assert HostKeys(memory, None).kinds(peer()) == ("ssh-ed25519",)


def test_a_denied_key_is_asked_about_once():
    """No stays no for this command, and nothing is remembered."""
    person, memory = Person(answer=False), MemoryKeys()
    keys = HostKeys(memory, person)

    for _ in range(2):
        with pytest.raises(HostKeyError, match="was not confirmed"):
            keys.check(peer(), KEY)

    assert len(person.asked) == 1
    assert memory.text == ""


def test_without_a_person_an_unknown_key_is_refused():
    """Nothing is taken on first sight; the fingerprint is there to be pinned."""
    with pytest.raises(HostKeyError) as caught:
        HostKeys(MemoryKeys(), None).check(peer(), KEY)

    assert caught.value.shown == KEY.fingerprint
    assert not caught.value.is_changed


@pytest.mark.parametrize("text", [KEY.line(FQDN), f"@revoked {OTHER.line('*')}"])
def test_a_changed_or_revoked_key_is_nobodys_to_confirm(text):
    """A person is not asked to wave through what differs from a known key."""
    person = Person(answer=True)

    with pytest.raises(HostKeyError) as caught:
        HostKeys(MemoryKeys(text), person).check(peer(), OTHER)

    assert caught.value.is_changed
    assert person.asked == []


def test_a_file_of_known_hosts_replaces_what_was_confirmed(tmp_path):
    """With ssh_known_hosts the file alone counts."""
    file = tmp_path / "known_hosts"
    file.write_text(KEY.line("192.0.2.1"))
    keys = HostKeys(MemoryKeys(OTHER.line(FQDN)), None)

    keys.check(peer(known_hosts=file), KEY)

    with pytest.raises(HostKeyError, match="not the known one"):
        keys.check(peer(known_hosts=file), OTHER)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    """It is no empty file."""
    with pytest.raises(HostKeyError, match="none cannot be read"):
        HostKeys(MemoryKeys(), None).check(peer(known_hosts=tmp_path / "none"), KEY)
