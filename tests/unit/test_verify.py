"""Proving logins on every node: what is tried, repeated, and never tried."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from memory_hypervisor import MemoryClock
from memory_logins import MemoryLogins, fingerprints
from stsfix.remediation.errors import (
    NodeTlsError,
    NodeUnreachableError,
    ProofError,
    SigningCertificateError,
    SsoLoginError,
)
from stsfix.remediation.logins.proofs import fatal
from stsfix.remediation.logins.verify import verify_logins
from stsfix.remediation.model import NodePlan, Role
from stsfix.snapshot.model import HostRef, VmId

NEW, OLD = b"new leaf", b"old leaf"
ELM = {"vc1": Role.EMBEDDED, "vc2": Role.EMBEDDED}
EXTERNAL = {"psc1": Role.PSC, "psc2": Role.PSC, "vc1": Role.VCENTER}
EXPECTED = fingerprints(NEW)
LIMIT = timedelta(seconds=60)


def nodes(roles):
    """Return node plans."""
    return [
        NodePlan(
            fqdn=name,
            role=role,
            vm=VmId(host=HostRef("esx1"), moref="1", instance_uuid=name, name=name),
        )
        for name, role in roles.items()
    ]


class Verification:
    """Runs one verification with its own clock."""

    def __init__(self, roles, leaves, expected=EXPECTED):
        self.roles = roles
        self.logins = MemoryLogins(leaves)
        self.expected = expected
        self.clock = MemoryClock()
        self.told = []

    def run(self):
        return verify_logins(
            nodes(self.roles),
            self.logins,
            expected=self.expected,
            clock=self.clock,
            limit=LIMIT,
            progress=self.told.append,
            every=timedelta(seconds=5),
        )


def failed(proofs):
    """Return what failed."""
    return {(proof.node, proof.way) for proof in proofs if not proof.ok}


def test_tries_every_way_on_every_node():
    """Directories issue and publish, vCenters take a token, a password and a vAPI login."""
    run = Verification(EXTERNAL, {"psc1": NEW, "psc2": NEW})

    proofs = run.run()

    assert [(p.node, p.way) for p in proofs] == [
        ("psc1", "sts-token"),
        ("psc1", "metadata"),
        ("psc2", "sts-token"),
        ("psc2", "metadata"),
        ("vc1", "login-by-token"),
        ("vc1", "login-by-token"),
        ("vc1", "login"),
        ("vc1", "vapi-session"),
    ]
    assert failed(proofs) == set()
    assert all(p.took is not None for p in proofs)
    assert len(run.told) == len(proofs)


def test_embedded_nodes_use_their_own_sts():
    """Five ways on each embedded node."""
    proofs = Verification(ELM, {"vc1": NEW, "vc2": NEW}).run()

    assert len(proofs) == 10
    assert failed(proofs) == set()


def test_who_is_waited_for_is_told_once():
    """A way in that may still open is named when it is first found closed, and at the end."""
    run = Verification(ELM, {"vc1": NEW, "vc2": OLD})

    run.run()

    told = [event.text for event in run.told if event.subject == "vc2"]
    first, last = (text for text in told if text.startswith("sts-token: "))
    assert first.startswith(f"sts-token: not yet, tried for {LIMIT.total_seconds():.0f} s more: ")
    assert "not yet" not in last


def test_reports_every_failure_and_goes_on():
    """One node with the old leaf fails its tokens and metadata; all else is proven."""
    run = Verification(ELM, {"vc1": NEW, "vc2": OLD})

    proofs = run.run()

    stale = ("sts-token", "metadata", "login-by-token")
    assert failed(proofs) == {("vc2", way) for way in stale}
    (wrong,) = (p for p in proofs if p.node == "vc2" and p.way == "metadata")
    assert "instead of" in wrong.detail


@pytest.mark.parametrize(
    ("way", "error"),
    [
        ("sts-token", NodeUnreachableError("vc1", "503 Service Unavailable")),
        ("metadata", ProofError("vc1", "metadata", "HTTP 404")),
        ("sts-token", SigningCertificateError("vc1", "cached")),
        ("login", ProofError("vc1", "login", "InvalidLogin")),
        ("vapi-session", NodeUnreachableError("vc1", "no")),
    ],
)
def test_waits_for_what_comes_up_late(way, error):
    """Trouble that passes within the limit is no failure."""
    run = Verification({"vc1": Role.EMBEDDED}, {"vc1": NEW})
    run.logins.fail(way, "vc1", error, times=3)

    proofs = run.run()

    assert failed(proofs) == set()
    assert run.clock.slept == 15


def test_metadata_that_cannot_be_had_is_no_proof_against_a_token():
    """The STS signs with the right leaf and does not publish it to anybody (or to nobody yet)."""
    run = Verification({"vc1": Role.EMBEDDED}, {"vc1": NEW})
    run.logins.fail("metadata", "vc1", ProofError("vc1", "metadata", "HTTP 401"), times=1000)

    proofs = run.run()

    assert failed(proofs) == {("vc1", "metadata")}
    assert [p.way for p in proofs if p.unavailable] == ["metadata"]
    assert fatal(proofs) == ()


def test_metadata_of_another_leaf_or_without_a_token_stay_a_failure():
    """What is published wrongly is judged, and what nobody proved is not excused."""
    stale = Verification({"vc1": Role.EMBEDDED}, {"vc1": OLD})
    down = Verification({"vc1": Role.EMBEDDED}, {"vc1": NEW})
    for way in ("sts-token", "metadata"):
        down.logins.fail(way, "vc1", ProofError("vc1", way, "HTTP 503"), times=1000)

    assert {p.way for p in fatal(stale.run())} >= {"sts-token", "metadata"}
    assert {p.way for p in fatal(down.run())} >= {"sts-token", "metadata"}


def test_stops_waiting_at_the_limit():
    """The limit holds for all ways of a node together; each is tried at least once."""
    run = Verification({"vc1": Role.EMBEDDED}, {"vc1": NEW})
    run.logins.fail("sts-token", "vc1", NodeUnreachableError("vc1", "down"), times=100)
    run.logins.fail("metadata", "vc1", NodeUnreachableError("vc1", "down"), times=1)

    proofs = run.run()

    assert {("vc1", "sts-token"), ("vc1", "metadata")} <= failed(proofs)
    assert run.clock.slept == LIMIT.total_seconds()


def test_refused_password_ends_at_once():
    """A refused password is not tried again, and vCenter never sees it."""
    run = Verification({"vc1": Role.EMBEDDED}, {"vc1": NEW})
    refused = SsoLoginError("vc1", "administrator@vsphere.local", "Invalid credentials")
    run.logins.fail("sts-token", "vc1", refused)
    run.logins.fail("login-by-token", "vc1", refused)

    proofs = run.run()

    assert failed(proofs) == {(p.node, p.way) for p in proofs} - {("vc1", "metadata")}
    assert {way for way, _ in run.logins.calls} <= {"sts-token", "metadata", "login-by-token"}
    assert run.clock.slept == 0
    assert "not tried" in proofs[-1].detail


def test_wrong_certificate_ends_at_once():
    """A TLS certificate that is not the wanted one does not become right by waiting."""
    run = Verification({"psc1": Role.PSC}, {"psc1": NEW})
    run.logins.fail("sts-token", "psc1", NodeTlsError("psc1", "pin mismatch"))

    proofs = run.run()

    assert failed(proofs) == {("psc1", "sts-token")}
    assert run.clock.slept == 0


def test_expired_sts_is_told_at_once_when_no_leaf_is_expected():
    """A plain check of an expired domain does not wait for a repair."""
    run = Verification({"vc1": Role.EMBEDDED}, {"vc1": None}, expected=None)
    run.logins.fail("metadata", "vc1", NodeTlsError("vc1", "not of interest here"))

    proofs = run.run()

    assert "Signing certificate is not valid" in proofs[0].detail
    assert run.clock.slept == 0


def switching(trusted, expected=EXPECTED):
    """Return a verification in which vc1 is shown a token first that psc1 signed with the old leaf
    it had cached; vc1 takes tokens of *trusted*.
    """
    run = Verification({"psc1": Role.PSC, "vc1": Role.VCENTER}, {"psc1": NEW}, expected=expected)
    signed = iter([OLD])

    def login_by_token(node, *, sts):
        leaf = next(signed, NEW)
        if leaf not in trusted:
            raise ProofError(node, "login-by-token", "InvalidLogin")
        return replace(run.logins.issue_token(sts), leaf_sha256=min(fingerprints(leaf)))

    run.logins.login_by_token = login_by_token  # type: ignore[method-assign] # one late switch
    return run


def test_a_token_of_the_old_leaf_proves_nothing_of_the_new():
    """The STS signed with what it had cached, and vCenter still trusts that: it is shown another,
    which it refuses.
    """
    proofs = switching({OLD}).run()

    assert failed(proofs) == {("vc1", "login-by-token")}
    (wrong,) = (p for p in proofs if p.way == "login-by-token")
    assert (wrong.sts, "InvalidLogin" in wrong.detail) == ("psc1", True)


def test_a_vcenter_that_takes_tokens_of_the_new_leaf_as_well_is_proven_by_the_next():
    """Who is waited for is told, with the STS that signed with the old one."""
    run = switching({OLD, NEW})

    assert failed(run.run()) == set()
    (first, *_) = (e.text for e in run.told if e.text.startswith("login-by-token: "))
    assert "the STS of psc1: sha256:" in first


def test_any_leaf_proves_where_none_is_expected():
    """A plain look asks whether people get in, not who signed."""
    run = switching({OLD}, expected=None)

    assert failed(run.run()) == set()
    assert run.clock.slept == 0


def test_takes_any_leaf_when_none_is_expected():
    """Without an expected leaf every leaf that signs is fine."""
    assert failed(Verification(ELM, {"vc1": NEW, "vc2": OLD}, expected=None).run()) == set()


def test_vcenter_must_trust_every_psc():
    """A vCenter that refuses the token of one of its PSCs fails that way alone."""
    run = Verification(EXTERNAL, {"psc1": NEW, "psc2": OLD}, expected=None)
    run.logins.trusted["vc1"] = {NEW}

    proofs = run.run()

    assert [p.ok for p in proofs if p.way == "login-by-token"] == [True, False]
    assert failed(proofs) == {("vc1", "login-by-token")}
