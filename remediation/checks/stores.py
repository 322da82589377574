"""Checks of what the nodes' own tools told: stores, VMCA, extensions. Pure.

What a node shows to anybody, and what the directory holds, is judged in `checks.certificates`;
here only what differs from that, or is nowhere else, is a finding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from stsfix.remediation.checks.certificates import CRL_REFUSED, CRL_WARNED, dates, trusted_for
from stsfix.remediation.checks.domain import SOON, is_out_of_reach
from stsfix.remediation.checks.rules_certificates import RULES as CERTIFICATE_RULES
from stsfix.remediation.checks.rules_stores import RULES
from stsfix.remediation.inventory import first_directory
from stsfix.remediation.model import Platform
from stsfix.remediation.nodes.extensions import thumbprint
from stsfix.remediation.nodes.node_facts import NodeFacts, Unread
from stsfix.remediation.pki import vmca
from stsfix.remediation.pki.certificates import Certificate, Expiry, Malformed, classify, parse
from stsfix.remediation.pki.vecs import CRLS, MACHINE_ALIAS, MACHINE_SSL, TRUSTED_ROOTS
from stsfix.remediation.renewal.plan import SOLUTION_USERS
from stsfix.snapshot.risk import Finder, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stsfix.remediation.inventory import Inventory, NodeInventory
    from stsfix.remediation.model import Finding
    from stsfix.remediation.pki.authority import Authority
    from stsfix.remediation.pki.vecs import NodeStores, StoreEntry

__all__ = ["CHECKS", "RULES"]

found = Finder([*CERTIFICATE_RULES, *RULES])

ENCIPHERMENT: Final = "data-encipherment"
SMS: Final = "SMS"
EXTENSION_USER: Final = "vpxd-extension"
_OTHER_KEYS: Final = frozenset({MACHINE_SSL, ENCIPHERMENT, SMS, "STS_INTERNAL_SSL_CERT"})
"""Stores whose keys are of no solution user (peers.md d)."""

_OWN_EXTENSIONS: Final = frozenset(
    {
        "com.vmware.vim.eam",
        "com.vmware.rbd",
        "com.vmware.imagebuilder",
        "com.vmware.vcIntegrity",
        "com.vmware.vlcm.client",
    }
)
"""Extensions that log in with the certificate of `EXTENSION_USER` (fixcerts, KB 322249)."""

_OUT_OF_TIME = frozenset({Expiry.EXPIRED, Expiry.NOT_YET_VALID})


def authorities(inventory: Inventory) -> Iterator[Finding]:
    """Whether VMCA could sign: forbids a run that lets it, warns of the other nodes'."""
    writer = first_directory(inventory.nodes)
    for node in inventory.nodes:
        if not node.role.has_directory:
            continue
        needed = inventory.issuer == "vmca" and node.fqdn == writer
        if isinstance(node.authority, Unread):
            if needed and not is_out_of_reach(node):
                yield found("VMCA-UNREAD", node.fqdn, node.authority.reason)
            continue
        yield from _state(node.fqdn, node.authority, needed=needed)
        yield from _root(inventory, node.fqdn, node.authority, needed=needed)


def _state(fqdn: str, seen: Authority, *, needed: bool) -> Iterator[Finding]:
    """A node that is not to sign may be without VMCA; one whose VMCA is broken is told of."""
    severity = None if needed else Severity.WARNS
    mild = None if needed else Severity.INFORMS
    if not vmca.issuing_chain(seen):
        reason = seen.unread or "it holds a malformed certificate"
        yield found("VMCA-UNREAD", fqdn, reason, severity=mild)
    if seen.certool is False:
        yield found("VMCA-NO-CERTOOL", fqdn, "there is no such file", severity=mild)
    elif seen.serves is False:
        yield found("VMCA-DOWN", fqdn, "certool --getrootca failed", severity=severity)
    if seen.serves_root is False:
        text = "certool --getrootca shows another serial number than root.cer"
        yield found("VMCA-ROOT-DIFFERS", fqdn, text, severity=severity)
    if seen.key_matches is False:
        text = "the public half of privatekey.pem is not that of root.cer"
        yield found("VMCA-KEY", fqdn, text, severity=severity)


def _root(inventory: Inventory, fqdn: str, seen: Authority, *, needed: bool) -> Iterator[Finding]:
    """Dates of what VMCA issues with; a root that the directory lists is judged there."""
    chain = vmca.issuing_chain(seen)
    if not chain:
        return
    held = inventory.certificates
    listed = {der for root in held.roots for der in root.certificates} if held else set()
    own = chain[0]
    expiry = classify(own, inventory.taken, SOON)
    if expiry in _OUT_OF_TIME and own.der not in listed:
        yield found("VMCA-ROOT-EXPIRED", fqdn, f"{own.subject}, {dates(own)}")
    end = min(c.not_after for c in chain)
    if needed and expiry not in _OUT_OF_TIME and end - inventory.taken < vmca.SHORT:
        yield found("VMCA-ROOT-SHORT", fqdn, f"{own.subject}, valid to {end:%Y-%m-%d}")
    if held is not None and held.has_read("trusted roots") and chain[-1].der not in listed:
        yield found("VMCA-ROOT-UNLISTED", fqdn, chain[-1].subject)


