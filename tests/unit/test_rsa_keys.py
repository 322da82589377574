"""Keys are loaded without the slow test of their factors; what is no key is still none."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from sts_material import key, leaf
from stsfix.lab import pki
from stsfix.remediation.pki import certificates, rsa_keys
from stsfix.snapshot.secret import Secret

DER = pki.pkcs8(key("leaf"))
LEAF = pki.der(leaf())
NUMBERS = ("p", "q", "d", "dmp1", "dmq1", "iqmp")


def _altered(**changes):
    """Return the leaf's key with other numbers, as a file could hold it."""
    numbers = key("leaf").private_numbers()
    public = numbers.public_numbers
    kept = {name: getattr(numbers, name) for name in NUMBERS}
    values = {**kept, **changes}
    n = changes.get("n", public.n)
    private = (0, n, public.e, *(values[x] for x in ("d", "p", "q", "dmp1", "dmq1", "iqmp")))
    return _pkcs8(_sequence(*(_integer(number) for number in private)))


def _tlv(tag, content):
    size = len(content)
    octets = size.to_bytes((size.bit_length() + 7) // 8)
    length = bytes([size]) if size < 128 else bytes([0x80 | len(octets)]) + octets
    return bytes([tag]) + length + content


def _integer(number):
    return _tlv(2, number.to_bytes(number.bit_length() // 8 + 1))


def _sequence(*parts):
    return _tlv(0x30, b"".join(parts))


def _pkcs8(pkcs1):
    algorithm = _sequence(bytes.fromhex("06092a864886f70d010101"), b"\x05\x00")
    return _sequence(_integer(0), algorithm, _tlv(4, pkcs1))


def test_a_key_written_here_by_hand_is_the_key():
    """The writer of the cases below writes what cryptography writes."""
    assert certificates.key_matches(_altered(), LEAF)


@pytest.mark.parametrize("name", [*NUMBERS, "n"])
@pytest.mark.parametrize("by", [-2, -1, 1, 2])
def test_a_key_of_which_one_number_is_wrong_matches_nothing(name, by):
    """Each number is looked at before OpenSSL works with it."""
    numbers = key("leaf").private_numbers()
    value = numbers.public_numbers.n if name == "n" else getattr(numbers, name)

    assert not certificates.key_matches(_altered(**{name: value + by}), LEAF)


@pytest.mark.parametrize("name", NUMBERS)
def test_a_key_that_lacks_a_number_matches_nothing(name):
    """Zero stands for what is not there."""
    assert not certificates.key_matches(_altered(**{name: 0}), LEAF)


def test_factors_that_are_no_primes_do_not_sign():
    """Numbers that belong together, of a modulus with more than two factors: the signature that
    is made with them verifies for nobody.
    """
    numbers = key("leaf").private_numbers()
    p, q, e = numbers.p, numbers.q * 3 * 5 * 7, 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    private = rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=d % (p - 1),
        dmq1=d % (q - 1),
        iqmp=pow(q, -1, p),
        public_numbers=rsa.RSAPublicNumbers(e, p * q),
    )
    der = private.private_key(unsafe_skip_rsa_key_validation=True).private_bytes(
        Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
    )
    public = rsa.RSAPublicNumbers(e, p * q).public_key()

    assert rsa_keys.key_of(der, public) is not None
    assert not certificates.key_matches(der, _leaf_of(public))


def _leaf_of(public):
    made = leaf()
    return pki.der(
        x509.CertificateBuilder()
        .subject_name(made.subject)
        .issuer_name(made.issuer)
        .public_key(public)
        .serial_number(7)
        .not_valid_before(made.not_valid_before_utc)
        .not_valid_after(made.not_valid_after_utc)
        .sign(key("root"), hashes.SHA256())
    )


@settings(max_examples=300)
@given(st.integers(0, len(DER) - 1), st.integers(1, 255))
def test_a_damaged_key_matches_only_if_it_says_the_same(position, change):
    """One byte that is another one: the key is no key, or has the numbers it had."""
    damaged = bytearray(DER)
    damaged[position] ^= change

    if certificates.key_matches(bytes(damaged), LEAF):
        found = rsa_keys.own_key(Secret(bytes(damaged))).private_numbers()
        assert found == key("leaf").private_numbers()


def test_own_key_is_the_key_that_was_made():
    """What `issuing.pkcs8` wrote comes back."""
    found = rsa_keys.own_key(Secret(DER))

    assert found.private_numbers() == key("leaf").private_numbers()


def test_a_key_that_is_not_rsa_is_refused():
    """Of another algorithm, and no key at all."""
    curve = ec.generate_private_key(ec.SECP256R1())
    der = curve.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    for content in (der, b"", b"no key"):
        with pytest.raises(ValueError):
            rsa_keys.own_key(Secret(content))
