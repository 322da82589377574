"""Three worlds behind the `Directory` port: in memory, the lab's vmdir, OpenLDAP's slapd.

Each holds SSO domain vsphere.local with the nodes vc1 and vc2.lab.example, the vCenter
vc9.lab.example, TenantCredential-1 and TrustedCertChain-1 (leaf "old", which has expired), the
administrator and a user named ordinary; besides, `OTHERS`: one certificate of every other kind.
"""

from __future__ import annotations

import functools
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import ldap3
import pytest

from loopback import free_port
from memory_directory import MemoryDomain
from slapd_peer import CRL, PARTNER, PASSWORD, SLAPADD, SLAPD, running_slapd
from sts_material import NODE, credential, key, root
from stsfix.lab import pki
from stsfix.lab.clock import LabClock
from stsfix.lab.faults import FaultBook
from stsfix.lab.vmdir import DomainSpec, SigningCredential, VmdirServer, build_stores, spec
from stsfix.remediation.directory.vmdir import LdapDirectory
from stsfix.remediation.inventory_certificates import (
    ChainOwner,
    DirectoryCertificates,
    IdentitySource,
    LookupEndpoint,
    LookupRegistration,
    SolutionUser,
    TrustedChain,
    TrustedRoot,
)
from stsfix.snapshot.secret import Secret
from stsfix.snapshot.tls import Endpoint, Trust

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from stsfix.remediation.ports import Directory

OLD = credential("old", start=-800, end=-1)
CARDS, PROVIDER = pki.der(root("smart-card")), pki.der(root("provider"))
TENANT = "cn=vsphere.local,cn=Tenants,cn=IdentityManager,cn=Services,dc=vsphere,dc=local"
STS_URI = f"https://{NODE}/sts/STSService/vsphere.local"
OTHERS = DirectoryCertificates(
    node=NODE,
    solution_users=(
        SolutionUser(
            name="machine-1",
            subject="CN=ssoserverSign",
            certificates=OLD.chain[:1],
        ),
    ),
    roots=(
        TrustedRoot(
            name="AB01",
            subject="/CN=CA",
            certificates=(pki.der(root()),),
            crl_count=2,
            crl_bytes=len(CRL),
        ),
    ),
    chains=(
        TrustedChain(
            dn="cn=DefaultClientCertCAStore,cn=ClientCertAuthnTrustedCAs,cn=Default,"
            f"cn=ClientCertificatePolicies,{TENANT}",
            owner=ChainOwner.SMART_CARD,
            chain=(CARDS,),
        ),
        TrustedChain(
            dn="cn=TrustedCertChain-1,cn=TrustedCertificateChains,cn=idp,"
            f"cn=ExternalIdpConfigs,{TENANT}",
            owner=ChainOwner.EXTERNAL_IDP,
            chain=(PROVIDER,),
        ),
    ),
    registrations=(
        LookupRegistration(
            name="service-1",
            kind="cs.identity",
            product="com.vmware.cis",
            endpoints=(LookupEndpoint(uri=STS_URI, trust=OLD.chain[:1]),),
        ),
    ),
    identity_sources=(
        IdentitySource(
            name="example.org",
            domain_type="EXTERNAL_DOMAIN",
            provider="IDENTITY_STORE_TYPE_LDAP_WITH_AD_MAPPING",
            connections=("ldaps://dc1.example.org:636",),
            certificates=(CARDS,),
        ),
    ),
)
"""What each world holds besides its STS entries; the lab's has its own identity source too."""

ADMINISTRATOR = "cn=Administrator,cn=Users,dc=vsphere,dc=local"


class RealClock:
    """The machine's own clock; *skipped_s* is added to the monotonic one."""

    def __init__(self) -> None:
        self.skipped_s = 0.0

    def now(self) -> datetime:
        """Return the wall clock."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the monotonic clock plus what was skipped."""
        return time.monotonic() + self.skipped_s

    def sleep(self, seconds: float) -> None:
        """Sleep at most a twentieth of a second: tests do not wait."""
        time.sleep(min(seconds, 0.05))


class DirectoryWorld(Protocol):
    """What the contract tests need besides the port."""

    def directory(
        self,
        *,
        user: str = "administrator@vsphere.local",
        password: str = PASSWORD,
        domain: str = "vsphere.local",
    ) -> Directory:
        """Return the port for vc1.lab.example."""

    def remove(self, name: str) -> None:
        """Delete an entry behind the product's back."""


class MemoryWorld:
    """The fake that other tests build on."""

    def __init__(self) -> None:
        self.domain = MemoryDomain(NODE, PARTNER)
        self.domain.computers = ("vc9.lab.example",)
        self.domain.seed(1, OLD)
        self.domain.nodes[NODE].certificates = OTHERS

    def directory(
        self,
        *,
        user: str = "administrator@vsphere.local",
        password: str = PASSWORD,
        domain: str = "vsphere.local",
    ) -> Directory:
        """Return the port."""
        return self.domain.directory(NODE, user=user, password=password, domain=domain)

    def remove(self, name: str) -> None:
        """Forget an entry on every node."""
        for node in self.domain.nodes.values():
            node.entries.pop(name.lower(), None)
            if ",cn=IdentityProviders," in name and node.certificates is not None:
                node.certificates = replace(node.certificates, identity_sources=())


