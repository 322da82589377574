"""What a directory calls a node is a name only if it can be one."""

from __future__ import annotations

import pytest

from stsfix.snapshot.host_names import is_host


@pytest.mark.parametrize(
    "name",
    [
        "vc1.lab.example",
        "VC1",
        "vc_1.lab",
        "1.example",
        "192.0.2.1",
        "2001:db8::1",
        f"{'a' * 63}.x",
    ],
)
def test_names_and_addresses_are_hosts(name):
    """DNS names, with underscores too, and addresses of both families."""
    assert is_host(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "a..b",
        ".lab.example",
        "vc1.",
        f"{'a' * 64}.example",
        ".".join(["abcdefg"] * 32),
        "ldap://vc1.lab.example",
        "ldapi://%2ftmp%2fsocket",
        "vc1.lab.example:389",
        "[::1]",
        "vc1.lab.example,vc2.lab.example",
        "vc1 lab",
        "-oProxyCommand=id",
        "vc1\n",
        "a\0b",
        "vc1\x1b[2J",
        "ünï.example",
        "vc\u0661.example",
        "vc1.lab.example/../x",
        "fe80::1%\u202e",
    ],
)
def test_everything_else_is_not(name):
    """URLs, ports, lists, options, controls, letters that need encoding, and what is too long."""
    assert not is_host(name)
