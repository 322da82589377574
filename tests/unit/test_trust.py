"""Trust refuses what cannot be meant."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from stsfix.snapshot.tls import Endpoint, Trust, peer_context

PIN = "ab" * 32


def test_a_pin_or_a_ca_not_both():
    """Both at once is a mistake: the pin would silently win."""
    with pytest.raises(ValueError, match="not both"):
        Trust(ca_file=Path("ca.pem"), sha256=PIN)


@pytest.mark.parametrize(
    "pin", ["", "ab", PIN.upper(), PIN[:-1], PIN + "0", "zz" * 32, ":".join(["ab"] * 32)]
)
def test_a_pin_is_64_lower_case_hex_digits(pin):
    """Anything that could never match is refused at once."""
    with pytest.raises(ValueError, match="SHA-256"):
        Trust(sha256=pin)


def test_a_pin_alone_or_a_ca_alone_is_fine():
    """Each kind of trust can be said."""
    assert Trust(sha256=PIN).sha256 == PIN
    assert Trust(ca_file=Path("ca.pem")).sha256 is None
    assert Trust().ca_file is None


@pytest.mark.parametrize("pin", [None, "a" * 64], ids=["verified", "pinned"])
def test_no_context_renegotiates(pin):
    """Who was believed at the handshake cannot show another certificate later."""
    peer = Endpoint(name="vc1", address="vc1", port=443, trust=Trust(sha256=pin))

    shared = peer_context(peer).shared

    assert shared.options & ssl.OP_NO_RENEGOTIATION
    assert shared.minimum_version is ssl.TLSVersion.TLSv1_2


def test_tls_is_spoken_over_sockets_only():
    """In memory nobody would look at the pin."""
    peer = Endpoint(name="vc1", address="vc1", port=443, trust=Trust(sha256="a" * 64))

    with pytest.raises(NotImplementedError):
        peer_context(peer).wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO())
