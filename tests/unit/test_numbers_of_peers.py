"""A number of any size that a peer says is read, or refused as an answer that is none."""

from __future__ import annotations

import base64
import json

import pytest
from pyVmomi import vmodl

from stsfix.plugin.output import json_document
from stsfix.remediation.web.https import Answer
from stsfix.remediation.web.metadata import MetadataError, parse_jwks
from stsfix.remediation.web.web_probe import page_text
from stsfix.snapshot.soap_stub import BoundedStub, ReplyRefusedError

REPLY = (
    '<?xml version="1.0" encoding="UTF-8"?>'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>'
    '<RetrievePropertiesExResponse xmlns="urn:vim25"><returnval><objects>'
    '<obj type="Datastore">ds1</obj><propSet><name>summary.freeSpace</name>'
    '<val xsi:type="xsd:long">{value}</val></propSet></objects></returnval>'
    "</RetrievePropertiesExResponse></soapenv:Body></soapenv:Envelope>"
)


@pytest.mark.parametrize(
    ("reference", "shown"),
    [
        ("&#" + "9" * 5000 + ";", "\ufffd"),
        ("&#" + "0" * 5000 + "65", "\ufffd"),
        ("&#x" + "f" * 5000 + ";", "\ufffd"),
        ("&#65;&#x42;&#0000067;", "ABC"),
    ],
    ids=["great", "with zeros", "hexadecimal", "usual"],
)
def test_a_page_may_refer_to_any_character(reference, shown):
    """One that there is not is shown as such, whatever its number."""
    page = Answer(status=200, body=f"<p>a {reference} b".encode(), date=None)

    assert page_text(page) == f"a {shown} b"


def jwks(*, n, e):
    """Return a JWKS of one key with numbers of so many bytes."""
    modulus, exponent = (
        base64.urlsafe_b64encode(b"\xff" * size).decode().rstrip("=") for size in (n, e)
    )
    return json.dumps({"keys": [{"kty": "RSA", "n": modulus, "e": exponent}]}).encode()


@pytest.mark.parametrize(("n", "e"), [(256, 9), (256, 2000), (2049, 3), (8000, 3)])
def test_a_published_key_of_no_size_that_there_is_is_none(n, e):
    """Beyond 64 bits of exponent or 16384 of modulus: nothing could write or use it."""
    with pytest.raises(MetadataError, match="bits"):
        parse_jwks(jwks(n=n, e=e))


def test_the_greatest_published_key_can_be_written():
    """At the limit it is read, and JSON takes it."""
    keys = parse_jwks(jwks(n=2048, e=8))

    assert json_document({"keys": keys})


@pytest.mark.parametrize("value", ["9" * 400, str(2**63), str(-(2**63) - 1)])
def test_a_number_that_no_host_can_mean_is_no_answer(value):
    """What xsd:long cannot hold is refused: arithmetic would end in an OverflowError."""
    with pytest.raises(ReplyRefusedError, match="64 bits"):
        decoded(value)


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63), 0])
def test_every_number_that_a_host_can_mean_is_read(value):
    """The ends of xsd:long included."""
    assert decoded(value).objects[0].propSet[0].val == value


def decoded(value):
    """Return what a host's answer with this number is to the product."""
    stub = BoundedStub(host="esx", version="vim.version.version11")
    info = vmodl.query.PropertyCollector._GetMethodInfo("RetrievePropertiesEx")
    return stub._decode(REPLY.format(value=value).encode(), info)
