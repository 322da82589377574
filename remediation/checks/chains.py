"""Checks of the STS's chains, of what each STS publishes, and of chains that are not ours. Pure.

Number, key and dates of each STS entry are judged in `checks.domain`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from stsfix.remediation.checks.rules_certificates import RULES
from stsfix.remediation.inventory_certificates import ChainOwner
from stsfix.remediation.pki.certificate_chains import check_links
from stsfix.remediation.pki.certificates import (
    Certificate,
    Expiry,
    Malformed,
    classify,
    issued_by,
    key_bytes,
    may_sign,
    modulus_of,
    parse,
    weakness,
)
from stsfix.snapshot.risk import Finder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stsfix.remediation.inventory import Inventory, NodeInventory
    from stsfix.remediation.model import Finding, StsEntries, StsEntry

found = Finder(RULES)

_NOW = timedelta(0)

_FOREIGN = {
    ChainOwner.SMART_CARD: "CHAIN-SMART-CARD",
    ChainOwner.EXTERNAL_IDP: "CHAIN-EXTERNAL-IDP",
    ChainOwner.UNKNOWN: "CHAIN-UNKNOWN",
}


def links_hold(inventory: Inventory) -> Iterator[Finding]:
    """Each chain with a leaf leads link by link to a self-signed root."""
    entries = _entries(inventory)
    if entries is None:
        return
    seen: set[tuple[bytes, ...]] = set()
    for entry in (*entries.credentials, *entries.chains):
        leaf = _leaf(entry)
        if leaf is None or leaf.authority or entry.chain in seen:
            continue  # `checks.domain` tells of entries without a leaf
        seen.add(entry.chain)
        problems = check_links(entry.chain)
        if problems:
            yield found("STS-CHAIN-BROKEN", entry.dn, "; ".join(problems[:3]))


def signers_are_strong(inventory: Inventory) -> Iterator[Finding]:
    """The credential that signs: key size, signature, key usage."""
    entries = _entries(inventory)
    signing = entries.signing() if entries is not None else None
    if signing is None:
        return
    leaf = _leaf(signing)
    if leaf is not None and may_sign(leaf) is False:
        yield found("STS-KEY-USAGE", signing.dn, f"{leaf.subject} has no digitalSignature")
    for der in signing.chain:
        certificate = parse(der)
        weak = weakness(certificate) if isinstance(certificate, Certificate) else None
        if weak is not None and isinstance(certificate, Certificate):
            yield found("CERT-WEAK", signing.dn, f"{certificate.subject} has {weak}")


def roots_are_listed(inventory: Inventory) -> Iterator[Finding]:
    """The root above the signing leaf is one of the trusted roots."""
    held, entries = inventory.certificates, _entries(inventory)
    signing = entries.signing() if entries is not None else None
    if held is None or not held.has_read("trusted roots") or signing is None:
        return
    last = parse(signing.chain[-1]) if signing.chain else None
    if not isinstance(last, Certificate):
        return
    roots = [parse(der) for root in held.roots for der in root.certificates]
    if not any(isinstance(root, Certificate) and _vouches(root, last) for root in roots):
        yield found("STS-ROOT-UNLISTED", signing.dn, f"{last.subject} is not listed")


def _vouches(root: Certificate, last: Certificate) -> bool:
    """A renewed root of the same name and key does as well."""
    if root.subject == last.subject and key_bytes(root) == key_bytes(last):
        return True
    return last.issuer == root.subject and issued_by(last, root)


def published_is_signing(inventory: Inventory) -> Iterator[Finding]:
    """Each STS publishes the leaf of the credential that its directory lets sign."""
    for node in inventory.nodes:
        expected, shown = _expected(inventory, node), node.certificates.published
        if shown is not None and expected is not None and shown != expected:
            evidence = f"SAML metadata shows {_short(shown)}, the directory {_short(expected)}"
            yield found("STS-PUBLISHED-DIFFERS", node.fqdn, evidence)
        # What the metadata shows may be old, then an old JWKS is no second finding.
        yield from _jwks(node, shown if shown is not None else expected)


def _expected(inventory: Inventory, node: NodeInventory) -> bytes | None:
    """The leaf of the node's own directory; that of another one if it could not be read."""
    if not node.role.has_directory:
        return None
    entries = node.sts or _entries(inventory)
    signing = entries.signing() if entries is not None else None
    return signing.chain[0] if signing is not None and signing.chain else None


