"""Checks of certificates besides the STS entries: from the inventory to findings. Pure.

What is about the STS's own chains, and what it publishes, is in `checks.chains`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from stsfix.remediation.checks.chains import CHECKS as CHAIN_CHECKS
from stsfix.remediation.checks.rules_certificates import RULES
from stsfix.remediation.model import Platform
from stsfix.remediation.nodes.node_facts import Unread
from stsfix.remediation.pki.certificates import (
    Certificate,
    Expiry,
    Malformed,
    classify,
    dns_names,
    issued_by,
    key_bytes,
    parse,
    weakness,
)
from stsfix.remediation.renewal.trust_anchors import is_front_of
from stsfix.snapshot.risk import Finder, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from stsfix.remediation.inventory import Inventory, NodeInventory
    from stsfix.remediation.inventory_certificates import DirectoryCertificates, UnreadPart
    from stsfix.remediation.model import Finding

__all__ = ["CHECKS", "RULES"]

found = Finder(RULES)

SOON: Final = timedelta(days=30)
"""vCenter's certificate alarm warns 30 days ahead by default (unverified)."""

ROOT_SOON: Final = timedelta(days=90)
"""A new root takes planning: as long as vCenter warns of its STS certificate (KB 318197)."""

CRL_WARNED, CRL_REFUSED = 30, 100
"""vCert's limits (KB 385107)."""

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_OUT_OF_TIME = frozenset({Expiry.EXPIRED, Expiry.NOT_YET_VALID})


def machine_certificates(inventory: Inventory) -> Iterator[Finding]:
    """What each node shows on its TLS ports: dates, name, strength, and all the same."""
    for node in inventory.nodes:
        main = node.certificates.on("https")
        for port in ("https", "ldaps"):
            leaf = node.certificates.on(port)
            if leaf is not None and (port == "https" or leaf != main):
                yield from _machine(inventory, node, leaf, f"its {port} port shows")
        yield from _ports(node)


def _machine(
    inventory: Inventory, node: NodeInventory, der: bytes, where: str
) -> Iterator[Finding]:
    leaf = parse(der)
    if isinstance(leaf, Malformed):
        yield found("CERT-MALFORMED", node.fqdn, f"{where} {leaf.reason}")
        return
    expiry = classify(leaf, inventory.taken, SOON)
    if expiry in _OUT_OF_TIME:
        yield found("CERT-MACHINE-EXPIRED", node.fqdn, f"{where} one {dates(leaf)}")
    elif expiry is Expiry.EXPIRING:
        yield found("CERT-MACHINE-EXPIRING", node.fqdn, f"{where} one {dates(leaf)}")
    if not _names(leaf, node.fqdn):
        names = ", ".join(dns_names(leaf)[:5]) or "no DNS name"
        yield found("CERT-MACHINE-NAME", node.fqdn, f"{where} one for {names}")
    weak = weakness(leaf)
    if weak is not None:
        yield found("CERT-WEAK", node.fqdn, f"{where} one with {weak}")


def _names(leaf: Certificate, fqdn: str) -> bool:
    """A wildcard stands for one whole label (RFC 6125, 6.4.3)."""
    _, _, above = fqdn.lower().partition(".")
    return not {fqdn.lower(), f"*.{above}"}.isdisjoint(dns_names(leaf))


def _ports(node: NodeInventory) -> Iterator[Finding]:
    main = node.certificates.on("https")
    if main is None:
        return
    for shown in node.certificates.shown:
        if shown.leaf != main:
            evidence = f"{_short(shown.leaf)} on its {shown.port} port, {_short(main)} on https"
            # The management interface may have a certificate of its own (vsphere.md 4).
            severity = Severity.INFORMS if shown.port == "vami" else None
            yield found("CERT-PORTS-DIFFER", node.fqdn, evidence, severity=severity)


def solution_users(inventory: Inventory) -> Iterator[Finding]:
    """A solution user needs one certificate in its time.

    One whose certificate names other hosts only is what is left of a removed node: that is told,
    and does not stop a run. That certificates of solution users name their node is what certool
    does (vmdir.md 7); without any name the user counts as one of this domain.
    """
    if inventory.certificates is None:
        return
    nodes = {node.fqdn for node in inventory.nodes}
    for user in inventory.certificates.solution_users:
        parsed = [parse(der) for der in user.certificates]
        best = max(_usable(parsed), key=lambda c: c.not_after, default=None)
        if best is None:
            if parsed:
                yield found("CERT-MALFORMED", user.name, "no certificate of the account is one")
            continue
        names = set(dns_names(best))
        mild = Severity.INFORMS if names and names.isdisjoint(nodes) else None
        expiry = classify(best, inventory.taken, SOON)
        if expiry in _OUT_OF_TIME:
            yield found("CERT-SOLUTION-EXPIRED", user.name, dates(best), severity=mild)
        elif expiry is Expiry.EXPIRING:
            yield found("CERT-SOLUTION-EXPIRING", user.name, dates(best), severity=mild)
        weak = weakness(best)
        if weak is not None:
            yield found("CERT-WEAK", user.name, f"its certificate has {weak}")


