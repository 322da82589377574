"""Causes that certificates prove: of the STS, TLS ports, solution users and VMCAs. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from stsfix.remediation.checks import certificates as checked
from stsfix.remediation.diagnosis.model import Suspect
from stsfix.remediation.directory import dn
from stsfix.remediation.directory.sts import belonging, mark_of
from stsfix.remediation.pki.certificates import Certificate, Expiry, classify, dns_names, parse
from stsfix.snapshot.risk import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from stsfix.remediation.diagnosis.evidence import Evidence
    from stsfix.remediation.inventory import Inventory, NodeInventory
    from stsfix.remediation.model import StsEntries, StsEntry

NOW: Final = timedelta(0)
OUT_OF_TIME: Final = frozenset({Expiry.EXPIRED, Expiry.NOT_YET_VALID})


def signers(evidence: Evidence) -> Iterator[Suspect]:
    """What signs on each node with a directory, judged by this workstation's clock."""
    inventory = evidence.inventory
    for node in inventory.nodes:
        if node.role.has_directory and node.sts is not None:
            yield from _entries(inventory, node, node.sts)
        yield from _published(evidence, node)


def _entries(inventory: Inventory, node: NodeInventory, sts: StsEntries) -> Iterator[Suspect]:
    for entry in sts.credentials:
        if entry.index is None:
            proof = f"{_name(entry)} has no number in its name"
            yield Suspect(cause="STS-ENTRY-BROKEN", node=node.fqdn, proof=proof)
    for chain in sts.chains:
        reason = _unreadable(chain)
        if reason:
            proof = f"{_name(chain)}, which every STS reads, cannot be read: {reason}"
            yield Suspect(cause="STS-ENTRY-BROKEN", node=node.fqdn, proof=proof)
    signing = sts.signing()
    if signing is None:
        if not sts.credentials:
            proof = "the directory holds no TenantCredential"
            yield Suspect(cause="STS-NO-CREDENTIAL", node=node.fqdn, proof=proof)
        return
    yield from _signing(inventory, node, sts, signing)


def _unreadable(chain: StsEntry) -> str:
    """Return why an STS cannot load *chain*, empty if it can: it reads all of each chain and takes
    the first certificate (Config.java L81-83, ServerUtils.java L756, lightwave@a04d9171).
    """
    broken = next((c for c in map(parse, chain.chain) if not isinstance(c, Certificate)), None)
    if broken is not None:
        return broken.reason
    return "" if chain.chain else "it holds no certificate"


def _signing(
    inventory: Inventory, node: NodeInventory, sts: StsEntries, signing: StsEntry
) -> Iterator[Suspect]:
    leaf = parse(signing.chain[0]) if signing.chain else None
    if not isinstance(leaf, Certificate):
        reason = leaf.reason if leaf is not None else "it holds no certificate"
        proof = f"{_name(signing)}, which signs, cannot be read: {reason}"
        yield Suspect(cause="STS-ENTRY-BROKEN", node=node.fqdn, proof=proof)
        return
    expiry = classify(leaf, inventory.taken, NOW)
    dates = f"{_name(signing)} signs, valid {span(leaf)}"
    if expiry is Expiry.EXPIRED:
        yield Suspect(cause="STS-EXPIRED", node=node.fqdn, proof=dates, since=leaf.not_after)
    elif expiry is Expiry.NOT_YET_VALID:
        yield Suspect(cause="STS-NOT-YET-VALID", node=node.fqdn, proof=dates)
    if signing.key_matches is False:
        proof = f"the key of {_name(signing)}, which signs, does not belong to its certificate"
        yield Suspect(cause="STS-KEY-MISMATCH", node=node.fqdn, proof=proof)
    if not any(chain.chain and chain.chain[0] == leaf.der for chain in sts.chains):
        proof = f"no trusted chain begins with the certificate of {_name(signing)}"
        yield Suspect(cause="STS-UNTRUSTED", node=node.fqdn, proof=proof)


def _published(evidence: Evidence, node: NodeInventory) -> Iterator[Suspect]:
    """What the STS shows counts where its directory could not be read, and where it is older."""
    inventory = evidence.inventory
    der = shown_signer(evidence, node)
    shown = parse(der) if der else None
    if not isinstance(shown, Certificate):
        return
    expiry = classify(shown, inventory.taken, NOW)
    if expiry not in OUT_OF_TIME:
        return
    proof = f"its SAML metadata show a certificate valid {span(shown)}"
    if node.certificates.published is None:
        proof += " (the node's own certificate could not be verified)"
    signing = node.sts.signing() if node.sts is not None else None
    if node.sts is None:
        cause = "STS-EXPIRED" if expiry is Expiry.EXPIRED else "STS-NOT-YET-VALID"
        yield Suspect(cause=cause, node=node.fqdn, proof=proof, since=_since(shown, expiry))
    elif signing is not None and signing.chain and signing.chain[0] != shown.der:
        leaf = parse(signing.chain[0])
        if isinstance(leaf, Certificate) and classify(leaf, inventory.taken, NOW) is Expiry.VALID:
            yield Suspect(
                cause="STS-STALE",
                node=node.fqdn,
                proof=f"{proof}, its directory has one valid {span(leaf)}",
                since=_since(shown, expiry),
            )


