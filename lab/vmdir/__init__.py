"""vmdir of the lab: an LDAP server that behaves as a real vmdird was measured to.

Build the directories of a domain and serve one::

    spec = DomainSpec(domain="vsphere.local", nodes=("vc1.lab.example", "vc2.lab.example"), ...)
    stores = build_stores(spec)  # by FQDN; each is plain data: copy.deepcopy is a snapshot
    registry: dict[str, VmdirServer] = {}
    server = VmdirServer("vc1.lab.example", lambda: disk.store, port=20636, tls=pair,
                         clock=clock, faults=faults, registry=registry)
    server.start(); server.running; server.replicate(); server.stop()

`VmdirServer.reader` is the lab's `DirectoryReader`. The judge reads stores without a server:
`dump` (all that has to be equal), `get_values`, `find_entries` and `replication_status`.

Facts marked "measured, n" come from running real vmdird servers of three ages (see `ages`).
"""

from __future__ import annotations

from stsfix.lab.vmdir.reader import StoreReader, dump, find_entries, get_values
from stsfix.lab.vmdir.server import VmdirServer
from stsfix.lab.vmdir.spec import (
    DomainSpec,
    Endpoint,
    Registration,
    SigningCredential,
    TrustedRoot,
)
from stsfix.lab.vmdir.status import ReplicationStatus, replication_status
from stsfix.lab.vmdir.store import DirectoryStore
from stsfix.lab.vmdir.tree import build_stores, tenant_dn

__all__ = [
    "DirectoryStore",
    "DomainSpec",
    "Endpoint",
    "Registration",
    "ReplicationStatus",
    "SigningCredential",
    "StoreReader",
    "TrustedRoot",
    "VmdirServer",
    "build_stores",
    "dump",
    "find_entries",
    "get_values",
    "replication_status",
    "tenant_dn",
]
