"""What proofs of logins add up to. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stsfix.remediation.model import LoginProof


def fatal(proofs: Sequence[LoginProof]) -> tuple[LoginProof, ...]:
    """Return the failed *proofs* that keep logins from being proven: all but metadata that could
    not be had from an STS whose own token was proven, which says the same and more.

    Whether metadata can be read without a login everywhere is unverified (vsphere.md 10.1).
    """
    proven = {proof.node for proof in proofs if proof.way == "sts-token" and proof.ok}
    return tuple(p for p in proofs if not p.ok and not (p.unavailable and p.node in proven))
