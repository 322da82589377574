"""The directories of one SSO domain in memory: a fake `Directory` for step and crash tests.

`MemoryDomain` is the world: one `MemoryNode` for each node, replication between them, faults and
the violations it saw. `MemoryDomain.directory(node)` gives the port; any number of them, in this
or a "restarted" process, share the world. Nothing here looks at a clock.

    domain = MemoryDomain("vc1.lab.example", "vc2.lab.example", lag=3)
    domain.seed(1, credential)                      # on every node, with its chain
    domain.faults.append(Fault(call="add_credential", effect="lost"))
    saved = domain.save("vc1.lab.example")          # a node's disk; restore() puts it back
    assert domain.violations == []
"""

from __future__ import annotations

import copy
import uuid
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from memory_node import Fault, MemoryNode, Pending
from memory_registrations import MemoryRegistrations
from stsfix.remediation.directory import dn
from stsfix.remediation.directory.sts_export import StsMaterial
from stsfix.remediation.errors import (
    DirectoryFaultError,
    DirectoryLoginError,
    DirectoryUnreachableError,
    DomainNotFoundError,
    EntryChangedError,
    TenantNotFoundError,
    WriteInDoubtError,
)
from stsfix.remediation.inventory_certificates import (
    ChainOwner,
    DirectoryCertificates,
    TrustedChain,
)
from stsfix.remediation.model import (
    DirServer,
    ReplicationStatus,
    RootDse,
    StsEntries,
    StsEntry,
    Topology,
)
from stsfix.remediation.pki import certificates
from stsfix.remediation.ports import IssuedCredential
from stsfix.snapshot.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class MemoryDomain:
    """A world of directories. *lag* is how many calls of a node a partner's change stays hidden.

    `violations` holds what a sound repair never does, as sentences; `down` the nodes that do not
    answer, as those do not of which `is_off` says that their machine is off; `password` the right
    one; `ordinary` users log in and see nothing. `certificates` of a `MemoryNode` are what it
    holds besides STS entries.
    """

    def __init__(self, *nodes: str, domain: str = "vsphere.local", lag: int = 0) -> None:
        self.domain = domain
        self.lag = lag
        self.password = "VMware1!"
        self.ordinary = frozenset({"ordinary"})
        self.computers: tuple[str, ...] = ()
        self.nodes = {n: MemoryNode(name=n, invocation_id=f"id-{n}") for n in nodes}
        self.down: set[str] = set()
        self.is_off: Callable[[str], bool] = lambda _: False
        self.faults: list[Fault] = []
        self.violations: list[str] = []
        self.calls: Counter[tuple[str, str]] = Counter()
        self.written_on: set[str] = set()

    def directory(
        self,
        node: str,
        *,
        user: str = "administrator@vsphere.local",
        password: str = "VMware1!",
        domain: str | None = None,
    ) -> MemoryDirectory:
        """Return the port for *node*."""
        return MemoryDirectory(self, node, user, password, domain or self.domain)

    def seed(self, index: int, credential: IssuedCredential, *, chain: int | None = None) -> None:
        """Put a credential and its chain on every node, without any judgement."""
        for made in (
            self.new_entry("credential", index, credential.chain, credential),
            self.new_entry("chain", chain or index, credential.chain, None),
        ):
            for node in self.nodes.values():
                node.usn += 1
                node.entries[made.dn.lower()] = replace(made, usn=node.usn)
                if made.kind == "credential":
                    node.keys[made.dn.lower()] = credential.key_pkcs8.reveal()

    def save(self, node: str) -> MemoryNode:
        """Return a copy of a node's directory, as a snapshot of its VM holds it."""
        return copy.deepcopy(self.nodes[node])

    def restore(self, saved: MemoryNode) -> None:
        """Put a saved directory back. Partners keep theirs: revert all nodes or none."""
        self.nodes[saved.name] = copy.deepcopy(saved)

    def replicate(self) -> None:
        """Apply everything that is on its way, on every node."""
        for node in self.nodes.values():
            self._settle(node, all_of_it=True)

    def new_entry(
        self,
        kind: Literal["credential", "chain"],
        index: int,
        chain: Sequence[bytes],
        credential: IssuedCredential | None,
    ) -> StsEntry:
        """Return an entry with a fresh objectGUID."""
        name = dn.credential if kind == "credential" else dn.chain
        matches = None
        if credential is not None:
            key = credential.key_pkcs8.reveal()
            matches = bool(chain) and certificates.key_matches(key, chain[0])
        return StsEntry(
            kind=kind,
            dn=name(self.domain, index),
            index=index,
            chain=tuple(chain),
            object_guid=str(uuid.uuid4()),
            usn=0,
            key_matches=matches,
        )

    # ------------------------------------------------------------ used by MemoryDirectory

    def enter(self, node: str, call: str) -> MemoryNode:
        """Count a call, let time pass for replication, and return the node if it answers."""
        self.calls[node, call] += 1
        if node in self.down or self.is_off(node):
            raise DirectoryUnreachableError(node, "connection refused")
        found = self.nodes[node]
        self._settle(found)
        return found

    def change(self, node: MemoryNode, call: str, apply: Callable[[MemoryNode], None]) -> None:
        """Run one write under the faults, judge the result and send it to the partners."""
        fired = [f for f in self.faults if f.fires(call, node.name)]
        effect = fired[0].effect if fired else ""
        if effect == "refuse":
            raise DirectoryFaultError(node.name, call, fired[0].code, "refused by a fault")
        if effect == "unreachable":
            raise DirectoryUnreachableError(node.name, "unreachable by a fault")
        if effect == "lost-before":
            raise WriteInDoubtError(node.name, call)
        before = dict(node.entries)
        apply(node)
        node.usn += 1
        self._judge(node, call, before)
        for partner in self.nodes.values():
            if partner is not node:
                partner.pending.append(
                    Pending(calls=self.lag, origin=node.invocation_id, usn=node.usn, apply=apply)
                )
                if self.lag == 0:
                    self._settle(partner)
        if effect == "lost":
            raise WriteInDoubtError(node.name, call)

    def _settle(self, node: MemoryNode, *, all_of_it: bool = False) -> None:
        for pending in list(node.pending):
            pending.calls -= 1
        while node.pending and (all_of_it or node.pending[0].calls < 0):
            pending = node.pending.pop(0)
            pending.apply(node)
            node.usn += 1
            node.up_to_date[pending.origin] = pending.usn

    def _judge(self, node: MemoryNode, call: str, before: dict[str, StsEntry]) -> None:
        self.written_on.add(node.name)
        if len(self.written_on) > 1:
            self.violations.append(f"written on {', '.join(sorted(self.written_on))}")
        had = StsEntries(node=node.name, credentials=_credentials(before), chains=()).signing()
        has = StsEntries(
            node=node.name, credentials=node.of_kind("credential"), chains=()
        ).signing()
        if has is None:
            if had is not None:
                self.violations.append(f"{call}: no credential is left on {node.name}")
            return
        if had is not None and (has.index or 0) < (had.index or 0):
            self.violations.append(f"{call}: the signing credential {had.index} was deleted")
        if has != had and not has.key_matches:
            self.violations.append(f"{call}: the key of credential {has.index} does not match")
        leaves = {c.chain[:1] for c in node.of_kind("chain")}
        if has.chain[:1] not in leaves:
            self.violations.append(f"{call}: no chain trusts the signing credential {has.index}")

    def check_index(self, kind: str, index: int) -> None:
        """Collect it when a number was chosen that some node has already used or passed."""
        highest = max([0, *(e.index or 0 for n in self.nodes.values() for e in n.of_kind(kind))])
        if index <= highest:
            self.violations.append(f"{kind} {index} added although {highest} exists on a node")


