"""Clients of other people's making, pointed at a lab: ldap3 and pyVmomi."""

from __future__ import annotations

import ssl
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import ldap3
from cryptography import x509
from pyVim.connect import Disconnect, SmartConnect

from stsfix.lab import pki
from stsfix.lab.trust import KeySource, StsMaterial, new_authority, sts_material

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from stsfix.lab.lab import Lab

TENANT = "cn=vsphere.local,cn=Tenants,cn=IdentityManager,cn=Services,dc=vsphere,dc=local"
ADMINISTRATOR = "cn=Administrator,cn=Users,dc=vsphere,dc=local"


def client_context(lab: Lab) -> ssl.SSLContext:
    """Return a context that trusts what signed the lab's certificates; names are not checked
    because clients that connect to 127.0.0.1 have no way to say which name they mean.
    """
    context = ssl.create_default_context(cadata=lab.ca_pem.decode())
    context.check_hostname = False
    return context


class _NodeTls(ldap3.Tls):
    """Checks the node's name although the connection goes to 127.0.0.1."""

    def __init__(self, context: ssl.SSLContext, node: str) -> None:
        super().__init__()
        self._context = context
        self._node = node

    def wrap_socket(self, connection: Any, do_handshake: bool = False) -> None:  # noqa: FBT001, FBT002 - ldap3's signature
        """Put TLS on the connection's socket."""
        connection.socket = self._context.wrap_socket(
            connection.socket, server_hostname=self._node, do_handshake_on_connect=do_handshake
        )


@contextmanager
def ldap(lab: Lab, node: str) -> Generator[ldap3.Connection]:
    """Bind to a node's vmdir as the administrator."""
    tls = _NodeTls(ssl.create_default_context(cadata=lab.ca_pem.decode()), node)
    server = ldap3.Server(
        "127.0.0.1", port=lab.network.ports[node].ldaps, use_ssl=True, tls=tls, get_info=ldap3.NONE
    )
    connection = ldap3.Connection(
        server, ADMINISTRATOR, lab.passwords.sso, raise_exceptions=True, auto_bind=True
    )
    try:
        yield connection
    finally:
        connection.unbind()


@contextmanager
def esxi(lab: Lab, host: str) -> Generator[Any]:
    """Log in to a host as root and yield its content."""
    context = client_context(lab)
    if host == next(iter(lab.hosts)):
        context.verify_mode = ssl.CERT_NONE  # the one that has to be pinned
    service = SmartConnect(  # type: ignore[no-untyped-call]  # pyVim has no types
        host="127.0.0.1",
        port=lab.hosts[host].port,
        user="root",
        pwd=lab.passwords.hosts[host],
        sslContext=context,
    )
    try:
        yield service.RetrieveContent()
    finally:
        Disconnect(service)  # type: ignore[no-untyped-call]  # as above


def new_material(days: float = 3000) -> StsMaterial:
    """Return a signing credential of an authority of its own."""
    keys = KeySource(expected=2)
    authority = new_authority(keys, domain="lab.example", host="repair")
    return sts_material(keys, authority, host="vc1.lab.example", days=days)


def add_pair(connection: Any, index: int, material: StsMaterial) -> None:
    """Add TrustedCertChain-*index*, then TenantCredential-*index*."""
    connection.add(
        f"cn=TrustedCertChain-{index},cn=TrustedCertificateChains,{TENANT}",
        "vmwSTSTenantTrustedCertificateChain",
        {"cn": f"TrustedCertChain-{index}", "userCertificate": list(material.chain)},
    )
    connection.add(
        f"cn=TenantCredential-{index},{TENANT}",
        "vmwSTSTenantCredential",
        {
            "cn": f"TenantCredential-{index}",
            "userCertificate": list(material.chain),
            "vmwSTSPrivateKey": [material.key],
        },
    )


def leaf_sha256(material: StsMaterial) -> str:
    """Return the SHA-256 of the leaf, lower-case hex."""
    return pki.sha256(x509.load_der_x509_certificate(material.chain[0]))


def eventually(true: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Wait until *true* returns True; False if it did not in time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def shut_down_all(lab: Lab) -> bool:
    """Shut every node down through its guest; True when all are off."""
    for fqdn in lab.nodes:
        lab.set_power(fqdn, "off")
    return eventually(lambda: all(vm.power == "poweredOff" for vm in lab.machines.values()))
