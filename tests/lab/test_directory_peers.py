"""LDAP sessions with peers that are not the vmdir that is meant, or none at all."""

from __future__ import annotations

import pytest

from directory_worlds import LdapWorld, RealClock
from sts_material import NODE
from stsfix.lab import pki
from stsfix.remediation.errors import (
    DirectoryFaultError,
    DirectoryUnreachableError,
    NodeTlsError,
)
from stsfix.snapshot.tls import Endpoint, Trust
from tls_recorder import ROOT, foreign_certificate, host_certificate, recording

pytestmark = pytest.mark.lab


@pytest.fixture
def known(tmp_path):
    """Trust in the CA of what `recording` shows."""
    file = tmp_path / "ca.pem"
    file.write_bytes(pki.pem(ROOT))
    return Trust(ca_file=file)


def _world(port, trust) -> LdapWorld:
    endpoint = Endpoint(name=NODE, address="127.0.0.1", port=port, trust=trust, read_timeout_s=1.0)
    return LdapWorld(endpoint=endpoint, clock=RealClock())


@pytest.mark.parametrize("wrong", ["authority", "name", "pin"])
def test_wrong_certificate_receives_no_byte(known, wrong):
    """A server that is not the one meant gets neither a bind nor anything else."""
    leaf = {
        "authority": foreign_certificate(NODE),
        "name": host_certificate("other.lab.example"),
        "pin": host_certificate(NODE),
    }[wrong]
    with recording(leaf) as server:
        trust = Trust(sha256="0" * 64) if wrong == "pin" else known
        directory = _world(server.port, trust).directory()

        with pytest.raises(NodeTlsError) as unknown:
            directory.read_root_dse()
        with pytest.raises(NodeTlsError) as raised:
            directory.read_sts_entries()

        assert unknown.value.answered
        assert raised.value.sha256 == (pki.sha256(leaf) if wrong == "pin" else None)
    assert server.received == b""


def test_unreadable_ca_file_is_told_before_connecting(tmp_path):
    """A CA file that is missing ends before any connection."""
    directory = _world(1, Trust(ca_file=tmp_path / "missing.pem")).directory()

    with pytest.raises(NodeTlsError, match="CA file") as unasked:
        directory.read_root_dse()

    assert not unasked.value.answered


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x00" * 32,
        b"\x30\x03\x02\x01\x01",
        b"\x30\x05\x02\x01\x00\x61\x00",
        b"\x30\x84\x00\x00\x00\x02\x05\x00",
        b"\x30\x0c\x02\x01\x02\x65\x07\x0a\x01\x00\x04\x00\x04\x00",
    ],
    ids=["http", "zeros", "no-operation", "empty-operation", "null", "wrong-id"],
)
def test_answer_that_is_no_ldap_is_unreachable(known, answer):
    """A peer that speaks something else is told as such, never a crash or an empty result."""
    with recording(host_certificate(NODE), reply=lambda _: answer) as server:
        directory = _world(server.port, known).directory()

        with pytest.raises((DirectoryUnreachableError, DirectoryFaultError)) as caught:
            directory.read_root_dse()
        directory.close()

        assert getattr(caught.value, "answered", True)
