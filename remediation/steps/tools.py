"""What the steps that make certificates share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stsfix.remediation.errors import VecsError, VmcaError
from stsfix.remediation.pki import issuing, vecs, vmca
from stsfix.snapshot.polling import poll_until

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from cryptography.hazmat.primitives.asymmetric import rsa

    from stsfix.remediation.discovery.certificates import ShownLeaves
    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.pki.authority import Authority
    from stsfix.remediation.pki.vecs import NodeStores
    from stsfix.remediation.ports_certificates import (
        CertificateAuthority,
        CertificateStores,
        Extensions,
    )
    from stsfix.remediation.steps.context import StepContext


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalTools:
    """Ports that only a renewal needs. *allow_vmca_key* lets VMCA's own key be read; *new_key*
    makes the keys of everything that is signed.
    """

    authority: CertificateAuthority
    stores: CertificateStores
    shown: ShownLeaves
    extensions: Extensions
    allow_vmca_key: bool = False
    new_key: Callable[[], rsa.RSAPrivateKey] = issuing.new_key


def await_vmca(context: StepContext, node: NodePlan) -> Authority:
    """Return what VMCA of *node* says of itself once it answers: the node was just started.

    Raises:
        VmcaError: It does not answer in time, or its root cannot be read.
    """
    seen: list[Authority] = []

    def look() -> Authority | None:
        seen[:] = [context.renewal.authority.read_root(node)]
        return None if seen[0].serves is False else seen[0]

    limits = context.limits
    found = poll_until(look, clock=context.clock, limit=limits.services, every=limits.poll)
    if found is None:
        raise VmcaError(node.fqdn, "VMCA does not answer certool")
    if not vmca.issuing_chain(found):
        raise VmcaError(node.fqdn, f"its root could not be read: {found.unread or 'malformed'}")
    return found


def await_stores(context: StepContext, node: NodePlan, names: Collection[str]) -> NodeStores:
    """Return the certificate stores *names* of *node*, and its backups, once they can be read: the
    node was just started.

    Raises:
        VecsError: They cannot be read in time.
    """
    seen: list[NodeStores] = []

    def look() -> NodeStores | None:
        seen[:] = [context.renewal.stores.read_stores(node, {*names, vecs.BACKUP})]
        return seen[0] if set(names) <= set(seen[0].stores) else None

    limits = context.limits
    found = poll_until(look, clock=context.clock, limit=limits.services, every=limits.poll)
    if found is not None:
        return found
    why = "; ".join(f"{part.what}: {part.reason}" for part in seen[-1].unread) if seen else ""
    raise VecsError(node.fqdn, f"{', '.join(sorted(names))} cannot be read: {why or 'not there'}")
