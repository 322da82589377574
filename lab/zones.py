"""Time zones of nodes, as their services write them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = (
    *("Jan", "Feb", "Mar", "Apr", "May", "Jun"),
    *("Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A time zone without summer time: its abbreviation and how far it is ahead of UTC."""

    name: str
    hours: int

    def local(self, moment: datetime) -> datetime:
        """Return *moment* (aware) by the clocks on the wall."""
        return moment.astimezone(timezone(timedelta(hours=self.hours)))

    def java_date(self, moment: datetime) -> str:
        """Return *moment* as java.util.Date prints it, ``Thu Jan 02 09:22:13 EST 2020``."""
        there = self.local(moment)
        day, month = _DAYS[there.weekday()], _MONTHS[there.month - 1]
        return f"{day} {month} {there:%d %H:%M:%S} {self.name} {there:%Y}"

    def stamp(self, moment: datetime) -> str:
        """Return *moment* as log4j's ``XXX`` patterns do, ``2023-04-06T16:47:24.409+02:00``."""
        there = self.local(moment)
        offset = f"{'-' if self.hours < 0 else '+'}{abs(self.hours):02d}:00" if self.hours else "Z"
        return f"{there:%Y-%m-%dT%H:%M:%S}.{there.microsecond // 1000:03d}{offset}"


UTC_ZONE = Zone(name="UTC", hours=0)
ZONES = {
    zone.name: zone for zone in (UTC_ZONE, Zone(name="EST", hours=-5), Zone(name="CEST", hours=2))
}
