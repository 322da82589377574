"""LDAP sessions on the lab's vmdir: what is sent, how often, and what a broken one means."""

from __future__ import annotations

import logging
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest

from directory_worlds import (
    OLD,
    RealClock,
    lab_access,
    lab_domain,
    lab_world,
)
from loopback import free_port
from slapd_peer import PASSWORD
from sts_material import NODE, credential
from stsfix.lab.faults import Effect, FaultBook, Rule, When
from stsfix.remediation.directory.ldap_session import IDLE_LIMIT_S, LOST_LOGIN_S
from stsfix.remediation.directory.vmdir import LdapDirectory
from stsfix.remediation.errors import (
    DirectoryFaultError,
    DirectoryLoginError,
    DirectoryUnreachableError,
    PlainBindRefusedError,
    WriteInDoubtError,
)
from stsfix.snapshot.secret import Secret

pytestmark = pytest.mark.lab

NEW = credential("new")


@pytest.fixture
def faults():
    """Faults of the server, and its count of calls."""
    return FaultBook()


@pytest.fixture
def world(tmp_path, faults):
    """The lab's vmdir of today's age."""
    with lab_world(tmp_path, "D", faults) as made:
        yield made


@pytest.fixture
def directory(world):
    """The port, logged in."""
    made = world.directory()
    made.read_sts_entries()
    yield made
    made.close()


def _sent(faults, call):
    return faults.calls["ldap", call, NODE]


def test_refused_password_is_sent_once(world, faults):
    """However often it is used, an object sends a refused password a single time."""
    directory = world.directory(password="wrong")

    for _ in range(4):
        with pytest.raises(DirectoryLoginError):
            directory.read_topology()

    assert _sent(faults, "BIND") == 1


def test_user_of_another_domain_is_not_sent(world, faults):
    """The password of a user that vmdir cannot know never leaves."""
    directory = world.directory(user="administrator@corp.example")

    with pytest.raises(DirectoryLoginError):
        directory.read_sts_entries()

    assert _sent(faults, "BIND") == 0


def test_empty_password_is_refused_here(world):
    """A bind without a password would be anonymous."""
    with pytest.raises(ValueError, match="empty"):
        world.directory(password="")


def test_53_on_bind_says_use_ldaps(world, faults):
    """The code that vmdird gives for a simple bind without TLS has its own class, remembered."""
    faults.add(Rule(protocol="ldap", call="BIND", detail="53"))
    directory = world.directory()

    for _ in range(2):
        with pytest.raises(PlainBindRefusedError):
            directory.read_sts_entries()

    assert _sent(faults, "BIND") == 1


def test_other_code_on_bind_is_a_fault(world, faults):
    """A code that says nothing of user or password is told as it is, and not tried again."""
    faults.add(Rule(protocol="ldap", call="BIND", detail="1"))
    directory = world.directory()

    for _ in range(2):
        with pytest.raises(DirectoryFaultError) as raised:
            directory.read_sts_entries()
        assert raised.value.code == 1

    assert _sent(faults, "BIND") == 1


def test_referral_is_not_success(directory, faults):
    """ldap3 raises nothing for code 10; we do."""
    faults.add(Rule(protocol="ldap", call="ADD", detail="10"))

    with pytest.raises(DirectoryFaultError) as raised:
        directory.add_chain(2, NEW.chain)

    assert raised.value.code == 10
    assert len(directory.read_sts_entries().chains) == 1


@pytest.mark.parametrize("chain", [(), (b"",), (NEW.chain[0], b"")])
def test_empty_value_is_never_sent(directory, faults, chain):
    """An empty value kills vmdirds of the age of 6.5 (measured): it stays here."""
    with pytest.raises(ValueError, match="empty value"):
        directory.add_chain(2, chain)

    assert _sent(faults, "ADD") == 0


def test_lost_answer_to_the_bind_is_not_tried_again_at_once(world, faults):
    """It may have been a refusal, and so could each further one be: a password that nobody has
    accepted yet is kept back until those count no more.
    """
    faults.add(Rule(protocol="ldap", call="BIND", effect=Effect.DROP, times=2))
    directory = world.directory()

    for said in ("does not answer", "kept back", "kept back"):
        with pytest.raises(DirectoryUnreachableError, match=said):
            directory.read_sts_entries()
    sent = [_sent(faults, "BIND")]
    world.clock.skipped_s += LOST_LOGIN_S
    with pytest.raises(DirectoryUnreachableError):
        directory.read_sts_entries()
    sent += [_sent(faults, "BIND")]
    world.clock.skipped_s += LOST_LOGIN_S
    directory.read_sts_entries()
    directory.close()

    assert sent == [1, 2]


def test_a_password_that_was_accepted_is_not_kept_back(world, directory, faults):
    """It cannot have been refused: the next call logs in again at once."""
    directory.read_sts_entries()
    faults.add(Rule(protocol="ldap", call="BIND", effect=Effect.DROP))
    world.clock.skipped_s += IDLE_LIMIT_S + 1
    with pytest.raises(DirectoryUnreachableError):
        directory.read_sts_entries()

    assert directory.read_sts_entries().credentials


