"""The directory of one node: entries, USNs and metadata. It lives on the node's disk."""

from __future__ import annotations

import copy
import threading
import uuid
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from stsfix.lab.vmdir import dn
from stsfix.lab.vmdir.schema import DESCRIPTOR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

NOT_SENT = frozenset({b"vmwdirserver", b"vmwreplicationagreement"})
"""Classes whose entries are not sent to partners (vmdir 6.5)."""
NO_METADATA = frozenset({"uSNCreated", "uSNChanged"})
DELETED = "isDeleted"
DESCRIPTOR_VALUE = b"O:BAG:BAD:(A;;RPWPCCDCLC;;;BA)"


def stamp(moment: datetime) -> bytes:
    """Return *moment* (UTC) as the time stamps read: ``20261123163941.0Z``."""
    return moment.strftime("%Y%m%d%H%M%S.0Z").encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """The last change of one attribute; *usn* is this node's, *origin_usn* the writer's."""

    usn: int
    version: int
    invocation_id: str
    time: str
    origin_usn: int

    def text(self, name: str) -> bytes:
        """Return the value that attributeMetaData shows (vmdird measured, 5)."""
        parts = (name, self.usn, self.version, self.invocation_id, self.time, self.origin_usn)
        return ":".join(map(str, parts)).encode()


