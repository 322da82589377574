"""HTML and SVG that cannot contain unescaped text: only this module makes `Markup`.

`element` escapes every child that is not Markup already, and there is no other way in. What
comes from the network is made `printable` too: a name cannot turn the direction of a line.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stsfix.plugin.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9-]*")
_VOID = frozenset({"br", "hr", "meta", "wbr"})
_LOCAL = re.compile(r"#[a-zA-Z][a-zA-Z0-9-]*")
_FORBIDDEN = frozenset({"script", "style", "iframe", "object", "embed", "link", "base", "form"})
_ADDRESSES = frozenset({"href", "src", "action", "formaction", "data", "poster", "srcset"})


@dataclass(frozen=True, slots=True)
class Markup:
    """Text that is HTML. Made by `element`, `joined` and `stylesheet` only."""

    _text: str = field(repr=False)

    def __str__(self) -> str:
        return self._text


Child = Markup | str | None
"""Content of an element: markup, text to be escaped, or nothing."""
Attribute = str | int | float | bool | None
"""True is an attribute without a value; None and False leave it out."""

NOTHING = Markup("")


def element(tag: str, *children: Child, **attributes: Attribute) -> Markup:
    """Return one element with *children* inside, all text of them escaped.

    An underscore in an attribute's name is a dash, one at its end is dropped (``class_``).

    Raises:
        ValueError: The tag or attribute could run a script or fetch something: a bug.
    """
    if not _NAME.fullmatch(tag) or tag.lower() in _FORBIDDEN:
        raise ValueError(f"no element {tag!r} in a report")
    opened = tag + "".join(
        _attribute(name.rstrip("_").replace("_", "-"), value)
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    if tag in _VOID:
        return Markup(f"<{opened}>")
    return Markup(f"<{opened}>{joined(children)}</{tag}>")


def joined(children: Iterable[Child]) -> Markup:
    """Return *children* one after the other, all text of them escaped."""
    return Markup("".join(_escaped(child) for child in children))


def stylesheet(css: str) -> Markup:
    """Return a style element. *css* is a constant of the program, never anybody's text.

    Raises:
        ValueError: It could end the element or fetch something: a bug.
    """
    if "<" in css or "url(" in css.replace("url(#", "") or "@import" in css:
        raise ValueError("this is no self-contained style sheet")
    return Markup(f"<style>{css}</style>")


def document(root: Markup) -> str:
    """Return a whole HTML document."""
    return f"<!doctype html>\n{root}\n"


def _escaped(child: Child) -> str:
    if child is None:
        return ""
    return str(child) if isinstance(child, Markup) else html.escape(printable(child))


def _attribute(name: str, value: Attribute) -> str:
    if not _NAME.fullmatch(name) or name.lower().startswith("on") or name == "style":
        raise ValueError(f"no attribute {name!r} in a report")
    if value is True:
        return f" {name}"
    if isinstance(value, float):
        return f' {name}="{value:.1f}"'
    text = printable(str(value))
    if name.lower() in _ADDRESSES and not _LOCAL.fullmatch(text):
        raise ValueError(f"a report refers to nothing outside itself: {name}")
    return f' {name}="{html.escape(text)}"'
