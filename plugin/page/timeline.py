"""A picture of when each certificate is valid, with a line for now. Pure.

What is over is hatched, besides being coloured, and says so in words.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from stsfix.plugin.certificate_view import Validity, day, validity_words
from stsfix.plugin.page.markup import Markup, element, joined
from stsfix.plugin.page.shapes import label, picture
from stsfix.remediation.pki.certificates import Certificate, Expiry, Malformed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WIDE, NARROW = 1120.0, 358.0
MOST_ROWS = 60
"""Rows of one picture; the table of certificates has them all."""

_ALIKE = 3
"""So many certificates with one purpose, state and pair of dates share a row."""

_PAST, _FUTURE = timedelta(days=4 * 366), timedelta(days=12 * 366)
_MARGIN = timedelta(days=60)
_HEAD, _AXIS = 34.0, 30.0
_ROW = {WIDE: 50.0, NARROW: 62.0}
_LABELS = {WIDE: 440.0, NARROW: 0.0}
_TICKS = {WIDE: 9, NARROW: 4}
_THINNEST = 3.0
_TEXT_ROOM = 40.0
_KINDS = {
    Expiry.VALID: "good",
    Expiry.EXPIRING: "warn",
    Expiry.EXPIRED: "bad",
    Expiry.NOT_YET_VALID: "warn",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """One bar: a certificate, or several that are alike."""

    group: str
    title: str
    where: str
    validity: Validity


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """Where a moment is, from *left* to *right*; what is outside stands at the edge."""

    begin: datetime
    end: datetime
    left: float
    right: float

    def at(self, moment: datetime) -> float:
        """Return the place of *moment*."""
        part = (moment - self.begin) / (self.end - self.begin)
        return self.left + (self.right - self.left) * min(1.0, max(0.0, part))


def timeline_pictures(held: Sequence[Validity], now: datetime) -> Markup:
    """Return the picture twice: for a desktop and for a phone; the style sheet shows one."""
    rows = tuple(_rows(held))[:MOST_ROWS]
    return joined(
        _picture(rows, now, width=width, kind=kind)
        for width, kind in ((WIDE, "wide"), (NARROW, "narrow"))
    )


def _rows(held: Sequence[Validity]) -> Iterator[_Row]:
    for (group, *_), several in itertools.groupby(held, key=_alike):
        found = list(several)
        if len(found) < _ALIKE:
            for one in found:
                yield _Row(group=group, title=one.title, where=_nodes(one), validity=one)
            continue
        names = dict.fromkeys(o.nodes[0] if len(o.nodes) == 1 else o.places[0] for o in found)
        title = f"{len(found)} alike: {', '.join(names)}"
        yield _Row(group=group, title=title, where="", validity=found[0])


def _alike(validity: Validity) -> tuple[str, str, bool, str]:
    return validity.group, str(validity.expiry), validity.signs, _dates(validity)


def _picture(rows: Sequence[_Row], now: datetime, *, width: float, kind: str) -> Markup:
    held = [row.validity for row in rows]
    scale = _scale(held, now, left=_LABELS[width] + 8, right=width - 8)
    drawn: list[Markup] = []
    y, group = _AXIS, ""
    for row in rows:
        if row.group != group:
            group = row.group
            drawn.append(label(group, x=0, y=y + 24, room=width, size=13, class_="soft strong"))
            y += _HEAD
        drawn.append(_row(row, now, scale, y=y, width=width, prefix=kind))
        y += _ROW[width]
    shapes = [_hatching(kind), *_axis(scale, y, now, width), *drawn]
    if width == WIDE:  # on a phone it would cross the words, so each bar has a piece of its own
        shapes.append(_now_line(scale, now, _AXIS - 8, y))
    return picture(
        *shapes,
        name=f"timeline-{kind}",
        width=width,
        height=y + 6,
        title="Validity of certificates",
        description=". ".join(f"{row.title}: {_state(row.validity, now)}" for row in rows) + ".",
        kind=kind,
    )


def _scale(held: Sequence[Validity], now: datetime, *, left: float, right: float) -> _Scale:
    """Return a scale with now and every date on it, unless that is many years away."""
    dates = [now]
    for validity in held:
        if isinstance(validity.certificate, Certificate):
            dates += [validity.certificate.not_before, validity.certificate.not_after]
    begin = max(min(dates), _shifted(now, -_PAST))
    end = min(max(dates), _shifted(now, _FUTURE))
    return _Scale(
        begin=_shifted(begin, -_MARGIN), end=_shifted(end, _MARGIN), left=left, right=right
    )


def _shifted(moment: datetime, by: timedelta) -> datetime:
    try:
        return moment + by
    except OverflowError:  # near the years 1 and 9999
        return moment


def _axis(scale: _Scale, bottom: float, now: datetime, width: float) -> Iterator[Markup]:
    years = range(scale.begin.year + 1, scale.end.year + 1)
    step = next(n for n in (1, 2, 5, 10, 20, 10_000) if len(years) / n <= _TICKS[width])
    here = scale.at(now)
    for year in years:
        if year % step:
            continue
        x = scale.at(datetime(year, 1, 1, tzinfo=UTC))
        yield element("path", d=f"M{x:.1f} {_AXIS - 4:.1f}V{bottom:.1f}", class_="grid")
        if abs(x - here) > _TEXT_ROOM and scale.left + 10 < x < width - _TEXT_ROOM / 2:
            yield _tick(str(year), x, "soft")
    yield _tick("now", here, "strong")


def _tick(text: str, x: float, class_: str) -> Markup:
    return element("text", text, x=x, y=16, font_size=13, text_anchor="middle", class_=class_)


def _now_line(scale: _Scale, now: datetime, top: float, bottom: float) -> Markup:
    return element("path", d=f"M{scale.at(now):.1f} {top:.1f}V{bottom:.1f}", class_="now")


def _row(row: _Row, now: datetime, scale: _Scale, *, y: float, width: float, prefix: str) -> Markup:
    beside = _LABELS[width] > 0
    room = _LABELS[width] - 16 if beside else width
    state = _state(row.validity, now, dated=beside)
    where = " · ".join(filter(None, [state, row.where]))
    expiry = row.validity.expiry
    kind = _KINDS[expiry] if expiry is not None else "dim"
    bar, height = (y + 11, 22.0) if beside else (y + 42, 14.0)
    return element(
        "g",
        element("title", f"{row.title}: {_dates(row.validity)}"),
        label(row.title, x=0, y=y + 17, room=room, size=14, class_="strong"),
        label(where, x=0, y=y + 34, room=room, size=12, class_=f"word {kind}"),
        _bar(row.validity, scale, y=bar, height=height, prefix=prefix),
        None if beside else _now_line(scale, now, bar - 3, bar + height + 3),
    )


def _bar(validity: Validity, scale: _Scale, *, y: float, height: float, prefix: str) -> Markup:
    certificate = validity.certificate
    if isinstance(certificate, Malformed) or validity.expiry is None:
        return label("cannot be read", x=scale.left, y=y + height - 4, room=150, class_="soft")
    begin, end = scale.at(certificate.not_before), scale.at(certificate.not_after)
    span = max(end - begin, _THINNEST)
    place: dict[str, float] = {"x": begin, "y": y, "width": span, "height": height, "rx": 3}
    shapes = [element("rect", class_=f"span {_KINDS[validity.expiry]}", **place)]
    if validity.expiry is Expiry.EXPIRED:
        shapes.append(element("rect", fill=f"url(#hatch-{prefix})", **place))
        shapes.append(_cross(end, y + height / 2))
    if certificate.not_after > scale.end:
        shapes.append(_continues(scale.right, y, height))
    return joined(shapes)


def _cross(x: float, y: float) -> Markup:
    path = f"M{x - 5:.1f} {y - 5:.1f}l10 10M{x + 5:.1f} {y - 5:.1f}l-10 10"
    return element("path", d=path, class_="end")


def _continues(x: float, y: float, height: float) -> Markup:
    """An arrow head: the certificate is valid longer than the picture shows."""
    half = height / 2
    path = f"M{x - 8:.1f} {y:.1f}l8 {half:.1f}l-8 {half:.1f}"
    return element("path", d=path, class_="more")


def _hatching(prefix: str) -> Markup:
    line = element("path", d="M-2 2l4-4M0 8l8-8M6 10l4-4", class_="hatch")
    pattern = element(
        "pattern", line, id=f"hatch-{prefix}", width=8, height=8, patternUnits="userSpaceOnUse"
    )
    return element("defs", pattern)


def _state(validity: Validity, now: datetime, *, dated: bool = True) -> str:
    if isinstance(validity.certificate, Malformed):
        return "cannot be read"
    return validity_words(validity.certificate, now, dated=dated)


def _dates(validity: Validity) -> str:
    certificate = validity.certificate
    if isinstance(certificate, Malformed):
        return f"cannot be read: {certificate.reason}"
    return f"{day(certificate.not_before)} to {day(certificate.not_after)}"


def _nodes(validity: Validity) -> str:
    if len(validity.nodes) == 1:
        return validity.nodes[0]
    return f"{len(validity.nodes)} nodes" if validity.nodes else "the whole domain"
