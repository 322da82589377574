"""Trust refuses what cannot be meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from stsfix.snapshot.tls import Trust

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
