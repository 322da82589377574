"""The list of extensions is understood whole, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stsfix.remediation import extensions
from stsfix.remediation.extensions import Extension
from stsfix.remediation.inventory_certificates import UnreadPart
from stsfix.remediation.sections import end_of, mark

N = "0123abcd"
SHA1 = "A1:" * 19 + "A1"


def parse(text, code="0"):
    """Return what the answer of psql says."""
    output = f"{mark(N, 'extensions')}\n{text}\n{mark(N, 'code')}\n{code}\n{end_of(N)}\n"
    return extensions.parse(output, N)


def test_rows_are_read():
    """With and without a thumbprint, aligned or not."""
    assert parse(f"com.vmware.vim.eam|{SHA1}\nhostdiag|\n com.vmware.rbd | {SHA1} \n") == (
        Extension(key="com.vmware.vim.eam", thumbprint="a1" * 20),
        Extension(key="hostdiag", thumbprint=""),
        Extension(key="com.vmware.rbd", thumbprint="a1" * 20),
    )


def test_no_extension_is_an_answer():
    """An empty table is known to be empty."""
    assert parse("") == ()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('psql: error: could not connect: FATAL: database "VCDB" does not exist', "2"),
        ("bash: /usr/bin/psql: No such file or directory", "127"),
        ("what is this", "0"),
        ("com.acme|12:34", "0"),
        (f"a|b|{SHA1}", "0"),
    ],
    ids=["database", "program", "words", "short", "columns"],
)
def test_anything_else_is_unread(text, code):
    """With the node's own words, and no row is believed."""
    found = parse(text, code)

    assert isinstance(found, UnreadPart)
    assert found.reason


@given(st.text())
def test_any_text_is_some_answer(text):
    """Nothing raises, and nothing is made up."""
    assert isinstance(extensions.parse(text, N), UnreadPart)


@given(st.integers(min_value=0, max_value=400))
def test_cut_answer_is_unread(cut):
    """A table that ends early is not a shorter table."""
    rows = "\n".join(f"com.acme.{n}|{SHA1}" for n in range(5))
    output = f"{mark(N, 'extensions')}\n{rows}\n{mark(N, 'code')}\n0\n{end_of(N)}\n"

    assert isinstance(extensions.parse(output[:cut], N), UnreadPart)
