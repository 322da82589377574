"""Hardened XML parsing."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stsfix.remediation.web.xml import XML_LIMIT, XmlRefusedError, descendants, parse, text_of


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"no xml",
        b"<a>",
        b"<a/><b/>",
        b"<!DOCTYPE a><a/>",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>",
        b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>",
        b"<!DOCTYPE a [<!ATTLIST a ID CDATA 'x'>]><a/>",
        "<?xml version='1.0' encoding='utf-16'?><!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>".encode(
            "utf-16"
        ),
        b"<a>&unknown;</a>",
        b"<a>\x00</a>",
        b"<a>" * 300 + b"</a>" * 300,
        b"<a>" + b"x" * XML_LIMIT + b"</a>",
        b"<a b='1' b='2'/>",
    ],
)
def test_refuses(document):
    """Document types, entities, too deep, too large and malformed XML are refused."""
    with pytest.raises(XmlRefusedError):
        parse(document)


@given(st.binary(max_size=100))
def test_never_raises_anything_else(content):
    """Any bytes are parsed or refused."""
    with suppress(XmlRefusedError):
        parse(b"<a>" + content + b"</a>")


def test_reads_text_around_comments():
    """Comments do not cut a text short."""
    root = parse(b"<a>x<!-- c -->y<?pi?>z</a>")

    assert text_of(root) == "xyz"


def test_finds_elements_by_local_name():
    """The namespace does not matter, and comments are no elements."""
    root = parse(b"<r xmlns:n='urn:n'><!-- a --><n:a/><a/></r>")

    assert len(list(descendants(root, "a"))) == 2


def test_error_does_not_quote_the_document():
    """What was refused may be a secret."""
    with pytest.raises(XmlRefusedError) as caught:
        parse(b"<a><topsecret></a>")

    assert "topsecret" not in str(caught.value)
    assert caught.value.__cause__ is None
