"""SEARCH: what is found, who may see it, and which attributes come (vmdird measured, 3 and 5)."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stsfix.lab.vmdir import ages, dn, virtual
from stsfix.lab.vmdir.accounts import is_administrator
from stsfix.lab.vmdir.ages import LdapRefusal
from stsfix.lab.vmdir.filters import Both, Compare, Filter, Present, Substrings, matches
from stsfix.lab.vmdir.messages import BASE, ONE_LEVEL
from stsfix.lab.vmdir.schema import vmdir_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from stsfix.lab.vmdir.ages import Behaviour
    from stsfix.lab.vmdir.messages import SearchRequest
    from stsfix.lab.vmdir.store import DirectoryStore, Entry

_HIDDEN = "userPassword"
_INDEXED = frozenset(
    {
        "objectclass",
        "cn",
        "samaccountname",
        "userprincipalname",
        "member",
        "uSNChanged".lower(),
        "objectguid",
        "entrydn",
    }
)
"""Attributes whose filters need no full scan; the full list was not measured."""


@dataclass(frozen=True, slots=True)
class Found:
    """One entry of a result."""

    dn: str
    attributes: dict[str, list[bytes]]


def search(
    store: DirectoryStore,
    request: SearchRequest,
    age: Behaviour,
    *,
    user: str,
    show_deleted: bool = False,
) -> list[Found]:
    """Return the entries of a SEARCH by *user* (a DN, empty if anonymous).

    No entries is also what a reader without rights gets on D and B. The size limit cuts the
    result silently. The order of entries carries no meaning, as in the field.

    Raises:
        LdapRefusal: The result code is not 0.
    """
    try:
        base = dn.key(request.base)
    except dn.NotADnError:
        raise LdapRefusal(ages.INVALID_DN, "Invalid DN") from None
    found = _virtual(store, request, base, age, user)
    if found is None:
        entries = _database(store, request, base, age, user=user, show_deleted=show_deleted)
        found = [Found(e.dn, _selected(store, e, request.attributes, age)) for e in entries]
    if request.types_only:
        found = [Found(f.dn, {name: [] for name in f.attributes}) for f in found]
    return found[: request.size_limit or None]


def _virtual(
    store: DirectoryStore, request: SearchRequest, base: str, age: Behaviour, user: str
) -> list[Found] | None:
    """Return the result if *base* is no entry of the database, else None."""
    plain = (
        isinstance(request.filter, Present) and request.filter.attribute.lower() == "objectclass"
    )
    if not base and request.scope == BASE:
        root = virtual.root_dse(store, age)
        chosen = _choose(request.attributes or ("*", "+"), root, virtual.ROOT_STAR)
        _add_committed(store, request.attributes, chosen)
        return [Found(virtual.ROOT_DN, chosen)] if plain else []
    if base == virtual.STATUS_DN:
        if age.anonymous_reads_refused and not user:
            raise LdapRefusal(ages.INSUFFICIENT_ACCESS, "Not bind/authenticate yet")
        if request.scope != BASE or not plain:
            raise LdapRefusal(ages.NO_SUCH_OBJECT)
        star = frozenset({"cn", "objectClass"})
        chosen = _choose(request.attributes, virtual.status_entry(store), star)
        return [Found(virtual.STATUS_DN, chosen)]
    if base == virtual.SCHEMA_DN:
        entry = virtual.schema_entry()
        if not _fits(request.filter, lambda name: _look_up(entry, name)):
            return []
        return [Found(base, _choose(request.attributes, entry, frozenset(entry)))]
    if base in virtual.REFUSED_DNS:
        raise LdapRefusal(ages.INSUFFICIENT_ACCESS)
    return None


def _database(
    store: DirectoryStore,
    request: SearchRequest,
    base: str,
    age: Behaviour,
    *,
    user: str,
    show_deleted: bool,
) -> list[Entry]:
    if age.anonymous_reads_refused and not user:
        raise LdapRefusal(ages.INSUFFICIENT_ACCESS, "Not bind/authenticate yet")
    if not base and not age.root_scan_allowed and not _indexed(request.filter):
        text = "Full scan of Entry DB is required. Refine your search."
        raise LdapRefusal(ages.UNWILLING, text)
    top = store.entries.get(base)
    if base and (top is None or (top.last_dn and not show_deleted)):
        raise LdapRefusal(ages.NO_SUCH_OBJECT)
    if not user or not is_administrator(store, user):
        return []
    return sorted(
        (
            entry
            for entry in _in_scope(store, base, request.scope)
            if (show_deleted or not entry.last_dn)
            and _fits(request.filter, _attributes_of(store, entry, age))
        ),
        key=lambda entry: entry.guid,
    )


def _in_scope(store: DirectoryStore, base: str, scope: int) -> Iterable[Entry]:
    if scope == BASE:
        return [store.entries[base]]
    if scope == ONE_LEVEL:
        return [e for key, e in store.entries.items() if key and dn.parent(key) == base]
    return store.below(base)


def _fits(wanted: Filter, values: Callable[[str], list[bytes] | None]) -> bool:
    return matches(wanted, values, vmdir_schema().normal) is True


def _attributes_of(
    store: DirectoryStore, entry: Entry, age: Behaviour
) -> Callable[[str], list[bytes] | None]:
    return lambda name: _filtered(store, entry, name, age)


def _indexed(wanted: Filter) -> bool:
    match wanted:
        case Both(every=True, parts=parts):
            return any(map(_indexed, parts))
        case Both(parts=parts):
            return all(map(_indexed, parts))
        case Compare(attribute=name) | Substrings(attribute=name):
            return name.lower() in _INDEXED
        case _:
            return False


def _filtered(
    store: DirectoryStore, entry: Entry, written: str, age: Behaviour
) -> list[bytes] | None:
    known = vmdir_schema().attribute(written)
    if known is None:
        return None
    if known.name == _HIDDEN:
        return []
    # `top` is not stored: (objectClass=top) matches nothing (measured, 4).
    if known.name == "objectClass":
        return entry.attributes["objectClass"]
    return _values(store, entry, known.name, age)


def _look_up(attributes: dict[str, list[bytes]], written: str) -> list[bytes] | None:
    known = vmdir_schema().attribute(written)
    return None if known is None else attributes.get(known.name, [])


def _values(store: DirectoryStore, entry: Entry, name: str, age: Behaviour) -> list[bytes]:
    """Return the values shown of one attribute, computed ones included."""
    match name:
        case "entryDN":
            return [entry.dn.encode()]
        case "attributeMetaData":
            return [meta.text(attribute) for attribute, meta in entry.metadata.items()]
        case "highestCommittedUSN":
            return [str(store.usn).encode()]
        case "objectSid" if age.object_sid:
            return [f"S-1-7-21-1111-2222-3333-{zlib.crc32(entry.guid.encode())}".encode()]
        case "objectClass":
            return [b"top", *entry.attributes["objectClass"]]
        case _:
            return list(entry.attributes.get(name, []))


def _selected(
    store: DirectoryStore, entry: Entry, requested: tuple[str, ...], age: Behaviour
) -> dict[str, list[bytes]]:
    schema = vmdir_schema()
    stored = {name: schema.attribute(name) for name in entry.attributes if name != _HIDDEN}
    names: dict[str, None] = {}
    for written in requested or ("*",):
        if written == "*":
            names |= dict.fromkeys(n for n, t in stored.items() if t and not t.operational)
        elif written == "+":
            names |= dict.fromkeys(n for n, t in stored.items() if t and t.operational)
            names |= dict.fromkeys(("entryDN", "objectSid"))
        elif (known := schema.attribute(written)) is not None and known.name != _HIDDEN:
            names[known.name] = None
    shown = {name: _values(store, entry, name, age) for name in names}
    return {name: values for name, values in shown.items() if values}


def _choose(
    requested: tuple[str, ...], attributes: dict[str, list[bytes]], star: frozenset[str]
) -> dict[str, list[bytes]]:
    wanted = {name.lower() for name in requested or ("*",)}
    return {
        name: values
        for name, values in attributes.items()
        if name.lower() in wanted or ("*" if name in star else "+") in wanted
    }


def _add_committed(
    store: DirectoryStore, requested: tuple[str, ...], chosen: dict[str, list[bytes]]
) -> None:
    """Add highestCommittedUSN, which comes only by name (measured, 3)."""
    if any(name.lower() == "highestcommittedusn" for name in requested):
        chosen["highestCommittedUSN"] = [str(store.usn).encode()]
