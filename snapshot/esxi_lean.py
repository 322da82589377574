"""Reads one kind of answer without pyVmomi: many objects with short text properties.

pyVmomi spends 0.18 s of processor time on the summary of 1,000 VMs, this module 4 ms
(docs/adr/0014-lean-summary-of-vms.md). Everything else of the API stays with pyVmomi.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from lxml import etree

from stsfix.snapshot.answers import MIB, OversizedError, bytes_over
from stsfix.snapshot.esxi_plain import STAND_IN, take_runs
from stsfix.snapshot.soap_stub import ReplyRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from stsfix.snapshot.esxi_plain import Plain
    from stsfix.snapshot.model import Texts

BYTES_LIMIT: Final = 16 * MIB
"""Bytes of one answer that are read at most; 1,000 VMs make about 0.8 MiB."""

TAGS_LIMIT: Final = 1_000_000
"""Tags in them; 1,000 VMs make about 60,000. libxml2 keeps 130 bytes for each (measured)."""

WHOLE_BYTES: Final = 4 * MIB
"""Up to this size an answer is looked at as a whole (`esxi_plain`), then piece by piece."""

_SPACE: Final = "{urn:vim25}"
_OBJECTS, _TOKEN = f"{_SPACE}objects", f"{_SPACE}token"
_REFERENCE, _PROPERTY, _MISSING = f"{_SPACE}obj", f"{_SPACE}propSet", f"{_SPACE}missingSet"
_TYPE: Final = "{http://www.w3.org/2001/XMLSchema-instance}type"


@dataclass(kw_only=True)
class LeanPage:
    """One page of RetrievePropertiesEx. A row is a MoRef and the text of each path asked for, None
    if the object does not tell it. *token* asks for the next page, empty after the last.
    *missing* are names of faults in missingSets.
    """

    rows: list[Texts] = field(default_factory=list)
    token: str = ""
    missing: set[str] = field(default_factory=set)


class LeanReader:
    """Reads the text properties *paths* of every object in an answer.

    A value that is no plain text is left out, and so is a property that is not among *paths*.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = tuple(paths)
        self._seen = self._tags = 0
        self._held: list[bytes] = []
        self._parser: _Parser | None = None

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises:
            ReplyRefusedError: They are no XML.
            OversizedError: They are too many.
        """
        self._seen += len(chunk)
        self._tags += chunk.count(b"<")
        if self._seen > BYTES_LIMIT:
            raise bytes_over(BYTES_LIMIT)
        if self._tags > TAGS_LIMIT:
            raise OversizedError(f"more than {TAGS_LIMIT} tags in one answer")
        self._held.append(chunk)
        if self._parser is None and self._seen > WHOLE_BYTES:
            self._parser = _Parser(self._paths)
        if self._parser is not None:
            self._parser.feed(self._take_held())

    def close(self) -> LeanPage:
        """Return the page.

        Raises:
            ReplyRefusedError: The answer is no XML, cut off, or has a document type.
        """
        if self._parser is not None:
            return self._parser.close()
        document = self._take_held()
        plain = take_runs(document, self._paths)
        page = None if plain is None else _with_runs(_parse(plain.rest, self._paths), plain)
        return _parse(document, self._paths) if page is None else page

    def _take_held(self) -> bytes:
        held, self._held = b"".join(self._held), []
        return held


def _parse(document: bytes, paths: tuple[str, ...]) -> LeanPage:
    parser = _Parser(paths)
    parser.feed(document)
    return parser.close()


def _with_runs(page: LeanPage, plain: Plain) -> LeanPage | None:
    """Put the runs where their stand-ins are; None if those are not where they should be."""
    if sum(row[0] == STAND_IN for row in page.rows) != len(plain.runs):
        return None
    runs = iter(plain.runs)
    rows: list[Texts] = []
    for row in page.rows:
        rows.extend(next(runs) if row[0] == STAND_IN else (row,))
    page.rows = rows
    return page


class _Parser:
    """Parses an answer as it comes in, one object at a time, and keeps no tree of it.

    libxml2 limits depth (256) and texts (10 MB).
    """

    def __init__(self, paths: tuple[str, ...]) -> None:
        self._paths = paths
        self._page = LeanPage()
        self._parser = etree.XMLPullParser(
            events=("end",),
            tag=(_OBJECTS, _TOKEN),
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )

    def feed(self, chunk: bytes) -> None:
        try:
            self._parser.feed(chunk)
            self._take_all()
        except etree.XMLSyntaxError as error:
            raise ReplyRefusedError(f"no XML: {error.msg}") from None

    def close(self) -> LeanPage:
        try:
            root = self._parser.close()
            self._take_all()
        except etree.XMLSyntaxError as error:
            raise ReplyRefusedError(f"no XML: {error.msg}") from None
        if root.getroottree().docinfo.internalDTD is not None:
            raise ReplyRefusedError("a document type is not allowed")
        return self._page

    def _take_all(self) -> None:
        for _, element in self._parser.read_events():
            if isinstance(element, etree._Element):  # noqa: SLF001 - the stubs add other events
                self._take(element)

    def _take(self, element: etree._Element) -> None:
        parent = element.getparent()
        if parent is None or parent.tag != f"{_SPACE}returnval":
            return  # something inside a value, which goes with its object
        if element.tag == _TOKEN:
            self._page.token = element.text or ""
            return
        reference, properties = "", dict[str, str]()
        for child in element:
            tag = child.tag
            if tag == _PROPERTY and len(child) == 2:  # noqa: PLR2004 - name and value
                name, value = child
                if not len(value):
                    properties[name.text or ""] = value.text or ""
            elif tag == _REFERENCE:
                reference = child.text or ""
            elif tag == _MISSING:
                self._page.missing.update(_faults(child))
        if reference:
            self._page.rows.append((reference, *map(properties.get, self._paths)))
        element.clear()
        parent.remove(element)


def _faults(missing: etree._Element) -> Iterator[str]:
    for element in missing.iter(f"{_SPACE}fault"):
        kind = element.get(_TYPE)
        if kind:
            yield kind.rpartition(":")[2]
