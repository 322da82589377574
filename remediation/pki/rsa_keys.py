"""Load RSA keys without the test that their factors are prime, which takes 0.05 s a key. Pure.

cryptography warns that OpenSSL may hang or crash on a key that was loaded so and is no key. What
is loaded here was made by this process, or its numbers belong together before it is used; that
its factors are primes is then proven by a signature that verifies, which none of others does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key

if TYPE_CHECKING:
    from stsfix.snapshot.secret import Secret

_LEAST: Final = 3
_MOST_BITS: Final = 16384
"""Longest modulus that OpenSSL works with (OPENSSL_RSA_MAX_MODULUS_BITS)."""


def own_key(key_pkcs8: Secret[bytes]) -> rsa.RSAPrivateKey:
    """Return a key that this process made (`issuing.new_key`, `issuing.pkcs8`).

    Raises:
        ValueError: It is no RSA key in unencrypted PKCS#8 DER.
    """
    return _loaded(key_pkcs8.reveal())


def key_of(key_pkcs8: bytes, public: rsa.RSAPublicKey) -> rsa.RSAPrivateKey | None:
    """Return the key if its numbers belong together and to *public*; whether its factors are
    primes is not known.

    Raises:
        ValueError: It is no RSA key in unencrypted PKCS#8 DER.
    """
    key = _loaded(key_pkcs8)
    numbers = key.private_numbers()
    same = numbers.public_numbers == public.public_numbers()
    return key if same and _belong_together(numbers) else None


def _loaded(key_pkcs8: bytes) -> rsa.RSAPrivateKey:
    key = load_der_private_key(key_pkcs8, password=None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("no RSA key")  # noqa: TRY004 - of the value, not a bug
    return key


def _belong_together(key: rsa.RSAPrivateNumbers) -> bool:
    """Tell whether the numbers are those of RFC 8017, section 3.2, but for the primes."""
    n, e = key.public_numbers.n, key.public_numbers.e
    odd = key.p & key.q & e & 1
    if (
        not odd
        or min(key.p, key.q, e) < _LEAST
        or key.p * key.q != n
        or n.bit_length() > _MOST_BITS
    ):
        return False
    return (
        0 < key.d < n
        and key.dmp1 == key.d % (key.p - 1)
        and key.dmq1 == key.d % (key.q - 1)
        and e * key.d % (key.p - 1) == 1
        and e * key.d % (key.q - 1) == 1
        and 0 < key.iqmp < key.p
        and key.iqmp * key.q % key.p == 1
    )
