"""Reading certificates stops at nothing, asks nobody twice, and waits for all at once."""

from __future__ import annotations

import threading

import pytest

from memory_directory import MemoryDomain
from memory_logins import MemoryLogins
from stsfix.remediation.discovery.certificates import (
    CertificateSources,
    read_directory,
    read_nodes,
)
from stsfix.remediation.errors import NodeTlsError, NodeUnreachableError
from stsfix.remediation.model import Role

VC1, VC2, PSC = "vc1.lab.example", "vc2.lab.example", "psc1.lab.example"


class Leaves:
    """Shows ``<node> <port>`` on every port but those of nodes in *down*; counts at once."""

    def __init__(self, *down):
        self.down = down
        self.asked = []
        self.together = threading.Barrier(1)

    def read_shown_leaf(self, node, port):
        self.asked.append((node, port))
        self.together.wait(5)
        if node in self.down:
            raise NodeUnreachableError(node, "no TLS handshake in time")
        return f"{node} {port}".encode()


def sources(leaves, logins=None):
    """Return sources of fakes; *logins* publishes what its STS signs with."""
    made = logins or MemoryLogins(dict.fromkeys((VC1, VC2, PSC), b"leaf"))
    return CertificateSources(shown=leaves, published=lambda nodes: made)


def test_each_role_is_asked_for_what_it_has():
    """A vCenter with an external PSC has neither directory nor STS."""
    leaves, logins = Leaves(), MemoryLogins({PSC: b"leaf"})

    found = read_nodes(sources(leaves, logins), {PSC: Role.PSC, VC1: Role.VCENTER})

    assert [s.port for s in found[PSC].shown] == ["https", "ldaps", "vami"]
    assert [s.port for s in found[VC1].shown] == ["https", "vami"]
    assert (found[PSC].published, found[VC1].published) == (b"leaf", None)
    assert [key.leaf for key in found[PSC].keys] == [b"leaf"]
    assert found[VC1].keys == ()
    assert {node for _, node in logins.calls} == {PSC}


def test_dead_node_costs_its_own_part():
    """What does not answer is named with its reason; everything else is there."""
    logins = MemoryLogins({VC1: b"leaf", VC2: b"leaf"})
    logins.fail("metadata", VC1, NodeTlsError(VC1, "expired"))
    logins.fail("jwks", VC1, NodeTlsError(VC1, "expired"))

    found = read_nodes(sources(Leaves(VC1), logins), {VC1: Role.EMBEDDED, VC2: Role.EMBEDDED})

    assert found[VC1].shown == ()
    assert [part.what for part in found[VC1].unread] == [
        "the certificate of its https port",
        "the certificate of its ldaps port",
        "the certificate of its vami port",
        "its SAML metadata",
        "its JWKS",
    ]
    assert "no TLS handshake in time" in found[VC1].unread[0].reason
    assert (len(found[VC2].shown), found[VC2].unread) == (3, ())


def test_every_port_of_every_node_is_asked_at_the_same_time():
    """Ten dead nodes cost one deadline, not thirty: the barrier opens only if all are there."""
    leaves = Leaves()
    nodes = {f"vc{n}": Role.VCENTER for n in range(10)}
    leaves.together = threading.Barrier(20)

    found = read_nodes(sources(leaves, MemoryLogins({})), nodes)

    assert all(len(shown.shown) == 2 for shown in found.values())
    assert len(leaves.asked) == 20


def test_domain_without_nodes_is_nothing():
    """Nobody is asked."""
    assert read_nodes(sources(Leaves()), {}) == {}


def test_next_directory_is_asked_when_one_does_not_answer():
    """All hold the same; the first that answers is enough."""
    domain = MemoryDomain(VC1, VC2)
    domain.down.add(VC1)

    found = read_directory(domain.directory(node) for node in (VC1, VC2))

    assert (found.node, found.unread) == (VC2, ())
    assert domain.calls[VC2, "read_certificates"] == 1


def test_one_directory_is_enough():
    """The second is not asked at all."""
    domain = MemoryDomain(VC1, VC2)

    found = read_directory(domain.directory(node) for node in (VC1, VC2))

    assert found.node == VC1
    assert domain.calls[VC2, "read_certificates"] == 0


def test_refused_password_is_not_sent_to_the_next_node():
    """Failures count over the whole domain (rule l)."""
    domain = MemoryDomain(VC1, VC2)

    found = read_directory(domain.directory(node, password="wrong") for node in (VC1, VC2))

    assert domain.calls[VC2, "BIND"] == 0
    assert len(found.unread) == 5
    assert all("refused the login" in part.reason for part in found.unread)


@pytest.mark.parametrize("nodes", [(), (VC1,)])
def test_unread_directory_is_unread_in_every_part(nodes):
    """No part is taken for empty."""
    domain = MemoryDomain(VC1)
    domain.down.add(VC1)

    found = read_directory(domain.directory(node) for node in nodes)

    assert not any(
        found.has_read(part)
        for part in ("solution users", "trusted roots", "trusted chains", "identity sources")
    )
