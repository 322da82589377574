"""Our TLS contexts over loopback: who is believed, and that nobody else hears a byte."""

from __future__ import annotations

import socket
import ssl
from dataclasses import replace

import pytest

from stsfix.lab import pki
from stsfix.snapshot.errors import HostTlsError, HostUnreachableError
from stsfix.snapshot.esxi import EsxiHost
from stsfix.snapshot.model import HostRef
from stsfix.snapshot.secret import Secret
from stsfix.snapshot.system_clock import SystemClock
from stsfix.snapshot.tls import Endpoint, Trust, peer_context
from tls_recorder import (
    ROOT,
    certificate_below,
    foreign_certificate,
    host_certificate,
    recording,
)

pytestmark = pytest.mark.lab

NAME = "esx1.lab.example"
GOOD = host_certificate(NAME)
EXPIRED = host_certificate(NAME, ended=True)
OTHER = host_certificate("somebody.else.example")
FOREIGN = foreign_certificate(NAME)
FOREIGN_TWIN = foreign_certificate(NAME)
FOREIGN_OTHER = foreign_certificate(NAME, "another.example")
FOREIGN_NAME = foreign_certificate("somebody.else.example")
BELOW_FOREIGN = certificate_below(FOREIGN, NAME)
HELLO = b"user and password"


@pytest.fixture
def ca(tmp_path):
    """Trust in the lab's root."""
    path = tmp_path / "ca.pem"
    path.write_bytes(pki.pem(ROOT))
    return Trust(ca_file=path)


def pinned(leaf):
    """Trust in exactly *leaf*."""
    return Trust(sha256=pki.sha256(leaf))


def endpoint(server, trust):
    """Return where *server* is and how far it is trusted."""
    return Endpoint(
        name=NAME,
        address="127.0.0.1",
        port=server.port,
        trust=trust,
        connect_timeout_s=5.0,
        read_timeout_s=5.0,
    )


def say(server, trust):
    """Connect and send something."""
    context = peer_context(endpoint(server, trust))
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=5)
    # The name given here is not used: http.client would give the address it connects to.
    with plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
        secure.sendall(HELLO)


def test_a_verified_peer_is_believed(ca):
    """A certificate of the CA for the endpoint's name is accepted, whatever the address."""
    with recording(GOOD) as server:
        say(server, ca)

    assert server.received == HELLO


@pytest.mark.parametrize("leaf", [GOOD, EXPIRED, OTHER], ids=["valid", "expired", "other name"])
def test_a_pinned_peer_is_believed(leaf):
    """The pin is enough: expired host certificates are common in such an outage."""
    with recording(leaf) as server:
        say(server, pinned(leaf))

    assert server.received == HELLO


@pytest.mark.parametrize("leaf", [EXPIRED, OTHER], ids=["expired", "other name"])
def test_an_unsound_peer_hears_nothing(ca, leaf):
    """An expired certificate, or one for another name, is refused before a byte is sent."""
    with recording(leaf) as server, pytest.raises(ssl.SSLCertVerificationError):
        say(server, ca)

    assert server.received == b""


def test_a_peer_of_an_unknown_ca_hears_nothing():
    """Without trust of our own, the system's roots decide: they do not know the lab's CA."""
    with recording(GOOD) as server, pytest.raises(ssl.SSLCertVerificationError):
        say(server, Trust())

    assert server.received == b""


def test_a_peer_with_another_pin_hears_nothing():
    """A wrong pin is seen after the handshake and before any data; the error shows the leaf."""
    shown = pki.sha256(GOOD)
    with recording(GOOD) as server, pytest.raises(ssl.SSLCertVerificationError, match=shown):
        say(server, pinned(OTHER))

    assert server.handshakes == 1
    assert server.received == b""


def test_a_pin_is_checked_on_every_connection():
    """One context never gets used to a peer (pyVmomi's own thumbprint does)."""
    with recording(GOOD) as server:
        for _ in range(2):
            with pytest.raises(ssl.SSLCertVerificationError):
                say(server, pinned(OTHER))
        say(server, pinned(GOOD))

    assert server.received == HELLO


def made(server, trust, *leaves):
    """Return where *server* is, with leaves that a run made for it."""
    return replace(endpoint(server, trust), made=lambda: [pki.der(leaf) for leaf in leaves])


def greet(place):
    """Connect to *place* and send something."""
    context = peer_context(place)
    plain = socket.create_connection((place.address, place.port), timeout=5)
    with plain, context.wrap_socket(plain) as secure:
        secure.sendall(HELLO)


@pytest.mark.parametrize("how", ["pin", "CA", "system"])
def test_a_leaf_that_the_run_made_is_believed_besides_the_configured_trust(how, ca):
    """The new leaf and the old one are both taken: before the restart, after it, after a revert."""
    trust = {"pin": pinned(GOOD), "CA": ca, "system": Trust()}[how]
    leaves = [FOREIGN] if how == "system" else [FOREIGN, GOOD]
    for leaf in leaves:
        with recording(leaf) as server:
            greet(made(server, trust, FOREIGN))

        assert server.received == HELLO


