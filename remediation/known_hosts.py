"""Reads OpenSSH's ``known_hosts`` format. Pure.

Source: sshd(8), section SSH_KNOWN_HOSTS FILE FORMAT; hostfile.c for hashed names.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SSH_PORT = 22
_HASHED = "|1|"
_FIELDS = 3
_BLANKS = re.compile(r"[ \t]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostKey:
    """A public key. *kind* is its algorithm's name (``ssh-ed25519``), *blob* its wire form."""

    kind: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """The fingerprint as ``ssh-keygen -l`` prints it: ``SHA256:`` and base64."""
        return openssh_form(self.sha256)

    @property
    def sha256(self) -> str:
        """64 lower-case hex digits."""
        return hashlib.sha256(self.blob).hexdigest()

    def line(self, name: str) -> str:
        """Return the line that lists this key for *name*."""
        return f"{name} {self.kind} {base64.b64encode(self.blob).decode('ascii')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a file says of a server: keys it may show, and keys that are revoked."""

    trusted: tuple[HostKey, ...] = ()
    revoked: tuple[HostKey, ...] = ()


def openssh_form(sha256: str) -> str:
    """Return 64 hex digits as OpenSSH writes them."""
    return "SHA256:" + base64.b64encode(bytes.fromhex(sha256)).decode("ascii").rstrip("=")


def names_of(hosts: Sequence[str], port: int) -> tuple[str, ...]:
    """Return what ``known_hosts`` calls a server that is reached as *hosts* at *port*."""
    plain = dict.fromkeys(host.lower() for host in hosts)
    return tuple(plain) if port == SSH_PORT else tuple(f"[{name}]:{port}" for name in plain)


def known_keys(text: str, names: Sequence[str]) -> Known:
    """Return the keys that *text*, a ``known_hosts`` file, lists for any of *names*.

    Lines that cannot be read vouch for nobody, and neither do certificate authorities: host
    certificates are not supported.
    """
    found = [
        (marker, key)
        for marker, patterns, key in _lines(text)
        if any(_matches(patterns, name) for name in names)
    ]
    return Known(
        trusted=tuple(dict.fromkeys(key for marker, key in found if not marker)),
        revoked=tuple(dict.fromkeys(key for marker, key in found if marker == "@revoked")),
    )


def _lines(text: str) -> Iterator[tuple[str, str, HostKey]]:
    # As hostkeys_foreach in hostfile.c: no other characters end a line or a field. Comments that
    # ssh-keyscan writes hold what a server said.
    for line in text.split("\n"):
        fields = [field for field in _BLANKS.split(line.removesuffix("\r")) if field]
        marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
        if len(fields) < _FIELDS or fields[0].startswith("#"):
            continue
        try:
            blob = base64.b64decode(fields[2], validate=True)
        except ValueError:
            continue
        yield marker, fields[0], HostKey(kind=fields[1], blob=blob)


def _matches(patterns: str, name: str) -> bool:
    if patterns.startswith(_HASHED):
        return _is_hash_of(patterns, name)
    is_found = False
    for pattern in patterns.lower().split(","):
        # fnmatch knows [sets], known_hosts does not: a bracket there is part of [host]:port.
        bare = pattern.removeprefix("!").replace("[", "[[]")
        if fnmatchcase(name, bare):
            if pattern.startswith("!"):
                return False
            is_found = True
    return is_found


def _is_hash_of(field: str, name: str) -> bool:
    try:
        parts = field.removeprefix(_HASHED).split("|")
        salt, digest = (base64.b64decode(part, validate=True) for part in parts)
    except ValueError:
        return False
    found = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return hmac.compare_digest(found, digest)
