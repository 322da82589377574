"""Hostile certificates in a real directory and STS: preflight reads on, in time."""

from __future__ import annotations

import time

import pytest

from lab_keys import shared_keys
from odd_tls import sends, serving
from preflight_lab import look
from sso_directory import ROOT
from stsfix.lab import pki
from stsfix.lab.lab import Lab
from stsfix.remediation.errors import ProofError
from stsfix.remediation.inventory_certificates import VALUE_LIMIT
from stsfix.remediation.logins.node_logins import NodeLogins
from stsfix.snapshot.errors import AnswerTooLargeError
from stsfix.snapshot.secret import Secret
from stsfix.snapshot.system_clock import SystemClock
from stsfix.snapshot.tls import Endpoint, Trust

pytestmark = pytest.mark.lab

NODE = "vc1.lab.example"
HUGE = bytes(10_000_000)
BOMB = (
    b'<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb">'
    + b"".join(b'<!ENTITY b%d "%s">' % (n, b"&b%d;" % (n - 1) * 10) for n in range(1, 12))
    + b"]><a>&b11;</a>"
)


def put(lab, name, **attributes):
    """Add an entry that no installer would write."""
    store = lab.nodes[NODE].disk.directory
    values = {
        "objectClass": attributes.pop("classes"),
        "cn": [name.partition(",")[0].removeprefix("cn=").encode()],
        **attributes,
    }
    store.add(name, values, store.identity.administrator_dn, pki.days_from_now(0))


def test_huge_and_malformed_entries_are_told_and_the_rest_is_read():
    """10 MB where a certificate should be, names that are no UTF-8, PEM with garbage: each is a
    finding, everything else is there, and it takes no time that matters.
    """
    lab = Lab.build("embedded", "healthy", speed=2000, keys=shared_keys())
    base = "dc=vsphere,dc=local"
    put(
        lab,
        f"cn=huge,cn=ServicePrincipals,{base}",
        classes=[b"user", b"vmwServicePrincipal"],
        userCertificate=[HUGE],
        vmwSTSSubjectDN=[b"CN=\xff\xfe\x00"],
    )
    put(
        lab,
        f"cn=garbage,cn=Certificate-Authorities,cn=Configuration,{base}",
        classes=[b"vmwCertificationAuthority", b"pkiCA"],
        cACertificate=[b"-----BEGIN CERTIFICATE-----\n\xff\n-----END CERTIFICATE-----" * 3],
        certificateRevocationList=[HUGE],
    )

    with lab:
        started = time.monotonic()
        inventory, found = look(lab)
        took = time.monotonic() - started

    held = inventory.certificates
    assert held is not None
    malformed = {f.subject for f in found if f.id == "CERT-MALFORMED"}
    users = {user.name: user for user in held.solution_users}
    assert malformed == {"huge", "garbage", NODE}  # VECS has the garbage from the directory
    assert users["huge"].certificates == (HUGE[:VALUE_LIMIT],)
    assert len(users) == 7
    assert held.unread == ()
    assert took < 60  # 3 s on an idle machine


def published(server, ca_file):
    """Return logins on a server that says something odd."""
    endpoint = Endpoint(
        name="localhost",
        address="127.0.0.1",
        port=server.port,
        trust=Trust(ca_file=ca_file),
        connect_timeout_s=2.0,
        read_timeout_s=1.0,
    )
    return NodeLogins(
        {NODE: endpoint},
        domain="vsphere.local",
        user="administrator@vsphere.local",
        password=Secret("x"),
        clock=SystemClock(),
    )


@pytest.mark.parametrize("way", ["read_published_leaf", "read_published_keys"])
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (BOMB, ProofError),
        (b"<a>" * 100_000, ProofError),
        (b"[" * 100_000, ProofError),
        (b'{"keys": [' + b"{}," * 200_000 + b"{}]}", ProofError),
        (bytes(5 * 1024 * 1024), AnswerTooLargeError),
    ],
    ids=["entity bomb", "deep XML", "deep JSON", "many keys", "5 MiB"],
)
def test_bombs_in_what_an_sts_publishes_are_refused_at_once(tmp_path, way, answer, error):
    """No document makes the reader grow or hang."""
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(pki.pem(ROOT))
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer)

    with serving(sends(head + answer)) as server:
        logins = published(server, ca_file)
        started = time.monotonic()
        with pytest.raises(error):
            getattr(logins, way)(NODE)

    assert time.monotonic() - started < 10
