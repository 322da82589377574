"""Certificate stores of nodes in memory: fake `CertificateStores`, and TLS ports that show them.

`MemoryStores` is the world: entries by node, faults, and what a sound renewal never does. A kill
is a `Killed` raised at the nth write, before or after it is done.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.serialization import load_der_private_key
from cryptography.x509 import load_der_x509_certificate

from stsfix.remediation.errors import NodeUnreachableError, VecsError
from stsfix.remediation.inventory_certificates import UnreadPart
from stsfix.remediation.nodes.extensions import Extension
from stsfix.remediation.pki import vecs
from stsfix.remediation.pki.vecs import EntryKind, NodeStores, StoreEntry
from stsfix.remediation.pki.vecs_writing import BACKUP_PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from stsfix.remediation.inventory_certificates import TlsPort
    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.pki.vecs_writing import NewEntry


@dataclass
class MemoryStores:
    """*entries* by node, store and alias. *roots* gives what the directory's trusted roots are;
    a node has them once it was told to refresh. *shows* is what a node's ports showed when its
    services were started last. *asked* is what was to be written, whether it was or not.
    """

    roots: Callable[[], frozenset[bytes]]
    entries: dict[tuple[str, str, str], StoreEntry] = field(default_factory=dict)
    names: set[tuple[str, str]] = field(default_factory=set)
    shows: dict[str, bytes] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    refusals: dict[str, int] = field(default_factory=dict)
    before_write: Callable[[str], None] = lambda what: None
    after_write: Callable[[str], None] = lambda what: None
    swept: list[str] = field(default_factory=list)
    before_sweep: Callable[[str], None] = lambda node: None
    asked: list[tuple[NodePlan, NewEntry]] = field(default_factory=list)
    written: list[tuple[str, str]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def add(self, node: str, found: StoreEntry) -> None:
        """Put an entry there, without any judgement; an empty store stays one."""
        self.names.add((node, found.store))
        self.entries[node, found.store, found.alias] = found

    def restart(self, node: str) -> None:
        """Let the services of *node* load what its store holds."""
        machine = self.entries.get((node, vecs.MACHINE_SSL, vecs.MACHINE_ALIAS))
        if machine is not None:
            self.shows[node] = machine.certificates[0]

    # ------------------------------------------------------------ the ports

    def read_stores(self, node: NodePlan, only: Collection[str] = ()) -> NodeStores:
        """See the port."""
        if node.fqdn in self.down:
            return NodeStores()
        names = {s for name, s in self.names if name == node.fqdn and (s in only or not only)}
        held = tuple(e for (n, s, _), e in self.entries.items() if n == node.fqdn and s in names)
        return NodeStores(stores=tuple(sorted(names)), entries=held)

    def replace_entry(self, node: NodePlan, entry: NewEntry) -> None:
        """See the port; a pair that does not belong together is a violation."""
        what = f"{entry.store} on {node.fqdn}"
        if self.refusals.get(entry.store, 0) > 0:
            self.refusals[entry.store] -= 1
            raise VecsError(node.fqdn, "refused by a fault")
        key = load_der_private_key(entry.key_pkcs8.reveal(), None)
        if load_der_x509_certificate(entry.chain[0]).public_key() != key.public_key():
            self.violations.append(f"{what}: key and certificate do not belong together")
        self.asked.append((node, entry))
        self.before_write(what)
        at = (node.fqdn, entry.store, entry.alias)
        old = self.entries.get(at)
        if old is not None:
            alias = BACKUP_PREFIX + entry.alias
            self.add(
                node.fqdn,
                StoreEntry(
                    store=vecs.BACKUP, alias=alias, kind=old.kind, certificates=old.certificates
                ),
            )
        self.entries[at] = StoreEntry(
            store=entry.store,
            alias=entry.alias,
            kind=EntryKind.PRIVATE_KEY,
            certificates=entry.chain,
        )
        self.written.append((node.fqdn, entry.store))
        self.after_write(what)

    def lose(self, node: str, store: str, alias: str) -> None:
        """Delete an entry as a script that died after deleting did: the backup is there."""
        old = self.entries.pop((node, store, alias))
        self.add(
            node,
            StoreEntry(
                store=vecs.BACKUP,
                alias=BACKUP_PREFIX + alias,
                kind=old.kind,
                certificates=old.certificates,
            ),
        )

    def sweep(self, node: NodePlan) -> None:
        """See the port."""
        self.before_sweep(node.fqdn)
        self.swept.append(node.fqdn)

    def refresh_roots(self, node: NodePlan) -> None:
        """See the port."""
        if node.fqdn in self.down:
            raise VecsError(node.fqdn, "vmafd does not run")
        for number, root in enumerate(sorted(self.roots())):
            self.add(
                node.fqdn,
                StoreEntry(
                    store=vecs.TRUSTED_ROOTS,
                    alias=str(number),
                    kind=EntryKind.TRUSTED,
                    certificates=(root,),
                ),
            )

    def read_shown_leaf(self, node: str, port: TlsPort) -> bytes:
        """Return what a port shows."""
        if node in self.down or node not in self.shows:
            raise NodeUnreachableError(node, f"{port}: connection refused")
        return self.shows[node]


@dataclass
class MemoryExtensions:
    """Extensions of vCenters, by node: name to thumbprint. *refusal* is why nothing is known."""

    known: dict[str, dict[str, str]] = field(default_factory=dict)
    refusal: str = ""

    def read_extensions(self, node: NodePlan) -> tuple[Extension, ...] | UnreadPart:
        """See the port."""
        if self.refusal:
            return UnreadPart(what="extensions", reason=self.refusal)
        held = self.known.get(node.fqdn, {})
        return tuple(Extension(key=key, thumbprint=value) for key, value in held.items())

    def replace_thumbprint(self, node: NodePlan, old: str, new: str) -> int | UnreadPart:
        """See the port."""
        if self.refusal:
            return UnreadPart(what="extensions", reason=self.refusal)
        held = self.known.get(node.fqdn, {})
        changed = [key for key, value in held.items() if value == old]
        held.update(dict.fromkeys(changed, new))
        return len(changed)
