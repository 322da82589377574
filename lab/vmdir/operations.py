"""ADD, MODIFY and DELETE on a store, with the codes that were measured (vmdird measured, 1 and 4).

Every function either has its whole effect or raises `LdapRefusal` and has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.lab.vmdir import ages, dn
from stsfix.lab.vmdir.ages import LdapRefusal, ServerDied
from stsfix.lab.vmdir.messages import ADD_VALUES, DELETE_VALUES
from stsfix.lab.vmdir.schema import DESCRIPTOR, SERVER_OPERATIONAL, TIME_STAMPS, vmdir_schema

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from stsfix.lab.vmdir.ages import Behaviour
    from stsfix.lab.vmdir.messages import AddRequest, Change, ModifyRequest
    from stsfix.lab.vmdir.schema import Schema
    from stsfix.lab.vmdir.store import DirectoryStore, Entry

_INDEX_LIMIT = 511
# What the index key holds besides the value: 100 bytes fit and 400 do not (measured); the exact
# length between them is an assumption.
_INDEX_OVERHEAD = 150
_INDEX_LEVEL = 4
_VALUE_LIMIT = 65535


def add(
    store: DirectoryStore, request: AddRequest, age: Behaviour, *, writer: str, now: datetime
) -> None:
    """Add one entry.

    Raises:
        LdapRefusal: Nothing was added.
        ServerDied: An empty value reached a server of age A.
    """
    schema = vmdir_schema()
    _check_place(store, request.dn)
    attributes: dict[str, list[bytes]] = {}
    for written, values in request.attributes:
        name = _name_on_add(schema, written, age)
        attributes.setdefault(name, []).extend(values)
    for name, listed in attributes.items():
        _check_values(listed, age)
        _refuse_duplicates(schema, name, listed)
    if any(len(value) >= _VALUE_LIMIT for listed in attributes.values() for value in listed):
        raise LdapRefusal(ages.OTHER, "BEEntryAdd (9700)()")
    _check_added_operational(attributes, age)
    attributes["objectClass"] = schema.stored_classes(attributes.get("objectClass", []))
    schema.check(attributes, age)
    store.add(request.dn, attributes, writer, now)


def _check_place(store: DirectoryStore, entry_dn: str) -> None:
    key = _key(entry_dn)
    if key in store.entries:
        raise LdapRefusal(ages.ENTRY_EXISTS, f"Entry ({entry_dn}) already exists")
    if dn.parent(key) not in store.entries:
        raise LdapRefusal(ages.NO_SUCH_OBJECT, f"parent ({dn.parent(entry_dn)}) not found")


def _key(entry_dn: str) -> str:
    try:
        return dn.key(entry_dn)
    except dn.NotADnError:
        raise LdapRefusal(ages.INVALID_DN, f"Invalid DN ({entry_dn})") from None


def _name_on_add(schema: Schema, written: str, age: Behaviour) -> str:
    known = schema.attribute(written)
    if known is None:
        raise LdapRefusal(age.undefined_on_add, f"Attribute ({written}) is not defined")
    return known.name


def _check_added_operational(attributes: dict[str, list[bytes]], age: Behaviour) -> None:
    for name in attributes:
        text = f"Operational Attribute ({name}) NOT allowed"
        if name in TIME_STAMPS:
            raise LdapRefusal(ages.CONSTRAINT, text)
        if name in SERVER_OPERATIONAL:
            raise LdapRefusal(age.constraint, text)
        if name == DESCRIPTOR and age.descriptor_on_add_refused:
            raise LdapRefusal(ages.INVALID_SYNTAX, text)


def _check_values(values: Sequence[bytes], age: Behaviour) -> None:
    """No content is checked (measured); an empty value ends a server of age A."""
    if age.empty_value_kills and any(not value for value in values):
        raise ServerDied


def _shown(value: bytes) -> str:
    """Return *value* as vmdird quotes it: up to its first NUL byte."""
    return value.split(b"\0", 1)[0].decode("latin-1")


def _refuse_duplicates(schema: Schema, name: str, values: Sequence[bytes]) -> None:
    seen: set[bytes] = set()
    for value in values:
        normal = schema.normal(name, value)
        if normal in seen:
            text = f"Attribute ({name}) duplicate value ({_shown(value)})"
            raise LdapRefusal(ages.VALUE_EXISTS, text)
        seen.add(normal)


def modify(
    store: DirectoryStore, request: ModifyRequest, age: Behaviour, *, writer: str, now: datetime
) -> None:
    """Apply the changes of one MODIFY: all or none, the LAST one first.

    Raises:
        LdapRefusal: Nothing was changed.
        ServerDied: An empty value reached a server of age A.
    """
    schema = vmdir_schema()
    entry = _get(store, request.dn)
    new: dict[str, list[bytes]] = {}
    # vmdird puts each decoded change in front of its list (ldap-head/modify.c), measured as 1.1.
    for change in reversed(request.changes):
        known = schema.attribute(change.attribute)
        if known is None:
            text = f"Attribute ({change.attribute}) is not defined"
            raise LdapRefusal(ages.UNDEFINED_TYPE, text)
        _check_values(change.values, age)
        current = new.get(known.name, entry.attributes.get(known.name, []))
        new[known.name] = _changed(schema, known.name, current, change)
    if "objectClass" in new:
        new["objectClass"] = schema.stored_classes(new["objectClass"])
    merged = {name: values for name, values in (entry.attributes | new).items() if values}
    schema.check(merged, age)
    _check_backend(store, request.changes, age)
    store.modify(entry, new, writer, now)


def _get(store: DirectoryStore, entry_dn: str) -> Entry:
    entry = store.entries.get(_key(entry_dn))
    if entry is None or entry.last_dn:
        raise LdapRefusal(ages.NO_SUCH_OBJECT, f"Entry ({entry_dn}) not found")
    return entry


def _changed(schema: Schema, name: str, current: list[bytes], change: Change) -> list[bytes]:
    _refuse_duplicates(schema, name, change.values)
    if change.kind == ADD_VALUES:
        combined = [*current, *change.values]
        _refuse_duplicates(schema, name, combined)
        return combined
    if change.kind == DELETE_VALUES and change.values:
        left = list(current)
        for value in change.values:
            normal = schema.normal(name, value)
            found = [v for v in left if schema.normal(name, v) == normal]
            if not found:
                text = f"Attribute ({name}) has no value ({_shown(value)})"
                raise LdapRefusal(ages.NO_SUCH_ATTRIBUTE, text)
            left.remove(found[0])
        return left
    # A REPLACE sets its list; a DELETE without values has none and is no error when absent.
    return list(change.values)


def _check_backend(store: DirectoryStore, changes: Sequence[Change], age: Behaviour) -> None:
    """Refuse what the value index of functional level 4 cannot hold (vmdird measured, 1.2)."""
    for change in changes:
        if any(len(value) >= _VALUE_LIMIT for value in change.values):
            raise LdapRefusal(ages.OTHER, "BEEntryModify, (9700)()")
    if not age.value_index or store.functional_level < _INDEX_LEVEL:
        return
    for change in changes:
        known = vmdir_schema().attribute(change.attribute)
        if known is None or known.single or change.kind not in (ADD_VALUES, DELETE_VALUES):
            continue
        if any(len(value) + _INDEX_OVERHEAD > _INDEX_LIMIT for value in change.values):
            text = f"BEEntryModify, (9700)((MDB_BAD_VALSIZE...)({known.name}))"
            raise LdapRefusal(ages.OTHER, text)


def delete(store: DirectoryStore, entry_dn: str, age: Behaviour, *, now: datetime) -> None:
    """Turn a leaf into a tombstone.

    Raises:
        LdapRefusal: Nothing was deleted.
    """
    entry = _get(store, entry_dn)
    if store.children(entry_dn):
        raise LdapRefusal(ages.NOT_LEAF, f"Entry ({entry_dn}) is not a leaf")
    store.delete(entry, keep_class=age.tombstone_keeps_class, now=now)
