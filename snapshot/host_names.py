"""Which texts can name a host: names that a directory or a guest tells may be anything. Pure.

Libraries read more into a name than a name: ldap3 takes ``ldap://x`` for an order to leave TLS
out, and ``x:389`` for another port (ldap3 2.9.1, core/server.py).
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

_LONGEST: Final = 253
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


def is_host(text: str) -> bool:
    """Tell whether *text* is an IP address or a DNS name (RFC 1123 2.1; underscores are seen)."""
    if len(text) <= _LONGEST and all(_LABEL.fullmatch(part) for part in text.split(".")):
        return True
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return text.isascii()