def machine_entries(inventory: Inventory) -> Iterator[Finding]:
    """The machine certificate in the store: what services will show after a restart."""
    for node, stores in _with_stores(inventory):
        entry = stores.entry(MACHINE_SSL, MACHINE_ALIAS)
        if entry is None or not entry.certificates:
            continue
        shown = node.certificates.on("https")
        if shown == entry.certificates[0]:
            continue
        if shown is not None:
            evidence = f"{_short(entry.certificates[0])} in {MACHINE_SSL}, {_short(shown)} on https"
            yield found("CERT-STORE-SHOWN", node.fqdn, evidence)
        yield from _distrusted(inventory, node, entry)
        yield from _dated(
            inventory, node, entry, "CERT-MACHINE-EXPIRED", soon="CERT-MACHINE-EXPIRING"
        )


def _distrusted(inventory: Inventory, node: NodeInventory, entry: StoreEntry) -> Iterator[Finding]:
    """The lookup service trusts what is shown now, and not what services load when they start."""
    held = inventory.certificates
    trusted = list(trusted_for(held, node.fqdn)) if held else []
    other = sorted({kind for kind, trust in trusted if entry.certificates[0] not in trust})
    shown = node.certificates.on("https")
    if other and all(shown in trust for _, trust in trusted):
        kinds = ", ".join(other[:5])
        evidence = f"once services restart: it names another than {MACHINE_SSL} holds: {kinds}"
        yield found("LOOKUP-TRUST", node.fqdn, evidence)


def solution_entries(inventory: Inventory) -> Iterator[Finding]:
    """Keys of solution users: their dates, and whether the directory knows the same."""
    for node, stores in _with_stores(inventory):
        for entry in stores.entries:
            if entry.holds_key and entry.certificates and is_solution_user(entry):
                yield from _solution(inventory, node, entry)


def is_solution_user(entry: StoreEntry) -> bool:
    """Tell whether the key of *entry* is a solution user's: its store has the user's name."""
    return entry.store not in _OTHER_KEYS and not is_backup(entry)


def is_backup(entry: StoreEntry) -> bool:
    """Tell whether *entry* is a copy that certificate-manager or a script keeps."""
    return entry.store.startswith("BACKUP_STORE")


def _solution(inventory: Inventory, node: NodeInventory, entry: StoreEntry) -> Iterator[Finding]:
    differs = _account_differs(inventory, node, entry)
    if differs is None:
        return  # the directory's is judged
    if differs:
        yield found("CERT-SOLUTION-DIFFERS", node.fqdn, differs)
    yield from _dated(
        inventory, node, entry, "CERT-SOLUTION-EXPIRED", soon="CERT-SOLUTION-EXPIRING"
    )


def _account_differs(inventory: Inventory, node: NodeInventory, entry: StoreEntry) -> str | None:
    """Return how the account of a store's user differs; None if it holds the same certificate,
    empty if there is none and nobody knows whether there should be.

    The account is <store>-<machine id> (fixcerts.py 3.2); without the id any of the name counts.
    """
    held = inventory.certificates
    users = held.solution_users if held else ()
    facts = node.facts
    known = facts.machine_id if isinstance(facts, NodeFacts) else facts
    prefix, expected = f"{entry.store}-", f"{entry.store}-{known}" if isinstance(known, str) else ""
    accounts = [
        user
        for user in users
        if user.name.lower() == expected.lower()
        or (not expected and (user.name == entry.store or user.name.startswith(prefix)))
    ]
    leaf = entry.certificates[0]
    if any(leaf in user.certificates for user in (accounts or users)):
        return None
    if accounts:
        return f"{_where(entry)} is not in {', '.join(user.name for user in accounts[:3])}"
    there_should_be = held is not None and held.has_read("solution users")
    if expected and there_should_be and entry.store in SOLUTION_USERS:
        return f"{_where(entry)}: the directory has no account {expected}"
    return ""


def other_entries(inventory: Inventory) -> Iterator[Finding]:
    """Keys that keep no service from starting, and certificates that are nobody's."""
    rules = {ENCIPHERMENT: "CERT-ENCIPHERMENT-EXPIRED", SMS: "CERT-SMS-EXPIRED"}
    for node, stores in _with_stores(inventory):
        for entry in stores.entries:
            if entry.store == TRUSTED_ROOTS or not entry.certificates:
                continue
            if entry.holds_key and (is_solution_user(entry) or entry.store == MACHINE_SSL):
                continue
            rule = rules.get(entry.store, "CERT-STORE-EXPIRED")
            yield from _dated(inventory, node, entry, rule)


