"""Names, identifiers and passwords of a lab, all from one seed."""

from __future__ import annotations

import random
import tomllib
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

AWKWARD = (" ", "'", '"', "$", "*", "<&>", "ü", "\\", "%", "#", "{", "`", ";", "ß")
"""What shells, XML, LDAP, TOML and URLs each take for something else."""

_PLAIN = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passwords:
    """Every password of a lab. *hosts* and *nodes* are by name; both are root's."""

    sso: str
    hosts: dict[str, str]
    nodes: dict[str, str]

    @classmethod
    def read(cls, path: Path, *, hosts: Sequence[str], nodes: Sequence[str]) -> Passwords:
        """Return the passwords of a TOML file in the shape of the product's secrets file.

        Raises:
            KeyError: One is missing, for the host or node it names, and there is no default.
            OSError, tomllib.TOMLDecodeError: The file cannot be read.
        """
        read = tomllib.loads(path.read_text(encoding="utf-8"))
        esxi, appliances = read.get("esxi", {}), read.get("nodes", {})
        return cls(
            sso=read["sso"],
            hosts={name: esxi[name if name in esxi else "default"] for name in hosts},
            nodes={name: appliances[name if name in appliances else "default"] for name in nodes},
        )

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
