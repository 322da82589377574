"""Reads the 0600 file that holds passwords; nothing of its content is in any error."""

from __future__ import annotations

import os
import re
import stat
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stsfix.plugin.errors import SecretError
from stsfix.snapshot.secret import Secret

if TYPE_CHECKING:
    from pathlib import Path

MAX_FILE_BYTES = 1 << 20
_KEYS = frozenset({"sso", "export", "esxi", "nodes"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSecrets:
    """What a secrets file holds. Names in *esxi* and *nodes* are lower case, ``default`` too."""

    sso: Secret[str] | None = None
    export: Secret[str] | None = None
    esxi: dict[str, Secret[str]] = field(default_factory=dict)
    nodes: dict[str, Secret[str]] = field(default_factory=dict)


def read_secrets_file(path: Path) -> FileSecrets:
    """Read *path* after checking that nobody else can.

    A symbolic link is followed; the file it leads to is checked, on the open descriptor.

    Raises:
        SecretError: It is missing, not ours, readable by others, or not the documented TOML.
    """
    what = f"secrets file {path}"
    document = _parse(what, _read_private(path, what))
    if not document.keys() <= _KEYS:
        raise SecretError(what, "has a key besides sso, export, [esxi] and [nodes]")
    return FileSecrets(
        sso=_single(what, document, "sso"),
        export=_single(what, document, "export"),
        esxi=_named(what, document, "esxi"),
        nodes=_named(what, document, "nodes"),
    )


def _read_private(path: Path, what: str) -> bytes:
    try:
        # O_NONBLOCK: a FIFO must not hang the start.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise SecretError(what, f"cannot be read ({error.strerror})") from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise SecretError(what, "is not a regular file")
        if status.st_uid != os.geteuid():
            raise SecretError(what, "belongs to another user")
        mode = stat.S_IMODE(status.st_mode)
        if mode not in (0o600, 0o400):
            raise SecretError(what, f"has mode {mode:04o}, make it private with: chmod 600 {path}")
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise SecretError(what, "is larger than 1 MiB")
    return content


def _parse(what: str, content: bytes) -> dict[str, object]:
    """Parse TOML; the parser's own exception may hold the text, so it is never chained."""
    reason = "is not UTF-8 text"
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        pass
    except (ValueError, RecursionError) as error:
        place = re.search(r"at line \d+", str(error))
        reason = "is not valid TOML" + (f" {place.group()}" if place else "")
    raise SecretError(what, reason)


def _single(what: str, document: dict[str, object], key: str) -> Secret[str] | None:
    value = document.get(key)
    if value is not None and not isinstance(value, str):
        raise SecretError(what, f"{key} must be a string")
    return None if value is None else Secret(value)


def _named(what: str, document: dict[str, object], key: str) -> dict[str, Secret[str]]:
    table = document.get(key, {})
    if not isinstance(table, dict):
        raise SecretError(what, f"[{key}] must be a table")
    if not all(isinstance(value, str) for value in table.values()):
        raise SecretError(what, f'[{key}] must hold strings, with names in quotes: "a.b" = "..."')
    return {name.lower(): Secret(value) for name, value in table.items()}
