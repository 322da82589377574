"""Times that a peer tells may lie at, or beyond, the ends of what can be told: none is a crash."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace

import pytest

from stsfix.remediation.logins import saml
from stsfix.remediation.nodes import windows_scripts
from stsfix.remediation.web import https
from stsfix.snapshot import esxi_facts

FAR_WEST, FAR_EAST = (timezone(timedelta(hours=hours)) for hours in (-23, 23))


@pytest.mark.parametrize(
    "date",
    [
        "Mon, 01 Jan 2024 00:00:00 +99999999999999999999",
        "Mon, 01 Jan 2024 00:00:00 +9999",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "Mon, 01 Jan 99999 00:00:00 GMT",
        "Mon, 01 Jan 2024 00:00:00 -0000",
        "\0",
        "x" * 60_000,
    ],
)
def test_a_date_header_that_is_no_time_is_none(date):
    """Any request reads it, so that one such header would end every command as a bug."""
    assert https._parsed(date) is None


def test_a_date_header_is_read_in_utc():
    """Whatever zone it names."""
    read = https._parsed("Mon, 01 Jan 2024 02:00:00 +0100")

    assert read == datetime(2024, 1, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "text", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "soon", ""]
)
def test_a_token_of_no_period_is_not_proven(text):
    """It is refused by the error for tokens."""
    with pytest.raises(saml._NotProvenError, match="no valid period"):
        saml._moment(text)


@pytest.mark.parametrize(
    "moment",
    [
        datetime.max.replace(tzinfo=FAR_WEST),
        datetime.min.replace(tzinfo=FAR_EAST),
    ],
)
def test_a_snapshot_of_the_end_of_time_is_read(moment):
    """A host may show any time of creation for a snapshot."""
    assert esxi_facts.as_utc(moment) == moment.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ("24", timedelta(days=1)),
        ("-1", timedelta(hours=-1)),
        ("9" * 30, None),
        ("9" * 5000, None),
        ("\u0661", None),
    ],
)
def test_a_licence_ends_in_a_time_or_tells_none(value, left):
    """More hours than there are say nothing."""
    licence = SimpleNamespace(
        editionKey="esx", properties=[SimpleNamespace(key="expirationHours", value=value)]
    )
    found = {"licenses": [licence], "evaluation": None}

    assert esxi_facts._licence_left(found) == left


@pytest.mark.parametrize("text", ["00010101000000.000000+999", "99991231235959.999999-999"])
def test_a_windows_time_beyond_the_ends_is_none(text):
    """WMI's form has no year 0 or 10000, but zones that lead there."""
    assert windows_scripts._moment(text) is None
