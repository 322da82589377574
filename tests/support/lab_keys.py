"""RSA keys for labs, made once a test process: making them is most of what a lab costs."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from stsfix.lab.trust import make_keys

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import rsa

ENOUGH = 24


@functools.cache
def shared_keys() -> tuple[rsa.RSAPrivateKey, ...]:
    """Return enough keys for any lab; hand them to ``Lab.build(keys=...)``."""
    return tuple(make_keys(ENOUGH))
