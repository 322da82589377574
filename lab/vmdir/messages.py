"""LDAP messages as values: requests decoded, responses encoded (RFC 4511 section 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stsfix.lab.vmdir import ber
from stsfix.lab.vmdir.ber import BerError, Element
from stsfix.lab.vmdir.filters import Filter, decode_filter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# Tags of protocolOp; each response's tag is fixed by RFC 4511.
BIND, UNBIND, SEARCH, MODIFY, ADD = 0x60, 0x42, 0x63, 0x66, 0x68
DELETE, MODIFY_DN, COMPARE, ABANDON, EXTENDED = 0x4A, 0x6C, 0x6E, 0x50, 0x77
SEARCH_ENTRY = 0x64
SEARCH_DONE = 0x65
RESPONSES = {
    BIND: 0x61,
    SEARCH: SEARCH_DONE,
    MODIFY: 0x67,
    ADD: 0x69,
    DELETE: 0x6B,
    MODIFY_DN: 0x6D,
    COMPARE: 0x6F,
    EXTENDED: 0x78,
}
_SIMPLE_AUTHENTICATION = 0x80
_CONTROLS = 0xA0

ADD_VALUES, DELETE_VALUES, REPLACE_VALUES = 0, 1, 2
BASE, ONE_LEVEL, SUBTREE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Control:
    """A control of a request; *value* is empty when absent."""

    oid: str
    critical: bool
    value: bytes


@dataclass(frozen=True, slots=True)
class BindRequest:
    """*password* is None for a SASL bind."""

    version: int
    dn: str
    password: bytes | None


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """*size_limit* 0 is none."""

    base: str
    scope: int
    size_limit: int
    types_only: bool
    filter: Filter
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a MODIFY; *kind* is ADD_VALUES, DELETE_VALUES or REPLACE_VALUES."""

    kind: int
    attribute: str
    values: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ModifyRequest:
    """Changes in the order the client sent them."""

    dn: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class AddRequest:
    """Attributes in the order the client sent them."""

    dn: str
    attributes: tuple[tuple[str, tuple[bytes, ...]], ...]


@dataclass(frozen=True, slots=True)
class DeleteRequest:
    """The entry to remove."""

    dn: str


@dataclass(frozen=True, slots=True)
class OtherRequest:
    """Unbind, abandon, and all the operations vmdird refuses; only the tag matters."""

    tag: int


Request = BindRequest | SearchRequest | ModifyRequest | AddRequest | DeleteRequest | OtherRequest


@dataclass(frozen=True, slots=True)
class Message:
    """One request with its id and controls."""

    id: int
    request: Request
    tag: int
    controls: tuple[Control, ...]


def decode_message(element: Element) -> Message:
    """Return the request inside an LDAPMessage.

    Raises:
        BerError: It is none.
    """
    try:
        number, operation, *rest = element.children()
        found = [p for p in rest if p.tag == _CONTROLS]
        controls = tuple(_control(c) for p in found for c in p.children())
        return Message(number.integer(), _request(operation), operation.tag, controls)
    except (IndexError, ValueError) as error:
        # A part is missing (unpacking), or a BerError from further down.
        raise BerError(str(error)) from error


def _control(element: Element) -> Control:
    parts = element.children()
    critical = any(p.boolean() for p in parts[1:] if p.tag == ber.BOOLEAN)
    values = [p.content for p in parts[1:] if p.tag == ber.OCTET_STRING]
    return Control(parts[0].text(), critical, values[0] if values else b"")


def _request(operation: Element) -> Request:
    match operation.tag:
        case tag if tag == BIND:
            return _bind(operation)
        case tag if tag == SEARCH:
            return _search(operation)
        case tag if tag == MODIFY:
            return _modify(operation)
        case tag if tag == ADD:
            dn, attributes = operation.children()[:2]
            return AddRequest(dn.text(), tuple(_attribute(a) for a in attributes.children()))
        case tag if tag == DELETE:
            return DeleteRequest(operation.text())
        case tag if tag in (UNBIND, ABANDON) or tag in RESPONSES:
            return OtherRequest(tag)
        case tag:
            raise BerError(f"no LDAP operation has the tag {tag:#x}")


def _bind(operation: Element) -> BindRequest:
    version, name, authentication = operation.children()[:3]
    simple = authentication.tag == _SIMPLE_AUTHENTICATION
    password = authentication.content if simple else None
    return BindRequest(version.integer(), name.text(), password)


def _search(operation: Element) -> SearchRequest:
    parts = operation.children()
    return SearchRequest(
        base=parts[0].text(),
        scope=parts[1].integer(),
        size_limit=parts[3].integer(),
        types_only=parts[5].boolean(),
        filter=decode_filter(parts[6]),
        attributes=tuple(a.text() for a in parts[7].children()),
    )


def _modify(operation: Element) -> ModifyRequest:
    dn, changes = operation.children()[:2]
    decoded: list[Change] = []
    for change in changes.children():
        kind, attribute = change.children()[:2]
        name, values = _attribute(attribute)
        decoded.append(Change(kind.integer(), name, values))
    return ModifyRequest(dn.text(), tuple(decoded))


def _attribute(element: Element) -> tuple[str, tuple[bytes, ...]]:
    parts = element.children()
    values = parts[1].children() if len(parts) > 1 else []
    return parts[0].text(), tuple(v.content for v in values)


def result(
    number: int, tag: int, code: int, text: str = "", controls: Sequence[bytes] = ()
) -> bytes:
    """Encode an LDAPResult under the response *tag*. matchedDN is empty, as measured of vmdird."""
    body = (ber.integer(code, ber.ENUMERATED), ber.octets(b""), ber.octets(text))
    return _message(number, ber.sequence(body, tag), controls)


def entry(number: int, dn: str, attributes: Mapping[str, Iterable[bytes]]) -> bytes:
    """Encode a SearchResultEntry; an attribute without values is a type alone."""
    listed = [
        ber.sequence((ber.octets(name), ber.sequence(map(ber.octets, values), ber.SET)))
        for name, values in attributes.items()
    ]
    return _message(number, ber.sequence((ber.octets(dn), ber.sequence(listed)), SEARCH_ENTRY), ())


def paged_control(oid: str, cookie: bytes) -> bytes:
    """Encode the paged-results response control; the size is 0, as measured (RFC 2696)."""
    value = ber.sequence((ber.integer(0), ber.octets(cookie)))
    return ber.sequence((ber.octets(oid), ber.octets(value)))


def paged_request(control: Control) -> tuple[int, bytes]:
    """Return page size and cookie of a paged-results request control.

    Raises:
        BerError: Its value is something else.
    """
    parts = ber.decode(control.value)[0].children()
    if len(parts) < 2:  # noqa: PLR2004 - size and cookie
        raise BerError("a paged-results control without size and cookie")
    return parts[0].integer(), parts[1].content


def answer_to_abandon() -> bytes:
    """Return what vmdird answers an Abandon with: id 0 and a bare SEQUENCE (measured, 6)."""
    return result(0, ber.SEQUENCE, 53, "Operation is not yet implemented.")


def _message(number: int, operation: bytes, controls: Sequence[bytes]) -> bytes:
    parts = [ber.integer(number), operation]
    if controls:
        parts.append(ber.sequence(controls, _CONTROLS))
    return ber.sequence(parts)
