"""A certificate from VMCA: usable or not, as long as asked or not, and with whose key."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bash_node import PLAN
from memory_authority import MemoryAuthority
from sts_material import NODE, NOW, days, key, root
from stsfix.lab import pki
from stsfix.remediation.errors import IssuerError, VmcaError
from stsfix.remediation.pki import certificate_chains, certificates, issuing, vmca
from stsfix.remediation.pki.authority import CertificateRequest, Unknown
from stsfix.remediation.pki.issuer import VmcaIssuer
from stsfix.snapshot.secret import Secret


class Clock:
    """A clock of the tests' time that only a sleep moves."""

    def __init__(self):
        self.slept = 0.0

    def now(self):
        return NOW + timedelta(seconds=self.slept)

    def monotonic(self):
        return self.slept

    def sleep(self, seconds):
        self.slept += seconds


def authority(**changes) -> MemoryAuthority:
    """Return a VMCA whose root lives 2000 days more."""
    return MemoryAuthority(lambda: NOW, **changes)


def request(end=1900) -> CertificateRequest:
    """Return a request that ends *end* days from now."""
    return CertificateRequest(
        subject=(("CN", "ssoserverSign"),),
        dns_names=(NODE,),
        not_before=days(-1),
        not_after=days(end),
        key_pkcs8=Secret(issuing.pkcs8(key("leaf"))),
    )


def issuer(port, *, allow_key=False, limit=60) -> VmcaIssuer:
    """Return the issuer of a run whose writer has *port*'s VMCA."""
    return VmcaIssuer(
        authority=port,
        writer=PLAN,
        allow_key=allow_key,
        clock=Clock(),
        limit=timedelta(seconds=limit),
        poll=timedelta(seconds=5),
        new_key=lambda: key("leaf"),
    )


def parsed(der) -> certificates.Certificate:
    """Return a certificate that is one."""
    found = certificates.parse(der)
    assert isinstance(found, certificates.Certificate)
    return found


def test_as_long_as_asked_is_taken():
    """Nothing is signed here, and no key is read, while certool gives what was asked for."""
    port = authority()

    signed = vmca.obtain(port, PLAN, request(), allow_key=True, now=NOW)

    assert signed.way == "key"
    assert signed.remarks == ()
    assert port.keys_read == 0


def test_shorter_is_taken_and_told():
    """Without leave to read VMCA's key the shorter certificate is used, and it says so."""
    port = authority(lives=timedelta(days=730))

    signed = vmca.obtain(port, PLAN, request(), allow_key=False, now=NOW)

    assert port.keys_read == 0
    assert parsed(signed.leaf).not_after < days(731)
    assert "allow_vmca_key" in signed.remarks[0]
    assert f"{days(1900):%Y-%m-%d}" in signed.remarks[0]


def test_shorter_is_signed_here_with_leave():
    """With leave the leaf has the dates that were asked for, and VMCA's root above it."""
    port = authority(lives=timedelta(days=730))

    signed = vmca.obtain(port, PLAN, request(), allow_key=True, now=NOW)

    leaf = parsed(signed.leaf)
    assert (signed.way, port.keys_read) == ("root-key", 1)
    assert (leaf.not_before, leaf.not_after) == (days(-1), days(1900))
    assert certificates.issued_by(leaf, parsed(pki.der(root())))
    assert leaf.x509.public_key() == key("leaf").public_key()


def test_foreign_key_signs_nothing():
    """A key file that is not the root's is refused before anything is made of it."""
    port = authority(lives=timedelta(days=730))
    port.read_root_key = lambda node: Secret(pki.pkcs8(key("other")))  # type: ignore[method-assign] # another key

    with pytest.raises(VmcaError, match="does not belong"):
        vmca.obtain(port, PLAN, request(), allow_key=True, now=NOW)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"certool": False}, "certool is not there"),
        ({"serves": False}, "does not answer"),
        ({"serves_root": False}, "another root"),
        ({"key_matches": False}, "does not belong"),
        ({"chain": (), "unread": "no such file"}, "no such file"),
        ({"chain": (b"x",)}, "malformed"),
        ({"chain": (pki.der(root("old", start=-900, end=-1)),)}, "expired"),
    ],
    ids=["certool", "down", "root", "key", "unread", "malformed", "expired"],
)
def test_unusable_vmca_is_named(state, reason):
    """Each thing that forbids it is a clause, found without signing anything."""
    port = authority(state=state)

    with pytest.raises(VmcaError, match=reason):
        vmca.require_usable(port.read_root(PLAN), now=NOW, validity=timedelta(days=10))

    assert port.requests == []


def test_what_is_unknown_forbids_nothing():
    """A gap in what could be seen is no reason to stop: what is signed is checked again."""
    unknown = Unknown(reason="no openssl")
    port = authority(state={"key_matches": unknown, "serves_root": unknown, "certool": unknown})

    vmca.require_usable(port.read_root(PLAN), now=NOW, validity=timedelta(days=10))


def test_validity_that_is_used_up_is_refused():
    """Nothing can be issued for no time at all."""
    with pytest.raises(IssuerError, match="no validity"):
        vmca.require_usable(authority().read_root(PLAN), now=NOW, validity=timedelta(0))


def test_leaf_never_outlives_the_root():
    """What is asked for ends with VMCA's root, and is then no cut."""
    port = authority()

    made = issuer(port).issue(node=NODE, now=NOW, validity=timedelta(days=3650))

    assert parsed(made.chain[0]).not_after == root().not_valid_after_utc
    assert port.requests[0].not_after == root().not_valid_after_utc
    assert len(made.remarks) == 1


def test_credential_is_the_profile_of_a_run():
    """Leaf and VMCA's root, the key made here, and how it came to be in words."""
    made = issuer(authority()).issue(node=NODE, now=NOW, validity=timedelta(days=1000))

    assert made.chain[1] == pki.der(root())
    assert certificate_chains.check_credential(made, NOW) == ()
    assert certificates.dns_names(parsed(made.chain[0])) == (NODE,)
    assert made.key_pkcs8.reveal() == issuing.pkcs8(key("leaf"))
    assert NODE in made.remarks[0]


def test_vmca_that_starts_late_is_waited_for():
    """A node that was just powered on is given its time."""
    port = authority(starts_after=3)
    made = issuer(port)

    made.issue(node=NODE, now=NOW, validity=timedelta(days=10))

    assert isinstance(made.clock, Clock)
    assert made.clock.slept == 15


def test_vmca_that_never_starts_is_an_error_in_time():
    """After the limit it is a fault of the node, and nothing was asked to be signed."""
    port = authority(starts_after=1000)

    with pytest.raises(VmcaError, match="does not answer"):
        issuer(port, limit=30).issue(node=NODE, now=NOW, validity=timedelta(days=10))

    assert port.requests == []


def test_refusal_comes_out():
    """What VMCA says is what the operator reads."""
    with pytest.raises(VmcaError, match="policy"):
        issuer(authority(refusal="policy")).issue(node=NODE, now=NOW, validity=timedelta(days=10))
