"""Entries that are not in the database: rootDSE, schema and status (vmdird measured, 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.lab.vmdir.schema import DESCRIPTOR, vmdir_schema
from stsfix.lab.vmdir.status import replication_status
from stsfix.lab.vmdir.store import DESCRIPTOR_VALUE

if TYPE_CHECKING:
    from stsfix.lab.vmdir.ages import Behaviour
    from stsfix.lab.vmdir.store import DirectoryStore

SCHEMA_DN = "cn=aggregate,cn=schemacontext"
STATUS_DN = "cn=replicationstatus"
REFUSED_DNS = frozenset({"cn=serverstatus", "cn=schemareplstatus", "cn=integritycheckstatus"})
"""Answered with 50. Measured without a bind only; the lab says it to everybody."""

PAGED = "1.2.840.113556.1.4.319"
SHOW_DELETED = "1.2.840.113556.1.4.417"
_CONTROLS = (
    "1.3.6.1.4.1.4203.1.9.1.1",
    "1.3.6.1.4.1.4203.1.9.1.2",
    "1.3.6.1.4.1.4203.1.9.1.3",
    SHOW_DELETED,
    PAGED,
)

ROOT_DN = "cn=DSE Root"
ROOT_STAR = frozenset(
    {
        "cn",
        "objectClass",
        "msDS-SiteName",
        "subSchemaSubEntry",
        "vmwPlatformServicesControllerVersion",
        DESCRIPTOR,
    }
)
"""All that ``*`` alone returns of the rootDSE; the rest counts as operational."""


def root_dse(store: DirectoryStore, age: Behaviour) -> dict[str, list[bytes]]:
    """Return the attributes of the rootDSE. There is no invocationId (measured)."""
    me = store.identity
    domain = me.domain_dn
    upper = ".".join(part.partition("=")[2] for part in domain.split(",")).upper()
    own = store.find(domain)
    text = {
        "objectClass": "top",
        "cn": "DSE Root",
        "rootDomainNamingContext": domain,
        "defaultNamingContext": domain,
        "configurationNamingContext": f"cn=Configuration,{domain}",
        "schemaNamingContext": "cn=schemacontext",
        "subSchemaSubEntry": SCHEMA_DN,
        "namingContexts": domain,
        "serverName": me.server_dn,
        "vmwAdministratorDN": me.administrator_dn,
        "vmwDCAccountDN": f"cn={me.host},ou=Domain Controllers,{domain}",
        "vmwDCAccountUPN": f"{me.host}@{upper}",
        "deletedObjectsContainer": me.deleted_dn,
        "msDS-SiteName": me.site,
        "entryDN": ROOT_DN,
        "modifiersName": me.administrator_dn,
        "supportedSASLMechanisms": "GSSAPI SRP",
        "vmwMaximumDomainFunctionalLevel": str(store.functional_level),
        "vmwServerVersion": "1.0",
        "vmwPlatformServicesControllerVersion": me.version,
        "supportedLDAPVersion": "3",
    }
    values = {name: [value.encode()] for name, value in text.items()}
    values["supportedControl"] = [oid.encode() for oid in _CONTROLS]
    values[DESCRIPTOR] = [DESCRIPTOR_VALUE]
    if own is not None:
        for name in ("objectGUID", "createTimeStamp", "modifyTimeStamp", "uSNCreated"):
            values[name] = list(own.attributes[name])
        values["uSNChanged"] = list(own.attributes["uSNCreated"])
    if age.reduced_root:
        for name in (DESCRIPTOR, "modifiersName", "vmwMaximumDomainFunctionalLevel"):
            del values[name]
    return values


def schema_entry() -> dict[str, list[bytes]]:
    """Return the attributes of the schema entry: valid, but reduced to what the lab uses."""
    return {
        "objectClass": [b"top", b"subschema"],
        "cn": [b"aggregate"],
        **vmdir_schema().definitions(),
    }


def status_entry(store: DirectoryStore) -> dict[str, list[bytes]]:
    """Return the attributes of cn=replicationstatus."""
    return {
        "objectClass": [b"top", b"vmwDirServerStatus"],
        "cn": [b"replicationstatus"],
        "vmwServerRunTimeStatus": replication_status(store).lines(),
    }
