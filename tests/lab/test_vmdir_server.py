"""vmdir of the lab: starting, stopping, faults, and reading in process."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time

import ldap3
import pytest
from ldap3.core.exceptions import (
    LDAPExceptionError,
    LDAPSessionTerminatedByServerError,
    LDAPSocketOpenError,
)

from stsfix.lab.faults import Effect, Rule, When
from stsfix.lab.vmdir import find_entries, get_values
from vmdir_lab import (
    ADMIN,
    BASE,
    BOB,
    CREDENTIAL,
    N1,
    PASSWORD,
    TENANT,
    code,
    material,
    read,
    running,
)

pytestmark = pytest.mark.lab


@pytest.fixture
def lab():
    """Serve one node."""
    with running() as made:
        yield made


def test_stopped_server_is_gone_and_gets_its_port_back(lab):
    """Stop ends connections and refuses new ones; start listens on the same port."""
    server = lab.registry[N1]
    connection = lab.connect()

    server.stop()
    with pytest.raises(LDAPSessionTerminatedByServerError):
        read(connection, CREDENTIAL)
    with pytest.raises(LDAPSocketOpenError):
        lab.connect()
    stopped = server.running
    server.start()

    assert not stopped
    assert read(lab.connect(), CREDENTIAL)


def test_start_and_stop_may_be_repeated(lab):
    """A second start or stop does nothing."""
    server = lab.registry[N1]

    server.start()
    server.stop()
    server.stop()
    server.start()

    assert server.running
    assert code(lab.connect()) == 0


def test_taken_port_is_an_error():
    """Start raises OSError and leaves the server stopped."""
    with running() as lab, socket.socket() as squatter:
        server = lab.registry[N1]
        server.stop()
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", server.port))
        squatter.listen()

        with pytest.raises(OSError, match="in use"):
            server.start()

        assert not server.running


JUNK = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"\x30\x84\xff\xff\xff\xff",
    b"\x30",
    b"\x30\x05\x02\x01\x01\x99\x00",
    b"\x30\x07\x02\x01\x01\x63\x02\x04\x00",
]


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("junk", JUNK)
def test_junk_ends_only_its_own_connection(lab, junk, encrypted):
    """A client that speaks no TLS, or no LDAP, is dropped; others are served."""
    context = ssl.create_default_context(cadata=material().root_pem.decode())
    with socket.create_connection(("127.0.0.1", lab.registry[N1].port), timeout=5) as raw:
        peer = context.wrap_socket(raw, server_hostname=N1) if encrypted else raw
        # A reset is as good an end as an orderly one; a timeout is not.
        with contextlib.suppress(ConnectionError, ssl.SSLEOFError):
            peer.sendall(junk)
            while junk != b"\x30" and peer.recv(100):
                pass
        peer.close()

    assert read(lab.connect(), CREDENTIAL)


@pytest.mark.parametrize(("detail", "expected"), [("", 53), ("51", 51)])
def test_refuse_rule_answers_with_its_code(lab, detail, expected):
    """The detail of a rule names the result code; without it 53. Nothing is deleted."""
    connection = lab.connect()
    lab.faults.add(Rule(protocol="ldap", call="DELETE", target=N1, detail=detail))

    connection.delete(CREDENTIAL)

    assert code(connection) == expected
    assert read(connection, CREDENTIAL)


@pytest.mark.parametrize(("when", "left"), [(When.BEFORE, 1), (When.AFTER, 0)])
def test_drop_rule_closes_without_an_answer(lab, when, left):
    """BEFORE: nothing happened. AFTER: the work is done and the answer lost."""
    connection = lab.connect()
    lab.faults.add(Rule(protocol="ldap", call="DELETE", when=when, effect=Effect.DROP))

    with pytest.raises(LDAPSessionTerminatedByServerError):
        connection.delete(CREDENTIAL)

    found = find_entries(lab.stores[N1], TENANT, "vmwSTSTenantCredential")
    assert len(found) == left


@pytest.mark.parametrize("effect", [Effect.RESET, Effect.GARBAGE])
def test_what_is_no_answer_ends_the_connection(lab, effect):
    """ldap3 cannot go on with noise, nor with a connection that broke off; the work is done."""
    connection = lab.connect()
    lab.faults.add(Rule(protocol="ldap", call="DELETE", when=When.AFTER, effect=effect))

    with pytest.raises(LDAPExceptionError):
        connection.delete(CREDENTIAL)

    assert find_entries(lab.stores[N1], TENANT, "vmwSTSTenantCredential") == []


def test_delay_rule_delays(lab):
    """The answer comes after the rule's delay."""
    connection = lab.connect()
    rule = Rule(protocol="ldap", call="SEARCH", effect=Effect.DELAY, delay_s=0.3)
    lab.faults.add(rule)
    begin = time.monotonic()

    read(connection, CREDENTIAL)

    assert time.monotonic() - begin >= 0.3


