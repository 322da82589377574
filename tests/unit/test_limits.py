"""What an answer is made of is counted before anything is made of it."""

from __future__ import annotations

import contextlib
import itertools
import socket
import ssl
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from xml.parsers.expat import ExpatError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stsfix.lab.vmdir import ber, messages
from stsfix.remediation.directory import ldap_connection
from stsfix.remediation.directory.ldap_connection import (
    MESSAGE_BYTES,
    NotLdapError,
    count_elements,
    limit_answers,
)
from stsfix.remediation.transports import ssh_packets
from stsfix.remediation.transports.ssh_packets import (
    GREETING_BYTES,
    PACKET_BYTES,
    UNREAD_BYTES,
    BoundedPacketizer,
)
from stsfix.snapshot import soap_stub
from stsfix.snapshot.answers import BYTES_A_SECOND, Exchange, OverdueError, OversizedError
from stsfix.snapshot.soap_stub import ReplyRefusedError, require_plain
from stsfix.snapshot.tls import BoundedSocket

if TYPE_CHECKING:
    import ldap3

    from stsfix.snapshot.ports import Clock

import paramiko

TREES = st.recursive(
    st.binary(max_size=200).map(ber.octets),
    lambda inner: st.lists(inner, max_size=5).map(ber.sequence),
)


def elements(element):
    """Count with the lab's decoder."""
    inner = element.children() if element.tag & 0x20 else []
    return 1 + sum(elements(child) for child in inner)


@given(TREES)
def test_every_element_is_counted(encoded):
    """Once each, however deep, with lengths of one octet and of more."""
    decoded, _ = ber.decode(encoded)

    assert count_elements(encoded, 10**6) == elements(decoded)


@given(st.binary(max_size=50))
def test_what_is_no_ber_is_counted_or_refused(noise):
    """Whatever comes, the count ends, and it is no more than there can be."""
    with contextlib.suppress(NotLdapError):
        assert count_elements(noise, 10**6) <= len(noise)


def searched(value):
    """Return an entry with one value, an encoded element."""
    attribute = ber.sequence([ber.octets("a"), ber.sequence([value], ber.SET)])
    body = ber.sequence([ber.octets("cn=a"), ber.sequence([attribute])], messages.SEARCH_ENTRY)
    return ber.sequence([ber.integer(7), body])


@pytest.mark.parametrize(
    "message",
    [
        searched(ber.integer(2**31)),
        searched(ber.integer(1, ber.ENUMERATED)),
        messages.result(7, 0x61, 2**90),
        ber.sequence([ber.integer(2**90), ber.tlv(0x65, b"")]),
        ber.sequence([ber.integer(7), ber.tlv(0x61, ber.octets(b"") + ber.integer(2**40))]),
    ],
    ids=["value", "enumerated value", "long code", "long id", "credentials"],
)
def test_a_number_where_ldap_has_none_is_refused(message):
    """Ldap3 would make 2 GiB of zero bytes of the first, and count for hours over a long one."""
    with pytest.raises(NotLdapError):
        receiver(message).receiving()


def nested(depth):
    """Return a sequence within a sequence, and so on."""
    return ber.sequence([nested(depth - 1)] if depth else [])


@pytest.mark.parametrize(
    "message",
    [
        ber.sequence([ber.integer(7), ber.tlv(0x24, b"")]),
        ber.sequence([ber.integer(7), ber.tlv(0x65, ber.tlv(0x11, ber.octets(b"") * 9))]),
        ber.sequence([ber.integer(7), ber.tlv(0x65, ber.tlv(0x83, ber.octets(b"") * 9))]),
        b"\x30\x04\x30\x04\x04\x00",
        b"\x30\x04\x30\x80\x04\x00",
        nested(50),
    ],
    ids=["constructed text", "hidden set", "hidden referrals", "overlap", "indefinite", "deep"],
)
def test_what_would_be_decoded_another_way_than_counted_is_refused(message):
    """Elements that hide others, or reach beyond what they are in, make ldap3 decode more."""
    with pytest.raises(NotLdapError):
        receiver(message).receiving()


