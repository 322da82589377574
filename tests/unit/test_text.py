"""Text from the network cannot command the terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stsfix.plugin.text import printable, printable_lines


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("vc1 answers", "vc1 answers"),
        ("Zertifikat ungültig 証明書", "Zertifikat ungültig 証明書"),
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("a\r\nb\tc\0", r"a\r\nb\tc\x00"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202eexe.txt\u2066", r"\u202eexe.txt\u2066"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("line\u2028end", r"line\u2028end"),
        ("\udc80", r"\udc80"),
    ],
    ids=["ascii", "letters", "escape", "controls", "c1", "bidi", "invisible", "line", "surrogate"],
)
def test_unsafe_characters_become_escapes(text, shown):
    """Letters of every script stay; whatever a terminal obeys or hides is spelled out."""
    assert printable(text) == shown


@given(st.text(st.characters()))
def test_nothing_unsafe_is_left(text):
    """Whatever comes in, no control, format, surrogate or separator character comes out."""
    shown = printable(text)

    assert {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"} == set()
    assert printable(shown) == shown


def test_lines_stay_lines():
    """Line ends survive in a text of several lines, and nothing else that is unsafe."""
    assert printable_lines("one\r\ntwo\x1b\nthree") == "one\ntwo\\x1b\nthree"
