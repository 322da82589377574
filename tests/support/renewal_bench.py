"""Two linked nodes whose certificates are to be renewed, and what an undisturbed step leaves."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from memory_authority import MemoryAuthority
from memory_directory import MemoryDomain
from memory_exports import MemoryExports
from memory_hypervisor import MemoryClock
from memory_logins import MemoryLogins
from memory_stores import MemoryExtensions, MemoryStores
from renewal_worlds import VC1, VC2, accounts, look, vmca
from sts_material import NOW, credential, key, root
from stsfix.lab import pki
from stsfix.remediation.inventory_certificates import (
    DirectoryCertificates,
    LookupEndpoint,
    LookupRegistration,
    SolutionUser,
)
from stsfix.remediation.model import Renew
from stsfix.remediation.pki import vecs
from stsfix.remediation.pki.certificates import Certificate, fingerprint, parse
from stsfix.remediation.records import NoteRecord
from stsfix.remediation.renewal.notes import issued, roots, shown_leaves
from stsfix.remediation.renewal.plan import plan_renewals
from stsfix.remediation.steps.context import Limits, StepContext
from stsfix.remediation.steps.renewal import RenewCertificates
from stsfix.remediation.steps.tools import RenewalTools
from stsfix.remediation.steps.vmca_root import NewVmcaRoot
from worlds import Killed, spec

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa

    from stsfix.remediation.model import RunSpec
    from stsfix.remediation.pki.vecs import StoreEntry
    from stsfix.remediation.ports import Issuer, Observed, ServiceControl
    from stsfix.remediation.renewal.plan import NodeLook
    from stsfix.snapshot.coordinator import Coordinator

MACHINE = vecs.MACHINE_SSL
VPXD = "vpxd"
FOREIGN_ROOT = pki.der(root("company"))
"""Of a CA of the company, which somebody published: certificates of other products rest on it."""

SECOND = timedelta(seconds=1)
_KEYS = 12


class NowClock(MemoryClock):
    """Begins at the moment that certificates of tests are made for."""

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.slept)


class Keys:
    """Keys that are made once in a test process, each given out in turn."""

    def __init__(self) -> None:
        self._numbers = itertools.cycle(range(_KEYS))

    def __call__(self) -> rsa.RSAPrivateKey:
        return key(f"renewed-{next(self._numbers)}")


class Killer:
    """Kills the process at the *at*th point that is passed; counts them all."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.passed: list[str] = []

    def __call__(self, what: str) -> None:
        self.passed.append(what)
        if self.at is not None and len(self.passed) == self.at + 1:
            self.at = None
            raise Killed


