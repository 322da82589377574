"""The first tree of a domain (vmdir 2): what first start, deployment and joins leave behind."""

from __future__ import annotations

import base64
import copy
import random
import uuid
from typing import TYPE_CHECKING

from cryptography import x509

from stsfix.lab.vmdir import dn
from stsfix.lab.vmdir.ages import AGES
from stsfix.lab.vmdir.schema import vmdir_schema
from stsfix.lab.vmdir.store import DirectoryStore, NodeIdentity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stsfix.lab.vmdir.ages import Behaviour
    from stsfix.lab.vmdir.spec import DomainSpec, IdentitySource, Registration

_TOP_CONTAINERS = (
    "Users",
    "System",
    "ForeignSecurityPrincipals",
    "Deleted Objects",
    "Managed Service Accounts",
    "Configuration",
    "Services",
    "ServicePrincipals",
    "ComponentManager",
)
_TENANT_CONTAINERS = (
    "TrustedCertificateChains",
    "IdentityProviders",
    "IdmCertificates",
    "RelyingParties",
    "Attributes",
    "ExternalIdpConfigs",
    "ClientCertificatePolicies",
)

_Text = str | bytes
_Attributes = dict[str, list[_Text]]


def tenant_dn(domain: str) -> str:
    """Return the DN of the system tenant, under which the signing credentials are."""
    return f"cn={domain},cn=Tenants,cn=IdentityManager,cn=Services,{dn.domain_dn(domain)}"


def build_stores(spec: DomainSpec, age: str = "D") -> dict[str, DirectoryStore]:
    """Return the directory of every node of the domain, by FQDN.

    The first node makes everything; the others are joined with a copy of its database, as the
    measured nodes were. With ``spec.settled`` all have pulled once and have nothing to send.
    """
    source = random.Random(spec.seed)  # noqa: S311 - repeatable test data, no secret
    identities = [_identity(spec, node, source) for node in spec.nodes]
    first = _Builder(DirectoryStore(identities[0]), spec, AGES[age], source)
    first.build(identities)
    stores = {spec.nodes[0]: first.store}
    for identity in identities[1:]:
        twin = copy.deepcopy(first.store)
        twin.identity = identity
        twin.max_originating = 0
        stores[identity.host] = twin
    for node, store in stores.items():
        store.marks = dict.fromkeys(sorted(spec.partners_of(node)), 0)
    if spec.settled:
        _settle(stores)
    return stores


def _settle(stores: dict[str, DirectoryStore]) -> None:
    """Set marks and vectors as after a pull in each direction."""
    top = max(store.usn for store in stores.values())
    for store in stores.values():
        for host in store.marks:
            store.marks[host] = top
            agreement = store.find(f"labeledURI=ldap://{host},{store.identity.agreements_dn}")
            if agreement is not None:
                agreement.attributes["lastLocalUsnProcessed"] = [str(top).encode()]
        if not store.marks:
            continue
        others = (s.identity for s in stores.values() if s is not store)
        store.vector = {other.invocation_id: top for other in others}
        text = "".join(f"{who}:{usn}," for who, usn in store.vector.items())
        own = store.find(store.identity.server_dn)
        if own is not None:
            own.attributes["upToDateVector"] = [text.encode()]


def _identity(spec: DomainSpec, node: str, source: random.Random) -> NodeIdentity:
    return NodeIdentity(
        host=node,
        site=spec.site,
        server_id=spec.nodes.index(node) + 1,
        invocation_id=_guid(source),
        version=spec.version,
        domain_dn=dn.domain_dn(spec.domain),
    )


def _guid(source: random.Random) -> str:
    return str(uuid.UUID(int=source.getrandbits(128), version=4))


