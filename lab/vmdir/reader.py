"""Reading a store in process: for services on the node, and for the lab's own judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.lab.seams import DirectoryEntry
from stsfix.lab.vmdir import accounts, dn
from stsfix.lab.vmdir.schema import vmdir_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.lab.vmdir.store import DirectoryStore, Entry

_NOT_DUMPED = frozenset({"upToDateVector"})


class StoreReader:
    """The lab's `DirectoryReader`. It asks *running* before every read."""

    def __init__(
        self, get_store: Callable[[], DirectoryStore], running: Callable[[], bool]
    ) -> None:
        self._get_store = get_store
        self._running = running

    def _store(self) -> DirectoryStore:
        if not self._running():
            raise ConnectionError("vmdird does not run")
        return self._get_store()

    def children(self, base_dn: str, object_class: str) -> list[DirectoryEntry]:
        """See `DirectoryReader.children`."""
        store = self._store()
        with store.lock:
            return [
                DirectoryEntry(
                    dn=entry.dn,
                    attributes={n.lower(): list(v) for n, v in entry.attributes.items()},
                )
                for entry in store.children(base_dn)
                if entry.has_class(object_class.lower().encode())
            ]

    def password_matches(self, upn: str, password: str) -> bool:
        """See `DirectoryReader.password_matches`. A locked account's password does not match."""
        store = self._store()
        with store.lock:
            entry = accounts.find_by_upn(store, upn)
            if entry is None:
                return False
            right = accounts.password_is(store, entry, password.encode())
            return right and not accounts.is_locked(store, entry)


def dump(store: DirectoryStore, base_dn: str) -> dict[str, dict[str, list[bytes]]]:
    """Return all that has to be equal on two nodes, or before and after, at and below *base_dn*.

    That is user attributes in their order of values, and objectGUID; by lower-case DN, without
    tombstones. Empty if *base_dn* is missing. A server's own upToDateVector is left out.
    """
    with store.lock:
        return {
            dn.key(entry.dn): _comparable(entry)
            for entry in store.below(dn.key(base_dn))
            if not entry.last_dn
        }


def _comparable(entry: Entry) -> dict[str, list[bytes]]:
    shown: dict[str, list[bytes]] = {}
    for name in sorted(entry.attributes):
        known = vmdir_schema().attribute(name)
        operational = known is None or known.operational
        if name == "objectGUID" or not (operational or name in _NOT_DUMPED):
            shown[name] = list(entry.attributes[name])
    return shown


def get_values(store: DirectoryStore, entry_dn: str, name: str) -> list[bytes]:
    """Return an attribute's stored values in order; empty if entry or attribute is missing."""
    known = vmdir_schema().attribute(name)
    with store.lock:
        return list(store.attribute(entry_dn, known.name)) if known else []


def find_entries(store: DirectoryStore, base_dn: str, object_class: str) -> list[DirectoryEntry]:
    """Return every entry of a class at or below *base_dn*, sorted by DN, tombstones left out."""
    wanted = object_class.lower().encode()
    with store.lock:
        found = [
            DirectoryEntry(
                dn=entry.dn, attributes={n.lower(): list(v) for n, v in entry.attributes.items()}
            )
            for entry in store.below(dn.key(base_dn))
            if not entry.last_dn and entry.has_class(wanted)
        ]
    return sorted(found, key=lambda entry: dn.key(entry.dn))