@pytest.mark.parametrize("how", ["pin", "CA"])
@pytest.mark.parametrize("shown", ["other leaf of its CA", "its CA's leaf with the same key"])
def test_nothing_but_the_made_leaf_itself_is_believed(how, shown, ca):
    """Neither its issuer nor its key vouch for another certificate."""
    other = {"other leaf of its CA": FOREIGN_OTHER, "its CA's leaf with the same key": FOREIGN_TWIN}
    trust = {"pin": pinned(GOOD), "CA": ca}[how]
    with recording(other[shown]) as server, pytest.raises(ssl.SSLCertVerificationError):
        greet(made(server, trust, FOREIGN))

    assert server.received == b""


def test_a_made_leaf_vouches_for_no_other_certificate(ca):
    """A leaf is no CA: what somebody signs with its key is refused."""
    with recording(BELOW_FOREIGN) as server, pytest.raises(ssl.SSLCertVerificationError):
        greet(made(server, ca, FOREIGN))

    assert server.received == b""


def test_a_made_leaf_for_another_name_is_refused(ca):
    """With a CA configured, name and dates of our own leaf are checked as anybody's."""
    with recording(FOREIGN_NAME) as server, pytest.raises(ssl.SSLCertVerificationError):
        greet(made(server, ca, FOREIGN_NAME))

    assert server.received == b""


def test_what_a_run_made_for_one_peer_is_believed_of_no_other(ca):
    """Peers that share a CA file do not share the leaves that were made for one of them."""
    with recording(FOREIGN) as server:
        greet(made(server, ca, FOREIGN))
        with pytest.raises(ssl.SSLCertVerificationError):
            say(server, ca)

    assert server.received == HELLO


def test_peers_that_share_a_ca_file_keep_their_own_names(ca):
    """The roots are loaded once for both, whose names are checked one by one."""
    with recording(GOOD) as good, recording(OTHER) as other:
        say(good, ca)
        with pytest.raises(ssl.SSLCertVerificationError):
            say(other, ca)
        say(good, ca)

    assert good.received == HELLO * 2
    assert other.received == b""


def test_a_ca_file_that_was_changed_is_read_again(ca):
    """Roots that were taken out of the file are trusted no longer, new ones are."""
    root = ca.ca_file.read_bytes()
    with recording(GOOD) as server:
        say(server, ca)
        ca.ca_file.write_bytes(pki.pem(OTHER))
        with pytest.raises(ssl.SSLCertVerificationError):
            say(server, ca)
        ca.ca_file.write_bytes(root)
        say(server, ca)

    assert server.received == HELLO * 2


def test_a_library_that_loosens_its_context_changes_nothing(ca):
    """What urllib3 or requests may set on it is not what the handshake goes by."""
    with recording(EXPIRED) as server:
        context = peer_context(endpoint(server, ca))
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        plain = socket.create_connection(("127.0.0.1", server.port), timeout=5)
        with plain, pytest.raises(ssl.SSLCertVerificationError):
            context.wrap_socket(plain)

    assert server.received == b""


@pytest.mark.parametrize("trust", ["pin", "name", "CA"])
def test_an_esxi_host_that_is_not_the_one_gets_no_password(trust, ca):
    """The adapter refuses a wrong peer at the first connection; not even a GET is sent."""
    leaf = OTHER if trust == "name" else GOOD
    how = {"pin": pinned(OTHER), "name": ca, "CA": Trust()}[trust]
    with recording(leaf) as server:
        host = EsxiHost(
            HostRef(NAME), endpoint(server, how), "root", Secret("secret"), SystemClock()
        )
        with pytest.raises(HostTlsError) as caught:
            host.observe_host()

    assert server.received == b""
    assert caught.value.sha256 == (pki.sha256(GOOD) if trust == "pin" else None)


def test_a_ca_file_that_is_none_is_refused(tmp_path):
    """An unreadable CA file is the operator's to mend, and nothing is connected to."""
    with recording(GOOD) as server:
        host = EsxiHost(
            HostRef(NAME),
            endpoint(server, Trust(ca_file=tmp_path / "absent.pem")),
            "root",
            Secret("secret"),
            SystemClock(),
        )
        with pytest.raises(HostTlsError):
            host.observe_host()

    assert server.handshakes == 0


def test_a_silent_host_does_not_hang(ca):
    """A host that accepts and never answers is given up after the read timeout."""
    clock = SystemClock()
    with recording(GOOD) as server:
        silent = replace(endpoint(server, ca), read_timeout_s=0.3)
        host = EsxiHost(HostRef(NAME), silent, "root", Secret("secret"), clock)
        began = clock.monotonic()
        with pytest.raises(HostUnreachableError):
            host.observe_host()

    assert clock.monotonic() - began < 3
