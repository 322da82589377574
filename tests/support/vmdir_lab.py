"""One or more vmdir servers of the lab on free loopback ports, and ldap3 connections to them."""

from __future__ import annotations

import functools
import ssl
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import ldap3

from loopback import free_port
from ready_keys import another_key
from stsfix.lab import pki
from stsfix.lab.clock import LabClock
from stsfix.lab.faults import FaultBook
from stsfix.lab.vmdir import (
    DirectoryStore,
    DomainSpec,
    SigningCredential,
    TrustedRoot,
    VmdirServer,
    build_stores,
    tenant_dn,
)

if TYPE_CHECKING:
    from collections.abc import Generator

    from stsfix.lab.seams import KeyPair

BASE = "dc=vsphere,dc=local"
TENANT = tenant_dn("vsphere.local")
CHAINS = f"cn=TrustedCertificateChains,{TENANT}"
CREDENTIAL = f"cn=TenantCredential-1,{TENANT}"
ADMIN = f"cn=Administrator,cn=Users,{BASE}"
PASSWORD = "VMware1!"
BOB = f"cn=bob,cn=Users,{BASE}"
N1, N2 = "vc1.lab.example", "vc2.lab.example"


class Material(NamedTuple):
    """Keys and certificates made once for all tests."""

    pair: KeyPair
    root_pem: bytes
    key: bytes
    chain: tuple[bytes, bytes]


@functools.cache
def material() -> Material:
    """Make a root, and a leaf for 127.0.0.1 that also serves as signing certificate."""
    root_key, leaf_key = another_key(), another_key()
    begin, end = pki.days_from_now(-30), pki.days_from_now(30)
    root = pki.vmca_root(root_key, domain="vsphere.local", host=N1, not_before=begin, not_after=end)
    leaf = pki.vmca_leaf(
        leaf_key,
        issuer=root,
        issuer_key=root_key,
        common_name=N1,
        not_before=begin,
        not_after=end,
        names=[N1, N2, "localhost", "127.0.0.1"],
    )
    pair = pki.key_pair(leaf_key, [leaf, root])
    return Material(pair, pki.pem(root), pki.pkcs8(leaf_key), (pki.der(leaf), pki.der(root)))


class VerifiedTls(ldap3.Tls):
    """Verifies with the lab's root alone; ldap3's own loads every system root each time."""

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:  # noqa: FBT001, FBT002 - ldap3's signature
        """Put TLS on the connection's socket."""
        del do_handshake
        connection.socket = _client_context().wrap_socket(
            connection.socket, server_hostname=connection.server.host
        )


@functools.cache
def _client_context() -> ssl.SSLContext:
    return ssl.create_default_context(cadata=material().root_pem.decode())


def domain_spec(nodes: tuple[str, ...] = (N1,), **changes: Any) -> DomainSpec:
    """Return a small domain; *changes* replace fields of `DomainSpec`."""
    made = material()
    fields: dict[str, Any] = {
        "domain": "vsphere.local",
        "nodes": nodes,
        "administrator_password": PASSWORD,
        "created": datetime(2026, 1, 1, tzinfo=UTC),
        "credentials": {1: SigningCredential(certificates=made.chain, key=made.key)},
        "chains": {1: made.chain},
        "roots": (TrustedRoot(name="AB12", certificate_pem=made.root_pem, subject="CN=CA"),),
        "client_ca_chain": made.chain[1:],
        "users": {"bob": "bob-pw", "alice": "alice-pw"},
        "administrators": frozenset({"alice"}),
    }
    return DomainSpec(**(fields | changes))


class VmdirLab:
    """Stores (replaceable, as a revert does) and servers by node."""

    def __init__(self, stores: dict[str, DirectoryStore], age: str, **options: Any) -> None:
        self.stores = stores
        self.age = age
        self.faults = FaultBook()
        self.registry: dict[str, VmdirServer] = {}
        chosen: dict[str, Any] = {"clock": LabClock(1), "replication_s": 3600.0, **options}
        for node in stores:
            VmdirServer(
                node,
                functools.partial(self.stores.__getitem__, node),
                port=free_port(),
                tls=material().pair,
                faults=self.faults,
                registry=self.registry,
                age=age,
                **chosen,
            )

    def connect(
        self, user: str | None = ADMIN, password: str | None = PASSWORD, node: str = N1
    ) -> ldap3.Connection:
        """Return a connection over LDAPS, bound if *user* is given. Ask `result` how it went."""
        server = ldap3.Server(
            "127.0.0.1",
            self.registry[node].port,
            use_ssl=True,
            get_info=ldap3.NONE,
            connect_timeout=5,
            tls=VerifiedTls(),
        )
        connection = ldap3.Connection(
            server, user, password, receive_timeout=10, return_empty_attributes=False
        )
        connection.bind()
        return connection

    def replicate(self, rounds: int = 1) -> None:
        """Let every running node pull from every partner."""
        for _ in range(rounds):
            for server in self.registry.values():
                if server.running:
                    server.replicate()


@contextmanager
def running(
    *nodes: str, age: str = "D", spec: DomainSpec | None = None, **options: Any
) -> Generator[VmdirLab]:
    """Run the vmdir of each of *nodes* (default: one)."""
    stores = build_stores(spec or domain_spec(nodes or (N1,)), age)
    lab = VmdirLab(stores, age, **options)
    try:
        for server in lab.registry.values():
            server.start()
        yield lab
    finally:
        for server in lab.registry.values():
            server.stop()


def code(connection: ldap3.Connection) -> int:
    """Return the result code of the last operation."""
    result: int = connection.result["result"]
    return result


def read(connection: ldap3.Connection, dn: str, *attributes: str) -> dict[str, list[bytes]]:
    """Return the raw attributes of one entry; empty if the server shows none."""
    connection.search(dn, "(objectClass=*)", ldap3.BASE, attributes=list(attributes) or ["*"])
    for found in connection.response or []:
        return {name: values for name, values in found["raw_attributes"].items() if values}
    return {}