def _credentials(entries: dict[str, StsEntry]) -> tuple[StsEntry, ...]:
    return tuple(e for e in entries.values() if e.kind == "credential")


class MemoryDirectory:
    """The `Directory` port on one node of a `MemoryDomain`."""

    def __init__(
        self, world: MemoryDomain, node: str, user: str, password: str, domain: str
    ) -> None:
        self._world = world
        self._node = node
        self._user = user.partition("@")[0].lower()
        self._password = password
        self._domain = domain
        self._refused = False

    @property
    def node(self) -> str:
        """FQDN of the node."""
        return self._node

    def read_root_dse(self) -> RootDse:
        """See the port."""
        node = self._world.enter(self._node, "read_root_dse")
        base = dn.domain_dn(self._world.domain)
        return RootDse(
            domain_dn=base,
            admin_dn=f"cn=Administrator,cn=Users,{base}",
            server_dn=f"cn={node.name},cn=Servers,cn=Default-First-Site,{dn.sites(self._world.domain)}",
            site="Default-First-Site",
            version="6.7.0",
            functional_level=4,
        )

    def read_topology(self) -> Topology:
        """See the port."""
        self._enter("read_topology")
        nodes = self._world.nodes
        return Topology(
            domain=self._domain,
            controllers=tuple(sorted(nodes)),
            computers=self._world.computers,
            servers=tuple(
                DirServer(
                    name=name,
                    site="Default-First-Site",
                    invocation_id=nodes[name].invocation_id,
                    partners=tuple(sorted(n for n in nodes if n != name)),
                )
                for name in sorted(nodes)
            ),
        )

    def read_sts_entries(self) -> StsEntries:
        """See the port."""
        node = self._enter("read_sts_entries", tenant=True)
        return StsEntries(
            node=self._node, credentials=node.of_kind("credential"), chains=node.of_kind("chain")
        )

    def read_sts_material(self) -> tuple[StsMaterial, ...]:
        """See the port."""
        node = self._enter("read_sts_material", tenant=True)
        return tuple(
            StsMaterial(
                kind=entry.kind,
                dn=entry.dn,
                object_classes=("top", "vmwSTSTenantCredential"),
                cn=dn.split(entry.dn)[0][1],
                certificates=entry.chain,
                key=Secret(node.keys[name]) if name in node.keys else None,
            )
            for name, entry in sorted(node.entries.items())
        )

    def add_material(self, entry: StsMaterial) -> None:
        """See the port; what is put back takes its old number again."""
        node = self._enter("add_material", tenant=True)
        credential = None
        if entry.key is not None:
            credential = IssuedCredential(chain=entry.certificates, key_pkcs8=entry.key)
        index = dn.index_of(entry.dn) or 0
        made = self._world.new_entry(entry.kind, index, entry.certificates, credential)
        self._add(node, "add_material", made, entry.key)

    def read_replication_status(self) -> ReplicationStatus:
        """See the port."""
        node = self._enter("read_replication_status")
        return ReplicationStatus(
            server=node.name,
            usn=node.usn,
            invocation_id=node.invocation_id,
            up_to_date=dict(node.up_to_date) or None,
            cycles=node.cycles,
        )

    def has_changes_after(self, usn: int, *, invocation_id: str) -> bool:
        """See the port; here every change is sent."""
        node = self._enter("has_changes_after")
        return node.invocation_id == invocation_id and node.usn > usn

    def read_certificates(self) -> DirectoryCertificates:
        """See the port; the chains of the STS are those of the node's entries."""
        node = self._enter("read_certificates", tenant=True)
        found = node.certificates or DirectoryCertificates(node=self._node)
        chains = tuple(
            TrustedChain(dn=entry.dn, owner=ChainOwner.STS, chain=entry.chain)
            for entry in node.of_kind("chain")
        )
        return replace(found, node=self._node, chains=(*found.chains, *chains))

    def add_trusted_root(self, root: bytes) -> bool:
        """See the port."""
        node = self._enter("add_trusted_root", tenant=True)
        if root in node.roots:
            return False
        self._world.change(node, "add_trusted_root", lambda n: n.roots.append(root))
        return True

    def add_chain(self, index: int, chain: Sequence[bytes]) -> None:
        """See the port."""
        node = self._enter("add_chain", tenant=True)
        self._add(node, "add_chain", self._world.new_entry("chain", index, chain, None))

    def add_credential(self, index: int, credential: IssuedCredential) -> None:
        """See the port."""
        node = self._enter("add_credential", tenant=True)
        made = self._world.new_entry("credential", index, credential.chain, credential)
        self._add(node, "add_credential", made, credential.key_pkcs8)

    def delete_entry(self, entry: StsEntry) -> None:
        """See the port."""
        node = self._enter("delete_entry", tenant=True)
        found = node.entries.get(entry.dn.lower())
        if found is None:
            return
        if (found.object_guid, found.chain) != (entry.object_guid, entry.chain):
            raise EntryChangedError(self._node, entry.dn)
        key = entry.dn.lower()

        def _apply(from_: MemoryNode) -> None:
            from_.entries.pop(key, None)
            from_.keys.pop(key, None)

        self._world.change(node, "delete_entry", _apply)

    @property
    def registrations(self) -> MemoryRegistrations:
        """See the port."""
        return MemoryRegistrations(self._world, self)

    def close(self) -> None:
        """See the port."""

    def enter(self, call: str) -> MemoryNode:
        """Return the node's directory, logged in."""
        return self._enter(call, tenant=True)

    def _add(
        self, node: MemoryNode, call: str, made: StsEntry, secret: Secret[bytes] | None = None
    ) -> None:
        key = made.dn.lower()
        if key in node.entries:
            raise DirectoryFaultError(self._node, call, 68, "Entry already exists")
        if call != "add_material":
            self._world.check_index(made.kind, made.index or 0)

        def _apply(to: MemoryNode) -> None:
            # A concurrent ADD of one DN is not resolved: the nodes differ for good (measured).
            to.entries.setdefault(key, replace(made, usn=to.usn + 1))
            if secret is not None:
                to.keys.setdefault(key, secret.reveal())

        self._world.change(node, call, _apply)

    def _enter(self, call: str, *, tenant: bool = False) -> MemoryNode:
        node = self._world.enter(self._node, call)
        user_dn = dn.user(self._domain, self._user)
        if self._refused:
            raise DirectoryLoginError(self._node, user_dn, 49)
        if self._domain != self._world.domain:
            raise DomainNotFoundError(self._node, self._domain, self._world.domain)
        self._world.calls[self._node, "BIND"] += 1
        if self._password != self._world.password:
            self._refused = True
            raise DirectoryLoginError(self._node, user_dn, 49)
        if tenant and (self._user in self._world.ordinary or not node.has_tenant):
            raise TenantNotFoundError(self._node, dn.tenant(self._domain))
        return node
