"""Makes the disks of a lab's nodes from a topology and a scenario."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509

from stsfix.lab import pki
from stsfix.lab.certool import CONFIG_FILE, DEFAULT_CONFIG
from stsfix.lab.disk import NodeDisk, NodeFile
from stsfix.lab.node_pairs import (
    Ages,
    NodePairs,
    keys_needed,
    leave_behind,
    make_pairs,
    make_stores,
    registered_extensions,
    write_authority,
)
from stsfix.lab.outage import befall
from stsfix.lab.registrations import sts_registration, vcenter_registration
from stsfix.lab.releases import BUILDS, issue
from stsfix.lab.ssh_keys import new_host_keys
from stsfix.lab.stores_trouble import lost_accounts, spoil_stores
from stsfix.lab.sts_plan import EXPIRED_DAYS, STARTED_DAYS
from stsfix.lab.topology import DOMAIN, HOSTS, SITE
from stsfix.lab.trouble import (
    GONE,
    add_credential,
    as_release,
    listen,
    revert_alone,
    spoil_disks,
    spoil_entries,
    spoil_links,
)
from stsfix.lab.trust import (
    Authority,
    KeySource,
    StsMaterial,
    machine_certificate,
    new_authority,
    new_company,
    sts_material,
    subordinate,
)
from stsfix.lab.vmdir.ages import AGES
from stsfix.lab.vmdir.replication import pull
from stsfix.lab.vmdir.spec import DomainSpec, SigningCredential
from stsfix.lab.vmdir.tree import build_stores
from stsfix.lab.windows.plan import to_windows, windows_setup
from stsfix.lab.world_certificates import (
    client_cas,
    extra_roots,
    identity_sources,
    old_leaf,
    other_chains,
    providers,
    trusted_root,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cryptography.hazmat.primitives.asymmetric import rsa

    from stsfix.lab.passwords import Passwords, Seed
    from stsfix.lab.scenario import Scenario
    from stsfix.lab.seams import KeyPair
    from stsfix.lab.sts_plan import CredentialPlan
    from stsfix.lab.topology import NodePlan, Topology
    from stsfix.lab.vmdir.spec import Registration
    from stsfix.lab.vmdir.store import DirectoryStore


@dataclass(kw_only=True)
class World:
    """What a lab is made of before anything runs. *ca_pem* signs all but the first host."""

    disks: dict[str, NodeDisk]
    host_certificates: dict[str, KeyPair]
    ca_pem: bytes


def build_world(
    topology: Topology,
    scenario: Scenario,
    *,
    seed: Seed,
    passwords: Passwords,
    keys: Sequence[rsa.RSAPrivateKey] | None = None,
) -> World:
    """Return disks and certificates; equal but for keys when seed and arguments are equal."""
    needed = 4 + len(topology.controllers)
    needed += sum(keys_needed(node) for node in topology.nodes)
    needed += 2 * len(scenario.credentials) + len(scenario.chains) + 2 * scenario.links.conflict
    return _Maker(topology, scenario, seed, passwords, KeySource(needed, keys)).build()


class _Maker:
    def __init__(
        self,
        topology: Topology,
        scenario: Scenario,
        seed: Seed,
        passwords: Passwords,
        keys: KeySource,
    ) -> None:
        self._topology = topology
        self._scenario = scenario
        self._seed = seed
        self._passwords = passwords
        self._keys = keys
        self._age = scenario.age or topology.age
        self._version = scenario.version or topology.version
        self._machine_ids = {node.fqdn: seed.uuid() for node in topology.nodes}
        self._plan = scenario.certificates
        self._authorities = {
            node.fqdn: new_authority(
                keys,
                domain=DOMAIN,
                host=node.fqdn,
                days=self._plan.vmca_days
                if self._plan.everywhere or node is topology.controllers[0]
                else None,
            )
            for node in topology.controllers
        }
        # Of no node: it signs what is odd.
        self._stranger = new_authority(keys, domain=DOMAIN, host="stranger.lab.example")
        self._company: Authority | None = None
        if self._plan.machine_by_company or self._plan.vmca_subordinate:
            self._company = new_company(keys)
        if self._company is not None and self._plan.vmca_subordinate:
            first = topology.controllers[0].fqdn
            self._authorities[first] = subordinate(self._authorities[first], self._company)

    def build(self) -> World:
        pairs = {node.fqdn: self._pairs(node) for node in self._topology.nodes}
        stores = self._stores(pairs)
        disks = {
            node.fqdn: self._disk(node, pairs[node.fqdn], stores) for node in self._topology.nodes
        }
        first = self._topology.nodes[0].fqdn
        if self._scenario.node_clock_offset_s:
            disks[first].clock_offset_s = self._scenario.node_clock_offset_s
        disks[first].root_password_expired = self._scenario.root_password_expired
        disks[first].tools_installed = not self._scenario.tools_missing
        spoil_disks(list(disks.values()), self._scenario)
        befall(list(disks.values()), self._scenario.outage)
        spoil_stores(list(disks.values()), self._scenario.stores)
        return World(
            disks=disks,
            host_certificates=self._host_certificates(),
            ca_pem=b"".join(pki.pem(a.chain[-1]) for a in self._authorities.values()),
        )

    def _version_of(self, node: NodePlan) -> str:
        first = node is self._topology.nodes[0]
        return self._version if first else self._scenario.node.version or self._version

    def _first_authority(self) -> Authority:
        return self._authorities[self._topology.controllers[0].fqdn]

    def _pairs(self, node: NodePlan) -> NodePairs:
        first = node is self._topology.nodes[0]
        return make_pairs(
            self._keys,
            self._authorities[node.psc],
            node,
            release=_release(self._version_of(node)),
            domain=DOMAIN,
            machine_id=self._machine_ids[node.fqdn],
            ages=self._ages(first=first),
            names=self._plan.machine_names if first else (),
            company=self._company if first and self._plan.machine_by_company else None,
        )

    def _ages(self, *, first: bool) -> Ages:
        """Return what is left to a node's certificates."""
        plan = self._plan
        if not first and not plan.everywhere:
            return Ages(encipherment=plan.encipherment_days, sms=plan.sms_days)
        expired = first and self._scenario.machine_certificate_expired
        return Ages(
            machine=-1 if expired else plan.machine_days,
            users=plan.solution_user_days,
            encipherment=plan.encipherment_days,
            sms=plan.sms_days,
        )

    def _host_certificates(self) -> dict[str, KeyPair]:
        """Sign the first host by an authority nobody knows: it has to be pinned."""
        unknown = new_authority(self._keys, domain="lab.example", host=HOSTS[0])
        known = self._first_authority()
        return {
            host: machine_certificate(self._keys, unknown if host == HOSTS[0] else known, host)
            for host in HOSTS
        }

    def _credential(self, planned: CredentialPlan) -> StsMaterial:
        made = self._sts(
            planned.days,
            starts_days=min(planned.starts_days, planned.days - 730)
            if planned.gone
            else planned.starts_days,
            gone=planned.gone,
        )
        match planned.spoilt:
            case "key":
                return StsMaterial(chain=made.chain, key=self._sts(planned.days).key)
            case "certificate":
                return StsMaterial(chain=(b"noise", *made.chain[1:]), key=made.key)
            case _:
                return made

    def _sts(
        self, days: float, *, starts_days: float = STARTED_DAYS, gone: bool = False
    ) -> StsMaterial:
        host = GONE if gone else self._topology.controllers[0].fqdn
        plan = self._plan
        unlisted = gone or plan.sts_root_unlisted
        authority = self._stranger if unlisted else self._first_authority()
        made = sts_material(
            self._keys,
            authority,
            host=host,
            days=days,
            bits=plan.sts_bits,
            may_sign=plan.sts_may_sign,
            starts_days=starts_days,
        )
        if not plan.sts_wrong_root:
            return made
        return StsMaterial(chain=(made.chain[0], pki.der(self._stranger.certificate)), key=made.key)

    def _stores(self, pairs: Mapping[str, NodePairs]) -> dict[str, DirectoryStore]:
        plans = self._scenario.credentials
        materials = {plan.cn: self._credential(plan) for plan in plans}
        chains = {p.chain: materials[p.cn].chain for p in plans if p.chain is not None}
        for extra in self._scenario.chains:
            if extra.empty:
                continue
            chain = self._sts(
                extra.days, starts_days=min(STARTED_DAYS, extra.days - 730), gone=extra.gone
            ).chain
            chains[extra.index] = chain if extra.leaf else chain[1:]
        lost = lost_accounts(self._topology, self._machine_ids, self._scenario.stores)
        spec = DomainSpec(
            domain=DOMAIN,
            nodes=tuple(node.fqdn for node in self._topology.controllers),
            management=tuple(
                node.fqdn for node in self._topology.nodes if not node.role.has_directory
            ),
            administrator_password=self._passwords.sso,
            users={self._scenario.files.user: self._passwords.sso}
            if self._scenario.files.user
            else {},
            created=pki.days_from_now(-733),
            credentials={
                p.index: SigningCredential(
                    certificates=materials[p.cn].chain, key=materials[p.cn].key
                )
                for p in plans
                if not p.name
            },
            chains=chains,
            roots=(
                *(trusted_root(a.certificate) for a in self._authorities.values()),
                *((trusted_root(self._company.certificate),) if self._company else ()),
                *extra_roots(self._plan, self._first_authority(), self._stranger),
            ),
            client_ca_chain=client_cas(self._plan, self._stranger),
            idp_chains=providers(self._plan, self._stranger),
            other_chains=other_chains(self._plan, self._stranger),
            identity_sources=identity_sources(self._plan, self._stranger),
            connections=self._plan.connections,
            authn_types=("1",) if self._plan.passwords else ("4",),
            solution_users={
                name: pki.der(certificate)
                for node in self._topology.nodes
                for name, certificate in pairs[node.fqdn]
                .account_certificates(self._machine_ids[node.fqdn])
                .items()
                if name not in lost
            },
            registrations=tuple(self._registrations(pairs)),
            site=SITE,
            version=BUILDS[self._version].rpartition(".")[0],
            functional_level=1 if self._age == "A" else 4,
            seed=int(self._seed.uuid().replace("-", "")[:12], 16),
        )
        stores = build_stores(spec, self._age)
        self._spoil(stores, plans, materials)
        return stores

    def _registrations(self, pairs: Mapping[str, NodePairs]) -> Iterator[Registration]:
        for node in self._topology.nodes:
            machine = pairs[node.fqdn].machine
            leaf = pki.der(x509.load_pem_x509_certificate(machine.certificates_pem))
            old = self._plan.lookup_trust_old and node.fqdn == self._topology.controllers[0].fqdn
            if old:
                leaf = old_leaf(self._first_authority(), node.fqdn)
            node_id = self._machine_ids[node.fqdn]
            if node.role.has_directory:
                yield sts_registration(DOMAIN, node.fqdn, node_id, leaf)
            if node.role.has_vcenter:
                yield vcenter_registration(DOMAIN, node.fqdn, node_id, leaf)

    def _spoil(
        self,
        stores: Mapping[str, DirectoryStore],
        plans: tuple[CredentialPlan, ...],
        materials: Mapping[str, StsMaterial],
    ) -> None:
        """Add what no installer writes, and break replication if the scenario says so."""
        first, *partners = stores.values()
        for plan in plans:
            if plan.name:
                add_credential(first, plan.cn, materials[plan.cn])
        spoil_entries(first, self._scenario)
        self._replicate(first, partners)
        if self._scenario.links.conflict:
            for store in stores.values():
                add_credential(store, "TenantCredential-2", self._sts(EXPIRED_DAYS))
        older = self._scenario.node.version
        if older and partners:
            as_release(partners[0], BUILDS[older].rpartition(".")[0])
        listen(stores, self._age, self._scenario.links.one_sided)
        spoil_links(stores, self._scenario.links)
        if self._scenario.replication_broken:
            revert_alone(first, lambda: self._replicate(first, partners))

    def _replicate(self, first: DirectoryStore, partners: list[DirectoryStore]) -> None:
        for partner in partners:
            pull(partner, first, AGES[self._age], pki.days_from_now(0))

    def _disk(
        self, node: NodePlan, pairs: NodePairs, stores: Mapping[str, DirectoryStore]
    ) -> NodeDisk:
        version = self._version_of(node)
        disk = NodeDisk(
            fqdn=node.fqdn,
            role=node.role,
            domain=DOMAIN,
            site=SITE,
            version=version,
            age=self._age,
            psc=node.psc,
            machine_id=self._machine_ids[node.fqdn],
            root_password=self._passwords.nodes[node.fqdn],
            directory=stores.get(node.fqdn),
            ssh_host_keys=new_host_keys(),
            certool_days=self._plan.certool_days,
            vecs=make_stores(node, _release(version), pairs, stores[node.psc]),
        )
        build = BUILDS[version]
        texts = {
            "/etc/vmware/deployment.node.type": f"{node.role.node_type}\n",
            "/etc/vmware/.buildInfo": f"CLOUDVM_VERSION:{build}\n",
            "/etc/issue": issue(disk),
            CONFIG_FILE: DEFAULT_CONFIG,
        }
        disk.files = {path: NodeFile(content=text.encode()) for path, text in texts.items()}
        self._spoil_shown(disk)
        plan = self._scenario.windows
        if node.fqdn in plan.nodes(self._topology):
            to_windows(disk, windows_setup(plan, self._seed.password()), build=build)
        if self._plan.leftovers:
            leave_behind(disk, self._stranger)
        if node.role.has_vcenter:
            first = next(n for n in self._topology.nodes if n.role.has_vcenter)
            disk.extensions = registered_extensions(pairs, others=node is first)
        if node.role.has_directory:
            write_authority(disk, self._authorities[node.fqdn])
        return disk

    def _spoil_shown(self, disk: NodeDisk) -> None:
        """Let the first node, or the first with an STS, show what its directory does not say."""
        plan = self._plan
        if disk.fqdn == self._topology.nodes[0].fqdn and plan.ldaps_differs:
            authority = self._authorities[disk.psc]
            disk.shown["ldaps"] = machine_certificate(self._keys, authority, disk.fqdn)
        if disk.fqdn == self._topology.controllers[0].fqdn:
            disk.sts_stale = plan.sts_stale
            if plan.jwks_differs:
                disk.jwks_key = old_leaf(self._stranger, disk.fqdn)


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
