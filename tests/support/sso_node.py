"""One node's SSO services behind its front, over loopback TLS."""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from pyVim.sso import SsoAuthenticator

import sso_directory
from sso_directory import ADMINISTRATOR, PASSWORD
from stsfix.lab import pki
from stsfix.lab.clock import LabClock
from stsfix.lab.faults import FaultBook
from stsfix.lab.sso.front import NodeFront
from stsfix.lab.sso.publish import PREFIXES, PublishService
from stsfix.lab.sso.sts import StsService
from stsfix.lab.sso.vapi import VapiService
from stsfix.lab.sso.vcenter import VcenterService

if TYPE_CHECKING:
    from collections.abc import Generator

    from sso_directory import MemoryDirectory

NODE = "vc1.lab.example"


class Node:
    """A front with an STS, its published pages, vpxd and the vAPI endpoint; the clock can be
    moved with *ahead*.
    """

    def __init__(self, directory: MemoryDirectory, *, speed: float = 1.0) -> None:
        self.directory = directory
        self.faults = FaultBook()
        self.clock = LabClock(speed)
        self.ahead = timedelta()
        self.sts = StsService(
            NODE,
            directory,
            clock=self.clock,
            clock_offset=lambda: self.ahead,
            faults=self.faults,
        )
        self.front = NodeFront(NODE, 0, sso_directory.node_tls(), faults=self.faults)
        self.front.route("/sts", self.sts)
        publications = PublishService(self.sts)
        for prefix in PREFIXES:
            self.front.route(prefix, publications)
        self.machine = sso_directory.node_tls()
        self.vcenter = VcenterService(
            NODE,
            self.sts,
            machine_certificate=lambda: self.machine.certificates_pem,
            clock=self.clock,
            clock_offset=lambda: self.ahead,
            faults=self.faults,
        )
        self.vapi = VapiService(
            NODE,
            self.sts,
            clock=self.clock,
            clock_offset=lambda: self.ahead,
            faults=self.faults,
        )
        self.front.route("/sdk", self.vcenter)
        self.front.route("/api", self.vapi)
        self.front.route("/rest", self.vapi)

    @property
    def sts_url(self) -> str:
        return f"https://127.0.0.1:{self.front.port}/sts/STSService/vsphere.local"


@contextmanager
def running(node: Node) -> Generator[Node]:
    """Run the STS and the front of *node*."""
    node.sts.start()
    node.front.start()
    try:
        yield node
    finally:
        node.front.stop()
        node.vapi.stop()
        node.vcenter.stop()
        node.sts.stop()


def trusting() -> ssl.SSLContext:
    """Return a client context that trusts the lab's root only."""
    return ssl.create_default_context(cadata=pki.pem(sso_directory.ROOT).decode())


def bearer_token(
    node: Node, user: str = ADMINISTRATOR, password: str = PASSWORD, **options: object
) -> str:
    """Ask for a bearer token as pyVmomi users do; *options* are pyVim's."""
    authenticator = SsoAuthenticator(node.sts_url)  # type: ignore[no-untyped-call]  # no types
    token: str = authenticator.get_bearer_saml_assertion(  # type: ignore[no-untyped-call]  # as above
        user, password, ssl_context=trusting(), **options
    )
    return token
