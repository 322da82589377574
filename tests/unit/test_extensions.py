"""The list of extensions is understood whole, or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stsfix.remediation.inventory_certificates import UnreadPart
from stsfix.remediation.nodes import extensions
from stsfix.remediation.nodes.extensions import Extension
from stsfix.remediation.nodes.sections import end_of, mark

N = "0123abcd"
SHA1 = "A1:" * 19 + "A1"


def answer(*tries):
    """Return the output of the script: text and exit code of one or both psql."""
    output = ""
    for name, (text, code) in zip(("first", "second"), tries, strict=False):
        output += f"{mark(N, name)}\n{text}\n{mark(N, f'code-{name}')}\n{code}\n"
    return output + f"{end_of(N)}\n"


def parse(text, code="0"):
    """Return what the answer of the first psql says."""
    return extensions.parse(answer((text, code)), N)


def test_rows_are_read():
    """With and without a thumbprint, aligned or not."""
    assert parse(f"com.vmware.vim.eam|{SHA1}\nhostdiag|\n com.vmware.rbd | {SHA1} \n") == (
        Extension(key="com.vmware.vim.eam", thumbprint="a1" * 20),
        Extension(key="hostdiag", thumbprint=""),
        Extension(key="com.vmware.rbd", thumbprint="a1" * 20),
    )


def test_the_other_psql_is_asked_if_the_first_is_missing():
    """Releases have it in one of two places."""
    tries = (("timeout: failed to run command", "127"), (f"com.vmware.rbd|{SHA1}", "0"))

    assert extensions.parse(answer(*tries), N) == (
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

    assert isinstance(extensions.parse(answer((rows, "0"))[:cut], N), UnreadPart)


def replaced(text, code="0"):
    """Return what the answer of psql to an update says."""
    return extensions.parse_replaced(answer((text, code)), N)


def test_only_the_old_thumbprint_is_replaced():
    """Written as fixcerts writes it, compared however it was written."""
    script = extensions.replace_script("a1" * 20, "b2" * 20, N)

    assert f"SET thumbprint = '{':'.join(['B2'] * 20)}'" in script
    assert f"WHERE lower(replace(thumbprint, ':', '')) = '{'a1' * 20}'" in script


@pytest.mark.parametrize("bad", ["", "a1" * 19, "a1" * 21, "a1" * 19 + "g1", "' OR '1'='1"])
def test_what_is_no_thumbprint_never_reaches_the_database(bad):
    """Neither as the old one nor as the new one."""
    for old, new in ((bad, "b2" * 20), ("b2" * 20, bad)):
        with pytest.raises(ValueError, match="40 hex digits"):
            extensions.replace_script(old, new, N)


def test_the_database_says_how_many_were_changed():
    """None is an answer, too."""
    assert (replaced("UPDATE 3"), replaced("UPDATE 0")) == (3, 0)


@pytest.mark.parametrize(
    ("text", "code"), [("UPDATE 3", "1"), ("ERROR: relation", "1"), ("", "0"), ("UPDATE x", "0")]
)
def test_an_update_that_failed_is_unread(text, code):
    """With the node's own words."""
    assert isinstance(replaced(text, code), UnreadPart)
