"""Dates of log lines are read as the field writes them, and no text breaks the reading."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stsfix.remediation.diagnosis.log_lines import LocalDate, java_date, line_time, refused_signer

SEED = (
    "2020-01-02T14:22:13.123Z [pool-2-thread-1  ERROR com.vmware.vim.sso.client.impl."
    "SecurityTokenServiceImpl$RequestResponseProcessor opId=] Server rejected the provided time "
    "range. Cause:ns0:InvalidTimeRange: The token authority rejected an issue request for "
    "TimePeriod [startTime=Thu Jan 02 09:22:13 EST 2020, endTime=Fri Jan 03 09:22:13 EST 2020] "
    ":: Signing certificate is not valid at Thu Jan 02 09:22:13 EST 2020, cert validity: "
    "TimePeriod [startTime=Wed Jan 06 20:44:39 EST 2010, endTime=Wed Jan 01 20:54:23 EST 2020]"
)
"""The line of the article, with the beginning that vpxd-svcs.log has."""


def at(year, month, day, *rest, exact=True):
    """Return a date of a log, *rest* is hour to microsecond; *exact* if its zone is known."""
    hour, minute, second, micro = (*rest, 0, 0, 0, 0)[:4]
    moment = datetime(year, month, day, hour, minute, second, micro, tzinfo=UTC)
    return LocalDate(moment=moment, exact=exact)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (SEED, at(2020, 1, 2, 14, 22, 13, 123000)),
        (
            "2020-10-07T08:27:51.547Z info vpxd[12853] [Originator@6876 sub=vpxCryptopID=SWI]",
            at(2020, 10, 7, 8, 27, 51, 547000),
        ),
        (
            "[2023-04-06T16:50:00.540+02:00] [INFO ] http-nio-5090-exec-1022  Authentication",
            at(2023, 4, 6, 14, 50, 0, 540000),
        ),
        ("[2023-10-09T08:59:22.824Z] [ERROR] http-nio", at(2023, 10, 9, 8, 59, 22, 824000)),
        (
            "17-11-29T14:48:00.420592+00:00 err vmdird  t@140610837108480: VmDirSafeLDAPBind",
            at(2017, 11, 29, 14, 48, 0, 420592),
        ),
        (
            "[2017-06-16T12:46:14.520Z vsphere.local d6cd INFO ]",
            at(2017, 6, 16, 12, 46, 14, 520000),
        ),
        ("2017-11-29T14:48:00-0530 x", at(2017, 11, 29, 20, 18)),
        ("2025-01-01 12:00:00,123 no zone", at(2025, 1, 1, 12, 0, 0, 123000, exact=False)),
        ("\tat com.vmware.cis.data.service.session.SessionAuthenticationHandler", None),
        ("2020-13-41T99:00:00Z no date", None),
        ("0001-01-01T00:00:00+14:00 before the first moment there is", None),
        ("x" * 200 + "2020-10-07T08:27:51Z not its own", None),
    ],
)
def test_the_time_of_a_line(line, expected):
    """Each format that public excerpts show, and lines without a time."""
    assert line_time(line) == expected


def test_the_line_of_the_article_is_understood():
    """Its dates are in a zone that is told by an abbreviation only."""
    told = refused_signer(SEED)

    assert told is not None
    assert told.last == at(2020, 1, 1, 20, 54, 23, exact=False)
    begins = datetime(2010, 1, 7, 1, 44, 39, tzinfo=UTC)
    ends = datetime(2020, 1, 2, 1, 54, 23, tzinfo=UTC)
    assert told.is_certificate(begins, ends)
    assert not told.is_certificate(begins, ends + timedelta(seconds=7))
    assert not told.is_certificate(begins, ends + timedelta(days=730))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sat Mar 15 14:20:56 GMT 2025", at(2025, 3, 15, 14, 20, 56)),
        ("Sat Mar 15 14:20:56 UTC 2025", at(2025, 3, 15, 14, 20, 56)),
        ("Sat Mar 15 14:20:56 GMT+02:00 2025", at(2025, 3, 15, 12, 20, 56)),
        ("Sat Mar 15 14:20:56 CST 2025", at(2025, 3, 15, 14, 20, 56, exact=False)),
        ("Sat Mar 35 14:20:56 UTC 2025", None),
        ("null", None),
        ("Date MM DD:TT:SS EST YYYY", None),
    ],
)
def test_dates_of_java(text, expected):
    """A zone that may mean several makes a date inexact; a placeholder is none."""
    assert java_date(text) == expected


def test_an_exact_date_is_compared_to_seconds():
    """Only what has no known zone may be hours off."""
    exact = at(2025, 3, 15, 14)

    assert exact.may_be(exact.moment + timedelta(milliseconds=1))
    assert not exact.may_be(exact.moment + timedelta(hours=1))
    assert exact.earliest == exact.latest == exact.moment


@given(
    hours=st.integers(-14, 14),
    quarters=st.integers(0, 3),
    here=st.datetimes(timezones=st.just(UTC)),
)
def test_an_inexact_date_is_the_same_moment_in_every_zone(hours, quarters, here):
    """Zones differ by quarters of an hour, up to 14 hours."""
    off = timedelta(hours=hours, minutes=15 * quarters)
    assume(abs(off) <= timedelta(hours=14) and 1 < here.year < 9999)

    told = LocalDate(moment=here + off, exact=False)

    assert told.may_be(here)
    assert not told.may_be(here + timedelta(minutes=7))
    assert told.earliest <= here <= told.latest


_HOSTILE = st.one_of(
    st.text(),
    st.lists(
        st.sampled_from(
            [
                "Signing certificate is not valid at ",
                "Thu Jan 02 09:22:13 EST 2020",
                ", cert validity: TimePeriod [startTime=",
                ", endTime=",
                "]",
                "9999-12-31T23:59:59.999999999-14:00",
                "0001-01-01T00:00:00+14:00",
                "Fri Dec 31 23:59:59 GMT-14:00 9999",
                "\x1b[2J\x00\u202e",
                "A" * 5000,
            ]
        ),
        max_size=12,
    ).map("".join),
)


@given(line=_HOSTILE)
def test_no_line_breaks_the_reading(line):
    """Any text gives dates or none; what was found is a moment that can be compared."""
    told, when = refused_signer(line), line_time(line)
    now = datetime(2026, 11, 25, tzinfo=UTC)

    for date in (when, told.at if told else None, told.last if told else None):
        assert date is None or date.may_be(now) in (True, False)
    java_date(line)