def trusted_roots(inventory: Inventory) -> Iterator[Finding]:
    """Every trusted root: a CA, in its time; above all those that issue for our nodes."""
    if inventory.certificates is None:
        return
    roots: list[Certificate] = []
    for entry in inventory.certificates.roots:
        for der in entry.certificates:
            root = parse(der)
            if isinstance(root, Malformed):
                yield found("CERT-MALFORMED", entry.name, f"trusted root: {root.reason}")
            elif _is_no_authority(root):
                yield found("TRUST-ROOT-NOT-CA", entry.name, root.subject)
            else:
                roots.append(root)
    yield from _dates_of_roots(inventory, roots)
    yield from _twice(roots)


def _is_no_authority(root: Certificate) -> bool:
    # Version 1 has no extensions and is a root for OpenSSL.
    without = root.authority is None and (root.version > 0 or not root.self_issued)
    return root.authority is False or without or root.signs_certificates is False


def _dates_of_roots(inventory: Inventory, roots: list[Certificate]) -> Iterator[Finding]:
    owners = {node.fqdn.lower() for node in inventory.nodes}
    sound = {
        root.subject
        for root in roots
        if classify(root, inventory.taken, ROOT_SOON) not in _OUT_OF_TIME
    }
    used = _leaves_in_use(inventory)
    for root in dict.fromkeys(roots):
        expiry = classify(root, inventory.taken, ROOT_SOON)
        of_node = vmca_owner(root) in owners
        in_use = any(leaf.issuer == root.subject and issued_by(leaf, root) for leaf in used)
        evidence = f"{root.subject}, {dates(root)}"
        if expiry in _OUT_OF_TIME and of_node and (in_use or root.subject not in sound):
            yield found("VMCA-ROOT-EXPIRED", subject_of(root), evidence)
        elif expiry in _OUT_OF_TIME:
            evidence += "; it issued certificates in use" if in_use else ""
            yield found("TRUST-ROOT-EXPIRED", subject_of(root), evidence)
        elif expiry is Expiry.EXPIRING and of_node:
            yield found("VMCA-ROOT-EXPIRING", subject_of(root), evidence)


def _leaves_in_use(inventory: Inventory) -> list[Certificate]:
    ders = {s.leaf for node in inventory.nodes for s in node.certificates.shown}
    if inventory.certificates is not None:
        ders |= {d for user in inventory.certificates.solution_users for d in user.certificates}
    return _usable(parse(der) for der in sorted(ders))


def vmca_owner(root: Certificate) -> str | None:
    """Return the host whose VMCA made *root*: CN=CA, O=<host> (vmca selfca, vmdir.md 7)."""
    parts = {(a.rfc4514_attribute_name, str(a.value)) for a in root.x509.subject}
    if ("CN", "CA") not in parts:
        return None
    return next((value.lower() for name, value in sorted(parts) if name == "O"), None)


def _twice(roots: list[Certificate]) -> Iterator[Finding]:
    keys: dict[str, set[bytes]] = {}
    for root in roots:
        keys.setdefault(root.subject, set()).add(key_bytes(root))
    for subject, different in sorted(keys.items()):
        if len(different) > 1:
            yield found("TRUST-ROOT-TWICE", subject, f"{len(different)} keys have this name")


def revocation_lists(inventory: Inventory) -> Iterator[Finding]:
    """So many lists that services would hang when they start."""
    if inventory.certificates is None:
        return
    roots = inventory.certificates.roots
    count = sum(root.crl_count for root in roots)
    if count > CRL_WARNED:
        severity = Severity.BLOCKS if count > CRL_REFUSED else Severity.WARNS
        size = sum(root.crl_bytes for root in roots)
        evidence = f"{count} lists in the directory, {size / 1024:.0f} KiB"
        yield found("TRUST-CRL-COUNT", inventory.domain, evidence, severity=severity)


def lookup_trust(inventory: Inventory) -> Iterator[Finding]:
    """What the lookup service says of a node's certificate is what the node shows."""
    if inventory.certificates is None:
        return
    for node in inventory.nodes:
        shown = node.certificates.on("https")
        if shown is None:
            continue
        trusted = list(trusted_for(inventory.certificates, node.fqdn))
        other = [kind for kind, trust in trusted if shown not in trust]
        if other:
            kinds = ", ".join(sorted(set(other))[:5])
            evidence = f"{len(other)} of {len(trusted)} endpoints name another one: {kinds}"
            yield found("LOOKUP-TRUST", node.fqdn, evidence)


