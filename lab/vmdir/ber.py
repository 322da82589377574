"""BER as LDAP uses it: definite lengths, one-byte tags (RFC 4511 section 5.1, X.690)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

BOOLEAN = 0x01
INTEGER = 0x02
OCTET_STRING = 0x04
ENUMERATED = 0x0A
SEQUENCE = 0x30
SET = 0x31

MAX_MESSAGE = 8 * 1024 * 1024
_LONG_FORM = 0x80
_HIGH_TAG = 0x1F


class BerError(ValueError):
    """Bytes that are no BER, or more of it than the server takes."""


@dataclass(frozen=True, slots=True)
class Element:
    """One tag with its content; a constructed element's content is more elements."""

    tag: int
    content: bytes

    def children(self) -> list[Element]:
        """Return the elements inside.

        Raises:
            BerError: The content is not a row of whole elements.
        """
        found: list[Element] = []
        position = 0
        while position < len(self.content):
            element, position = decode(self.content, position)
            found.append(element)
        return found

    def integer(self) -> int:
        """Return the content as a signed integer (INTEGER and ENUMERATED)."""
        if not self.content:
            raise BerError("an integer without content")
        return int.from_bytes(self.content, "big", signed=True)

    def boolean(self) -> bool:
        """Return the content as a boolean."""
        return any(self.content)

    def text(self) -> str:
        """Return the content as text; bytes that are no UTF-8 become U+FFFD."""
        return self.content.decode("utf-8", "replace")


def decode(data: bytes, position: int = 0) -> tuple[Element, int]:
    """Return the element at *position* and where the next one begins.

    Raises:
        BerError: The element is not whole, or has a form LDAP does not use.
    """
    if position + 2 > len(data):
        raise BerError("an element without a length")
    tag = data[position]
    if tag & _HIGH_TAG == _HIGH_TAG:
        raise BerError("a tag of more than one byte")
    length = data[position + 1]
    start = position + 2
    if length >= _LONG_FORM:
        count = length - _LONG_FORM
        if not 1 <= count <= 4 or start + count > len(data):  # noqa: PLR2004 - 4 bytes: 4 GiB
            raise BerError("an indefinite or over-long length")
        length = int.from_bytes(data[start : start + count], "big")
        start += count
    if start + length > len(data):
        raise BerError("an element that is cut off")
    return Element(tag, data[start : start + length]), start + length


def read_message(receive: Callable[[int], bytes]) -> Element | None:
    """Read one whole element through *receive* (exactly n bytes, or fewer at the end).

    Returns None if the peer closed before the first byte.

    Raises:
        BerError: The peer closed inside an element, or the element is no LDAP message.
    """
    head = receive(2)
    if not head:
        return None
    if len(head) < 2 or head[0] != SEQUENCE:  # noqa: PLR2004 - tag and length
        raise BerError("not an LDAP message")
    length = head[1]
    if length >= _LONG_FORM:
        count = length - _LONG_FORM
        if not 1 <= count <= 4:  # noqa: PLR2004 - as above
            raise BerError("an indefinite or over-long length")
        length = int.from_bytes(receive(count), "big")
    if length > MAX_MESSAGE:
        raise BerError(f"a message of {length} bytes")
    content = receive(length) if length else b""
    if len(content) < length:
        raise BerError("a message that is cut off")
    return Element(SEQUENCE, content)


def tlv(tag: int, content: bytes) -> bytes:
    """Return *content* under *tag*, with the shortest length."""
    size = len(content)
    if size < _LONG_FORM:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, _LONG_FORM | len(length))) + length + content


def integer(value: int, tag: int = INTEGER) -> bytes:
    """Encode *value*, shortest two's complement."""
    return tlv(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def octets(value: bytes | str, tag: int = OCTET_STRING) -> bytes:
    """Encode bytes, or text as UTF-8."""
    return tlv(tag, value.encode() if isinstance(value, str) else value)


def sequence(parts: Iterable[bytes], tag: int = SEQUENCE) -> bytes:
    """Encode *parts*, each encoded already, as one constructed element."""
    return tlv(tag, b"".join(parts))