def _jwks(node: NodeInventory, leaf: bytes | None) -> Iterator[Finding]:
    keys = node.certificates.keys
    parsed = parse(leaf) if leaf is not None else None
    if not keys or not isinstance(parsed, Certificate):
        return
    modulus = modulus_of(parsed)
    # Builds of the age of 6.5 publish the key alone (Lightwave before 42f75b34).
    if not any(key.leaf == leaf or (not key.leaf and key.modulus == modulus) for key in keys):
        shown = ", ".join(_short(k.leaf) if k.leaf else f"{k.modulus[:16]}..." for k in keys[:3])
        yield found("STS-JWKS-DIFFERS", node.fqdn, f"JWKS shows {shown}, not {_short(parsed.der)}")


def entries_are_few(inventory: Inventory) -> Iterator[Finding]:
    """More than one credential or chain is no fault, and people ask about it."""
    entries = _entries(inventory)
    if entries is None:
        return
    for rule, listed in (
        ("STS-SEVERAL-CREDENTIALS", entries.credentials),
        ("STS-SEVERAL-CHAINS", entries.chains),
    ):
        if len(listed) > 1:
            numbers = ", ".join("?" if e.index is None else str(e.index) for e in listed[:20])
            yield found(rule, inventory.domain, f"{len(listed)}: number {numbers}")


def foreign_chains(inventory: Inventory) -> Iterator[Finding]:
    """Chains of smart cards and other providers are named, with what they hold."""
    for chain in inventory.certificates.chains if inventory.certificates is not None else ():
        if not chain.owner.is_untouchable:
            continue
        held = []
        for der in chain.chain[:5]:
            certificate = parse(der)
            if isinstance(certificate, Malformed):
                held.append("a value that is no certificate")
            else:
                state = classify(certificate, inventory.taken, _NOW)
                ended = f" ({state})" if state is not Expiry.VALID else ""
                held.append(f"{certificate.subject}{ended}")
        yield found(_FOREIGN[chain.owner], chain.dn, "; ".join(held) or "no certificate")


_ALLOWED = "1"
"""vmwSTSAuthnTypes: FLAG_AUTHN_TYPE_ALLOW_PASSWORD = 0x1 (DirectoryConfigStore.java; 4 is a TLS
certificate, which VDT takes for smart cards).
"""


def passwords_log_in(inventory: Inventory) -> Iterator[Finding]:
    """The login policy lets passwords in, by which a run proves that logins work."""
    entries = _entries(inventory)
    types = entries.authn_types if entries is not None else ()
    if types and _ALLOWED not in types:
        evidence = f"vmwSTSAuthnTypes of the tenant is {', '.join(types)}: no password (1)"
        yield found("SSO-NO-PASSWORDS", inventory.domain, evidence)


def _entries(inventory: Inventory) -> StsEntries | None:
    """The entries of the first directory that was read: whether all agree is another check."""
    return next((node.sts for node in inventory.nodes if node.sts is not None), None)


def _leaf(entry: StsEntry) -> Certificate | None:
    first = parse(entry.chain[0]) if entry.chain else None
    return first if isinstance(first, Certificate) else None


def _short(der: bytes) -> str:
    return f"sha256:{parse(der).sha256[:16]}"


CHECKS: tuple[Callable[[Inventory], Iterator[Finding]], ...] = (
    links_hold,
    signers_are_strong,
    roots_are_listed,
    published_is_signing,
    entries_are_few,
    foreign_chains,
    passwords_log_in,
)
