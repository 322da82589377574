"""RSA keys for labs: making them is most of what a lab costs."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from ready_keys import FOR_LABS, ready_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import rsa


@functools.cache
def shared_keys() -> tuple[rsa.RSAPrivateKey, ...]:
    """Return enough keys for any lab; hand them to ``Lab.build(keys=...)``."""
    return tuple(ready_key(number) for number in FOR_LABS)
