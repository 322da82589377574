"""The lean reader reads what pyVmomi reads, whole or in pieces, and refuses what is hostile."""

from __future__ import annotations

from xml.parsers.expat import ExpatError
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyVmomi import vmodl
from pyVmomi.SoapAdapter import SoapResponseDeserializer

from stsfix.snapshot.esxi_lean import BYTES_LIMIT, LeanReader, ReplyRefusedError

HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    '<soapenv:Body><RetrievePropertiesExResponse xmlns="urn:vim25"><returnval>'
)
TAIL = "</returnval></RetrievePropertiesExResponse></soapenv:Body></soapenv:Envelope>"

TEXT = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc"]), max_size=40)
OBJECTS = st.lists(
    st.dictionaries(st.sampled_from(["name", "config.uuid", "guest.hostName"]), TEXT), max_size=8
)


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


def read(document, size=1 << 16):
    """Feed *document* in pieces of *size* bytes."""
    reader = LeanReader()
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

    expected = [
        (o.obj._moId, {p.name: p.val for p in o.propSet if p.val is not None})
        for o in theirs.objects
    ]
    assert read(document, size).objects == expected


def test_token_and_faults_of_what_is_missing_are_told():
    """The token asks for more; an expired session shows in a missingSet only."""
    missing = (
        '<token>7</token><objects><obj type="VirtualMachine">9</obj><missingSet><path>name</path>'
        '<fault><fault xsi:type="NotAuthenticated"/><localizedMessage>x</localizedMessage></fault>'
        "</missingSet></objects>"
    )

    page = read(reply([], missing))

    assert (page.token, page.missing, page.objects) == ("7", {"NotAuthenticated"}, [("9", {})])


def test_a_value_that_is_no_text_is_left_out():
    """Elements inside it do not confuse what follows, whatever they are called."""
    nested = (
        '<objects><obj type="VirtualMachine">9</obj><propSet><name>guest.net</name>'
        '<val xsi:type="ArrayOfX"><X><name>n</name><val>v</val><token>t</token>'
        "<objects/></X></val></propSet><propSet><name>name</name><val>vm</val></propSet></objects>"
    )

    page = read(reply([], nested))

    assert page.objects == [("9", {"name": "vm"})]
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

    with pytest.raises(ReplyRefusedError, match="more than"):
        read(b"<a>" + blank * (BYTES_LIMIT // len(blank) + 1))


@given(st.binary(max_size=300))
def test_no_bytes_do_anything_but_fail_as_xml(noise):
    """Any bytes give a page or ExpatError, which the adapter takes for a broken connection."""
    try:
        page = read(noise)
    except ExpatError:
        return
    assert page.objects == []


def test_a_cut_answer_is_no_answer():
    """Half a list of VMs must not pass as the whole."""
    document = reply([{"name": "a"}, {"name": "b"}])

    with pytest.raises(ExpatError):
        read(document[:-40])
