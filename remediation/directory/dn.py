"""Names in vmdir: every DN, object class and attribute that this product uses, with its source.

Pure text. Layout: vmdir/server/common/util.c and vmdir/server/vmdir/instance.c (domain and
containers), DirectoryStoreMeta.java L3651-3735 (tenant), vmca/common/ldap.c (trusted roots), all in
Lightwave at a04d9171. DNs are joined by a bare comma: ldap3's name check refuses a search base
with a space after it (measured, ldap3 2.9.1).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

# Object classes: vmdir/config/vmdirschema.ldif, Lightwave a04d9171.
CREDENTIAL_CLASS: Final = "vmwSTSTenantCredential"
CHAIN_CLASS: Final = "vmwSTSTenantTrustedCertificateChain"
AUTHORITY_CLASSES: Final = ("vmwCertificationAuthority", "pkiCA", "top")
CONTAINER_CLASS: Final = "container"
SERVER_CLASS: Final = "vmwDirServer"
AGREEMENT_CLASS: Final = "vmwReplicationAgreement"
SERVICE_PRINCIPAL_CLASS: Final = "vmwServicePrincipal"
IDENTITY_STORE_CLASS: Final = "vmwSTSIdentityStore"
REGISTRATION_CLASS: Final = "vmwLKUPServiceRegistration"
ENDPOINT_CLASS: Final = "vmwLKUPEndpointRegistration"
OLD_ENDPOINT_CLASS: Final = "vmwLKUPServiceEndpoint"

# Attributes: the same file. `userCertificate;binary` is an undefined type to vmdir (measured).
CN: Final = "cn"
AUTHN_TYPES: Final = "vmwSTSAuthnTypes"
OBJECT_CLASS: Final = "objectClass"
CERTIFICATE: Final = "userCertificate"
PRIVATE_KEY: Final = "vmwSTSPrivateKey"
OBJECT_GUID: Final = "objectGUID"
USN_CHANGED: Final = "uSNChanged"
META_DATA: Final = "attributeMetaData"
CA_CERTIFICATE: Final = "cACertificate"
CA_CERTIFICATE_DN: Final = "cACertificateDN"
REVOCATION_LIST: Final = "certificateRevocationList"
SUBJECT_DN: Final = "vmwSTSSubjectDN"
STORE_NAME: Final = "vmwSTSDomainName"
STORE_TYPE: Final = "vmwSTSDomainType"
PROVIDER_TYPE: Final = "vmwSTSProviderType"
CONNECTION_STRINGS: Final = "vmwSTSConnectionStrings"
LOOKUP_PRODUCT: Final = "vmwLKUPProduct"
LOOKUP_TYPE: Final = "vmwLKUPType"
LOOKUP_URI: Final = "vmwLKUPURI"
LOOKUP_TRUST: Final = "vmwLKUPEndpointSslTrust"
OLD_LOOKUP_TRUST: Final = "vmwLKUPSslTrustAnchor"
LABELED_URI: Final = "labeledURI"
INVOCATION_ID: Final = "invocationId"
UP_TO_DATE_VECTOR: Final = "upToDateVector"
STATUS: Final = "vmwServerRunTimeStatus"
HIGHEST_USN: Final = "highestCommittedUSN"

# rootDSE attributes: vmdir/server/vmdir/init.c and instance.c; the names a running vmdird returned.
ROOT_DOMAIN: Final = "rootDomainNamingContext"
ADMIN_DN: Final = "vmwAdministratorDN"
SERVER_NAME: Final = "serverName"
SITE_NAME: Final = "msDS-SiteName"
PSC_VERSION: Final = "vmwPlatformServicesControllerVersion"
FUNCTIONAL_LEVEL: Final = "vmwMaximumDomainFunctionalLevel"
ROOT_DSE: Final = (ROOT_DOMAIN, ADMIN_DN, SERVER_NAME, SITE_NAME, PSC_VERSION, FUNCTIONAL_LEVEL)

REPLICATION_STATUS: Final = "cn=replicationstatus"
"""A virtual entry; answers to scope base and (objectclass=*) only (measured)."""

CREDENTIAL_PREFIX: Final = "TenantCredential-"
CHAIN_PREFIX: Final = "TrustedCertChain-"

MAX_INDEX: Final = 2**31 - 1
"""Integer.MAX_VALUE: the largest number that Integer.parseInt takes."""

_MIN_INDEX = -(2**31)
_JAVA_INT = re.compile(r"[+-]?\d+")
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?")
_ESCAPED = re.compile(rb"\\([0-9A-Fa-f]{2}|.)", re.DOTALL)


def escape(value: str) -> str:
    r"""Return *value* as it may stand in an RDN, special characters escaped (RFC 4514 2.4).

    NUL and other control characters become ``\xx``.
    """
    escaped = "".join(_escape_char(char) for char in value)
    if escaped.startswith(" "):
        escaped = "\\" + escaped
    if len(value) > 1 and value.endswith(" "):
        escaped = escaped[:-1] + "\\ "
    return escaped


def _escape_char(char: str) -> str:
    if char in ',+"\\<>;=#':
        return "\\" + char
    if char < " " or char == "\x7f":
        return f"\\{ord(char):02x}"
    return char


def unescape(value: str) -> str:
    """Return the text that an RDN's *value* stands for; undecodable bytes are replaced."""

    def _plain(match: re.Match[bytes]) -> bytes:
        found = match[1]
        return bytes.fromhex(found.decode()) if len(found) > 1 else found

    return _ESCAPED.sub(_plain, value.encode()).decode(errors="replace")


