"""Logins in memory: a fake of `stsfix.remediation.ports.Logins` for other people's tests.

    logins = MemoryLogins(leaves={"vc1.lab.example": b"new leaf", "vc2.lab.example": b"old leaf"})
    logins.leaves["vc2.lab.example"] = b"new leaf"        # what the STS signs with and publishes
    logins.fail("sts-token", "vc1.lab.example", NodeUnreachableError(...), times=3)
    logins.trusted["vc1.lab.example"] = {b"old leaf"}     # vCenter takes tokens of these only
    assert logins.calls == [("sts-token", "vc1.lab.example"), ...]

*leaves* may also be a function that returns the mapping, to read it from another fake's state.
An expired STS is a leaf of None: it refuses with the product's text. Once a password was refused
(an SsoLoginError given to `fail`), what sends the password again is noted in `violations`. Nodes
of which *is_off* says that their machine is off publish nothing.
"""

from __future__ import annotations

import hashlib
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from stsfix.remediation.errors import (
    NodeUnreachableError,
    ProofError,
    SigningCertificateError,
    SsoLoginError,
)
from stsfix.remediation.inventory_certificates import PublishedKey
from stsfix.remediation.model import VerifiedToken

if TYPE_CHECKING:
    from collections.abc import Callable

Leaves = dict[str, bytes | None]


class MemoryLogins:
    """See the module's text. Safe to use from several threads."""

    def __init__(self, leaves: Leaves | Callable[[], Leaves]) -> None:
        self._leaves = leaves
        self._lock = threading.Lock()
        self._failures: dict[tuple[str, str], list[Exception]] = {}
        self._refused = False
        self.trusted: dict[str, set[bytes]] = {}
        self.is_off: Callable[[str], bool] = lambda _: False
        self.calls: list[tuple[str, str]] = []
        self.violations: list[str] = []

    @property
    def leaves(self) -> Leaves:
        """What each STS signs with; None for an expired one."""
        return self._leaves() if callable(self._leaves) else self._leaves

    def fail(self, way: str, node: str, error: Exception, *, times: int = 1) -> None:
        """Let the next *times* calls of *way* on *node* raise *error*."""
        self._failures.setdefault((way, node), []).extend([error] * times)

    def read_published_leaf(self, node: str) -> bytes:
        self._called("metadata", node)
        if self.is_off(node):
            raise NodeUnreachableError(node, "connection refused")
        leaf = self.leaves.get(node)
        if leaf is None:
            raise ProofError(node, "metadata", "HTTP 400")
        return leaf

    def read_published_keys(self, node: str) -> tuple[PublishedKey, ...]:
        self._called("jwks", node)
        leaf = self.leaves[node]
        if leaf is None:
            raise ProofError(node, "metadata", "HTTP 400 for its JWKS")
        return (PublishedKey(modulus="", exponent=65537, leaf=leaf),)

    def issue_token(self, node: str) -> VerifiedToken:
        self._called("sts-token", node)
        return _token(node, self._signing(node))

    def login_by_token(self, node: str, *, sts: str) -> VerifiedToken:
        self._called("login-by-token", node)
        leaf = self._signing(sts)
        if node in self.trusted and leaf not in self.trusted[node]:
            raise ProofError(node, "login-by-token", "InvalidLogin")
        return _token(sts, leaf)

    def login(self, node: str) -> None:
        self._called("login", node)

    def open_vapi_session(self, node: str) -> None:
        self._called("vapi-session", node)

    def _signing(self, node: str) -> bytes:
        leaf = self.leaves[node]
        if leaf is None:
            raise SigningCertificateError(node, "Signing certificate is not valid")
        return leaf

    def _called(self, way: str, node: str) -> None:
        with self._lock:
            self.calls.append((way, node))
            if self._refused and way not in {"metadata", "jwks"}:
                self.violations.append(f"refused password sent again: {way} on {node}")
            waiting = self._failures.get((way, node), [])
            error = waiting.pop(0) if waiting else None
            self._refused = self._refused or isinstance(error, SsoLoginError)
        if error is not None:
            raise error


def _token(sts: str, leaf: bytes) -> VerifiedToken:
    return VerifiedToken(
        node=sts,
        leaf_sha256=hashlib.sha256(leaf).hexdigest(),
        subject="Administrator@VSPHERE.LOCAL",
        not_before=datetime(2026, 3, 1, tzinfo=UTC),
        not_on_or_after=datetime(2026, 3, 1, 0, 5, tzinfo=UTC),
    )


def fingerprints(*leaves: bytes) -> frozenset[str]:
    """Return what `verify_logins` expects for *leaves*."""
    return frozenset(hashlib.sha256(leaf).hexdigest() for leaf in leaves)
