"""What VAMI answers: lists in every form, errors, and the order of a restart."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stsfix.remediation.nodes.vami_answers import (
    UNITS,
    VMON,
    VamiService,
    controlled,
    has_sts,
    parse_error,
    parse_health,
    parse_services,
    parse_text,
    status_of,
    wanted,
)

STS = {"name_key": "cis.sts.ServiceName", "startup_type": "AUTOMATIC", "state": "STARTED"}


def service(name, state="STARTED", startup="AUTOMATIC"):
    """Return a service of vMon; of systemd without *startup*."""
    folder = VMON if startup else UNITS
    return VamiService(name=name, state=state, startup=startup, path=f"{folder}/{name}")


@pytest.mark.parametrize(
    "body",
    [
        {"value": [{"key": "sts", "value": STS}]},
        [{"key": "sts", "value": STS}],
        {"value": {"sts": STS}},
        {"sts": STS},
        {"value": [{"key": "sts", "value": STS}, {"key": 1, "value": STS}, "x", {"key": "y"}]},
        {"value": [{"key": "sts", "value": STS}, {"key": "../../x", "value": STS}]},
    ],
)
def test_lists_are_read_in_every_form(body):
    """Pairs or objects, wrapped or not; what is no service is left out."""
    found = parse_services(json.dumps(body).encode(), VMON)

    assert found == (service("sts"),)


def test_a_unit_has_no_startup_type():
    """Systemd's units tell their state only."""
    body = {"value": [{"key": "vmdird", "value": {"description": "x", "state": "STOPPED"}}]}

    (found,) = parse_services(json.dumps(body).encode(), UNITS)

    assert found == service("vmdird", "STOPPED", "")


@given(st.binary(max_size=200))
def test_any_body_is_read(body):
    """Other people's bytes break nothing."""
    assert parse_services(body, UNITS) == () or isinstance(json.loads(body), dict | list)
    assert isinstance(parse_text(body), str)
    assert parse_error(body) == parse_error(body)


def test_a_standard_error_has_a_kind_and_words():
    """As vAPI writes them."""
    body = {
        "type": "com.vmware.vapi.std.errors.not_allowed_in_current_state",
        "value": {"messages": [{"id": "x", "default_message": "The service is\ndisabled", "a": 1}]},
    }

    assert parse_error(json.dumps(body).encode()) == (
        "not_allowed_in_current_state",
        "The service is disabled",
    )
    assert parse_error(b"<html>") == ("", "")


def test_texts_are_read_with_and_without_a_field():
    """A session, a colour, a version."""
    assert parse_text(b'{"value": "abc"}') == "abc"
    assert parse_text(b'"abc"') == "abc"
    assert parse_text(b'{"value": {"version": "7.0.3.00000"}}', "version") == "7.0.3.00000"
    assert parse_text(b'{"value": 1}') == ""


def test_the_branch_is_not_sawn_off():
    """Neither vMon, applmgmt, sshd nor lwsmd is touched; units first, the client last."""
    units = [
        service(name, startup="") for name in ("sshd", "vmware-vmon", "vmdird", "lwsmd", "vmafdd")
    ]
    vmon = [service(n) for n in ("vsphere-ui", "applmgmt", "eam", "vpxd", "sts", "vpxd-svcs")]

    found = [item.name for item in controlled(units, vmon)]

    assert found == ["vmafdd", "vmdird", "sts", "vpxd-svcs", "vpxd", "eam", "vsphere-ui"]


def test_the_sts_is_a_unit_or_vmons():
    """Before 7.0 and since; on 6.5 there are no units at all."""
    assert has_sts([service("vmware-stsd", startup="")])
    assert has_sts([service("sts")])
    assert not has_sts([service("vpxd"), service("vmware-sts-idmd", startup="")])


@pytest.mark.parametrize(
    ("state", "startup", "runs"),
    [
        ("STARTED", "MANUAL", True),
        ("STOPPED", "AUTOMATIC", True),
        ("STOPPED", "MANUAL", False),
        ("STARTED", "DISABLED", False),
        ("STARTED", "", True),
        ("STOPPED", "", False),
    ],
)
def test_what_has_to_run_afterwards(state, startup, runs):
    """What ran, and what starts by itself; never what is disabled."""
    assert bool(wanted([service("eam", state, startup)])) is runs


def test_a_unit_that_logins_need_has_to_run():
    """vmdird, though systemd says nothing of its startup."""
    assert wanted([service("vmdird", "STOPPED", "")])


def test_the_identity_service_of_6_x_has_to_run():
    """Its STS asks it in a process of its own (vmdir.md 3.5): stopped at first is no excuse."""
    assert wanted([service("vmware-sts-idmd", "STOPPED", "")])


def test_what_ran_before_an_attempt_that_broke_off_has_to_run():
    """Everything is stopped then: the listing tells neither the units nor what vMon's MANUAL is."""
    found = [
        service("vmdnsd", "STOPPED", ""),
        service("netdumper", "STOPPED", "MANUAL"),
        service("imagebuilder", "STOPPED", "MANUAL"),
        service("eam", "STOPPED", "DISABLED"),
    ]

    names = [s.name for s in wanted(found, ("vmdnsd", "vmware-netdumper", "eam"))]

    assert names == ["vmdnsd", "netdumper"]


def test_states_become_a_listing():
    """What is starting, or unknown, is pending."""
    found = status_of(
        [service("a"), service("b", "STOPPED"), service("c", "STARTING"), service("d", "")]
    )

    assert (found.running, found.stopped, found.pending) == (("a",), ("b",), ("c", "d"))


@pytest.mark.parametrize(
    ("body", "colour"),
    [
        ({"value": "green"}, "green"),
        ("orange", "orange"),
        ({"value": "RED"}, "red"),
        ({"level": "yellow"}, "yellow"),
        ({"value": {"level": "gray"}}, "gray"),
        ({"value": "mauve"}, ""),
        ({"value": 7}, ""),
        ([], ""),
    ],
)
def test_health_is_a_colour_in_any_form(body, colour):
    """Anything else is no answer."""
    assert parse_health(json.dumps(body).encode()) == colour