def trusted_for(
    certificates: DirectoryCertificates, fqdn: str
) -> Iterator[tuple[str, tuple[bytes, ...]]]:
    """Yield kind and trust of every endpoint behind the node's port 443 that names a trust."""
    for registration in certificates.registrations:
        for endpoint in registration.endpoints:
            if endpoint.trust and is_front_of(endpoint.uri, fqdn):
                yield registration.kind, endpoint.trust


def identity_sources(inventory: Inventory) -> Iterator[Finding]:
    """The domain's own source is asked locally; certificates of other sources are in time."""
    if inventory.certificates is None:
        return
    alone = sum(1 for node in inventory.nodes if node.role.has_directory) == 1
    for source in inventory.certificates.identity_sources:
        remote = [uri for uri in source.connections if _host(uri) not in _LOCAL]
        if source.domain_type.upper() == "SYSTEM_DOMAIN" and remote and not alone:
            yield found("SSO-CONNECTION", source.name, f"it asks {', '.join(remote[:5])}")
        for der in source.certificates:
            certificate = parse(der)
            if isinstance(certificate, Malformed):
                yield found("CERT-MALFORMED", source.name, f"identity source: {certificate.reason}")
            elif classify(certificate, inventory.taken, SOON) in _OUT_OF_TIME:
                evidence = f"{certificate.subject}, {dates(certificate)}"
                yield found("SSO-SOURCE-EXPIRED", source.name, evidence)


def _host(uri: str) -> str | None:
    try:
        return urlsplit(uri.strip()).hostname
    except ValueError:
        return None


_VAMI = "vami port"


def not_checked(inventory: Inventory) -> Iterator[Finding]:
    """What could not be read is told, never taken for fine."""
    for node in inventory.nodes:
        # Only appliances have a management interface.
        is_appliance = node.platform is Platform.APPLIANCE
        unread = (p for p in node.certificates.unread if is_appliance or _VAMI not in p.what)
        yield from _unread(node.fqdn, unread)
    held = inventory.certificates
    if held is not None:
        yield from _unread(held.node or inventory.domain, held.unread, always=True)


def _unread(
    subject: str, unread: Iterable[UnreadPart], *, always: bool = False
) -> Iterator[Finding]:
    """Yield one finding for each reason.

    Of what a node shows only 443 and 636 are open on every release: the rest may not be there.
    """
    reasons: dict[str, list[str]] = {}
    for part in unread:
        reasons.setdefault(part.reason, []).append(part.what)
    for reason, parts in reasons.items():
        needed = always or any(what.endswith(("https port", "ldaps port")) for what in parts)
        yield found(
            "CERT-NOT-CHECKED",
            subject,
            f"not checked: {', '.join(parts)}: {reason}",
            severity=None if needed else Severity.INFORMS,
        )


def costs(inventory: Inventory) -> Iterator[Finding]:
    """What the repair costs people, and what it does not."""
    yield from _scheduled_tasks(inventory)
    yield found(
        "COST-NO-TLS-CHANGE", inventory.domain, "the repair writes STS entries and a trusted root"
    )


def _scheduled_tasks(inventory: Inventory) -> Iterator[Finding]:
    for node in inventory.nodes:
        count = node.scheduled_tasks
        if not node.role.has_vcenter or count == 0:
            continue
        if isinstance(count, Unread):
            yield found("COST-SCHEDULED-TASKS", node.fqdn, f"not checked: {count.reason}")
        else:
            evidence = f"{count} of users, each with a token that the new certificate makes void"
            yield found("COST-SCHEDULED-TASKS", node.fqdn, evidence, severity=Severity.WARNS)


def dates(certificate: Certificate) -> str:
    """Return the validity of *certificate*, for evidence."""
    return f"valid {certificate.not_before:%Y-%m-%d} to {certificate.not_after:%Y-%m-%d}"


def _usable(parsed: Iterable[Certificate | Malformed]) -> list[Certificate]:
    return [c for c in parsed if isinstance(c, Certificate)]


def _short(der: bytes) -> str:
    return f"sha256:{parse(der).sha256[:16]}"


def subject_of(root: Certificate) -> str:
    """Return by what findings name a trusted root."""
    return root.key_id or root.sha256[:16]


CHECKS: tuple[Callable[[Inventory], Iterator[Finding]], ...] = (
    machine_certificates,
    solution_users,
    trusted_roots,
    revocation_lists,
    lookup_trust,
    identity_sources,
    not_checked,
    costs,
    *CHAIN_CHECKS,
)
