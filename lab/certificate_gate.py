"""Why a service of a node would refuse to start, as far as certificates go.

Which service logs in as which solution user: the vSphere Security guides ("machine: component
manager, license server, logging; vpxd: vpxd; vpxd-extension: inventory and others;
vsphere-webclient: the client") [INFERRED for vpxd-svcs, which holds several of them]. That each
refuses is from public reports of `Failed to start vpxd-svcs` with expired machine SSL or solution
users (peers.md c7) and of trust anchors that do not match.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature

from stsfix.lab import pki, registrations
from stsfix.lab.vecs import MACHINE_ALIAS, MACHINE_SSL, TRUSTED_ROOTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from cryptography import x509

    from stsfix.lab.disk import NodeDisk
    from stsfix.lab.vecs import Vecs, VecsEntry
    from stsfix.lab.vmdir.store import DirectoryStore

USERS = {
    "vmware-vpxd-svcs": ("machine", "vpxd-extension"),
    "vmware-vpxd": ("vpxd",),
    "vmware-vapi-endpoint": ("vpxd-extension",),
    "vsphere-ui": ("vsphere-webclient",),
    "vmware-psc-client": ("machine",),
}
"""Solution users by service; every one of these services shows the machine certificate, too."""

_LONGEST_CHAIN = 6


@dataclass(frozen=True, kw_only=True)
class CertificateGate:
    """Looks at one node.

    *directory* returns the directory of the node's controller, None while it is down. *shown*
    returns the leaf (DER) that the front of a node shows now, None while it shows none. *now* is
    the node's clock.
    """

    disk: NodeDisk
    directory: Callable[[], DirectoryStore | None]
    shown: Callable[[str], bytes | None]
    now: Callable[[], datetime]

    def refusal(self, service: str) -> str | None:
        """Return the first reason why *service* would not start; None if there is none."""
        return next(self.refusals(service), None)

    def refusals(self, service: str) -> Iterator[str]:
        """Yield every reason; none for a service that does not look at certificates."""
        if service not in USERS:
            return
        vecs, now = self.disk.vecs, self.now()
        yield from entry_flaws(vecs, MACHINE_SSL, MACHINE_ALIAS, now)
        for user in USERS[service]:
            yield from entry_flaws(vecs, user, user, now)
        store = self.directory()
        if store is None:
            return
        for user in USERS[service]:
            yield from account_flaws(self.disk, store, user)
        yield from anchor_flaws(store, {self.disk.psc, self.disk.fqdn}, self.shown)


def entry_flaws(vecs: Vecs, store: str, alias: str, now: datetime) -> Iterator[str]:
    """Yield what is wrong with an entry that has a key."""
    where = f"{alias} in {store}"
    entry = vecs.find(store, alias)
    if entry is None:
        yield f"there is no {where}"
        return
    try:
        chain, matches = entry.chain(), entry.key_matches()
    except (ValueError, TypeError):
        yield f"{where} is malformed"
        return
    if not matches:
        yield f"the key of {where} is another one's"
    leaf = chain[0]
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        yield (
            f"{where} is valid from {leaf.not_valid_before_utc} to {leaf.not_valid_after_utc} only"
        )
    if (untrusted := chain_flaw(chain, trusted(vecs), now)) is not None:
        yield f"{where}: {untrusted}"


def trusted(vecs: Vecs) -> list[x509.Certificate]:
    """Return the certificates in TRUSTED_ROOTS."""
    return [found for entry in vecs.entries(TRUSTED_ROOTS) for found in _chain(entry)]


def _chain(entry: VecsEntry) -> list[x509.Certificate]:
    try:
        return entry.chain()
    except ValueError:
        return []


def chain_flaw(
    chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], now: datetime
) -> str | None:
    """Return why *chain*, leaf first, does not lead to one of *roots*; None if it does."""
    current = chain[0]
    for _ in range(_LONGEST_CHAIN):
        anchor = next((root for root in roots if _issued(current, root)), None)
        if anchor is not None:
            if anchor.not_valid_after_utc < now:
                return f"its issuer ended at {anchor.not_valid_after_utc}"
            return None
        above = [c for c in chain[1:] if c != current and _issued(current, c)]
        if not above:
            break
        current = above[0]
    return f"{current.issuer.rfc4514_string()} is not among the trusted roots"


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def account_flaws(disk: NodeDisk, store: DirectoryStore, user: str) -> Iterator[str]:
    """Yield how the account of solution user *user* differs from VECS."""
    name = f"{user}-{disk.machine_id}"
    account = store.find(f"cn={name},cn=ServicePrincipals,{store.identity.domain_dn}")
    entry = disk.vecs.find(user, user)
    if account is None:
        yield f"the directory has no account {name}"
        return
    chain = [] if entry is None else _chain(entry)
    if not chain:
        return
    if account.attributes.get("userCertificate", []) != [pki.der(chain[0])]:
        yield f"the directory has another certificate of {name} than VECS"
    subject = chain[0].subject.rfc4514_string().encode()
    if account.attributes.get("vmwSTSSubjectDN") != [subject]:
        yield f"vmwSTSSubjectDN of {name} is not the subject of its certificate"


def anchor_flaws(
    store: DirectoryStore, hosts: set[str], shown: Callable[[str], bytes | None]
) -> Iterator[str]:
    """Yield the registrations of *hosts* whose trust anchors are not what their fronts show."""
    for anchor in registrations.anchors(store):
        if anchor.host not in hosts or not anchor.trusted:
            continue
        leaf = shown(anchor.host)
        if leaf is not None and leaf not in anchor.trusted:
            yield f"the lookup service trusts another certificate for {anchor.uri}"