def _dated(
    inventory: Inventory, node: NodeInventory, entry: StoreEntry, rule: str, soon: str = ""
) -> Iterator[Finding]:
    leaf = parse(entry.certificates[0])
    if isinstance(leaf, Malformed):
        yield found("CERT-MALFORMED", node.fqdn, f"{_where(entry)}: {leaf.reason}")
        return
    expiry = classify(leaf, inventory.taken, SOON)
    evidence = f"{_where(entry)}: {dates(leaf)}"
    if expiry in _OUT_OF_TIME:
        yield found(rule, node.fqdn, evidence)
    elif expiry is Expiry.EXPIRING and soon:
        yield found(soon, node.fqdn, evidence)


def trusted_entries(inventory: Inventory) -> Iterator[Finding]:
    """Every root of the directory is on every node; the rest of a root is judged there.

    What is no certificate VECS does not take (VecsValidateAndFormatCert in
    vmafd/server/vmafd/vecsserviceapi.c, Lightwave a04d9171), and it has a finding of its own.
    """
    held = inventory.certificates
    if held is None or not held.has_read("trusted roots"):
        return
    # vmafd copies certificates; bytes that are none are told of where the directory is judged.
    roots = {
        der: root
        for root in held.roots
        for der in root.certificates
        if isinstance(parse(der), Certificate)
    }
    for node, stores in _with_stores(inventory):
        if TRUSTED_ROOTS not in stores.stores:
            continue
        there = {d for e in stores.entries if e.store == TRUSTED_ROOTS for d in e.certificates}
        missing = [root for der, root in roots.items() if der not in there]
        if missing:
            names = "; ".join(root.subject or root.name for root in missing[:3])
            evidence = f"{len(missing)} of {len(roots)} are not in {TRUSTED_ROOTS}: {names}"
            yield found("TRUST-STORE-LACKS", node.fqdn, evidence)


def revocation_entries(inventory: Inventory) -> Iterator[Finding]:
    """More lists on a node than the directory counts: services that start wait for them, too."""
    held = inventory.certificates
    known = sum(root.crl_count for root in held.roots) if held else 0
    for node, stores in _with_stores(inventory):
        count = sum(len(e.lists) or 1 for e in stores.entries if e.store == CRLS)
        if count > CRL_WARNED and count > known:
            severity = Severity.BLOCKS if count > CRL_REFUSED else Severity.WARNS
            yield found("TRUST-CRL-COUNT", node.fqdn, f"{count} lists in {CRLS}", severity=severity)


def extension_thumbprints(inventory: Inventory) -> Iterator[Finding]:
    """VMware's own extensions are known by a certificate that is in a store of their node."""
    for node, stores in _with_stores(inventory):
        if isinstance(node.extensions, Unread) or EXTENSION_USER not in stores.stores:
            continue
        there = {thumbprint(e.certificates[0]) for e in stores.entries if e.certificates}
        lost = [
            extension.key
            for extension in node.extensions
            if extension.key in _OWN_EXTENSIONS
            and extension.thumbprint
            and extension.thumbprint not in there
        ]
        if lost:
            yield found("EXTENSION-THUMBPRINT", node.fqdn, ", ".join(lost))


def not_checked(inventory: Inventory) -> Iterator[Finding]:
    """What could not be read is told; why no command runs on a node is told elsewhere already."""
    for node in inventory.nodes:
        if isinstance(node.facts, Unread):
            continue
        if isinstance(node.stores, Unread):
            parts = [("its certificate stores", node.stores.reason)]
        else:
            parts = [(part.what, part.reason) for part in node.stores.unread]
        # Nothing can be done about Windows, and findings of its own say so.
        mild = Severity.INFORMS if node.platform is Platform.WINDOWS else None
        for what, reason in parts:
            text = f"not checked: {what}: {reason}"
            yield found("CERT-NOT-CHECKED", node.fqdn, text, severity=mild)
        if isinstance(node.extensions, Unread) and node.role.has_vcenter:
            text = f"not checked: thumbprints of its extensions: {node.extensions.reason}"
            yield found("CERT-NOT-CHECKED", node.fqdn, text, severity=Severity.INFORMS)


def _with_stores(inventory: Inventory) -> Iterator[tuple[NodeInventory, NodeStores]]:
    for node in inventory.nodes:
        if not isinstance(node.stores, Unread):
            yield node, node.stores


def _where(entry: StoreEntry) -> str:
    return f"{entry.alias} in {entry.store}" if entry.alias != entry.store else entry.store


def _short(der: bytes) -> str:
    certificate = parse(der)
    if isinstance(certificate, Certificate):
        return f"sha256:{certificate.sha256[:16]} ({dates(certificate)})"
    return f"sha256:{certificate.sha256[:16]}"


CHECKS: tuple[Callable[[Inventory], Iterator[Finding]], ...] = (
    authorities,
    machine_entries,
    solution_entries,
    other_entries,
    trusted_entries,
    revocation_entries,
    extension_thumbprints,
    not_checked,
)
