"""Which certificates of the nodes' stores a run renews, which it leaves alone, and why. Pure.

What is renewed is what certificate-manager renews with VMCA: the machine certificate (option 3)
and the solution users (option 6); names of stores and accounts are those of fixcerts.py 3.2
(KB 90561). It renews neither data-encipherment nor SMS (seen in a log of an 8.0.3); why this does
not either is docs/adr/0039-what-is-left.md.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from stsfix.remediation.model import Renew, Renewal
from stsfix.remediation.pki import vecs
from stsfix.remediation.pki.authority import names_vmca
from stsfix.remediation.pki.certificates import (
    Certificate,
    Expiry,
    classify,
    issued_by,
    parse,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from stsfix.remediation.model import Role
    from stsfix.remediation.pki.vecs import NodeStores, StoreEntry

SOON: Final = timedelta(days=30)
"""What ends within this time counts as expired: it is renewed as well, and a VMCA root that ends
so soon signs nothing worth having."""

SOLUTION_USERS: Final = ("machine", "vsphere-webclient", "vpxd", "vpxd-extension", "hvc", "wcp")
"""Stores of solution users; of each node those that it has. The alias is the store's name."""

LEFT: Final = {
    "data-encipherment": "its key protects passwords in customization specifications and has to be "
    "kept, and no service needs it to start; docs/certificates.md has the commands (KB 88548)",
    "SMS": "storage monitoring (vmware-sps) renews it by itself, and storage providers trust that "
    "very one; where it did not: KB 440183, KB 2146011",
    "STS_INTERNAL_SSL_CERT": "left by an upgrade; certificate-manager does not know it. vCert and "
    "fixcerts.py copy the machine certificate there",
}
"""Stores with certificates of the node's own that are not renewed, and the reason."""


class Why(enum.StrEnum):
    """Why a certificate is renewed."""

    ENDED = "out of its time"
    ENDING = "ends soon"
    NEW_ROOT = "the root that issued it is replaced"
    ASKED = "all were asked for"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLook:
    """What is known of one node. *stores* is None if they could not be read, *unread* says why.
    *vmca* is the chain its VMCA issues with (DER, the root last), empty on a node without one or
    if unread. *hindrance* is why that VMCA cannot sign, empty if it can or nobody knows.
    *controller* is the host whose directory and VMCA the node uses, *machine_id* the end of its
    accounts' names, *pnid* what it was deployed with; empty if unknown. *windows* nodes are not
    renewed.
    """

    fqdn: str
    role: Role
    stores: NodeStores | None
    unread: str = ""
    vmca: tuple[bytes, ...] = ()
    hindrance: str = ""
    controller: str = ""
    machine_id: str = ""
    pnid: str = ""
    windows: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One entry that is renewed."""

    renewal: Renewal
    why: Why


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """What forbids a renewal, or has to be told: *rule* is a finding's id. A *mild* one forbids
    nothing.
    """

    rule: str
    subject: str
    evidence: str
    mild: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalPlan:
    """What a run would renew. *new_roots* are the nodes whose VMCA gets a new root."""

    renew: Renew
    planned: tuple[Planned, ...] = ()
    new_roots: tuple[str, ...] = ()
    obstacles: tuple[Obstacle, ...] = ()

    @property
    def renewals(self) -> tuple[Renewal, ...]:
        """What is written into the run's plan."""
        return tuple(planned.renewal for planned in self.planned)

    @property
    def is_empty(self) -> bool:
        """True if nothing is renewed."""
        return not (self.planned or self.new_roots)


