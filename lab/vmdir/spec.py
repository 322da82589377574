"""What a domain's directory is built from: plain values, certificates as DER."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningCredential:
    """A TenantCredential. *certificates*: DER, leaf first. *key*: PKCS#8 DER, not encrypted."""

    certificates: tuple[bytes, ...]
    key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedRoot:
    """An entry of Certificate-Authorities. All are text: PEM, and an OpenSSL one-line subject.

    *name* is the subject key identifier, upper-case hex without colons.
    """

    name: str
    certificate_pem: bytes
    subject: str
    crl_pem: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An endpoint of a lookup service registration. *ssl_trust*: DER certificates."""

    type: str
    protocol: str
    uri: str
    ssl_trust: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A lookup service registration. *service_id* is its cn."""

    service_id: str
    type: str
    product: str
    owner: str
    node_id: str
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentitySource:
    """A vmwSTSIdentityStore besides the domain's own. *certificates*: DER, for LDAPS."""

    name: str
    connections: tuple[str, ...]
    certificates: tuple[bytes, ...] = ()
    provider: str = "IDENTITY_STORE_TYPE_LDAP_WITH_AD_MAPPING"


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainSpec:
    """A whole SSO domain.

    Args:
        domain: Name of the domain, which is also its system tenant: ``vsphere.local``.
        nodes: FQDNs of the nodes that run vmdir (embedded vCenters or PSCs).
        management: FQDNs of vCenters that use an external PSC.
        administrator_password: Of ``administrator@<domain>``.
        created: Time stamp of every entry, aware UTC.
        credentials: TenantCredential-n by n.
        chains: TrustedCertChain-n by n; DER, leaf first.
        roots: Entries of Certificate-Authorities.
        client_ca_chain: DER of the smart-card CAs; empty for no such entry.
        idp_chains: DER chain of each external identity provider by its entity id.
        other_chains: DER chain by the name of a container right below the tenant.
        solution_users: DER certificate by the account's name (``machine-<guid>`` ...).
        registrations: Lookup service registrations.
        identity_sources: Directories of other people.
        connections: vmwSTSConnectionStrings of the domain's own identity source.
        authn_types: vmwSTSAuthnTypes of the tenant: 1 is a password, 4 a certificate.
        users: Ordinary users' passwords by name, in cn=Users.
        administrators: Names out of *users* that are members of Administrators.
        partners: Replication partners by node; without it every other node.
        site: The one site all nodes are in.
        version: vmwPlatformServicesControllerVersion.
        functional_level: vmwDomainFunctionalLevel.
        settled: True if all nodes have pulled from all their partners already.
        seed: Makes GUIDs of machines and invocation ids repeatable.
    """

    domain: str
    nodes: tuple[str, ...]
    administrator_password: str
    created: datetime
    management: tuple[str, ...] = ()
    credentials: Mapping[int, SigningCredential] = field(default_factory=dict)
    chains: Mapping[int, tuple[bytes, ...]] = field(default_factory=dict)
    roots: tuple[TrustedRoot, ...] = ()
    client_ca_chain: tuple[bytes, ...] = ()
    idp_chains: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    other_chains: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    solution_users: Mapping[str, bytes] = field(default_factory=dict)
    registrations: tuple[Registration, ...] = ()
    identity_sources: tuple[IdentitySource, ...] = ()
    connections: tuple[str, ...] = ("ldap://localhost:389",)
    authn_types: tuple[str, ...] = ("1",)
    users: Mapping[str, str] = field(default_factory=dict)
    administrators: frozenset[str] = frozenset()
    partners: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    site: str = "Default-First-Site"
    version: str = "7.0.3"
    functional_level: int = 4
    settled: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.nodes:
            raise ValueError("a domain without a node")
        if not self.administrators <= self.users.keys():
            raise ValueError("an administrator who is no user")

    def partners_of(self, node: str) -> tuple[str, ...]:
        """Return the nodes *node* has replication agreements with."""
        others = tuple(other for other in self.nodes if other != node)
        return self.partners.get(node, others)
