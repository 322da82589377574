"""OpenLDAP's slapd with a vmdir schema and the tree of a small SSO domain, on loopback LDAPS.

Everything below is spelled out by hand, so that it shares no names with the product.
"""

from __future__ import annotations

import base64
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from loopback import free_port
from sts_material import NODE, key, leaf, root
from stsfix.lab import pki
from stsfix.snapshot.tls import Endpoint, Trust

if TYPE_CHECKING:
    from collections.abc import Generator

SLAPD = shutil.which("slapd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
SLAPADD = shutil.which("slapadd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
PASSWORD = "VMware1!"
PARTNER = "vc2.lab.example"
INVOCATION_ID = "11111111-2222-3333-4444-555555555555"
PARTNER_ID = "66666666-7777-8888-9999-000000000000"
CRL = b"-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n" * 2
"""Nobody parses it: only its presence, size and number count."""

_FILES = Path(__file__).parents[1] / "peers" / "slapd"
_DOMAIN = "dc=vsphere,dc=local"
_TENANT = f"cn=vsphere.local,cn=Tenants,cn=IdentityManager,cn=Services,{_DOMAIN}"
_SERVERS = f"cn=Servers,cn=Default-First-Site,cn=Sites,cn=Configuration,{_DOMAIN}"


@contextmanager
def running_slapd(folder: Path, *, status: bool = True) -> Generator[Endpoint]:
    """Run slapd with its state in *folder* until the block ends; yields how to reach it.

    Without *status* there is no cn=replicationstatus, as on builds before vSphere 6.7.
    """
    _prepare(folder, status=status)
    port = free_port()
    command = [str(SLAPD), "-f", f"{folder}/slapd.conf", "-h", f"ldaps://127.0.0.1:{port}"]
    with (folder / "slapd.log").open("wb") as log:
        process = subprocess.Popen([*command, "-d", "0"], stdout=log, stderr=log)
        try:
            _await_port(port, process)
            yield Endpoint(
                name=NODE, address="127.0.0.1", port=port, trust=Trust(ca_file=folder / "ca.pem")
            )
        finally:
            process.terminate()
            process.wait(timeout=20)


def _prepare(folder: Path, *, status: bool) -> None:
    for name in ("tree", "status"):
        (folder / name).mkdir()
    authority = pki.vmca_root(
        key("slapd-ca"),
        domain="vsphere.local",
        host=NODE,
        not_before=pki.days_from_now(-1),
        not_after=pki.days_from_now(30),
    )
    server = pki.vmca_leaf(
        key("slapd"),
        issuer=authority,
        issuer_key=key("slapd-ca"),
        common_name=NODE,
        not_before=pki.days_from_now(-1),
        not_after=pki.days_from_now(30),
        names=[NODE],
    )
    pair = pki.key_pair(key("slapd"), [server])
    (folder / "ca.pem").write_bytes(pki.pem(authority))
    (folder / "server.pem").write_bytes(pair.certificates_pem)
    (folder / "server.key").write_bytes(pair.key_pem)
    (folder / "rootdse.ldif").write_text(_root_dse())
    config = (_FILES / "slapd.conf").read_text()
    config = config.replace("{folder}", str(folder)).replace(
        "{schema}", str(_FILES / "vmdir.schema")
    )
    (folder / "slapd.conf").write_text(config)
    trees = [("dc=local", _tree())]
    if status:
        trees.append(("cn=replicationstatus", _status()))
    for suffix, text in trees:
        (folder / "load.ldif").write_text(text)
        command = [str(SLAPADD), "-f", f"{folder}/slapd.conf", "-b", suffix]
        subprocess.run([*command, "-l", f"{folder}/load.ldif"], check=True, capture_output=True)


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if process.poll() is not None:
            raise RuntimeError(f"slapd ended with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("slapd does not listen")


def _ldif(dn: str, *attributes: tuple[str, str | bytes]) -> str:
    lines = [f"dn: {dn}"]
    for name, value in attributes:
        encoded = value if isinstance(value, bytes) else value.encode()
        lines.append(f"{name}:: {base64.b64encode(encoded).decode()}")
    return "\n".join(lines) + "\n\n"


def _name_of(dn: str) -> str:
    return dn.partition(",")[0].partition("=")[2]


def _container(dn: str) -> str:
    return _ldif(dn, ("objectClass", "container"), ("cn", _name_of(dn)))


def _user(dn: str, of_class: str, password: str) -> str:
    name = _name_of(dn)
    return _ldif(dn, ("objectClass", of_class), ("cn", name), ("userPassword", password))


def _root_dse() -> str:
    return _ldif(
        "",
        ("rootDomainNamingContext", _DOMAIN),
        ("vmwAdministratorDN", f"cn=Administrator,cn=Users,{_DOMAIN}"),
        ("serverName", f"cn={NODE},{_SERVERS}"),
        ("msDS-SiteName", "Default-First-Site"),
        ("vmwPlatformServicesControllerVersion", "6.7.0"),
        ("vmwMaximumDomainFunctionalLevel", "4"),
        ("highestCommittedUSN", "5120"),
    ).replace("dn:: ", "dn: ")


def _server(name: str, number: int, invocation_id: str, partner: str) -> str:
    own = f"cn={name},{_SERVERS}"
    agreements = f"cn=Replication Agreements,{own}"
    return (
        _ldif(
            own,
            ("objectClass", "vmwDirServer"),
            ("cn", name),
            ("serverId", str(number)),
            ("invocationId", invocation_id),
            ("replInterval", "30"),
            ("replPageSize", "1000"),
            ("upToDateVector", f"{PARTNER_ID if number == 1 else INVOCATION_ID}:4321,"),
        )
        + _container(agreements)
        + _ldif(
            f"labeledURI=ldap://{partner},{agreements}",
            ("objectClass", "vmwReplicationAgreement"),
            ("labeledURI", f"ldap://{partner}"),
        )
    )


def _tree() -> str:
    administrator = f"cn=Administrator,cn=Users,{_DOMAIN}"
    old = pki.der(leaf("old", start=-800, end=-1))
    chain = [("userCertificate", old), ("userCertificate", pki.der(root()))]
    domain_class = [("objectClass", "domainDNS"), ("objectClass", "dcObject")]
    return "".join(
        [
            _ldif("dc=local", *domain_class, ("dc", "local")),
            _ldif(_DOMAIN, *domain_class, ("dc", "vsphere")),
            *(
                _container(f"cn={name},{_DOMAIN}")
                for name in ("Users", "Builtin", "Configuration", "Services")
            ),
            _user(administrator, "user", PASSWORD),
            _user(f"cn=ordinary,cn=Users,{_DOMAIN}", "user", PASSWORD),
            _ldif(
                f"cn=Administrators,cn=Builtin,{_DOMAIN}",
                ("objectClass", "group"),
                ("cn", "Administrators"),
                ("groupType", "2"),
                ("member", administrator),
            ),
            *(
                _ldif(f"ou={name},{_DOMAIN}", ("objectClass", "organizationalUnit"), ("ou", name))
                for name in ("Domain Controllers", "Computers")
            ),
            _user(f"cn={NODE},ou=Domain Controllers,{_DOMAIN}", "computer", "machine-1"),
            _user(f"cn={PARTNER},ou=Domain Controllers,{_DOMAIN}", "computer", "machine-2"),
            _user(f"cn=vc9.lab.example,ou=Computers,{_DOMAIN}", "computer", "machine-9"),
            _container(f"cn=Sites,cn=Configuration,{_DOMAIN}"),
            _container(f"cn=Default-First-Site,cn=Sites,cn=Configuration,{_DOMAIN}"),
            _container(_SERVERS),
            _server(NODE, 1, INVOCATION_ID, PARTNER),
            _server(PARTNER, 2, PARTNER_ID, NODE),
            _container(f"cn=Certificate-Authorities,cn=Configuration,{_DOMAIN}"),
            _container(f"cn=IdentityManager,cn=Services,{_DOMAIN}"),
            _ldif(
                f"cn=Tenants,cn=IdentityManager,cn=Services,{_DOMAIN}",
                ("objectClass", "vmwSTSTenantsContainer"),
                ("cn", "Tenants"),
            ),
            _ldif(
                _TENANT,
                ("objectClass", "vmwSTSTenant"),
                ("cn", "vsphere.local"),
                ("vmwSTSGuidIdentity", "guid"),
            ),
            _ldif(
                f"cn=TenantCredential-1,{_TENANT}",
                ("objectClass", "vmwSTSTenantCredential"),
                ("objectClass", "vmdirOperational"),
                ("cn", "TenantCredential-1"),
                ("vmwSTSPrivateKey", pki.pkcs8(key("old"))),
                *chain,
                ("objectGUID", "aaaaaaaa-0000-0000-0000-000000000001"),
                ("uSNChanged", "4711"),
            ),
            _container(f"cn=TrustedCertificateChains,{_TENANT}"),
            _ldif(
                f"cn=TrustedCertChain-1,cn=TrustedCertificateChains,{_TENANT}",
                ("objectClass", "vmwSTSTenantTrustedCertificateChain"),
                ("objectClass", "vmdirOperational"),
                ("cn", "TrustedCertChain-1"),
                *chain,
                ("objectGUID", "aaaaaaaa-0000-0000-0000-000000000002"),
                ("uSNChanged", "4712"),
            ),
            *_other_certificates(old),
        ]
    )


def _other_certificates(old: bytes) -> list[str]:
    """Return entries with certificates that are not the STS's; see `directory_worlds`."""
    smart, provider = pki.der(root("smart-card")), pki.der(root("provider"))
    policies = f"cn=ClientCertificatePolicies,{_TENANT}"
    stores = f"cn=ClientCertAuthnTrustedCAs,cn=Default,{policies}"
    providers = f"cn=ExternalIdpConfigs,{_TENANT}"
    chain_class = ("objectClass", "vmwSTSTenantTrustedCertificateChain")
    services = f"cn=LookupService,cn=Default-First-Site,cn=Sites,cn=Configuration,{_DOMAIN}"
    service = f"cn=service-1,cn=ServiceRegistrations,{services}"
    return [
        _container(f"cn=ServicePrincipals,{_DOMAIN}"),
        _ldif(
            f"cn=machine-1,cn=ServicePrincipals,{_DOMAIN}",
            ("objectClass", "user"),
            ("objectClass", "vmwServicePrincipal"),
            ("cn", "machine-1"),
            ("userCertificate", old),
            ("vmwSTSSubjectDN", "CN=ssoserverSign"),
        ),
        _ldif(
            f"cn=AB01,cn=Certificate-Authorities,cn=Configuration,{_DOMAIN}",
            ("objectClass", "vmwCertificationAuthority"),
            ("objectClass", "pkiCA"),
            ("cn", "AB01"),
            ("cACertificate", pki.pem(root())),
            ("cACertificateDN", "/CN=CA"),
            ("certificateRevocationList", CRL),
        ),
        _container(policies),
        _container(f"cn=Default,{policies}"),
        _container(stores),
        _ldif(
            f"cn=DefaultClientCertCAStore,{stores}",
            chain_class,
            ("cn", "DefaultClientCertCAStore"),
            ("userCertificate", smart),
        ),
        _container(providers),
        _container(f"cn=idp,{providers}"),
        _container(f"cn=TrustedCertificateChains,cn=idp,{providers}"),
        _ldif(
            f"cn=TrustedCertChain-1,cn=TrustedCertificateChains,cn=idp,{providers}",
            chain_class,
            ("cn", "TrustedCertChain-1"),
            ("userCertificate", provider),
        ),
        _container(f"cn=IdentityProviders,{_TENANT}"),
        _ldif(
            f"cn=example.org,cn=IdentityProviders,{_TENANT}",
            ("objectClass", "vmwSTSIdentityStore"),
            ("cn", "example.org"),
            ("vmwSTSDomainName", "example.org"),
            ("vmwSTSDomainType", "EXTERNAL_DOMAIN"),
            ("vmwSTSAuthenticationType", "PASSWORD"),
            ("vmwSTSProviderType", "IDENTITY_STORE_TYPE_LDAP_WITH_AD_MAPPING"),
            ("vmwSTSPassword", "not for anybody"),
            ("vmwSTSConnectionStrings", "ldaps://dc1.example.org:636"),
            ("userCertificate", smart),
        ),
        _container(services),
        _container(f"cn=ServiceRegistrations,{services}"),
        _ldif(
            service,
            ("objectClass", "vmwLKUPServiceRegistration"),
            ("cn", "service-1"),
            ("vmwLKUPVersion", "2.0"),
            ("vmwLKUPProduct", "com.vmware.cis"),
            ("vmwLKUPType", "cs.identity"),
            ("vmwLKUPOwnerId", "machine-1@vsphere.local"),
        ),
        _ldif(
            f"cn=Endpoint0,{service}",
            ("objectClass", "vmwLKUPEndpointRegistration"),
            ("cn", "Endpoint0"),
            ("vmwLKUPEndpointType", "com.vmware.cis.cs.identity.sso"),
            ("vmwLKUPEndpointProtocol", "wsTrust"),
            ("vmwLKUPURI", f"https://{NODE}/sts/STSService/vsphere.local"),
            ("vmwLKUPEndpointSslTrust", base64.b64encode(old).decode()),
        ),
    ]


def _status() -> str:
    lines = (
        f"Server Name: {NODE}",
        "USN: 5120",
        "Replication Cycle Count: 1234",
        f"InvocationID: {INVOCATION_ID}",
        f"UtdVector: {PARTNER_ID}:4321,",
        f"RAProcessedUSN Vector: {PARTNER}|4321,",
        "MaxOriginatingUSN: 5119",
    )
    return _ldif(
        "cn=replicationstatus",
        ("objectClass", "vmwDirServerStatus"),
        ("cn", "replicationstatus"),
        *(("vmwServerRunTimeStatus", line) for line in lines),
    )
