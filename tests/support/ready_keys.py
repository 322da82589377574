"""RSA keys that were made before: making one takes longer than most tests.

``tests/data/keys/primes.txt`` has the two primes of one key in each line. They are published, so
they are good for tests only. ``python tests/support/ready_keys.py`` writes others.
"""

from __future__ import annotations

import functools
import itertools
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

BITS = 2048
FOR_LABS = range(24)
"""Enough for any lab."""

FOR_COMMANDS = range(24, 30)
"""Those that commands of `killable` issue for, which never are those of a lab."""

FOR_TESTS = range(30, 100)
_FILE = Path(__file__).parents[1] / "data" / "keys" / "primes.txt"
_PUBLIC = 65537
_unused = itertools.count(FOR_TESTS.start)


@functools.cache
def _lines() -> list[str]:
    return _FILE.read_text("ascii").splitlines()


@functools.cache
def ready_key(number: int) -> rsa.RSAPrivateKey:
    """Return the key of that number."""
    p, q = (int(prime, 16) for prime in _lines()[number].split())
    d = pow(_PUBLIC, -1, (p - 1) * (q - 1))
    return rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=d,
        dmp1=d % (p - 1),
        dmq1=d % (q - 1),
        iqmp=pow(q, -1, p),
        public_numbers=rsa.RSAPublicNumbers(_PUBLIC, p * q),
    ).private_key(unsafe_skip_rsa_key_validation=True)


def another_key(bits: int = BITS) -> rsa.RSAPrivateKey:
    """Return a key that this process was not given before: a ready one as long as there are any."""
    if bits == BITS and (number := next(_unused)) in FOR_TESTS:
        return ready_key(number)
    return rsa.generate_private_key(public_exponent=_PUBLIC, key_size=bits)


def write() -> None:
    """Make as many keys as are used, and write their primes."""
    made = [
        rsa.generate_private_key(_PUBLIC, BITS).private_numbers() for _ in range(FOR_TESTS.stop)
    ]
    _FILE.write_text("".join(f"{key.p:x} {key.q:x}\n" for key in made), "ascii")


if __name__ == "__main__":
    write()