@dataclass
class Bench:
    """The world, and the notes of a run. *ends* are days left, by store, on both nodes. *given* is
    what VMCA was to be given: node, root and key.
    """

    ends: dict[str, float] = field(default_factory=lambda: {MACHINE: -1.0, VPXD: -1.0})
    root_end: float = 2000.0
    renew: Renew = Renew.EXPIRED
    new_root: bool = False
    noted: dict[str, str] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    killer: Killer = field(default_factory=Killer)
    extensions: MemoryExtensions = field(default_factory=MemoryExtensions)
    users: tuple[str, ...] = ("machine", VPXD)
    given: list[tuple[Any, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = NowClock()
        self.looks = [
            look(VC1, ends=self.ends, users=self.users, root_end=self.root_end),
            look(VC2, ends={}, users=self.users, signer=VC2),
        ]
        self.domain = MemoryDomain(VC1, VC2)
        self.domain.seed(1, credential("old", start=-700, end=-1))
        for node in self.domain.nodes.values():
            node.certificates = _held(self.looks)
            node.roots = [pki.der(vmca(VC1, self.root_end)), pki.der(vmca(VC2)), FOREIGN_ROOT]
        self.authority = MemoryAuthority(
            self.clock.now, certificate=vmca(VC1, self.root_end), key_name=f"vmca-{VC1}"
        )
        self.stores = MemoryStores(self.directory_roots)
        for looked in self.looks:
            for entry in looked.stores.entries if looked.stores else ():
                self.stores.add(looked.fqdn, entry)
            self.stores.restart(looked.fqdn)
        self.before = dict(self.stores.entries)
        self.roots_before = self.directory_roots()
        self.plan = plan_renewals(
            self.looks,
            accounts(*self.looks),
            renew=self.renew,
            new_vmca_root=self.new_root,
            now=NOW,
        )
        self._arm()
        self.context = self._context()

    @property
    def spec(self) -> RunSpec:
        """What the run was asked to do."""
        return replace(
            spec(),
            renew=self.plan.renew,
            renewals=self.plan.renewals,
            new_roots=self.plan.new_roots,
        )

    def directory_roots(self) -> frozenset[bytes]:
        """Return the trusted roots of the writer's directory."""
        return self.domain.directory(VC1).registrations.read_roots()

    def _arm(self) -> None:
        """Let the killer see every change of the world."""
        change, install = self.domain.change, self.authority.install_root

        def changing(*args: object) -> None:
            self.killer(f"before {args[1]}")
            change(*args)  # type: ignore[arg-type] # as recorded
            self.killer(f"after {args[1]}")

        def installing(*args: object) -> None:
            self.given.append(args)
            self.killer("before install_root")
            install(*args)  # type: ignore[arg-type] # as recorded
            self.killer("after install_root")

        # Two fakes are stopped before and after what they do, on the object.
        self.domain.change = changing  # type: ignore[method-assign,assignment]
        self.authority.install_root = installing  # type: ignore[method-assign,assignment]
        self.stores.before_write = lambda what: self.killer(f"before {what}")
        self.stores.after_write = lambda what: self.killer(f"after {what}")

    def _context(self) -> StepContext:
        limit = timedelta(seconds=30)
        return StepContext(
            spec=self.spec,
            coordinator=cast("Coordinator", None),
            directory=self.domain.directory,
            logins=MemoryLogins({}),
            services=cast("ServiceControl", None),
            issuer=lambda: cast("Issuer", None),
            exports=MemoryExports(),
            node_clock=lambda _: None,
            renewal=RenewalTools(
                authority=self.authority,
                stores=self.stores,
                shown=self.stores,
                extensions=self.extensions,
                new_key=Keys(),
            ),
            publish_root=True,
            clock=self.clock,
            limits=Limits(
                boot=limit,
                replication=limit,
                publish=limit,
                services=limit,
                logins=limit,
                poll=SECOND,
            ),
            hook=lambda event: self.told.append(f"{event.subject} {event.text}".strip()),
        )

    def note(self, name: str, value: str) -> None:
        """Note something durably, unless the process dies before it is."""
        self.killer(f"before note {name}")
        self.noted[name] = value
        self.killer(f"after note {name}")

    def renewing(self) -> RenewCertificates:
        """Return the step, as a new process makes it."""
        return RenewCertificates(self.context)

    def rooting(self) -> NewVmcaRoot:
        """Return the step that makes a root, as a new process makes it."""
        return NewVmcaRoot(self.context)

    def do(self, step: RenewCertificates | NewVmcaRoot) -> None:
        step.do(dict(self.noted), self.note)

    def probe(self, step: RenewCertificates | NewVmcaRoot) -> Observed:
        return step.probe(dict(self.noted))

    def leaf(self, store: str, node: str = VC1) -> bytes:
        """Return the leaf in a store."""
        alias = vecs.MACHINE_ALIAS if store == MACHINE else store
        return self.stores.entries[node, store, alias].certificates[0]

    def user(self, name: str, node: str = VC1) -> SolutionUser:
        """Return an account as a node's directory has it."""
        found = self.domain.directory(node).registrations.read_solution_user(name)
        assert found is not None
        return found

    def trusted(self, node: str = VC1, *, of: str = VC1) -> tuple[bytes, ...]:
        """Return what the lookup service names for a node's port 443."""
        anchors = self.domain.directory(node).registrations.read_trust_anchors()
        return next(a.certificates for a in anchors if f"//{of}/" in a.uri)

    def assert_renewed(self) -> None:
        """Fail unless every planned entry is ours and everybody knows it; nothing else changed."""
        assert self.domain.violations == []
        assert self.stores.violations == []
        planned = {(r.node, r.store): r for r in self.spec.renewals}
        for (node, store), renewal in planned.items():
            leaf = self.leaf(store, node)
            assert fingerprint(leaf) in issued(self.noted, store, node)
            assert _is_sound(leaf, self.authority.certificate)
            backup = self.stores.entries[node, vecs.BACKUP, f"bkp_{renewal.alias}"]
            assert fingerprint(backup.certificates[0]) == renewal.sha256
            for directory in (VC1, VC2):
                if renewal.is_machine:
                    assert self.trusted(directory, of=node) == (leaf,)
                else:
                    account = self.user(renewal.principal, directory)
                    assert account.certificates == (leaf,)
                    parsed = parse(leaf)
                    assert isinstance(parsed, Certificate)
                    assert account.subject.lower() == parsed.subject.lower()
        kept = {at: e for at, e in self.before.items() if at[:2] not in planned}
        assert {at: self.stores.entries[at] for at in kept} == kept
        self.assert_roots_stay()

    def assert_roots_stay(self) -> None:
        """Fail unless every directory trusts whom it trusted before the run."""
        for directory in (VC1, VC2):
            held = self.domain.directory(directory).registrations.read_roots()
            assert held >= self.roots_before

    def shown(self) -> tuple[bytes, ...]:
        """Return what a later process believes of the first node."""
        records = [
            NoteRecord(step="renew-certificates", key=k, value=v) for k, v in self.noted.items()
        ]
        return shown_leaves(records, VC1)

    def our_roots(self, node: str = VC1) -> set[bytes]:
        """Return the roots of this run that a directory holds."""
        ours = roots(self.noted, VC1)
        held = self.domain.directory(node).registrations.read_roots()
        return {root for root in held if fingerprint(root) in ours}


def _is_sound(leaf: bytes, issuer: x509.Certificate) -> bool:
    parsed = parse(leaf)
    return isinstance(parsed, Certificate) and parsed.issuer == issuer.subject.rfc4514_string()


def _held(looks: list[NodeLook]) -> DirectoryCertificates:
    users = [
        SolutionUser(name=name, subject=f"CN={name}", certificates=held)
        for name, held in accounts(*looks).items()
    ]
    services = [
        LookupRegistration(
            name=f"service-{looked.fqdn}",
            kind="cs.identity",
            product="com.vmware.cis",
            endpoints=(
                LookupEndpoint(
                    uri=f"https://{looked.fqdn}/sts/STSService", trust=(_machine(looked),)
                ),
            ),
        )
        for looked in looks
    ]
    return DirectoryCertificates(
        node=VC1, solution_users=tuple(users), registrations=tuple(services)
    )


def _machine(looked: NodeLook) -> bytes:
    assert looked.stores is not None
    found: StoreEntry = next(e for e in looked.stores.entries if e.store == MACHINE)
    return found.certificates[0]
