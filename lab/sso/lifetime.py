"""When the STS signs and for how long: pure rules with the product's texts.

Source: vmdir.md 4.1 and 5 (TokenLifetimeRemediator.java, STSImpl.java L400,
lightwave@a04d9171); the whole sentence is printed in KB 316619.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from stsfix.lab.sso.names import WST
from stsfix.lab.sso.wstrust import StsFault
from stsfix.lab.zones import UTC_ZONE, Zone

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPolicy:
    """Limits of a tenant. Bearer: 5 minutes is the default that vCenter's documentation gives
    [K]; Lightwave's code says an hour (IConfigStore.java L54-78). *zone* is the node's.
    """

    tolerance: timedelta = timedelta(minutes=10)
    bearer: timedelta = timedelta(minutes=5)
    holder_of_key: timedelta = timedelta(days=30)
    zone: Zone = UTC_ZONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifespan:
    """The lifetime a request asks for; None where it says nothing."""

    start: datetime | None = None
    end: datetime | None = None


def check_signer(
    leaf: x509.Certificate, now: datetime, asked: Lifespan, zone: Zone = UTC_ZONE
) -> None:
    """Return if *leaf* may sign at *now*: from its start to a millisecond past its end,
    without any tolerance.

    Raises:
        StsFault: wst:InvalidTimeRange.
    """
    first = leaf.not_valid_before_utc
    last = leaf.not_valid_after_utc + _MILLISECOND
    if not first <= now < last:
        raise _time_range(
            asked,
            f"Signing certificate is not valid at {zone.java_date(now)}, "
            f"cert validity: {_time_period(first, last, zone)}",
            zone,
        )


def token_lifetime(
    leaf: x509.Certificate,
    now: datetime,
    asked: Lifespan,
    policy: TokenPolicy,
    holder: x509.Certificate | None,
) -> tuple[datetime, datetime]:
    """Return start and end of a token that *leaf* signs: the earliest of the end asked for,
    the longest lifetime, and the ends of *leaf* and of *holder*'s certificate.

    Raises:
        StsFault: wst:InvalidTimeRange; the start asked for is too far from *now*.
    """
    start = now if asked.start is None else asked.start
    if abs(start - now) > policy.tolerance:
        raise _time_range(
            asked,
            "The requested token start time differs from the issue instant more than the "
            "acceptable deviation (clock tolerance) of "
            f"{milliseconds(policy.tolerance)} ms. Requested token start time="
            f"{policy.zone.java_date(start)}, issue instant time={policy.zone.java_date(now)}. "
            "This might be due to a clock skew problem.",
            policy.zone,
        )
    longest = policy.bearer if holder is None else policy.holder_of_key
    ends = [start + longest, leaf.not_valid_after_utc + _MILLISECOND]
    if holder is not None:
        ends.append(holder.not_valid_after_utc + _MILLISECOND)
    if asked.end is not None:
        ends.append(asked.end)
    return start, min(ends)


def milliseconds(duration: timedelta) -> int:
    """Return *duration* in whole milliseconds."""
    return duration // _MILLISECOND


def _time_range(asked: Lifespan, cause: str, zone: Zone) -> StsFault:
    period = _time_period(asked.start, asked.end, zone)
    text = f"The token authority rejected an issue request for {period} :: {cause}"
    return StsFault(WST, "InvalidTimeRange", text)


def _time_period(start: datetime | None, end: datetime | None, zone: Zone) -> str:
    first, last = ("null" if moment is None else zone.java_date(moment) for moment in (start, end))
    return f"TimePeriod [startTime={first}, endTime={last}]"
