"""Prove that people and services can log in again: every way in, on every node."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

from stsfix.remediation.errors import (
    NodeTlsError,
    NodeUnreachableError,
    ProofError,
    SigningCertificateError,
    SsoLoginError,
)
from stsfix.remediation.model import LoginProof
from stsfix.remediation.ports import Progress
from stsfix.remediation.records import VERIFY_LOGINS
from stsfix.snapshot.errors import AnswerTooLargeError
from stsfix.snapshot.polling import poll_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.ports import Logins, ProgressHook
    from stsfix.snapshot.errors import OperationError
    from stsfix.snapshot.ports import Clock

POLL = timedelta(seconds=5)

Way = Literal["sts-token", "login-by-token", "login", "vapi-session", "metadata"]

_ENDS_AT_ONCE = (SsoLoginError, NodeTlsError, AnswerTooLargeError)
_MAY_PASS = (NodeUnreachableError, ProofError)
_FAILURES = (*_ENDS_AT_ONCE, *_MAY_PASS, SigningCertificateError)


def verify_logins(
    nodes: Sequence[NodePlan],
    logins: Logins,
    *,
    expected: frozenset[str] | None,
    clock: Clock,
    limit: timedelta,
    progress: ProgressHook,
    every: timedelta = POLL,
    across: bool = False,
) -> tuple[LoginProof, ...]:
    """Try every way in on every node and return one proof for each, failed ones too.

    Nodes are worked in parallel. What may pass by itself (a service that comes up late, a
    cached certificate) is tried again until *limit*; each way is tried at least once. A
    refused password and a wrong TLS certificate end their way at once. A token that vCenter takes
    counts only if an expected leaf signed it. User and password go
    to vCenter only after an STS has accepted them: its refusal could be any trouble, and the
    lockout policy counts.

    Args:
        nodes: Every node of the domain.
        logins: How to log in.
        expected: SHA-256 (64 lower-case hex digits) of the leaves of which one must sign; None
            takes any leaf.
        clock: For deadline and waiting.
        limit: How long late services are waited for, over all ways together.
        progress: Told the outcome of each way as it is known.
        every: Pause between two tries of one way.
        across: Show every vCenter a token of every STS, not only of its own.

    Returns:
        Proofs in the order of *nodes*, and per node in the order they were tried.
    """
    run = _Verification(
        logins=logins,
        sts=tuple(n.fqdn for n in nodes if n.role.has_directory),
        expected=expected,
        clock=clock,
        deadline=clock.monotonic() + limit.total_seconds(),
        every=every,
        across=across,
        progress=progress,
        password_proven=threading.Event(),
        sts_ended=[],
    )
    with ThreadPoolExecutor(max_workers=max(1, len(nodes))) as pool:
        found = list(pool.map(run.prove_node, nodes))
    return tuple(proof for proofs in found for proof in proofs)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verification:
    logins: Logins
    sts: tuple[str, ...]
    expected: frozenset[str] | None
    clock: Clock
    deadline: float
    every: timedelta
    across: bool
    progress: ProgressHook
    password_proven: threading.Event
    sts_ended: list[str]

    def prove_node(self, node: NodePlan) -> list[LoginProof]:
        """Return the proofs of one node."""
        name = node.fqdn
        proofs = []
        if node.role.has_directory:
            proofs.append(self._prove(name, "sts-token", lambda: self._check_token(name)))
            self.sts_ended.append(name)
            proofs.append(self._prove_metadata(name))
        if node.role.has_vcenter:
            others = tuple(sts for sts in self.sts if sts != name)
            issuers = (name, *(others if self.across else ()))
            issuers = issuers if node.role.has_directory else self.sts
            proofs += [self._prove_login_by_token(name, sts) for sts in issuers]
            proofs.append(self._prove_password(name, "login", self.logins.login))
            proofs.append(self._prove_password(name, "vapi-session", self.logins.open_vapi_session))
        return proofs

    def _prove_metadata(self, name: str) -> LoginProof:
        """Return the proof by what the STS publishes, *unavailable* if that could not be had."""
        missing: list[bool] = []

        def check() -> str:
            missing[:] = [True]
            leaf = self.logins.read_published_leaf(name)
            missing.clear()
            found = hashlib.sha256(leaf).hexdigest()
            self._check_leaf(name, "metadata", found)
            return f"the STS publishes sha256:{found}"

        proof = self._prove(name, "metadata", check)
        return replace(proof, unavailable=not proof.ok and bool(missing))

    def _prove_login_by_token(self, name: str, sts: str) -> LoginProof:
        def check() -> str:
            token = self.logins.login_by_token(name, sts=sts)
            self.password_proven.set()
            # It may go on taking the old leaf's and refuse ours: trust is cached (KB 391354).
            self._check_leaf(name, "login-by-token", token.leaf_sha256, of=f"the STS of {sts}: ")
            return f"vCenter took a token of the STS of {sts}"

        return replace(self._prove(name, "login-by-token", check), sts=sts)

    def _prove_password(
        self, name: str, way: Literal["login", "vapi-session"], log_in: Callable[[str], None]
    ) -> LoginProof:
        while not self.password_proven.is_set() and not self._is_hopeless():
            self.clock.sleep(self.every.total_seconds())
        if not self.password_proven.is_set():
            return self._told(name, way, ok=False, detail="not tried: no STS took the password")

        def check() -> str:
            log_in(name)
            return "vCenter took user and password"

        return self._prove(name, way, check)

    def _is_hopeless(self) -> bool:
        """Tell whether no STS is going to take the password any more."""
        ended = set(self.sts_ended) >= set(self.sts)
        return ended or self.clock.monotonic() >= self.deadline

    def _check_token(self, name: str) -> str:
        token = self.logins.issue_token(name)
        self.password_proven.set()
        self._check_leaf(name, "sts-token", token.leaf_sha256)
        return f"the STS signed a token for {token.subject} with sha256:{token.leaf_sha256}"

    def _check_leaf(self, name: str, way: Way, found: str, *, of: str = "") -> None:
        if self.expected is not None and found not in self.expected:
            wanted = " or ".join(f"sha256:{leaf}" for leaf in sorted(self.expected))
            raise ProofError(name, way, f"{of}sha256:{found} instead of {wanted or 'any'}")

    def _prove(self, name: str, way: Way, check: Callable[[], str]) -> LoginProof:
        # After a repair an STS may still sign with what it has cached (up to 15 s, vmdir.md 4.3);
        # before one, "not valid" is the answer.
        cached = (SigningCertificateError,) if self.expected is not None else ()
        transient = (*_MAY_PASS, *cached)
        started = self.clock.monotonic()
        try:
            detail = poll_until(
                self._telling(name, way, check, transient),
                clock=self.clock,
                limit=timedelta(seconds=max(0.0, self.deadline - started)),
                every=self.every,
                transient=transient,
            )
        except _FAILURES as error:
            return self._told(name, way, ok=False, detail=str(error))
        took = timedelta(seconds=self.clock.monotonic() - started)
        return self._told(name, way, ok=True, detail=detail or "", took=took)

    def _telling(
        self,
        name: str,
        way: Way,
        check: Callable[[], str],
        transient: tuple[type[OperationError], ...],
    ) -> Callable[[], str]:
        """Return *check*, which also tells once that it failed and is going to be repeated."""
        told: list[str] = []

        def look() -> str:
            try:
                return check()
            except transient as error:
                left = self.deadline - self.clock.monotonic()
                if left > 0 and not told:
                    told.append(way)
                    text = f"{way}: not yet, tried for {left:.0f} s more: {error}"
                    self.progress(Progress(step=VERIFY_LOGINS, subject=name, text=text))
                raise

        return look

    def _told(
        self, name: str, way: Way, *, ok: bool, detail: str, took: timedelta | None = None
    ) -> LoginProof:
        self.progress(Progress(step=VERIFY_LOGINS, subject=name, text=f"{way}: {detail}"))
        return LoginProof(node=name, way=way, ok=ok, detail=detail, took=took)