class _Builder:
    """Adds entries in the order in which they must exist."""

    def __init__(
        self, store: DirectoryStore, spec: DomainSpec, age: Behaviour, source: random.Random
    ) -> None:
        self.store = store
        self._spec = spec
        self._age = age
        self._source = source
        self._base = dn.domain_dn(spec.domain)
        self._upn = f"@{spec.domain.upper()}"
        self._tenant = tenant_dn(spec.domain)

    def build(self, identities: list[NodeIdentity]) -> None:
        """Make the whole tree."""
        self._domain()
        self._accounts()
        self._groups()
        self._sites(identities)
        self._authorities()
        self._tenants()
        self._credentials()
        self._policies()
        self._registrations()

    def _add(self, entry_dn: str, classes: str, attributes: _Attributes | None = None) -> str:
        values = {"objectClass": [name.encode() for name in classes.split()]}
        for name, listed in (attributes or {}).items():
            values[name] = [v if isinstance(v, bytes) else v.encode() for v in listed]
        name, value = dn.split_rdn(dn.rdn(entry_dn))
        values.setdefault(name, [value.encode()])
        vmdir_schema().check(values, self._age)
        writer = self.store.identity.administrator_dn
        self.store.add(entry_dn, values, writer, self._spec.created)
        return entry_dn

    def _container(self, name: str, above: str) -> str:
        return self._add(f"cn={name},{above}", "container")

    def _domain(self) -> None:
        classes = "dcObject domain domainDNS"
        labels = self._spec.domain.split(".")
        for depth in range(len(labels) - 1, 0, -1):
            self._add(dn.domain_dn(".".join(labels[depth:])), classes)
        level: _Attributes = {
            "vmwDomainFunctionalLevel": [str(self._spec.functional_level)],
            "vmwMaxServerId": [str(len(self._spec.nodes))],
        }
        self._add(self._base, classes, level)
        for name in _TOP_CONTAINERS:
            self._container(name, self._base)
        self._add(f"cn=Builtin,{self._base}", "builtinDomain")
        for unit in ("Domain Controllers", "Computers"):
            self._add(f"ou={unit},{self._base}", "organizationalUnit")

    def _accounts(self) -> None:
        passwords = {"Administrator": self._spec.administrator_password, **self._spec.users}
        for name, password in passwords.items():
            self._account(f"cn={name},cn=Users,{self._base}", "user", name, password)
        for host in self._spec.nodes:
            machine: _Attributes = {
                "vmwMachineGUID": [_guid(self._source)],
                "vmwPlatformServicesControllerVersion": [self._spec.version],
                "vmwMaximumDomainFunctionalLevel": [str(self._spec.functional_level)],
            }
            unit = f"cn={host},ou=Domain Controllers,{self._base}"
            self._account(unit, "computer", host, _guid(self._source), machine)
        for host in self._spec.management:
            machine = {"vmwMachineGUID": [_guid(self._source)], "siteGUID": [_guid(self._source)]}
            unit = f"cn={host},ou=Computers,{self._base}"
            self._account(unit, "computer", host, _guid(self._source), machine)
        for name, certificate in self._spec.solution_users.items():
            subject = _subject(certificate) or f"CN={name}"
            extra: _Attributes = {"userCertificate": [certificate], "vmwSTSSubjectDN": [subject]}
            unit = f"cn={name},cn=ServicePrincipals,{self._base}"
            self._account(unit, "user vmwServicePrincipal", name, "", extra)

    def _account(
        self,
        entry_dn: str,
        classes: str,
        name: str,
        password: str,
        more: _Attributes | None = None,
    ) -> None:
        attributes: _Attributes = {
            "sAMAccountName": [name],
            "userPrincipalName": [name + self._upn],
            **(more or {}),
        }
        if password:
            attributes["userPassword"] = [password]
        self._add(entry_dn, classes, attributes)

    def _groups(self) -> None:
        users, spec = f"cn=Users,{self._base}", self._spec
        admins = ["Administrator", *sorted(spec.administrators)]
        members: dict[str, Iterable[str]] = {
            "Administrators": [f"cn={name},{users}" for name in admins],
            "Users": [f"cn={name},{users}" for name in ("Administrator", *spec.users)],
            "DCAdmins": [f"cn={h},ou=Domain Controllers,{self._base}" for h in spec.nodes],
            "DCClients": [f"cn={h},ou=Computers,{self._base}" for h in spec.management],
            "CAAdmins": [f"cn=Administrator,{users}", f"cn=DCAdmins,cn=Builtin,{self._base}"],
            "DNSAdmins": [],
        }
        for name, listed in members.items():
            attributes: _Attributes = {"groupType": ["2"], "sAMAccountName": [name]}
            if listed:
                attributes["member"] = list(listed)
            self._add(f"cn={name},cn=Builtin,{self._base}", "group", attributes)

    def _sites(self, identities: list[NodeIdentity]) -> None:
        sites = self._container("Sites", f"cn=Configuration,{self._base}")
        site = self._container(self._spec.site, sites)
        self._container("Servers", site)
        for identity in identities:
            server: _Attributes = {
                "serverId": [str(identity.server_id)],
                "invocationId": [identity.invocation_id],
                "replInterval": [str(self._age.replication_interval)],
                "replPageSize": ["1000"],
            }
            self._add(identity.server_dn, "vmwDirServer", server)
            self._container("Replication Agreements", identity.server_dn)
            for partner in self._spec.partners_of(identity.host):
                agreement = f"labeledURI=ldap://{partner},{identity.agreements_dn}"
                mark: _Attributes = {"lastLocalUsnProcessed": ["0"]}
                self._add(agreement, "vmwReplicationAgreement", mark)

    def _authorities(self) -> None:
        above = self._container("Certificate-Authorities", f"cn=Configuration,{self._base}")
        for root in self._spec.roots:
            attributes: _Attributes = {
                "cACertificate": [root.certificate_pem],
                "cACertificateDN": [root.subject],
            }
            if root.crl_pem:
                attributes["certificateRevocationList"] = [root.crl_pem]
            self._add(f"cn={root.name},{above}", "vmwCertificationAuthority pkiCA", attributes)

    def _tenants(self) -> None:
        domain = self._spec.domain
        above = self._container("IdentityManager", f"cn=Services,{self._base}")
        named: _Attributes = {"vmwSTSDefaultTenant": [domain], "vmwSTSSystemTenant": [domain]}
        self._add(f"cn=Tenants,{above}", "vmwSTSTenantsContainer", named)
        # Lifetimes are the defaults of vmdir 5 (v1.0 installer: bearer 5 minutes).
        tenant: _Attributes = {
            "name": [domain],
            "vmwSTSGuidIdentity": [_guid(self._source)],
            "vmwSTSTenantKey": [_guid(self._source)[:16]],
            "vmwSTSIssuerName": [f"https://{self._spec.nodes[0]}/websso/SAML2/Metadata/{domain}"],
            "vmwSTSClockTolerance": ["600000"],
            "vmwSTSDelegationCount": ["10"],
            "vmwSTSRenewCount": ["10"],
            "vmwSTSMaxBearerTokenLifetime": ["300000"],
            "vmwSTSMaxHolderOfKeyTokenLifetime": ["2592000000"],
            "vmwSTSAuthnTypes": list(self._spec.authn_types),
        }
        self._add(self._tenant, "vmwSTSTenant", tenant)
        for name in _TENANT_CONTAINERS:
            self._container(name, self._tenant)
        store: _Attributes = {
            "vmwSTSDomainName": [domain],
            "vmwSTSDomainType": ["SYSTEM_DOMAIN"],
            "vmwSTSAuthenticationType": ["SRP"],
            "vmwSTSProviderType": ["IDENTITY_STORE_TYPE_VMWARE_DIRECTORY"],
            "vmwSTSUserBaseDN": [self._base],
            "vmwSTSGroupBaseDN": [self._base],
            "vmwSTSConnectionStrings": list(self._spec.connections),
        }
        above = f"cn=IdentityProviders,{self._tenant}"
        self._add(f"cn={domain},{above}", "vmwSTSIdentityStore", store)
        for source in self._spec.identity_sources:
            self._identity_source(source, above)

    def _identity_source(self, source: IdentitySource, above: str) -> None:
        store: _Attributes = {
            "vmwSTSDomainName": [source.name],
            "vmwSTSDomainType": ["EXTERNAL_DOMAIN"],
            "vmwSTSAuthenticationType": ["PASSWORD"],
            "vmwSTSProviderType": [source.provider],
            "vmwSTSUserName": [f"CN=reader,{dn.domain_dn(source.name)}"],
            "vmwSTSPassword": ["not for anybody"],
            "vmwSTSConnectionStrings": list(source.connections),
        }
        if source.certificates:
            store["userCertificate"] = list(source.certificates)
        self._add(f"cn={source.name},{above}", "vmwSTSIdentityStore", store)

    def _credentials(self) -> None:
        for number, credential in sorted(self._spec.credentials.items()):
            attributes: _Attributes = {
                "vmwSTSPrivateKey": [credential.key],
                "userCertificate": list(credential.certificates),
            }
            entry = f"cn=TenantCredential-{number},{self._tenant}"
            self._add(entry, "vmwSTSTenantCredential", attributes)
        above = f"cn=TrustedCertificateChains,{self._tenant}"
        for number, chain in sorted(self._spec.chains.items()):
            self._chain(f"cn=TrustedCertChain-{number},{above}", chain)

    def _chain(self, entry_dn: str, chain: tuple[bytes, ...]) -> None:
        values: _Attributes = {"userCertificate": list(chain)}
        self._add(entry_dn, "vmwSTSTenantTrustedCertificateChain", values)

    def _policies(self) -> None:
        """Chains of the STS's class that are no signing chains: smart cards, other providers."""
        if self._spec.client_ca_chain:
            above = self._container("Default", f"cn=ClientCertificatePolicies,{self._tenant}")
            above = self._container("ClientCertAuthnTrustedCAs", above)
            self._chain(f"cn=DefaultClientCertCAStore,{above}", self._spec.client_ca_chain)
        for name, chain in self._spec.idp_chains.items():
            above = self._container(name, f"cn=ExternalIdpConfigs,{self._tenant}")
            above = self._container("TrustedCertificateChains", above)
            self._chain(f"cn=TrustedCertChain-1,{above}", chain)
        for name, chain in self._spec.other_chains.items():
            above = self._container(name, self._tenant)
            self._chain(f"cn=TrustedCertChain-1,{above}", chain)

    def _registrations(self) -> None:
        site = f"cn={self._spec.site},cn=Sites,cn=Configuration,{self._base}"
        # Names below the site are [PRIOR] (vmdir 2); the classes were read.
        above = self._container("LookupService", site)
        above = self._container("ServiceRegistrations", above)
        for registration in self._spec.registrations:
            self._registration(registration, above)

    def _registration(self, registration: Registration, above: str) -> None:
        attributes: _Attributes = {
            "vmwLKUPVersion": ["2.0"],
            "vmwLKUPProduct": [registration.product],
            "vmwLKUPType": [registration.type],
            "vmwLKUPOwnerId": [registration.owner],
            "vmwLKUPDeploymentNodeId": [registration.node_id],
        }
        entry = f"cn={registration.service_id},{above}"
        self._add(entry, "vmwLKUPServiceRegistration", attributes)
        for number, endpoint in enumerate(registration.endpoints):
            values: _Attributes = {
                "vmwLKUPEndpointType": [endpoint.type],
                "vmwLKUPEndpointProtocol": [endpoint.protocol],
                "vmwLKUPURI": [endpoint.uri],
            }
            if endpoint.ssl_trust:
                trust = [base64.b64encode(der).decode() for der in endpoint.ssl_trust]
                values["vmwLKUPEndpointSslTrust"] = list(trust)
            self._add(f"cn=Endpoint{number},{entry}", "vmwLKUPEndpointRegistration", values)


def _subject(certificate: bytes) -> str:
    """Return the name by which the STS finds an account, as dir-cli writes it (RFC 2253)."""
    try:
        return x509.load_der_x509_certificate(certificate).subject.rfc4514_string()
    except ValueError:
        return ""
