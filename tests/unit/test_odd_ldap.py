"""LDAP answers that ldap3 takes for whole and stumbles over: nothing of them surfaces as a bug."""

from __future__ import annotations

import ldap3
import pytest

from stsfix.lab.vmdir import ber
from stsfix.remediation.directory import ldap_session
from stsfix.remediation.directory.ldap_connection import limit_answers
from stsfix.remediation.directory.ldap_session import LdapSession
from stsfix.remediation.errors import DirectoryFaultError, DirectoryUnreachableError
from stsfix.snapshot.secret import Secret
from stsfix.snapshot.system_clock import SystemClock
from stsfix.snapshot.tls import Endpoint, Trust

BIND, SEARCH = 0x60, 0x63
TEXT = ber.octets(b"")


def code(number):
    """Return a result code."""
    return ber.integer(number, ber.ENUMERATED)


class Peer:
    """A socket whose other side answers each kind of request with *answers*."""

    def __init__(self, answers):
        self._answers = answers
        self._unread = b""
        self.asked = []

    def sendall(self, request):
        """Take a request and have its answer ready."""
        message, operation = ber.decode(bytes(request))[0].children()[:2]
        self.asked.append(operation.tag)
        for tag, content in self._answers.get(operation.tag, ()):
            self._unread += ber.sequence([ber.integer(message.integer()), ber.tlv(tag, content)])

    def recv(self, size):
        """Give what is there; nothing is the end."""
        got, self._unread = self._unread[:size], self._unread[size:]
        return got

    def shutdown(self, how):
        """Do nothing."""

    def close(self):
        """Do nothing."""


@pytest.fixture
def session(monkeypatch):
    """Makes sessions with a `Peer` in the place of a connection."""

    def make(answers):
        peer = Peer(answers)

        def opened(node, endpoint, *, user_dn, password):
            connection = ldap3.Connection(
                ldap3.Server("127.0.0.1", get_info=ldap3.NONE),
                user=user_dn,
                password=password.reveal(),
                client_strategy=ldap3.SYNC,
                auto_referrals=False,
                raise_exceptions=True,
                check_names=False,
            )
            limit_answers(connection)
            connection.socket, connection.closed, connection.listening = peer, False, True
            connection.strategy._outstanding = {}
            return connection

        monkeypatch.setattr(ldap_session, "open_connection", opened)
        monkeypatch.setattr(ldap_session, "is_over", lambda connection: False)
        place = Endpoint(name="vc1", address="127.0.0.1", port=636, trust=Trust())
        made = LdapSession(
            "vc1",
            place,
            find_user_dn=lambda: "cn=a,dc=b",
            password=Secret("p"),
            clock=SystemClock(),
        )
        return made, peer

    return make


def read(session):
    """Search something."""
    return session.search("dc=b", "(a=*)", scope="BASE", attributes=["a"])


BOUND = (0x61, code(0) + TEXT + TEXT)
DONE = (0x65, code(0) + TEXT + TEXT)


@pytest.mark.parametrize(
    "answer",
    [
        (0x61, code(0) + ber.sequence([]) + TEXT),
        (0x61, code(0)),
        (0x61, b""),
        (0x61, code(7777) + TEXT + TEXT),
        (0x65, code(0) + TEXT + TEXT),
    ],
    ids=["no name", "cut", "empty", "unknown code", "of a search"],
)
def test_an_odd_answer_to_a_login_keeps_the_password_back(session, answer):
    """Nobody knows whether it was taken, so it is sent once."""
    made, peer = session({BIND: [answer]})

    for _ in range(2):
        with pytest.raises((DirectoryUnreachableError, DirectoryFaultError), match="vc1"):
            read(made)

    assert peer.asked.count(BIND) == 1


@pytest.mark.parametrize(
    "entry",
    [
        b"",
        TEXT,
        TEXT + ber.sequence([TEXT]),
        TEXT + ber.sequence([ber.sequence([ber.octets(b"\xff"), ber.sequence([], ber.SET)])]),
        TEXT + ber.sequence([ber.sequence([ber.octets(b"a"), TEXT])]),
    ],
    ids=["empty", "no list", "a text in the list", "no name", "no set"],
)
def test_an_odd_entry_is_no_answer(session, entry):
    """Nothing is taken from what cannot be read whole."""
    made, _ = session({BIND: [BOUND], SEARCH: [(0x64, entry), DONE]})

    with pytest.raises(DirectoryUnreachableError, match="vc1"):
        read(made)


def test_a_referral_is_followed_nowhere(session):
    """Neither as a result nor as a continuation."""
    elsewhere = ber.octets(b"ldap://evil.example/")
    result = (0x65, code(10) + TEXT + TEXT + ber.tlv(0xA3, elsewhere))
    refused, _ = session({BIND: [BOUND], SEARCH: [result]})
    with pytest.raises(DirectoryFaultError, match="10"):
        read(refused)

    continued, peer = session({BIND: [BOUND], SEARCH: [(0x73, elsewhere), DONE]})
    assert read(continued) == ()
    assert peer.asked == [BIND, SEARCH]