def test_the_numbers_that_ldap_has_are_taken():
    """An id and a result code, also vmdird's own codes."""
    message = messages.result(2**31 - 1, 0x65, 9603)

    assert receiver(message).receiving() == [message]


class Pieces:
    """A socket that has these pieces, and then is closed."""

    def __init__(self, *pieces):
        self.pieces = list(pieces)

    def recv(self, size):
        """Return the next piece."""
        assert size
        return self.pieces.pop(0) if self.pieces else b""


def receiver(*pieces):
    """Return what ldap3 receives by, with a limit, from a peer that sends *pieces*."""
    strategy = SimpleNamespace(sending=lambda _: None, receiving=None, close=lambda: None)
    connection = SimpleNamespace(strategy=strategy, socket=Pieces(*pieces))
    limit_answers(cast("ldap3.Connection", connection))
    return cast("Any", strategy)


@given(st.lists(st.integers(0, 400), min_size=1, max_size=5), st.integers(1, 90))
def test_messages_are_whole_however_they_come(sizes, cut):
    """Pieces begin and end anywhere in messages."""
    sent = [messages.entry(1, f"cn={n}", {"a": [b"x" * n]}) for n in sizes]
    stream = b"".join(sent)
    got: list[bytes] = []

    strategy = receiver(*(stream[at : at + cut] for at in range(0, len(stream), cut)))
    while len(got) < len(sent):
        got += strategy.receiving()

    assert got == sent
    assert strategy.receiving() == []


def test_a_message_is_refused_by_its_length():
    """Nothing of it has to come first."""
    length = (MESSAGE_BYTES + 1).to_bytes(4, "big")

    with pytest.raises(OversizedError, match="more than 16 MiB in one answer"):
        receiver(b"\x30\x84" + length).receiving()


def test_elements_and_entries_of_all_messages_count_together(monkeypatch):
    """Until the next request, over as many calls as ldap3 makes."""
    one = messages.entry(1, "cn=1", {})
    monkeypatch.setattr(ldap_connection, "MESSAGES", 3)

    strategy = receiver(*[one] * 9)
    for _ in range(2):
        strategy.sending("a new request")
        for _ in range(3):
            assert strategy.receiving() == [one]
    with pytest.raises(OversizedError, match="more than 3 entries"):
        strategy.receiving()


def test_values_without_end_are_too_many_elements(monkeypatch):
    """An entry that is small enough may have too many values."""
    monkeypatch.setattr(ldap_connection, "ELEMENTS", 100)

    with pytest.raises(OversizedError, match="more than 100 elements"):
        receiver(messages.entry(1, "", {"a": [b""] * 100})).receiving()


def test_xml_elements_are_counted(monkeypatch):
    """An object that is only named takes as much memory as one that is described."""
    monkeypatch.setattr(soap_stub, "ELEMENTS", 10)
    require_plain(b"<a>" + b"<b/>" * 9 + b"</a>")

    with pytest.raises(OversizedError, match="more than 10 elements"):
        require_plain(b"<a>" + b"<b/>" * 10 + b"</a>")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_type_is_refused_in_any_encoding(encoding):
    """Entities would make 100 bytes of each byte."""
    document = '<!DOCTYPE a [<!ENTITY b "bbbb">]><a>&b;</a>'.encode(encoding)

    with pytest.raises(ReplyRefusedError):
        require_plain(document)


def test_what_is_no_xml_is_refused():
    """As pyVmomi says it."""
    with pytest.raises(ExpatError):
        require_plain(b"HTTP")


def packetizer(content):
    """Return a packetizer whose peer sends *content* until it is closed."""
    ours, theirs = socket.socketpair()
    threading.Thread(target=_sends, args=(theirs, content), daemon=True).start()
    ours.settimeout(5)
    return BoundedPacketizer(ours), ours


def _sends(peer, content):
    with peer:
        try:
            while True:
                peer.sendall(content)
        except OSError:
            return


def test_a_greeting_without_end_is_refused():
    """One line or many."""
    bounded, ours = packetizer(b"x" * 1000)

    with ours, pytest.raises(paramiko.SSHException, match="greeting"):
        bounded.readline(5)