def test_calls_are_counted(lab):
    """The fault book counts each operation of the node."""
    connection = lab.connect()
    read(connection, CREDENTIAL)
    connection.modify(BOB, {"displayName": [(ldap3.MODIFY_REPLACE, ["x"])]})

    counted = {call: n for (_, call, target), n in lab.faults.calls.items() if target == N1}

    assert counted == {"BIND": 1, "SEARCH": 1, "MODIFY": 1}


def test_reader_sees_children_of_a_class(lab):
    """Attribute names are lower case, values keep their order; a missing base is empty."""
    reader = lab.registry[N1].reader()

    found = reader.children(TENANT.upper(), "VMWSTSTENANTCREDENTIAL")
    missing = reader.children(f"cn=missing,{BASE}", "container")

    assert [entry.dn for entry in found] == [CREDENTIAL]
    assert found[0].attributes["usercertificate"] == list(material().chain)
    assert missing == []


@pytest.mark.parametrize(
    ("upn", "password", "expected"),
    [
        ("administrator@vsphere.local", PASSWORD, True),
        ("Administrator@VSPHERE.LOCAL", PASSWORD, True),
        ("administrator@vsphere.local", "wrong", False),
        ("administrator@vsphere.local", "", False),
        ("nobody@vsphere.local", PASSWORD, False),
    ],
)
def test_reader_checks_passwords(lab, upn, password, expected):
    """By UPN, without regard to case."""
    assert lab.registry[N1].reader().password_matches(upn, password) is expected


def test_reader_of_a_stopped_server_raises(lab):
    """ConnectionError from both methods."""
    reader = lab.registry[N1].reader()
    lab.registry[N1].stop()

    with pytest.raises(ConnectionError):
        reader.children(TENANT, "container")
    with pytest.raises(ConnectionError):
        reader.password_matches("administrator@vsphere.local", PASSWORD)


def test_tree_has_what_the_inventory_reads(lab):
    """Machine account, trusted root as PEM, smart-card chain and Administrator's group."""
    store = lab.stores[N1]
    smart_card = (
        "cn=DefaultClientCertCAStore,cn=ClientCertAuthnTrustedCAs,cn=Default,"
        f"cn=ClientCertificatePolicies,{TENANT}"
    )

    machine = get_values(store, f"cn={N1},ou=Domain Controllers,{BASE}", "sAMAccountName")
    root = get_values(
        store, f"cn=AB12,cn=Certificate-Authorities,cn=Configuration,{BASE}", "caCertificate"
    )
    card = get_values(store, smart_card, "userCertificate")
    members = get_values(store, f"cn=Administrators,cn=Builtin,{BASE}", "member")

    assert machine == [N1.encode()]
    assert root[0].startswith(b"-----BEGIN CERTIFICATE-----")
    assert card == [material().chain[1]]
    assert members[0] == ADMIN.encode()
