"""service-control's words: listings, failures, and which services are missing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stsfix.remediation.nodes.service_status import (
    ServiceFailure,
    ServiceStatus,
    parse_failures,
    parse_status,
)


@pytest.mark.parametrize(
    ("text", "running", "stopped", "pending"),
    [
        ("Running:\n a b\nStopped:\n c\n", "a b", "c", ""),
        ("Stopped:\n c\nRunning:\n a b\n", "a b", "c", ""),
        ("StartPending:\n x\nStopped:\n c\nStopPending:\n y\nRunning:\n a\n", "a", "c", "x y"),
        ("Running: a b\nStopped: c", "a b", "c", ""),
        ("Running:\n a\n b\n\n c\n", "a b c", "", ""),
        ("Running:\r\n a b\r\nStopped:\r\n c\r\n", "a b", "c", ""),
        ("Running:\n vmdird (VMware Directory Service) sts (x y)\n", "vmdird sts", "", ""),
        ("warning: locale\nRunning:\n a\n", "a", "", ""),
        ("Running:\n a\nTraceback (most recent call last):\n b\n", "a", "", ""),
        ("Running:\n a\nError: cannot connect to vMon\n b\n", "a", "", ""),
        ("Running:\nStopped:\n c\n", "", "c", ""),
        ("Running:\n a\nRunning:\n a b\n", "a b", "", ""),
        ("", "", "", ""),
        ("bash: service-control: command not found\n", "", "", ""),
    ],
)
def test_parses_listings(text, running, stopped, pending):
    """Groups come in any order, on one line or more, with or without display names."""
    assert parse_status(text) == ServiceStatus(
        running=tuple(running.split()),
        stopped=tuple(stopped.split()),
        pending=tuple(pending.split()),
    )


NAMES = st.lists(st.from_regex(r"[a-z][a-z0-9_.-]{0,12}", fullmatch=True), unique=True)


@given(NAMES, NAMES, st.text(max_size=60))
def test_reads_back_what_was_listed(running, stopped, noise):
    """Any names are read back, whatever precedes the first header."""
    before = "".join(c for c in noise if c.isalnum() or c == " ") + "\n"
    text = before + "Running:\n " + " ".join(running) + "\nStopped:\n " + " ".join(stopped)

    status = parse_status(text)

    assert (status.running, status.stopped) == (tuple(running), tuple(stopped))


@given(st.text(max_size=300))
def test_any_text_is_read(text):
    """No output breaks the parser, and no name is made of something else."""
    status = parse_status(text)

    assert all(name in text for name in status.running + status.stopped + status.pending)


def failure(service, *, order=("detail", "componentKey"), indent=4):
    """Return what service-control prints of a service that does not start."""
    text = "An error occurred while starting service '{}'"
    detail = {
        "translatable": text.format("%(0)s"),
        "id": "install.ciscommon.service.failstart",
        "localized": text.format(service),
        "args": [service],
    }
    whole = {"resolution": None, "detail": [detail], "componentKey": None, "problemId": None}
    return json.dumps(
        {key: whole[key] for key in (*order, *(set(whole) - set(order)))}, indent=indent
    )


EXECUTING = "Error executing start on service"
FAILED = "Service-control failed. Error"
PROFILE = "Failed to start services in profile ALL. RC="
VPXD = ServiceFailure(service="vpxd", said="An error occurred while starting service 'vpxd'")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"Error executing start on service vpxd. Details {failure('vpxd')}\n", [VPXD]),
        (
            f"{EXECUTING} vpxd. Details {failure('vpxd')}\n{FAILED}: {failure('vpxd')}\n",
            [VPXD],
        ),
        (f"Service-control failed. Error {failure('vpxd', indent=None)}\n", [VPXD]),
        (f"Service-control failed. Error: {failure('vpxd', order=('problemId',))}", [VPXD]),
        (
            "Error executing start on service vmware-vpxd-svcs. Details {broken",
            ["vmware-vpxd-svcs"],
        ),
        (
            f"{FAILED}: {PROFILE}5, stderr=Failed to start vpxd-svcs, vapi-endpoint services. E",
            ["vpxd-svcs", "vapi-endpoint"],
        ),
        (
            f"{FAILED}: {PROFILE}4, stderr=Failed to start vpxd services. Error: Operation not all",
            ["vpxd"],
        ),
        ("Service-control failed. Error: Service nope is not registered\n", [""]),
        ("Successfully started service vpxd\n", []),
        ("", []),
    ],
)
def test_failures_are_found_in_the_words_of_every_release(text, found):
    """6.5 without a colon, key order as it comes, RC and stderr of vMon, broken JSON."""
    failures = parse_failures(f"Operation not cancellable.\n{text}")

    wanted = [item if isinstance(item, str) else item.service for item in found]
    assert [failure.service for failure in failures] == wanted
    for failure_, item in zip(failures, found, strict=True):
        if isinstance(item, ServiceFailure):
            assert failure_ == item


def test_a_failure_keeps_its_words():
    """What vMon says of several services stands with each of them."""
    line = (
        "Failed to start services in profile ALL. RC=4, stderr=Failed to start a-b, c services. E"
    )

    failures = parse_failures(f"Service-control failed. Error: {line}\nmore\n")

    assert failures == (
        ServiceFailure(service="a-b", said=line),
        ServiceFailure(service="c", said=line),
    )


@given(st.text(max_size=400))
def test_any_words_are_read(text):
    """No output breaks the parser, and it stays bounded."""
    for prefix in (
        "Service-control failed. Error: ",
        "Error executing start on service x. Details ",
    ):
        failures = parse_failures(prefix + text)

        assert len(failures) <= 20
        assert all(len(failure.said) <= 300 for failure in failures)