@lru_cache(maxsize=1024)  # the same few hundred names are taken apart once a node
def split(dn: str) -> tuple[tuple[str, str], ...]:
    """Return the RDNs of *dn* as (attribute in lower case, plain value), first RDN first.

    Tolerant: a part without ``=`` gives an empty attribute.
    """
    parts = re.findall(r"(?:\\.|[^\\,])+", dn, re.DOTALL)
    found = []
    for part in parts:
        attribute, equals, value = part.lstrip(" ").partition("=")
        if not equals:
            attribute, value = "", attribute
        found.append((attribute.strip().lower(), unescape(value)))
    return tuple(found)


def name_of(dn: str) -> str:
    """Return the value of the first RDN of *dn*: what people call the entry; else all of it."""
    parts = split(dn)
    return (parts[0][1] if parts else "") or dn


def same(one: str, other: str) -> bool:
    """Tell whether two DNs name the same entry: case and spaces after commas do not matter."""
    return _folded(one) == _folded(other)


def _folded(dn: str) -> tuple[tuple[str, str], ...]:
    return tuple((attribute, value.strip().lower()) for attribute, value in split(dn))


def domain_dn(domain: str) -> str:
    """Return the DN of an SSO *domain* with any number of labels (vmdir/server/common/util.c).

    Raises:
        ValueError: *domain* is not a DNS name.
    """
    labels = domain.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(f"not a domain name: {domain!r}")
    return ",".join(f"dc={label}" for label in labels)


def domain_name(dn: str) -> str:
    """Return the domain name of a domain DN: its dc values joined by dots."""
    return ".".join(value for attribute, value in split(dn) if attribute == "dc")


def tenant(domain: str) -> str:
    """Return the DN of the system tenant (DirectoryStoreMeta.java)."""
    return f"cn={escape(domain)},cn=Tenants,cn=IdentityManager,cn=Services,{domain_dn(domain)}"


def credential_name(index: int) -> str:
    """Return the cn of a signing credential (DirectoryConfigStore.java L428)."""
    return f"{CREDENTIAL_PREFIX}{index}"


def credential(domain: str, index: int) -> str:
    """Return the DN of a signing credential to be written.

    Raises:
        ValueError: *index* is not in 1 to `MAX_INDEX`: it would break the load of the tenant.
    """
    return f"cn={credential_name(_usable(index))},{tenant(domain)}"


def chains(domain: str) -> str:
    """Return the DN of the lazily made container (DirectoryConfigStore.java L512-518)."""
    return f"cn=TrustedCertificateChains,{tenant(domain)}"


