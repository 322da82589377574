"""Names, identifiers and passwords of a lab, all from one seed."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass

AWKWARD = (" ", "'", '"', "$", "*", "<&>", "ü", "\\", "%", "#", "{", "`", ";", "ß")
"""What shells, XML, LDAP, TOML and URLs each take for something else."""

_PLAIN = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passwords:
    """Every password of a lab. *hosts* and *nodes* are by name; both are root's."""

    sso: str
    hosts: dict[str, str]
    nodes: dict[str, str]

    def everything(self) -> tuple[str, ...]:
        """Return all of them, to search logs and command lines with."""
        return (self.sso, *self.hosts.values(), *self.nodes.values())


class Seed:
    """Deterministic identifiers: equal seeds and equal calls give equal answers."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - reproducible on purpose, a lab

    def uuid(self) -> str:
        """Return a UUID."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def password(self) -> str:
        """Return a password with most of `AWKWARD` in it; no space at either end."""
        parts = [self._random.choice(_PLAIN) for _ in range(10)] + list(AWKWARD)
        self._random.shuffle(parts)
        return "P" + "".join(parts) + "1"
