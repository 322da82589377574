"""Distinguished names as vmdird compares them: case and spaces around commas do not count."""

from __future__ import annotations

import functools
import re

_KEPT = 1 << 15
"""DNs that are remembered: a directory asks for the same few hundred all the time."""

_SPLIT = re.compile(r"(?<!\\),")
_RDN = re.compile(r"^\s*([A-Za-z][A-Za-z0-9.-]*|\d+(?:\.\d+)*)\s*=\s*(.*?)\s*$", re.DOTALL)
_ESCAPE = re.compile(r"\\([0-9A-Fa-f]{2}|.)", re.DOTALL)


class NotADnError(ValueError):
    """Text that is no distinguished name, such as a UPN."""


@functools.lru_cache(maxsize=_KEPT)
def key(dn: str) -> str:
    """Return the form under which *dn* is found.

    Raises:
        NotADnError: It is no distinguished name.
    """
    if not dn.strip():
        return ""
    return ",".join(_rdn_key(part) for part in _SPLIT.split(dn))


def _rdn_key(part: str) -> str:
    name, value = split_rdn(part)
    return f"{name.lower()}={value.casefold()}"


def split_rdn(part: str) -> tuple[str, str]:
    """Return attribute and value of one RDN, commas inside still escaped.

    Raises:
        NotADnError: It is none.
    """
    found = _RDN.match(part)
    if found is None or not found[2]:
        raise NotADnError(part)
    return found[1], _ESCAPE.sub(_unescape, found[2])


def _unescape(found: re.Match[str]) -> str:
    text = found[1]
    character = chr(int(text, 16)) if len(text) == 2 else text  # noqa: PLR2004 - two hex digits
    return "\\," if character == "," else character


@functools.lru_cache(maxsize=_KEPT)
def parent(dn: str) -> str:
    """Return the DN above, empty at the top. Works on keys and on DNs."""
    parts = _SPLIT.split(dn, maxsplit=1)
    return parts[1] if len(parts) > 1 else ""


def rdn(dn: str) -> str:
    """Return the first part as it is written."""
    return _SPLIT.split(dn, maxsplit=1)[0]


def domain_dn(domain: str) -> str:
    """Return the DN of an SSO domain: ``dc=vsphere,dc=local`` for vsphere.local."""
    return ",".join(f"dc={label}" for label in domain.split("."))
