"""Small SVG shapes of the reports. A state is told by shape and word; colour only repeats it."""

from __future__ import annotations

from stsfix.plugin.page.markup import Markup, element, joined
from stsfix.plugin.preflight_view import Health, shortened
from stsfix.plugin.text import printable
from stsfix.remediation.model import Severity

SEVERITY_HEALTH = {
    Severity.BLOCKS: Health.BLOCKED,
    Severity.WARNS: Health.WARNING,
    Severity.INFORMS: Health.GOOD,
}
"""Shape of each severity, but for ``informs``, which has one of its own."""

_CLASSES = {
    Health.BLOCKED: "bad",
    Health.EXPIRED: "bad",
    Health.WARNING: "warn",
    Health.UNREAD: "dim",
    Health.GOOD: "good",
}
_OUTLINES = {
    Health.BLOCKED: "M6 1h8l5 5v8l-5 5H6l-5-5V6z",
    Health.EXPIRED: "M10 1a9 9 0 1 0 0 18a9 9 0 1 0 0-18z",
    Health.WARNING: "M10 1.5L19.5 18.5H.5z",
    Health.UNREAD: "M10 .5L19.5 10L10 19.5L.5 10z",
    Health.GOOD: "M10 1a9 9 0 1 0 0 18a9 9 0 1 0 0-18z",
}
_SIGNS = {
    Health.BLOCKED: "M6.5 6.5l7 7M13.5 6.5l-7 7",
    Health.EXPIRED: "M10 5v5l3.5 2.5",
    Health.WARNING: "M10 7.5v5M10 15v.6",
    Health.UNREAD: "M7.6 7.8c.2-3.4 5-3 4.6.2c-.2 1.6-2.2 1.8-2.2 3.8M10 14.3v.6",
    Health.GOOD: "M5.8 10.4l3 3l5.6-6.4",
}
_INFORM_SIGN = "M10 5.4v.6M10 9v5.6"

AVERAGE_CHAR, AVERAGE_BOLD = 0.61, 0.69
"""Width of an average character in font sizes, of a wide font (DejaVu Sans; most are narrower)."""


def health_class(health: Health) -> str:
    """Return the class of everything that has the colour of *health*."""
    return _CLASSES[health]


def health_icon(health: Health, *, x: float = 0, y: float = 0, size: float = 20) -> Markup:
    """Return the shape of *health* at a place of a picture; the word stands beside it."""
    return _icon(_OUTLINES[health], _SIGNS[health], _CLASSES[health], x=x, y=y, size=size)


def inline_icon(health: Health) -> Markup:
    """Return the shape of *health* for a line of text; not read aloud, the word is."""
    return _inline(_OUTLINES[health], _SIGNS[health], _CLASSES[health])


def severity_icon(severity: Severity) -> Markup:
    """Return the shape of *severity* for a line of text."""
    if severity is Severity.INFORMS:
        return _inline(_OUTLINES[Health.GOOD], _INFORM_SIGN, "note")
    return inline_icon(SEVERITY_HEALTH[severity])


def _inline(outline: str, sign: str, kind: str) -> Markup:
    return element(
        "svg",
        _icon(outline, sign, kind),
        class_="icon",
        viewBox="0 0 20 20",
        width=20,
        height=20,
        aria_hidden="true",
    )


def _icon(
    outline: str, sign: str, kind: str, *, x: float = 0, y: float = 0, size: float = 20
) -> Markup:
    place = f"translate({x:.1f} {y:.1f}) scale({size / 20:.3f})"
    shapes = (
        element("path", d=outline, class_=f"shape {kind}"),
        element("path", d=sign, class_="sign"),
    )
    return element("g", *shapes, transform=place, aria_hidden="true")


def label(
    text: str,
    *,
    x: float,
    y: float,
    room: float,
    size: float = 14,
    class_: str = "",
    anchor: str | None = None,
) -> Markup:
    """Return one line of text that fits into *room*; what is cut can be had as a tooltip."""
    whole = printable(text)
    average = AVERAGE_BOLD if "strong" in class_ else AVERAGE_CHAR
    shown = shortened(whole, max(4, int(room / (size * average))))
    title = element("title", whole) if shown != whole else None
    return element(
        "text",
        title,
        shown,
        x=float(x),
        y=float(y),
        font_size=size,
        class_=class_ or None,
        text_anchor=anchor,
    )


def picture(
    *shapes: Markup, name: str, width: float, height: float, title: str, description: str, kind: str
) -> Markup:
    """Return a whole picture with a name and a description for those who cannot see it.

    *name* is unique in its page and prefixes every id; *kind* is ``wide`` or ``narrow``.
    """
    return element(
        "svg",
        element("title", title, id=f"{name}-title"),
        element("desc", description, id=f"{name}-desc"),
        joined(shapes),
        class_=f"picture {kind}",
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
    )