def shown_signer(evidence: Evidence, node: NodeInventory) -> bytes | None:
    """Return the leaf (DER) that the node's STS publishes, however it was read."""
    return node.certificates.published or evidence.of(node.fqdn).signer


def chains(evidence: Evidence) -> Iterator[Suspect]:
    """Chains that the STS trusts: without a leaf, or expired and of no credential.

    The first directory that was read speaks for all: whether all agree is preflight's business.
    """
    inventory = evidence.inventory
    node = next((node for node in inventory.nodes if node.sts is not None), None)
    if node is None or node.sts is None:
        return
    marks = frozenset(filter(None, map(mark_of, node.sts.credentials)))
    belong = belonging(node.sts.chains, marks)
    for entry in node.sts.chains:
        first = parse(entry.chain[0]) if entry.chain else None
        if not isinstance(first, Certificate):
            continue  # such an entry is a cause of its own
        if first.authority:
            proof = f"{_name(entry)} begins with {first.subject}, a CA; its DN: {entry.dn}"
            yield Suspect(cause="CHAIN-LEAFLESS", node=node.fqdn, proof=proof)
        elif entry not in belong and classify(first, inventory.taken, NOW) is Expiry.EXPIRED:
            proof = (
                f"{_name(entry)} belongs to no credential; its leaf was valid {span(first)}; its "
                f"DN: {entry.dn}"
            )
            yield Suspect(
                cause="CHAINS-OBSOLETE", node=node.fqdn, proof=proof, since=first.not_after
            )


def machines(evidence: Evidence) -> Iterator[Suspect]:
    """What each node shows on its web and directory ports."""
    for node in evidence.inventory.nodes:
        seen: set[bytes] = set()
        for shown in node.certificates.shown:
            leaf = parse(shown.leaf)
            if shown.port == "vami" or shown.leaf in seen or not isinstance(leaf, Certificate):
                continue  # the management interface may have a certificate of its own
            seen.add(shown.leaf)
            expiry = classify(leaf, evidence.inventory.taken, NOW)
            if expiry in OUT_OF_TIME:
                yield Suspect(
                    cause="MACHINE-SSL-EXPIRED",
                    node=node.fqdn,
                    proof=f"its {shown.port} port shows a certificate valid {span(leaf)}",
                    since=_since(leaf, expiry),
                )


def solution_users(evidence: Evidence) -> Iterator[Suspect]:
    """Solution users of nodes of this domain, by the certificates in the directory."""
    inventory = evidence.inventory
    held = inventory.certificates
    if held is None:
        return
    ours = {node.fqdn for node in inventory.nodes}
    expired = {
        finding.subject
        for finding in checked.solution_users(inventory)
        if finding.id == "CERT-SOLUTION-EXPIRED" and finding.severity is not Severity.INFORMS
    }
    for user in held.solution_users:
        readable = [c for c in map(parse, user.certificates) if isinstance(c, Certificate)]
        if user.name not in expired or not readable:
            continue
        best = max(readable, key=lambda c: c.not_after)
        nodes = sorted(ours & set(dns_names(best))) or [inventory.domain]
        for node in nodes:
            yield Suspect(
                cause="SOLUTION-USERS-EXPIRED",
                node=node,
                proof=f"{user.name}: valid {span(best)}",
                since=_since(best, classify(best, inventory.taken, NOW)),
            )


def roots(evidence: Evidence) -> Iterator[Suspect]:
    """Roots that a VMCA of this domain made, and that it still needs."""
    inventory = evidence.inventory
    expired = {
        finding.subject
        for finding in checked.trusted_roots(inventory)
        if finding.id == "VMCA-ROOT-EXPIRED"
    }
    for entry in inventory.certificates.roots if inventory.certificates is not None else ():
        for root in map(parse, entry.certificates):
            if not isinstance(root, Certificate):
                continue
            if checked.subject_of(root) in expired:
                owner = checked.vmca_owner(root)
                yield Suspect(
                    cause="VMCA-ROOT-EXPIRED",
                    node=owner or inventory.domain,
                    proof=f"{root.subject}: valid {span(root)}",
                    since=_since(root, classify(root, inventory.taken, NOW)),
                )


def anchors(evidence: Evidence) -> Iterator[Suspect]:
    """What the lookup service says of each node's certificate."""
    for finding in checked.lookup_trust(evidence.inventory):
        yield Suspect(cause="TRUST-ANCHOR-MISMATCH", node=finding.subject, proof=finding.evidence)


def span(certificate: Certificate) -> str:
    """Return from when to when *certificate* is valid, for people."""
    return f"{certificate.not_before:%Y-%m-%d} to {certificate.not_after:%Y-%m-%d %H:%M} UTC"


def _since(certificate: Certificate, expiry: Expiry) -> datetime | None:
    return certificate.not_after if expiry is Expiry.EXPIRED else None


def _name(entry: StsEntry) -> str:
    return dn.name_of(entry.dn)


RULES: Final[tuple[Callable[[Evidence], Iterator[Suspect]], ...]] = (
    signers,
    chains,
    machines,
    solution_users,
    roots,
    anchors,
)
