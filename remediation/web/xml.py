"""XML of other people: parsed without DTD, entities, network or unbounded trees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxml import etree

if TYPE_CHECKING:
    from collections.abc import Iterator

XML_LIMIT = 1024 * 1024
"""Bytes of a document that is parsed at most."""


class XmlRefusedError(ValueError):
    """The bytes are no XML, or XML that is not read here. The text never quotes the document."""


def parse(content: bytes) -> etree._Element:
    """Parse *content* and return its root.

    Comments and processing instructions stay in the tree: removing them could join text that
    a signature covers differently.

    Raises:
        XmlRefusedError: Not well-formed, too large, too deep, or with a document type (the only
            way to entities and default attributes).
    """
    if len(content) > XML_LIMIT:
        raise XmlRefusedError(f"a document of more than {XML_LIMIT} bytes")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=False,
        remove_comments=False,
        remove_pis=False,
    )
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise XmlRefusedError("not well-formed" + (f", line {line}" if line else "")) from None
    document = root.getroottree().docinfo
    if document.internalDTD is not None or document.externalDTD is not None:
        raise XmlRefusedError("a document type is not allowed")
    return root


def local_name(element: etree._Element) -> str:
    """Return the name without its namespace; empty for comments and instructions."""
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def children(element: etree._Element, name: str) -> list[etree._Element]:
    """Return direct children with local name *name*, whatever their namespace."""
    return [child for child in element if local_name(child) == name]


def descendants(element: etree._Element, name: str) -> Iterator[etree._Element]:
    """Yield *element* and everything below it with local name *name*, in document order."""
    return (found for found in element.iter() if local_name(found) == name)


def text_of(element: etree._Element) -> str:
    """Return all text of *element* with comments left out and what is around them kept."""
    return "".join(str(part) for part in element.itertext(tag=etree.Element) if part is not None)
