"""The schema engine: names, rules, the text of the schema entry (vmdir 1.1, vmdird measured 4)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from stsfix.lab.vmdir import ages, dn, schema_data
from stsfix.lab.vmdir.ages import LdapRefusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stsfix.lab.vmdir.ages import Behaviour

_SYNTAX_ROOT = "1.3.6.1.4.1.1466.115.121.1."
_DN, _OCTETS = "12", "40"
SERVER_OPERATIONAL = frozenset(
    {"objectGUID", "creatorsName", "modifiersName", "uSNCreated", "uSNChanged", "entryDN"}
)
"""Operational attributes an ADD may not carry, besides the time stamps (vmdird measured, 4)."""
TIME_STAMPS = frozenset({"createTimeStamp", "modifyTimeStamp"})
DESCRIPTOR = "nTSecurityDescriptor"
_ON_EVERY_ENTRY = frozenset({"objectClass", DESCRIPTOR, "objectSid"})


@dataclass(frozen=True, slots=True)
class AttributeType:
    """*syntax* is the last arc below 1.3.6.1.4.1.1466.115.121.1."""

    name: str
    oid: str
    syntax: str
    single: bool
    operational: bool

    def normal(self, value: bytes) -> bytes:
        """Return *value* as it is compared: octets as they are, DNs and text without case."""
        if self.syntax == _OCTETS:
            return value
        text = value.decode("utf-8", "surrogateescape")
        if self.syntax == _DN:
            try:
                text = dn.key(text)
            except dn.NotADnError:
                text = text.casefold()
        else:
            text = text.casefold()
        return text.encode("utf-8", "surrogateescape")

    def definition(self) -> str:
        """Return the AttributeTypeDescription (RFC 4512 section 4.1.2)."""
        flags = " SINGLE-VALUE" if self.single else ""
        usage = " USAGE directoryOperation" if self.operational else ""
        return f"( {self.oid} NAME '{self.name}' SYNTAX {_SYNTAX_ROOT}{self.syntax}{flags}{usage} )"


@dataclass(frozen=True, slots=True)
class ObjectClass:
    """*must* and *may* are the class's own, without those of *superior*."""

    name: str
    oid: str
    kind: str
    superior: str
    must: tuple[str, ...]
    may: tuple[str, ...]

    def definition(self) -> str:
        """Return the ObjectClassDescription (RFC 4512 section 4.1.1)."""
        above = f" SUP {self.superior}" if self.superior else ""
        must = f" MUST ( {' $ '.join(self.must)} )" if self.must else ""
        may = f" MAY ( {' $ '.join(self.may)} )" if self.may else ""
        return f"( {self.oid} NAME '{self.name}'{above} {self.kind}{must}{may} )"


class Schema:
    """Looks names up without regard to case, and checks entries."""

    def __init__(self, attributes: Iterable[AttributeType], classes: Iterable[ObjectClass]) -> None:
        self._attributes = {a.name.lower(): a for a in attributes}
        self._classes = {c.name.lower(): c for c in classes}

    def attribute(self, name: str) -> AttributeType | None:
        """Return the type called *name*, or None. Options such as ``;binary`` are unknown."""
        return self._attributes.get(name.lower())

    def normal(self, name: str, value: bytes) -> bytes:
        """Return *value* as values of attribute *name* are compared."""
        known = self.attribute(name)
        return value if known is None else known.normal(value)

    def definitions(self) -> dict[str, list[bytes]]:
        """Return the values of the schema entry."""
        types = list(self._attributes.values())
        syntaxes = sorted({a.syntax for a in types}, key=int)
        rule = "( 1 NAME 'vmwCertificationAuthority' AUX pkiCA )"
        return {
            "attributeTypes": [a.definition().encode() for a in types],
            "objectClasses": [c.definition().encode() for c in self._classes.values()],
            "ldapSyntaxes": [f"( {_SYNTAX_ROOT}{s} )".encode() for s in syntaxes],
            "dITContentRules": [rule.encode()],
        }

    def check(self, attributes: Mapping[str, list[bytes]], age: Behaviour) -> None:
        """Check a whole entry; names are the schema's own.

        Raises:
            LdapRefusal: With the code of *age*.
        """
        chain = self._chain(attributes.get("objectClass", []), age)
        must = {name for known in chain for name in known.must}
        for name in sorted(must):
            if not attributes.get(name):
                raise LdapRefusal(age.schema_violation, f"Missing must attribute ({name})")
        may = must | _ON_EVERY_ENTRY | {name for known in chain for name in known.may}
        for name, values in attributes.items():
            known_type = self._attributes[name.lower()]
            if name not in may and not known_type.operational:
                raise LdapRefusal(age.schema_violation, f"Attribute ({name}) not allowed")
            if known_type.single and len(values) > 1 and name != DESCRIPTOR:
                raise LdapRefusal(age.constraint, f"Attribute ({name}) can have at most one value")

    def _chain(self, names: list[bytes], age: Behaviour) -> list[ObjectClass]:
        found: list[ObjectClass] = []
        for raw in names:
            name = raw.decode("utf-8", "replace").lower()
            while name and name != "top":
                known = self._classes.get(name)
                if known is None:
                    raise LdapRefusal(ages.OTHER, f"objectclass ({name}) is not defined")
                found.append(known)
                name = known.superior.lower()
        if not any(known.kind == "STRUCTURAL" for known in found):
            raise LdapRefusal(age.constraint, "Entry has no structural objectclass")
        return found

    def stored_classes(self, values: list[bytes]) -> list[bytes]:
        """Return *values* without ``top``, which vmdird shows but does not store."""
        return [value for value in values if value.lower() != b"top"]


@cache
def vmdir_schema() -> Schema:
    """Return the reduced schema of vmdir."""
    return Schema(
        [_attribute_type(line) for line in schema_data.ATTRIBUTES.strip().splitlines()],
        [_object_class(block) for block in _blocks(schema_data.CLASSES)],
    )


def _attribute_type(line: str) -> AttributeType:
    name, oid, syntax, flags = line.split()
    return AttributeType(name, oid, syntax, "S" in flags, "O" in flags)


def _blocks(text: str) -> list[list[str]]:
    blocks: list[list[str]] = []
    for line in text.strip().splitlines():
        if line.startswith(" "):
            blocks[-1].extend(line.split())
        else:
            blocks.append(line.split())
    return blocks


def _object_class(words: list[str]) -> ObjectClass:
    name, oid, kind, superior = words[:4]
    lists: dict[str, list[str]] = {"MUST": [], "MAY": []}
    current = lists["MUST"]
    for word in words[4:]:
        if word in lists:
            current = lists[word]
        else:
            current.append(word)
    return ObjectClass(name, oid, kind, superior, tuple(lists["MUST"]), tuple(lists["MAY"]))