@dataclass(slots=True, kw_only=True)
class Entry:
    """One entry. *attributes* has the schema's names, user and operational ones alike.

    *last_dn* is set on a tombstone: the DN the entry had.
    """

    dn: str
    attributes: dict[str, list[bytes]]
    metadata: dict[str, Metadata] = field(default_factory=dict)
    changed: int = 0
    last_dn: str = ""

    @property
    def guid(self) -> str:
        """The identity the entry was created with, as text."""
        return self.attributes["objectGUID"][0].decode()

    def has_class(self, name: bytes) -> bool:
        """Tell whether *name* (lower case) is among the stored classes."""
        return any(value.lower() == name for value in self.attributes["objectClass"])

    def copy(self) -> Entry:
        """Return an entry that shares nothing with this one."""
        attributes = {name: list(values) for name, values in self.attributes.items()}
        return Entry(
            dn=self.dn,
            attributes=attributes,
            metadata=dict(self.metadata),
            changed=self.changed,
            last_dn=self.last_dn,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeIdentity:
    """Who this directory is in its domain. *host* is the node's FQDN, lower case."""

    host: str
    site: str
    server_id: int
    invocation_id: str
    version: str
    domain_dn: str

    @property
    def server_dn(self) -> str:
        """DN of the node's own vmwDirServer entry."""
        return (
            f"cn={self.host},cn=Servers,cn={self.site},cn=Sites,cn=Configuration,{self.domain_dn}"
        )

    @property
    def agreements_dn(self) -> str:
        """DN above the node's own replication agreements."""
        return f"cn=Replication Agreements,{self.server_dn}"

    @property
    def administrator_dn(self) -> str:
        """DN of the domain's administrator."""
        return f"cn=Administrator,cn=Users,{self.domain_dn}"

    @property
    def deleted_dn(self) -> str:
        """DN of the container of tombstones."""
        return f"cn=Deleted Objects,{self.domain_dn}"


class DirectoryStore:
    """Plain data and a lock: `copy.deepcopy` gives an independent directory at one moment.

    Hold `lock` around everything that reads or writes more than one thing. Every watcher is
    called after each change with the store and the entry, the lock being held; copies have none.
    """

    def __init__(self, identity: NodeIdentity) -> None:
        self.identity = identity
        self.lock = threading.RLock()
        self.entries: dict[str, Entry] = {}
        self.guids: dict[str, str] = {}
        self.usn = 0
        self.max_originating = 0
        self.cycles = 0
        self.marks: dict[str, int] = {}
        self.vector: dict[str, int] = {}
        self.bad_passwords: dict[str, int] = {}
        self.watchers: tuple[Callable[[DirectoryStore, Entry], None], ...] = ()

    def __deepcopy__(self, memo: dict[int, Any]) -> DirectoryStore:
        with self.lock:
            twin = DirectoryStore(self.identity)
            twin.entries = {key: entry.copy() for key, entry in self.entries.items()}
            for name in ("guids", "marks", "vector", "bad_passwords"):
                setattr(twin, name, copy.copy(getattr(self, name)))
            twin.usn = self.usn
            twin.max_originating = self.max_originating
            twin.cycles = self.cycles
        memo[id(self)] = twin
        return twin

    def find(self, entry_dn: str) -> Entry | None:
        """Return the entry, or None; tombstones are found under their own DN.

        Raises:
            NotADnError: *entry_dn* is no DN.
        """
        return self.entries.get(dn.key(entry_dn))

    def by_guid(self, guid: str) -> Entry | None:
        """Return the entry or tombstone created with *guid*, or None."""
        key = self.guids.get(guid)
        return None if key is None else self.entries.get(key)

    def children(self, entry_dn: str) -> list[Entry]:
        """Return the direct children; tombstones are nobody's children."""
        above = dn.key(entry_dn)
        end = "," + above if above else ""  # most entries are told from children by this alone
        return [
            entry
            for key, entry in self.entries.items()
            if key.endswith(end) and dn.parent(key) == above and not entry.last_dn
        ]

    def below(self, key: str) -> Iterator[Entry]:
        """Yield the entry under *key* and every descendant, tombstones too."""
        suffix = "," + key if key else ""
        for own, entry in self.entries.items():
            if own == key or own.endswith(suffix):
                yield entry

    def attribute(self, entry_dn: str, name: str) -> list[bytes]:
        """Return values of a stored attribute (schema spelling); empty if there are none."""
        entry = self.find(entry_dn)
        return [] if entry is None else entry.attributes.get(name, [])

    @property
    def functional_level(self) -> int:
        """The domain's functional level; 1 if the domain does not say."""
        values = self.attribute(self.identity.domain_dn, "vmwDomainFunctionalLevel")
        return int(values[0]) if values else 1

    def next_usn(self, *, originating: bool = True) -> int:
        """Take the next USN of this node."""
        self.usn += 1
        if originating:
            self.max_originating = self.usn
        return self.usn

    def add(
        self, entry_dn: str, attributes: Mapping[str, Iterable[bytes]], writer: str, now: datetime
    ) -> Entry:
        """Add a checked entry; operational attributes are made here."""
        usn = self.next_usn()
        guid = str(uuid.uuid4())
        made = {name: list(values) for name, values in attributes.items()}
        made.setdefault(DESCRIPTOR, []).append(DESCRIPTOR_VALUE)
        time = stamp(now)
        made |= {
            "objectGUID": [guid.encode()],
            "creatorsName": [writer.encode()],
            "modifiersName": [writer.encode()],
            "createTimeStamp": [time],
            "modifyTimeStamp": [time],
            "uSNCreated": [str(usn).encode()],
            "uSNChanged": [str(usn).encode()],
        }
        entry = Entry(dn=entry_dn, attributes=made, changed=usn)
        self._mark(entry, made, usn, now)
        self.place(entry)
        return entry

    def place(self, entry: Entry) -> None:
        """Put *entry* under its DN; every change ends here."""
        key = dn.key(entry.dn)
        self.entries[key] = entry
        self.guids[entry.guid] = key
        for watcher in self.watchers:
            watcher(self, entry)

    def modify(
        self, entry: Entry, new: Mapping[str, list[bytes]], writer: str, now: datetime
    ) -> None:
        """Set each attribute of *new* to its full list of values; an empty list removes it.

        Operational attributes in *new* win over what the server would write.
        """
        usn = self.next_usn()
        written = {
            "modifyTimeStamp": [stamp(now)],
            "modifiersName": [writer.encode()],
            "uSNChanged": [str(usn).encode()],
        } | dict(new)
        for name, values in written.items():
            if values:
                entry.attributes[name] = list(values)
            else:
                entry.attributes.pop(name, None)
        entry.changed = usn
        self._mark(entry, written, usn, now)
        self.place(entry)

    def delete(self, entry: Entry, *, keep_class: bool, now: datetime) -> None:
        """Turn *entry* into a tombstone without its user attributes (vmdird measured, 4)."""
        usn = self.next_usn()
        self.bury(entry, usn, keep_class=keep_class)
        self._mark(entry, (DELETED,), usn, now)

    def bury(self, entry: Entry, usn: int, *, keep_class: bool) -> None:
        """Move *entry* below Deleted Objects and strip it; *usn* is this node's."""
        guid = entry.guid
        name, value = dn.split_rdn(dn.rdn(entry.dn))
        del self.entries[dn.key(entry.dn)]
        kept = {n: entry.attributes[n] for n in entry.attributes if n in _KEPT}
        if not keep_class:
            kept["objectClass"] = [b"deletedObject"]
        kept["cn"] = [f"{value}#objectGUID:{guid}".encode()]
        kept["uSNChanged"] = [str(usn).encode()]
        entry.attributes = kept
        entry.last_dn = entry.dn
        entry.dn = f"{name}={value}#objectGUID:{guid},{self.identity.deleted_dn}"
        entry.changed = usn
        self.place(entry)

    def _mark(self, entry: Entry, names: Iterable[str], usn: int, now: datetime) -> None:
        first = Metadata(
            usn=usn,
            version=1,
            invocation_id=self.identity.invocation_id,
            time=now.strftime("%Y%m%d%H%M%S.%f")[:-3],
            origin_usn=usn,
        )
        for name in names:
            if name in NO_METADATA:
                continue
            before = entry.metadata.get(name)
            entry.metadata[name] = (
                first if before is None else replace(first, version=before.version + 1)
            )


_KEPT = frozenset(
    {
        "objectClass",
        "objectGUID",
        "creatorsName",
        "modifiersName",
        "createTimeStamp",
        "modifyTimeStamp",
        "uSNCreated",
        DESCRIPTOR,
    }
)