def test_a_packet_is_refused_by_its_length():
    """Nothing of it has to come first, and nothing was agreed upon before."""
    bounded, ours = packetizer((PACKET_BYTES * 8 + 4).to_bytes(4, "big") + b"x" * 64)

    with ours, pytest.raises(paramiko.SSHException, match="a packet of"):
        bounded.read_message()


def test_more_than_the_window_is_refused():
    """What nobody read yet is limited, and only by what a channel may hold."""
    bounded, ours = packetizer(b"\0\0\0\x0c\x0a\x02" + b"\0" * 10)
    channel = SimpleNamespace(in_buffer=bytes(UNREAD_BYTES), in_stderr_buffer=b"")
    watched = cast("paramiko.Channel", Watched(channel))
    bounded.watch(watched)

    with ours:
        bounded.read_message()
        channel.in_stderr_buffer = b"x"
        with pytest.raises(paramiko.SSHException, match="window"):
            bounded.read_message()


class Watched:
    """A channel that can be referred to weakly."""

    def __init__(self, channel):
        self._channel = channel

    def __getattr__(self, name):
        return getattr(self._channel, name)


def test_limits_leave_room_for_what_openssh_sends():
    """Its packets, and the 1,024 lines before its version that RFC 4253 allows a server."""
    assert PACKET_BYTES > 256 * 1024
    assert GREETING_BYTES > 255
    assert ssh_packets.UNREAD_BYTES >= 2 * paramiko.common.DEFAULT_WINDOW_SIZE


class Hands:
    """A clock that is set by hand."""

    def __init__(self):
        self.now_s = 0.0

    def monotonic(self):
        return self.now_s


def exchange(patience_s=60.0):
    """Return an exchange that has just begun, and its clock."""
    clock = Hands()
    return Exchange(patience_s=patience_s, clock=cast("Clock", clock)), clock


@given(st.lists(st.floats(0.5, 30), min_size=1, max_size=10))
def test_a_byte_now_and_then_earns_no_patience(pauses):
    """Whatever the pauses are, a peer that drips is left after the patience, and a moment."""
    slow, clock = exchange()

    for pause in itertools.cycle(pauses):
        left_s = slow.left_s()
        clock.now_s += min(pause, left_s)
        if pause >= left_s:  # the read timed out
            break
        slow.took(1)

    assert 60 <= clock.now_s < 61


@pytest.mark.parametrize("rate", [BYTES_A_SECOND + 1, 16 * 1024, 1024 * 1024])
def test_a_slow_line_carries_its_answer(rate):
    """What comes at the rate that is wanted may take far longer than a small answer may."""
    slow, clock = exchange()
    clock.now_s = 59.0

    for _ in range(500):
        assert slow.left_s() > 0
        clock.now_s += 1
        slow.took(rate)


def test_no_answer_takes_for_ever():
    """Ten times the patience is the end, however much comes."""
    endless, clock = exchange(patience_s=6.0)

    clock.now_s = 59.0
    endless.took(1 << 30)
    assert endless.left_s() == 1.0
    clock.now_s = 60.0
    with pytest.raises(OverdueError, match="1073741824 bytes in 60 s"):
        endless.left_s()


@pytest.mark.parametrize(
    ("received", "said"),
    [(0, "no answer in 7 s"), (1, "it answers too slowly: 1 byte in 7 s")],
)
def test_silence_is_told_from_slowness(received, said):
    """What was sent before is no answer."""
    slow, clock = exchange()
    slow.gave(5000)
    slow.took(received)
    clock.now_s = 7.0

    assert str(slow.overdue()) == said


def test_what_openssl_has_no_memory_for_is_no_fault_of_the_peer(monkeypatch):
    """It would be told as a broken connection, and the call made again. The words are those of
    OpenSSL 3.0 for ERR_R_MALLOC_FAILURE.
    """

    def read(*_):
        raise ssl.SSLError(1, "malloc failure (_ssl.c:2578)")

    monkeypatch.setattr(ssl.SSLSocket, "read", read)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.sslsocket_class = BoundedSocket
    ours, theirs = socket.socketpair()
    with theirs:
        peer: Any = context.wrap_socket(ours, server_hostname="a", do_handshake_on_connect=False)
        peer.be_patient(1.0)
        with peer, pytest.raises(MemoryError):
            peer.read()
