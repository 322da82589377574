"""The lean reader reads what pyVmomi reads, whole or in pieces, and refuses what is hostile."""

from __future__ import annotations

from xml.parsers.expat import ExpatError
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyVmomi import vmodl
from pyVmomi.SoapAdapter import SoapResponseDeserializer

from stsfix.snapshot import esxi_lean
from stsfix.snapshot.answers import OversizedError
from stsfix.snapshot.esxi_lean import BYTES_LIMIT, LeanReader
from stsfix.snapshot.esxi_plain import STAND_IN, take_runs
from stsfix.snapshot.soap_stub import ReplyRefusedError

HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    '<soapenv:Body><RetrievePropertiesExResponse xmlns="urn:vim25"><returnval>'
)
TAIL = "</returnval></RetrievePropertiesExResponse></soapenv:Body></soapenv:Envelope>"

PATHS = ("config.uuid", "guest.hostName", "name")
TEXT = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"]), max_size=40)
OBJECTS = st.lists(st.dictionaries(st.sampled_from(PATHS), TEXT), max_size=8)


def reply(objects, more=""):
    """Return an answer with *objects* (properties by path) and other XML in it."""
    parts = [HEAD, more]
    for number, properties in enumerate(objects):
        parts.append(f'<objects><obj type="VirtualMachine">{number}</obj>')
        for path, value in properties.items():
            text = f'<val xsi:type="xsd:string">{escape(value)}</val>'
            parts.append(f"<propSet><name>{path}</name>{text}</propSet>")
        parts.append("</objects>")
    return ("".join(parts) + TAIL).encode()


def row(moref, **properties):
    """Return the row of an object; dots of paths are underscores here."""
    return (moref, *(properties.get(path.replace(".", "_")) for path in PATHS))


def read(document, size=1 << 16):
    """Feed *document* in pieces of *size* bytes."""
    reader = LeanReader(PATHS)
    for start in range(0, len(document), size):
        reader.feed(document[start : start + size])
    return reader.close()


@given(OBJECTS, st.integers(1, 200))
def test_it_reads_what_pyvmomi_reads(objects, size):
    """Same objects, same texts, however the bytes are cut."""
    document = reply(objects)

    theirs = SoapResponseDeserializer(None).Deserialize(
        document, vmodl.query.PropertyCollector.RetrieveResult
    )

    told = [(o.obj._moId, {p.name: p.val for p in o.propSet}) for o in theirs.objects]
    expected = [(moref, *map(properties.get, PATHS)) for moref, properties in told]
    assert read(document, size).rows == expected


def test_token_and_faults_of_what_is_missing_are_told():
    """The token asks for more; an expired session shows in a missingSet only."""
    missing = (
        '<token>7</token><objects><obj type="VirtualMachine">9</obj><missingSet><path>name</path>'
        '<fault><fault xsi:type="NotAuthenticated"/><localizedMessage>x</localizedMessage></fault>'
        "</missingSet></objects>"
    )

    page = read(reply([], missing))

    assert (page.token, page.missing, page.rows) == ("7", {"NotAuthenticated"}, [row("9")])


def test_a_value_that_is_no_text_is_left_out():
    """Elements inside it do not confuse what follows, whatever they are called."""
    nested = (
        '<objects><obj type="VirtualMachine">9</obj><propSet><name>guest.net</name>'
        '<val xsi:type="ArrayOfX"><X><name>n</name><val>v</val><token>t</token>'
        "<objects/></X></val></propSet><propSet><name>name</name><val>vm</val></propSet></objects>"
    )

    page = read(reply([], nested))

    assert page.rows == [row("9", name="vm")]
    assert not page.token


@pytest.mark.parametrize(
    "document",
    [
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>',
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>',
        b"<a>" * 400,
        b"<a>" + b"x" * 11_000_000 + b"</a>",
    ],
    ids=["entities", "external", "deep", "long"],
)
def test_hostile_xml_is_refused(document):
    """No document type, no endless depth, no endless text."""
    with pytest.raises(ReplyRefusedError):
        read(document)


