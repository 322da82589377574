"""What a rehearsal claims of certificates, by the lab's own eye."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.lab import judge_certificates
from stsfix.lab.vecs import TRUSTED_ROOTS
from stsfix.plugin.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stsfix.lab.judge_certificates import StoredCertificate
    from stsfix.lab.lab import Lab

Judged = tuple[str, bool, str]
"""A claim's text, whether it holds, and the evidence."""


def unchanged(before: Sequence[StoredCertificate], after: Sequence[StoredCertificate]) -> Judged:
    """Judge that every store of every node holds what it held."""
    differ = sorted({f"{c.node} {c.store} {c.alias}" for c in set(before) ^ set(after)})
    return (
        "every certificate of every store is what it was",
        not differ,
        "; ".join(differ) or f"{counted(len(after), 'certificate')} compared",
    )


def repaired(lab: Lab, *, renewed: bool) -> Iterator[Judged]:
    """Judge the certificates of a domain that was repaired; *renewed* those that had expired."""
    refused = [
        f"{node}: {service}: {reasons[0]}"
        for node in lab.nodes
        for service, reasons in judge_certificates.refusals(lab, node).items()
    ]
    yield (
        "no service would refuse to start because of a certificate",
        not refused,
        "; ".join(refused) or ", ".join(lab.nodes),
    )
    apart = judge_certificates.apart(lab)
    yield (
        "stores, directory, trust anchors and what nodes show agree",
        not apart,
        "; ".join(apart) or f"{counted(len(judge_certificates.stored(lab)), 'certificate')} seen",
    )
    yield from _signed_by_vmca(lab)
    if renewed:
        roots = f" {TRUSTED_ROOTS} "  # old ones are kept on purpose
        expired = [line for line in judge_certificates.expired(lab) if roots not in line]
        yield (
            "no certificate that a store holds for use is over",
            not expired,
            "; ".join(expired) or ", ".join(lab.nodes),
        )


def _signed_by_vmca(lab: Lab) -> Iterator[Judged]:
    """Judge who issued the new STS certificate; VMCA of Windows nodes is not asked."""
    appliances = [
        node.fqdn for node in lab.topology.controllers if lab.nodes[node.fqdn].disk.windows is None
    ]
    if not appliances:
        return
    issuers = {
        node.fqdn: judge_certificates.authority_of_signer(lab, node.fqdn)
        for node in lab.topology.controllers
    }
    access = lab.scenario.access
    reached = access.guest_operations or access.ssh
    scripts = reached and min(appliances) not in access.without_transport(lab.topology)
    yield (
        f"the new STS certificate is signed by VMCA of {min(appliances)}"
        if scripts
        else "the new STS certificate is signed by no VMCA: no script can reach one",
        set(issuers.values()) == {min(appliances) if scripts else None},
        "; ".join(f"{node}: {issuer or 'no VMCA'}" for node, issuer in issuers.items()),
    )
