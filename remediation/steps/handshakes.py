"""Proof that the TLS ports of a node show its renewed certificate: a handshake with each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stsfix.remediation.errors import NodeUnreachableError, ProofError
from stsfix.remediation.pki.certificates import fingerprint
from stsfix.snapshot.polling import poll_until

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from stsfix.remediation.inventory_certificates import TlsPort
    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.ports import Note
    from stsfix.remediation.steps.context import StepContext

_OWN: Final = "vami"
"""The management interface may have a certificate of its own, and service-control does not
restart it on every release (vsphere.md 4; peers.md d): what it shows is told, and fails nothing."""


def prove_shown(
    context: StepContext, step: str, shown: Callable[[str], Collection[bytes]], note: Note
) -> None:
    """See that 443 and 636 of every node whose machine certificate was renewed show the new one.

    Args:
        context: What the step works with.
        step: Name of the step, for progress.
        shown: Machine certificates (DER) that this run made, by node.
        note: Each port is noted, with ``ok`` or ``failed``.

    Raises:
        ProofError: A port shows another certificate, or none, at the limit for logins; all were
            tried.
    """
    nodes = [context.spec.node(r.node) for r in context.spec.renewals if r.is_machine]
    ports = [(node, port) for node in nodes for port in _ports(node)]
    failures = []
    for node, port in ports:
        problem = _problem(context, node, port, shown(node.fqdn))
        note(f"tls-{port}.{node.fqdn}", "failed" if problem else "ok")
        text = f"its {port} port {problem or 'shows the new certificate'}"
        context.tell(step, node.fqdn, text)
        if problem and port != _OWN:
            failures.append(ProofError(node.fqdn, f"tls-{port}", problem))
    if failures:
        raise failures[0]


def _ports(node: NodePlan) -> tuple[TlsPort, ...]:
    return ("https", "ldaps", "vami") if node.role.has_directory else ("https", "vami")


def _problem(context: StepContext, node: NodePlan, port: TlsPort, ours: Collection[bytes]) -> str:
    """Return what is wrong with what *port* shows, as a clause; empty if nothing is."""
    seen: list[str] = []

    def look() -> bool | None:
        try:
            leaf = context.renewal.shown.read_shown_leaf(node.fqdn, port)
        except NodeUnreachableError as error:
            seen[:] = [f"does not answer ({error})"]
            return None
        seen[:] = [f"shows sha256:{fingerprint(leaf)}, not the new certificate"]
        return True if leaf in ours else None

    limits = context.limits
    patience = limits.poll if port == _OWN else limits.logins
    found = poll_until(look, clock=context.clock, limit=patience, every=limits.poll)
    return "" if found else seen[-1]