def chain_name(index: int) -> str:
    """Return the cn of a trusted chain."""
    return f"{CHAIN_PREFIX}{index}"


def chain(domain: str, index: int) -> str:
    """Return the DN of a trusted chain to be written; raises as `credential`."""
    return f"cn={chain_name(_usable(index))},{chains(domain)}"


def _usable(index: int) -> int:
    if not 1 <= index <= MAX_INDEX:
        raise ValueError(f"no index of a credential or chain: {index}")
    return index


def controllers(domain: str) -> str:
    """Return where PSCs and embedded nodes have their accounts (vmdir/client/ldaputil.c)."""
    return f"ou=Domain Controllers,{domain_dn(domain)}"


def computers(domain: str) -> str:
    """Return where vCenters with an external PSC have their accounts (same source)."""
    return f"ou=Computers,{domain_dn(domain)}"


def sites(domain: str) -> str:
    """Return the container of all sites, servers and replication agreements."""
    return f"cn=Sites,cn=Configuration,{domain_dn(domain)}"


def authorities(domain: str) -> str:
    """Return the container that vmafd copies to TRUSTED_ROOTS (vmafd/server/vmafd/ldap.c)."""
    return f"cn=Certificate-Authorities,cn=Configuration,{domain_dn(domain)}"


def authority(domain: str, key_id: str) -> str:
    """Return the DN of a trusted root; *key_id* is its SKI, upper-case hex without colons."""
    return f"cn={escape(key_id)},{authorities(domain)}"


def service_principals(domain: str) -> str:
    """Return where the solution users are (vmdir/server/vmdir/instance.c)."""
    return f"cn=ServicePrincipals,{domain_dn(domain)}"


def service_principal(domain: str, name: str) -> str:
    """Return the DN of the account of a solution user."""
    return f"cn={escape(name)},{service_principals(domain)}"


def identity_providers(domain: str) -> str:
    """Return the container of the tenant's identity sources (DirectoryStoreMeta.java)."""
    return f"cn=IdentityProviders,{tenant(domain)}"


def user(domain: str, name: str) -> str:
    """Return the DN of a person's or service's account in cn=Users."""
    return f"cn={escape(name)},cn=Users,{domain_dn(domain)}"


def index_of(dn: str) -> int | None:
    """Return the index of a credential or chain exactly as the identity service reads it.

    That is the text between the first ``-`` and the first ``,`` of the whole DN, given to Java's
    Integer.parseInt. None where that throws: such an entry breaks the load of the tenant.

    Source: DirectoryConfigStore.java L4923-4932.
    """
    dash, comma = dn.find("-"), dn.find(",")
    end = len(dn) if comma < 0 else comma
    if dash < 0 or dash >= end:
        return None
    text = dn[dash + 1 : end]
    if not _JAVA_INT.fullmatch(text):
        return None
    digits = text.lstrip("+-").lstrip("0")
    if len(digits) > len(str(MAX_INDEX)):
        return None
    index = int(text[0] + (digits or "0")) if text[0] in "+-" else int(digits or "0")
    return index if _MIN_INDEX <= index <= MAX_INDEX else None


def server_place(dn: str) -> tuple[str, str] | None:
    """Return (server, site) of an entry at or below ``cn=<server>,cn=Servers,cn=<site>,cn=Sites``.

    None if the DN is not of that shape.
    """
    rdns = split(dn)
    for at in range(len(rdns) - 3):
        server, servers, site, top = rdns[at : at + 4]
        if servers == ("cn", servers[1]) and servers[1].lower() == "servers":
            return (server[1], site[1]) if top[1].lower() == "sites" else None
    return None


def host_of(uri: str) -> str | None:
    """Return the host of a replication agreement's ``ldap://host[:port]`` in lower case.

    None if there is none.
    """
    try:
        parts = urlsplit(uri.strip())
        host = parts.hostname
    except ValueError:
        return None
    return host if parts.scheme in {"ldap", "ldaps"} and host else None
