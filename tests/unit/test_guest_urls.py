"""A host says where a guest's files are; what it says is used for path and query alone."""

from __future__ import annotations

import pytest

from stsfix.snapshot.errors import HypervisorFaultError
from stsfix.snapshot.guest_session import transfer_target
from stsfix.snapshot.model import HostRef, VmId

VM = VmId(host=HostRef("esx1.lab.example"), moref="1", instance_uuid="u", name="vc1")


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://*:443/guestFile?id=1&token=2", "/guestFile?id=1&token=2"),
        ("https://evil.example/guestFile?id=1", "/guestFile?id=1"),
        ("http://evil.example:80/guestFile", "/guestFile"),
        ("//evil.example/guestFile", "/guestFile"),
        ("/guestFile", "/guestFile"),
    ],
)
def test_only_path_and_query_are_taken(url, target):
    """Another host, another port and plain HTTP are not heard."""
    assert transfer_target(VM, url) == target


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://[",
        "https://esx1",
        "guestFile",
        "https://esx1/a b",
        "https://esx1/\u00fc",
        "https://esx1/\x7f",
    ],
)
def test_a_url_that_cannot_be_asked_for_is_a_fault_of_the_host(url):
    """Never a request line with more in it than a target."""
    with pytest.raises(HypervisorFaultError, match="no usable URL"):
        transfer_target(VM, url)
