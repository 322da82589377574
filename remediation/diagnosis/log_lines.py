"""When a log line was written, and which dates it speaks of. Pure, and for any text.

Formats are those of public excerpts: KB 316619 and 421381, log examples of vSphere 6.5 and 6.7,
Lightwave's log4j2.xml (idm/server, 1ff3beaa) and java.util.Date. A date without a zone, or with
an abbreviated one (``EST``), is off by a whole number of quarter hours, and is compared as such.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

LINE_LIMIT: Final = 4000
"""Characters of a line that are looked at, so that no pattern has much to search."""

_ISO = re.compile(
    r"(?<![0-9])((?:[0-9]{2})?[0-9]{2})-([0-9]{2})-([0-9]{2})[T ]([0-9]{2}):([0-9]{2}):([0-9]{2})"
    r"(?:[.,]([0-9]{1,9}))?[ ]?(Z\b|z\b|[+-][0-9]{2}:?[0-9]{2}(?![0-9]))?"
)
_HEAD: Final = 80
"""A line's own time is near its beginning: vMon has a marker before it, Java a bracket."""

_CENTURY: Final = 2000
"""vmdird writes years with two digits (public excerpts of vmdird-syslog.log)."""
_MONTHS: Final = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)
_JAVA_DATE: Final = (
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ("
    + "|".join(_MONTHS)
    + r") ([0-9]{2}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) ([A-Z]{1,5}|GMT[+-][0-9]{2}:[0-9]{2}) "
    r"([0-9]{4})"
)
_RANGE = re.compile(
    r"Signing certificate is not valid at (.{1,48}?), cert validity:\s*TimePeriod "
    r"\[startTime=(.{1,48}?), endTime=(.{1,48}?)\]"
)
_JAVA = re.compile(_JAVA_DATE)
_KNOWN_ZONES: Final = frozenset({"UTC", "GMT", "Z"})

_QUARTER: Final = timedelta(minutes=15)
_FARTHEST: Final = timedelta(hours=14)
"""The greatest offset of any zone (UTC+14, Line Islands)."""

_SLACK: Final = timedelta(seconds=2)
"""java.util.Date drops milliseconds, and the STS adds one to a certificate's end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalDate:
    """A date as a log tells it. *moment* is read as UTC; *exact* if it is known to be that."""

    moment: datetime
    exact: bool

    def may_be(self, other: datetime) -> bool:
        """Tell whether this is *other* (aware) in some time zone."""
        apart = abs(self.moment - other)
        if self.exact:
            return apart <= _SLACK
        odd = apart % _QUARTER
        return apart <= _FARTHEST + _SLACK and min(odd, _QUARTER - odd) <= _SLACK

    @property
    def earliest(self) -> datetime:
        """The first moment that it can be."""
        far = self.moment - datetime.min.replace(tzinfo=UTC) > _FARTHEST
        return self.moment - _FARTHEST if far and not self.exact else self.moment

    @property
    def latest(self) -> datetime:
        """The last moment that it can be."""
        far = datetime.max.replace(tzinfo=UTC) - self.moment > _FARTHEST
        return self.moment + _FARTHEST if far and not self.exact else self.moment


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedSigner:
    """What InvalidTimeRange says: when it was refused (*at*, by the node's clock), and from when
    to when the signing certificate is valid.
    """

    at: LocalDate
    first: LocalDate
    last: LocalDate

    def is_certificate(self, not_before: datetime, not_after: datetime) -> bool:
        """Tell whether it speaks of a certificate with these dates."""
        return self.first.may_be(not_before) and self.last.may_be(not_after)


def line_time(line: str) -> LocalDate | None:
    """Return when *line* was written by its own word, None if it does not say."""
    match = _ISO.search(line[:_HEAD])
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(match[n]) for n in range(1, 7))
    micros = int((match[7] or "0").ljust(6, "0")[:6])
    if len(match[1]) == len("yy"):
        year += _CENTURY
    try:
        local = datetime(year, month, day, hour, minute, second, micros, tzinfo=UTC)
        return LocalDate(moment=local - _offset(match[8]), exact=match[8] is not None)
    except (ValueError, OverflowError):
        return None


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone in "Zz":
        return timedelta(0)
    digits = zone[1:].replace(":", "")
    size = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return -size if zone[0] == "-" else size


def java_date(text: str) -> LocalDate | None:
    """Return the date in *text* as java.util.Date prints it (``Thu Jan 02 09:22:13 EST 2020``)."""
    match = _JAVA.fullmatch(text.strip())
    if match is None:
        return None
    month, zone = _MONTHS.index(match[1]) + 1, match[6]
    day, hour, minute, second, year = (int(match[n]) for n in (2, 3, 4, 5, 7))
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        if zone.startswith("GMT") and len(zone) > len("GMT"):
            return LocalDate(moment=moment - _offset(zone.removeprefix("GMT")), exact=True)
    except (ValueError, OverflowError):
        return None
    return LocalDate(moment=moment, exact=zone in _KNOWN_ZONES)


def refused_signer(line: str) -> RefusedSigner | None:
    """Return what *line* says of a signing certificate that was refused for its dates."""
    match = _RANGE.search(line[:LINE_LIMIT])
    if match is None:
        return None
    at, first, last = (java_date(match[n]) for n in (1, 2, 3))
    if at is None or first is None or last is None:
        return None
    return RefusedSigner(at=at, first=first, last=last)