@dataclass(kw_only=True)
class LdapWorld:
    """A server reached over LDAPS."""

    endpoint: Endpoint
    clock: RealClock

    def directory(
        self,
        *,
        user: str = "administrator@vsphere.local",
        password: str = PASSWORD,
        domain: str = "vsphere.local",
    ) -> LdapDirectory:
        """Return the port on ldap3."""
        return LdapDirectory(
            self.endpoint.name,
            self.endpoint,
            domain=domain,
            user=user,
            password=Secret(password),
            clock=self.clock,
        )

    def remove(self, name: str) -> None:
        """Delete with a plain ldap3 connection of the test's own."""
        server = ldap3.Server(
            "127.0.0.1", port=self.endpoint.port, use_ssl=True, get_info=ldap3.NONE
        )
        connection: Any = ldap3.Connection(server, ADMINISTRATOR, PASSWORD, raise_exceptions=True)
        connection.bind()
        connection.delete(name)
        connection.unbind()


@contextmanager
def slapd_world(folder: Path, *, status: bool = True) -> Generator[LdapWorld]:
    """Run slapd until the block ends; without *status* as a build that has no status entry."""
    with running_slapd(folder, status=status) as endpoint:
        yield LdapWorld(endpoint=endpoint, clock=RealClock())


def domain_spec() -> DomainSpec:
    """Return the domain of this module for the lab."""
    signing = SigningCredential(certificates=OLD.chain, key=OLD.key_pkcs8.reveal())
    return DomainSpec(
        domain="vsphere.local",
        nodes=(NODE, PARTNER),
        management=("vc9.lab.example",),
        administrator_password=PASSWORD,
        created=datetime.now(UTC),
        credentials={1: signing},
        chains={1: OLD.chain},
        users={"ordinary": PASSWORD},
        solution_users={"machine-1": OLD.chain[0]},
        roots=(
            spec.TrustedRoot(
                name="AB01", certificate_pem=pki.pem(root()), subject="/CN=CA", crl_pem=CRL
            ),
        ),
        client_ca_chain=(CARDS,),
        idp_chains={"idp": (PROVIDER,)},
        identity_sources=(
            spec.IdentitySource(
                name="example.org",
                connections=("ldaps://dc1.example.org:636",),
                certificates=(CARDS,),
            ),
        ),
        registrations=(
            spec.Registration(
                service_id="service-1",
                type="cs.identity",
                product="com.vmware.cis",
                owner="machine-1@vsphere.local",
                node_id="1",
                endpoints=(
                    spec.Endpoint(
                        type="com.vmware.cis.cs.identity.sso",
                        protocol="wsTrust",
                        uri=STS_URI,
                        ssl_trust=OLD.chain[:1],
                    ),
                ),
            ),
        ),
    )


@contextmanager
def lab_world(folder: Path, age: str, faults: FaultBook | None = None) -> Generator[LdapWorld]:
    """Run the lab's vmdir of vc1 (an age of it) until the block ends."""
    with lab_domain(folder, age, faults or FaultBook(), nodes=(NODE,)) as servers:
        yield lab_access(folder, servers[NODE])


@contextmanager
def lab_domain(
    folder: Path, age: str, faults: FaultBook, *, nodes: tuple[str, ...] = (NODE, PARTNER)
) -> Generator[dict[str, VmdirServer]]:
    """Run the lab's vmdir of *nodes*; they replicate only when a test says so."""
    start, end = pki.days_from_now(-1), pki.days_from_now(30)
    authority = pki.vmca_root(
        key("vmca"), domain="vsphere.local", host=NODE, not_before=start, not_after=end
    )
    (folder / "ca.pem").write_bytes(pki.pem(authority))
    stores = build_stores(domain_spec(), age)
    registry: dict[str, VmdirServer] = {}
    for node in nodes:
        machine = pki.vmca_leaf(
            key("machine"),
            issuer=authority,
            issuer_key=key("vmca"),
            common_name=node,
            not_before=start,
            not_after=end,
            names=[node],
        )
        VmdirServer(
            node,
            functools.partial(stores.__getitem__, node),
            port=free_port(),
            tls=pki.key_pair(key("machine"), [machine]),
            clock=LabClock(),
            faults=faults,
            registry=registry,
            age=age,
            replication_s=3600,
        )
    try:
        for server in registry.values():
            server.start()
        yield registry
    finally:
        for server in registry.values():
            server.stop()


def lab_access(folder: Path, server: VmdirServer) -> LdapWorld:
    """Return how to reach one of the servers of `lab_domain`."""
    trust = Trust(ca_file=folder / "ca.pem")
    return LdapWorld(
        endpoint=Endpoint(name=server.node, address="127.0.0.1", port=server.port, trust=trust),
        clock=RealClock(),
    )


def other_root() -> bytes:
    """Return a root that no world knows, DER."""
    return pki.der(root("other-root"))


WORLDS = [
    pytest.param("memory", id="memory"),
    *(pytest.param(f"lab-{age}", id=f"lab-{age}", marks=pytest.mark.lab) for age in "DBA"),
    pytest.param("slapd", id="slapd", marks=pytest.mark.peer),
]


def a_world(name: str, folder: Path) -> AbstractContextManager[DirectoryWorld]:
    """Return the world *name* of `WORLDS`, fresh; a test that wants slapd is skipped without."""
    if name == "memory":
        return nullcontext(MemoryWorld())
    if name != "slapd":
        return lab_world(folder, name.removeprefix("lab-"))
    require_slapd()
    return slapd_world(folder)


def require_slapd() -> None:
    """Skip the test if there is no slapd here."""
    if SLAPD is None or SLAPADD is None:
        pytest.skip("slapd is not installed here (Debian: apt-get install slapd)")