NO_RENEWAL: Final = RenewalPlan(renew=Renew.NONE)
"""The plan of an STS-only repair."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Domain:
    """What holds for every node. *chains* are those of the VMCAs that were read, by node."""

    chains: Mapping[str, tuple[Certificate, ...]]
    owners: frozenset[str]
    now: datetime
    new_roots: frozenset[str]
    accounts: Mapping[str, tuple[bytes, ...]] | None
    renew: Renew

    def issuer_of(self, leaf: Certificate) -> str | None:
        """Return the node whose VMCA issued *leaf* with what it issues with now."""
        for node, chain in self.chains.items():
            if leaf.issuer == chain[0].subject and issued_by(leaf, chain[0]):
                return node
        return None

    def is_ours(self, leaf: Certificate) -> bool:
        """Tell whether a VMCA of the domain issued *leaf*, maybe with an earlier root."""
        return self.issuer_of(leaf) is not None or names_vmca(leaf, self.owners)

    def ended(self, node: str) -> Certificate | None:
        """Return the first certificate of VMCA of *node* that is (nearly) out of its time."""
        return next((c for c in self.chains[node] if _due(c, self.now) is not None), None)


def plan_renewals(
    nodes: Sequence[NodeLook],
    accounts: Mapping[str, tuple[bytes, ...]] | None,
    *,
    renew: Renew,
    new_vmca_root: bool,
    now: datetime,
) -> RenewalPlan:
    """Return what is renewed and what stands in the way.

    Args:
        nodes: Every node of the domain.
        accounts: Solution users in the directory: name to certificates (DER); None if no directory
            told them.
        renew: What was asked. A new root renews what the old one issued, too: it is `Renew.EXPIRED`
            then, at least.
        new_vmca_root: Whether VMCAs whose root is (nearly) out of its time get a new one.
        now: Aware UTC.
    """
    if renew is Renew.NONE and not new_vmca_root:
        return NO_RENEWAL
    chains = {n.fqdn: chain for n in nodes if (chain := _chain(n.vmca))}
    owners = frozenset(n.fqdn.lower() for n in nodes)
    obstacles: list[Obstacle] = []
    roots: tuple[str, ...] = ()
    if new_vmca_root:
        roots = tuple(fqdn for fqdn, chain in chains.items() if _ending(chain, now))
        obstacles += _about_roots(nodes, chains, roots)
    domain = _Domain(
        chains=chains,
        owners=owners,
        now=now,
        new_roots=frozenset(roots),
        accounts=accounts,
        renew=renew,
    )
    found = [item for node in nodes for item in _of_node(node, domain)]
    planned = tuple(item for item in found if isinstance(item, Planned))
    obstacles += [item for item in found if isinstance(item, Obstacle)]
    signers = sorted({*(p.renewal.signer for p in planned), *roots})
    obstacles += _about_signers(signers, domain)
    obstacles += [
        Obstacle(rule="RENEW-NO-SIGNER", subject=node.fqdn, evidence=node.hindrance)
        for node in nodes
        if node.hindrance and node.fqdn in signers
    ]
    return RenewalPlan(
        renew=Renew.EXPIRED if renew is Renew.NONE else renew,
        planned=planned,
        new_roots=roots,
        obstacles=tuple(obstacles),
    )


def _chain(ders: Sequence[bytes]) -> tuple[Certificate, ...]:
    """Return the chain of a VMCA, empty if any of it is no certificate."""
    parsed = [parse(der) for der in ders]
    usable = tuple(c for c in parsed if isinstance(c, Certificate))
    return usable if len(usable) == len(parsed) else ()


def _due(certificate: Certificate, now: datetime) -> Why | None:
    match classify(certificate, now, SOON):
        case Expiry.EXPIRED | Expiry.NOT_YET_VALID:
            return Why.ENDED
        case Expiry.EXPIRING:
            return Why.ENDING
        case Expiry.VALID:
            return None


def _ending(chain: Sequence[Certificate], now: datetime) -> bool:
    return any(_due(certificate, now) is not None for certificate in chain)


def _about_roots(
    nodes: Sequence[NodeLook], chains: Mapping[str, tuple[Certificate, ...]], roots: Sequence[str]
) -> Iterator[Obstacle]:
    """Tell which VMCAs get a new root, and what speaks against that."""
    unread = [
        node.fqdn
        for node in nodes
        if node.role.has_directory and node.fqdn not in chains and not node.windows
    ]
    for fqdn in unread:
        yield Obstacle(
            rule="RENEW-NOT-READ", subject=fqdn, evidence="the root of its VMCA is not known"
        )
    for fqdn in roots:
        root, ends = chains[fqdn][-1], min(c.not_after for c in chains[fqdn])
        above = root.subject if root.self_issued else root.issuer
        evidence = f"its chain ends {ends:%Y-%m-%d}; above it is {above}"
        if len(chains[fqdn]) > 1 or not root.self_issued:
            yield Obstacle(rule="RENEW-SUBORDINATE", subject=fqdn, evidence=evidence)
    if chains and not roots and not unread:
        first = min((chain[-1] for chain in chains.values()), key=lambda root: root.not_after)
        yield Obstacle(
            rule="RENEW-ROOT-NEEDLESS",
            subject=", ".join(sorted(chains)),
            evidence=f"the first that ends is {first.subject}, on {first.not_after:%Y-%m-%d}",
        )


def _about_signers(signers: Sequence[str], domain: _Domain) -> Iterator[Obstacle]:
    for fqdn in signers:
        ended = domain.ended(fqdn) if fqdn not in domain.new_roots else None
        if ended is not None:
            evidence = f"{ended.subject} ends {ended.not_after:%Y-%m-%d}"
            mild = _due(ended, domain.now) is Why.ENDING
            yield Obstacle(rule="RENEW-ROOT-ENDED", subject=fqdn, evidence=evidence, mild=mild)


def _of_node(node: NodeLook, domain: _Domain) -> Iterator[Planned | Obstacle]:
    """Yield what is renewed on one node, solution users first: a login needs both, and clients
    see the machine certificate.
    """
    stores = node.stores
    if node.windows:
        yield Obstacle(rule="RENEW-WINDOWS", subject=node.fqdn, evidence=node.unread)
        return
    if stores is None or not stores.stores or (missing := _missing(stores)):
        unread = node.unread or "its certificate stores were not read"
        evidence = missing if stores and stores.stores else unread
        yield Obstacle(rule="RENEW-NOT-READ", subject=node.fqdn, evidence=evidence)
        return
    for name in SOLUTION_USERS:
        entry = stores.entry(name, name)
        if entry is not None:
            yield from _of_entry(node, entry, domain)
    machine = stores.entry(vecs.MACHINE_SSL, vecs.MACHINE_ALIAS)
    if machine is None:
        evidence = f"there is no {vecs.MACHINE_ALIAS} in {vecs.MACHINE_SSL}"
        yield Obstacle(rule="RENEW-NOT-READ", subject=node.fqdn, evidence=evidence)
    else:
        yield from _of_entry(node, machine, domain)
    yield from _left(node, stores, domain.now)


def _missing(stores: NodeStores) -> str:
    """Return which stores that matter here could not be read, and why; empty if none."""
    others = {f"store {name}" for name in (vecs.CRLS, vecs.TRUSTED_ROOTS, vecs.BACKUP, *LEFT)}
    return "; ".join(f"{p.what}: {p.reason}" for p in stores.unread if p.what not in others)


def _signer(node: NodeLook, domain: _Domain) -> str | None:
    """Return the node whose VMCA signs for *node*: its own if it should have one, else that of the
    controller it uses, or the only one there is.
    """
    name = node.fqdn if node.role.has_directory else node.controller
    if name in domain.chains:
        return name
    alone = len(domain.chains) == 1 and not node.role.has_directory
    return next(iter(domain.chains)) if alone else None


def _of_entry(node: NodeLook, entry: StoreEntry, domain: _Domain) -> Iterator[Planned | Obstacle]:
    where = f"{entry.store} on {node.fqdn}"
    leaf = parse(entry.certificates[0]) if entry.certificates else None
    if not isinstance(leaf, Certificate):
        yield Obstacle(rule="RENEW-NOT-READ", subject=where, evidence="it holds no certificate")
        return
    ours = domain.is_ours(leaf)
    why = _why(leaf, domain, ours=ours)
    if why is None:
        if domain.renew is Renew.ALL:  # and not ours
            evidence = f"it was issued by {leaf.issuer}, which is no VMCA of this domain"
            yield Obstacle(rule="RENEW-LEFT", subject=where, evidence=evidence)
        return
    if not ours:
        evidence = f"it was issued by {leaf.issuer} and ends {leaf.not_after:%Y-%m-%d}"
        yield Obstacle(rule="RENEW-CUSTOM-CA", subject=where, evidence=evidence)
    yield _planned(node, entry, leaf, domain, why=why)


def _planned(
    node: NodeLook, entry: StoreEntry, leaf: Certificate, domain: _Domain, *, why: Why
) -> Planned | Obstacle:
    where = f"{entry.store} on {node.fqdn}"
    machine = entry.store == vecs.MACHINE_SSL
    if not machine and domain.accounts is None:
        evidence = "no directory told the accounts of its solution users"
        return Obstacle(rule="RENEW-NOT-READ", subject=node.fqdn, evidence=evidence)
    principal = "" if machine else _principal(node, entry, domain.accounts or {})
    if not machine and not node.machine_id:
        return Obstacle(rule="RENEW-NOT-READ", subject=where, evidence="its machine id is unknown")
    if not machine and not principal:
        evidence = f"the directory has no account {entry.store}-{node.machine_id}"
        return Obstacle(rule="RENEW-NO-ACCOUNT", subject=where, evidence=evidence)
    signer = _signer(node, domain)
    if signer is None:
        evidence = f"it uses {node.controller or 'an unknown controller'}, which is no node"
        if node.role.has_directory:
            evidence = "the root of its node's VMCA is not known"
        return Obstacle(rule="RENEW-NOT-READ", subject=where, evidence=evidence)
    renewal = Renewal(
        node=node.fqdn,
        store=entry.store,
        alias=entry.alias,
        sha256=leaf.sha256,
        signer=signer,
        pnid=node.pnid or node.fqdn,
        machine_id="" if machine else node.machine_id,
        principal=principal,
    )
    return Planned(renewal=renewal, why=why)


def _why(leaf: Certificate, domain: _Domain, *, ours: bool) -> Why | None:
    """Return why *leaf* is renewed, None if it is not."""
    due = _due(leaf, domain.now)
    if due is not None:
        return due
    if domain.issuer_of(leaf) in domain.new_roots:
        return Why.NEW_ROOT
    return Why.ASKED if ours and domain.renew is Renew.ALL else None


def _principal(node: NodeLook, entry: StoreEntry, accounts: Mapping[str, tuple[bytes, ...]]) -> str:
    """Return the account of a solution user: by its name, or by its certificate; else empty."""
    expected = f"{entry.store}-{node.machine_id}".lower()
    for name in accounts:
        if name.lower() == expected:
            return name
    holders = [name for name, held in accounts.items() if entry.certificates[0] in held]
    return holders[0] if len(holders) == 1 else ""


def _left(node: NodeLook, stores: NodeStores, now: datetime) -> Iterator[Obstacle]:
    """Tell of certificates that are (nearly) out of their time and that nobody renews here."""
    for entry in stores.entries:
        reason = LEFT.get(entry.store)
        leaf = parse(entry.certificates[0]) if reason and entry.certificates else None
        if isinstance(leaf, Certificate) and _due(leaf, now) is not None:
            evidence = f"it ends {leaf.not_after:%Y-%m-%d}; {reason}"
            yield Obstacle(
                rule="RENEW-LEFT", subject=f"{entry.store} on {node.fqdn}", evidence=evidence
            )