@pytest.mark.parametrize("when", [When.BEFORE, When.AFTER])
def test_lost_write_is_in_doubt_and_sent_once(directory, faults, when):
    """A connection that breaks in a write leaves a doubt, whether it was done or not."""
    faults.add(Rule(protocol="ldap", call="ADD", when=when, effect=Effect.DROP))

    with pytest.raises(WriteInDoubtError) as raised:
        directory.add_chain(2, NEW.chain)

    assert raised.value.call == "add of TrustedCertChain-2"
    assert _sent(faults, "ADD") == 1
    assert (len(directory.read_sts_entries().chains) == 2) is (when is When.AFTER)


def test_refused_write_keeps_its_code(directory, faults):
    """A refusal is told with the server's own result code, and the session goes on."""
    faults.add(Rule(protocol="ldap", call="ADD", detail="50"))

    with pytest.raises(DirectoryFaultError) as raised:
        directory.add_credential(2, NEW)

    assert (raised.value.code, raised.value.call) == (50, "add of TenantCredential-2")
    assert _sent(faults, "BIND") == 1
    assert len(directory.read_sts_entries().credentials) == 1


def test_lost_read_is_asked_again_on_a_new_connection(directory, faults):
    """One drop is not noticed by the caller."""
    faults.add(Rule(protocol="ldap", call="SEARCH", effect=Effect.DROP))

    found = directory.read_sts_entries()

    assert [c.chain for c in found.credentials] == [OLD.chain]
    assert _sent(faults, "BIND") == 2


def test_read_that_is_always_lost_ends(directory, faults):
    """The budget is one more try."""
    faults.add(Rule(protocol="ldap", call="SEARCH", effect=Effect.DROP, times=99))

    with pytest.raises(DirectoryUnreachableError):
        directory.read_sts_entries()


@pytest.mark.parametrize(("idle_s", "binds"), [(100.0, 1), (151.0, 2)])
def test_idle_connection_is_replaced_before_use(directory, world, faults, idle_s, binds):
    """Vmdird drops it after 180 s without a word; a write must not be what finds out."""
    world.clock.skipped_s += idle_s

    directory.add_chain(2, NEW.chain)

    assert _sent(faults, "BIND") == binds


def test_same_object_works_when_the_node_is_back(world, faults, tmp_path):
    """A failed connect is not remembered, as ldap3's Server object does for 300 s."""
    port = free_port()
    directory = LdapDirectory(
        NODE,
        replace(world.endpoint, port=port),
        domain="vsphere.local",
        user="administrator@vsphere.local",
        password=Secret(PASSWORD),
        clock=RealClock(),
    )
    with pytest.raises(DirectoryUnreachableError):
        directory.read_sts_entries()

    with _forwarded(port, world.endpoint.port):
        assert directory.read_sts_entries().credentials
        directory.close()


def test_partner_shows_the_same_entries_after_its_pull(tmp_path, faults):
    """Bytes, order and objectGUID are equal, and the partner's vector has reached the write."""
    with lab_domain(tmp_path, "D", faults) as servers:
        writer, partner = (lab_access(tmp_path, s).directory() for s in servers.values())
        writer.add_chain(2, NEW.chain)
        writer.add_credential(2, NEW)
        before = partner.read_sts_entries()
        servers[partner.node].replicate()

        written, read = writer.read_sts_entries(), partner.read_sts_entries()
        vector = partner.read_replication_status().up_to_date or {}
        own = writer.read_replication_status().invocation_id
        writer.close()
        partner.close()

    assert [c.index for c in before.credentials] == [1]
    assert [(c.index, c.chain, c.object_guid) for c in read.credentials + read.chains] == [
        (c.index, c.chain, c.object_guid) for c in written.credentials + written.chains
    ]
    assert vector[own] >= max(c.usn for c in written.credentials + written.chains)


def test_no_answer_and_no_request_stays_behind(directory):
    """ldap3 keeps the last of both, and they may hold a private key or the password."""
    connection = directory._session._connection
    left = [(connection.request, connection.response)]
    directory.add_chain(7, NEW.chain)
    left.append((connection.request, connection.response))
    directory._session._drop()
    directory._session._session()
    left.append((directory._session._connection.request, None))

    assert left == [(None, None)] * 3


def test_nothing_secret_is_logged_or_shown(world, caplog):
    """Password and key appear in no log line, error text or representation."""
    caplog.set_level(logging.DEBUG)
    directory = world.directory()
    directory.add_chain(2, NEW.chain)
    directory.add_credential(2, NEW)
    with pytest.raises(DirectoryFaultError) as raised:
        directory.add_credential(2, NEW)
    directory.close()

    shown = caplog.text + str(raised.value) + repr(directory) + repr(NEW)
    assert PASSWORD not in shown
    assert repr(NEW.key_pkcs8.reveal())[2:40] not in shown


@contextmanager
def _forwarded(port: int, to: int):
    """Forward one connection after the other from *port* to *to*."""
    stop = threading.Event()

    def _pump(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        finally:
            for end in (source, sink):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _accept(listener):
        while not stop.is_set():
            try:
                client, _ = listener.accept()
            except OSError:
                continue
            server = socket.create_connection(("127.0.0.1", to))
            pumps = [
                threading.Thread(target=_pump, args=ends)
                for ends in ((client, server), (server, client))
            ]
            for pump in pumps:
                pump.start()
            for pump in pumps:
                pump.join(20)
            client.close()
            server.close()

    with socket.create_server(("127.0.0.1", port)) as listener:
        listener.settimeout(0.1)
        thread = threading.Thread(target=_accept, args=(listener,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(20)