def test_an_endless_answer_is_refused():
    """It stops at the limit, not when memory does."""
    blank = b" " * 60_000 + b"<b/>"

    with pytest.raises(OversizedError, match="more than"):
        read(b"<a>" + blank * (BYTES_LIMIT // len(blank) + 1))


@given(st.binary(max_size=300))
def test_no_bytes_do_anything_but_fail_as_xml(noise):
    """Any bytes give a page or ExpatError, which the adapter takes for a broken connection."""
    try:
        page = read(noise)
    except ExpatError:
        return
    assert page.rows == []


def test_a_cut_answer_is_no_answer():
    """Half a list of VMs must not pass as the whole."""
    document = reply([{"name": "a"}, {"name": "b"}])

    with pytest.raises(ExpatError):
        read(document[:-40])


def test_an_answer_too_large_to_be_looked_at_whole_is_read_piece_by_piece(monkeypatch):
    """Where the one way gives over to the other makes no difference."""
    document = reply([{"name": f"vm{n}", "config.uuid": "<&>" * (n % 2)} for n in range(40)])
    whole = read(document).rows

    for limit in (0, 700, len(document) - 1):
        monkeypatch.setattr(esxi_lean, "WHOLE_BYTES", limit)
        assert read(document, 500).rows == whole


@given(OBJECTS.map(lambda objects: [{**o, "name": "vm"} for o in objects]))
def test_the_quick_way_reads_what_the_xml_parser_reads(objects):
    """What runs were taken out, and what was left, add up to what the parser alone finds."""
    document = reply(objects)
    reader = esxi_lean._Parser(PATHS)
    reader.feed(document)

    assert read(document).rows == reader.close().rows


def test_objects_of_one_form_are_taken_out_in_one_run():
    """Only what is not of that form is left to the parser, in its place."""
    plain = {"config.uuid": "u", "guest.hostName": "h", "name": "n"}
    document = reply([plain, {"name": "n"}, {"name": "a&b"}, {}, plain])

    taken = take_runs(document, PATHS)

    assert taken is not None
    assert [[found[0] for found in run] for run in taken.runs] == [["0", "1"], ["3", "4"]]
    assert b"a&amp;b" in taken.rest
    assert taken.rest.count(STAND_IN.encode()) == 2
    assert [found[0] for found in read(document).rows] == ["0", "1", "2", "3", "4"]


HIDDEN = '<objects><obj type="VirtualMachine">hidden</obj></objects>'


@pytest.mark.parametrize(
    ("more", "morefs"),
    [
        (f"<!-- {HIDDEN} -->", ["0"]),
        (f"<x><![CDATA[{HIDDEN}]]></x>", ["0"]),
        (f"<?x {HIDDEN} ?>", ["0"]),
        (f'<x y="1">{HIDDEN}</x>', ["0"]),
        (f'<x xmlns="urn:other">{HIDDEN}</x>', ["0"]),
        (HIDDEN.replace("hidden", STAND_IN), [STAND_IN, "0"]),
        (f"<!-- {HIDDEN} -->" + HIDDEN.replace("hidden", STAND_IN), [STAND_IN, "0"]),
    ],
    ids=["comment", "cdata", "instruction", "deeper", "other-space", "stand-in", "both"],
)
def test_what_only_looks_like_an_object_is_none(more, morefs):
    """The parser decides what an object is, whatever the host writes around it."""
    page = read(reply([{"name": "vm"}], more))

    assert [found[0] for found in page.rows] == morefs


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'encoding="UTF-8"', b'encoding="ISO-8859-1"'),
        (b'<?xml version="1.0" encoding="UTF-8"?>', b""),
        (b' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"', b""),
        (b"</returnval>", b""),
    ],
    ids=["other-encoding", "no-declaration", "prefix-unknown", "cut"],
)
def test_the_quick_way_accepts_nothing_that_the_parser_refuses(old, new):
    """Encodings, prefixes and nesting are the parser's to judge."""
    document = reply([{"name": "v\u00e4m"}]).replace(old, new)
    reader = esxi_lean._Parser(PATHS)

    try:
        reader.feed(document)
        expected = reader.close().rows
    except ReplyRefusedError:
        with pytest.raises(ReplyRefusedError):
            read(document)
    else:
        assert read(document).rows == expected
