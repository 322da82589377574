"""Nothing gets into a report unescaped, and nothing in it runs or fetches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html as parser

from stsfix.plugin.page.markup import NOTHING, Markup, document, element, joined, stylesheet


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("a & b", "a &amp; b"),
        ("vc1\u202egnp.exe", "vc1\\u202egnp.exe"),
        ("x\x1b[2J", "x\\x1b[2J"),
        ("bell\udcff", "bell\\udcff"),
        ("büro-dc1", "büro-dc1"),
    ],
)
def test_text_is_escaped_and_made_printable(text, shown):
    """Markup characters become entities; controls and bidi characters are spelled out."""
    assert str(element("p", text)) == f"<p>{shown}</p>"


def test_attribute_cannot_be_left():
    """Quotes in a value stay in the value."""
    made = str(element("p", title='"><img src=x onerror=alert(1)>'))

    assert made == '<p title="&quot;&gt;&lt;img src=x onerror=alert(1)&gt;"></p>'


@given(st.text(), st.text())
def test_any_text_comes_back_as_text(inside, title):
    """A parser finds exactly one element, no comment, and no text outside it."""
    page = str(element("div", element("p", inside, title=title), class_="x"))

    found = parser.fragment_fromstring(page)

    assert [e.tag for e in found.iter()] == ["div", "p"]
    assert set(found[0].attrib) == {"title"}


def test_markup_is_not_escaped_twice_and_text_around_it_is():
    """Elements nest; a string that was built from markup is text again."""
    bold = element("b", "1 < 2")

    assert str(element("p", "so: ", bold)) == "<p>so: <b>1 &lt; 2</b></p>"
    assert str(element("p", f"{bold}")) == "<p>&lt;b&gt;1 &amp;lt; 2&lt;/b&gt;</p>"


def test_attributes_are_named_as_html_names_them():
    """Dashes, reserved words, flags, numbers and absent values."""
    made = element("a", None, class_="x", aria_label="y", hidden=True, lang=None, id=False, x=1.26)

    assert str(made) == '<a class="x" aria-label="y" hidden x="1.3"></a>'


@pytest.mark.parametrize(
    ("tag", "attributes"),
    [
        ("script", {}),
        ("SCRIPT", {}),
        ("iframe", {}),
        ("p><script", {}),
        ("p", {"onclick": "x"}),
        ("p", {"style": "x"}),
        ("p", {"x>": "y"}),
        ("a", {"href": "javascript:alert(1)"}),
        ("a", {"href": "https://example.com/"}),
        ("img", {"src": "data:,x"}),
    ],
)
def test_what_runs_or_fetches_is_refused(tag, attributes):
    """Not even our own code can put it into a report."""
    with pytest.raises(ValueError, match="report"):
        element(tag, **attributes)


@pytest.mark.parametrize(
    "css", ["</style><script>", "@import 'x'", "p{background:url(https://example.com)}"]
)
def test_style_sheet_fetches_nothing(css):
    """A style sheet that leaves the page is refused; one that refers to a pattern in it is not."""
    with pytest.raises(ValueError, match="self-contained"):
        stylesheet(css)

    assert "url(#hatch)" in str(stylesheet(".x{fill:url(#hatch)}"))


def test_void_elements_and_nothing():
    """``meta`` has no end; nothing is nothing."""
    assert str(element("meta", charset="utf-8")) == '<meta charset="utf-8">'
    assert str(joined([NOTHING, None, ""])) == ""
    assert document(Markup("<html></html>")) == "<!doctype html>\n<html></html>\n"
