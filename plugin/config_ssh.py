"""Reads how a node's SSH server is found and trusted, from a table of ``domain.toml``."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

from stsfix.plugin.config_files import find_file
from stsfix.plugin.settings import SshSettings

if TYPE_CHECKING:
    from pathlib import Path

    from stsfix.plugin.toml_reader import TomlTable

_PIN = re.compile(r"sha256:(?P<digest>\S+)", re.IGNORECASE)
_HEX = re.compile(r"[0-9a-f]{64}")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{43}=?")
_FORM = (
    "must be SHA256: and 43 characters, as ssh-keygen -l prints it, or sha256: and 64 hex digits"
)


def read_ssh(table: TomlTable, ports: TomlTable, base: SshSettings, folder: Path) -> SshSettings:
    """Return the SSH settings of one table of nodes; what it does not say is as in *base*.

    Args:
        table: ``[nodes]`` or ``[nodes."fqdn"]``.
        ports: Its table of ports.
        base: The defaults; a key of its own replaces both kinds of trust.
        folder: What relative paths start from.
    """
    port = ports.integer("ssh", base.port, high=65535)
    host_key = _read_key(table)
    known_hosts = _read_file(table, folder)
    if host_key is None and known_hosts is None:
        return SshSettings(port=port, host_key=base.host_key, known_hosts=base.known_hosts)
    if host_key is not None and known_hosts is not None:
        table.report("ssh_known_hosts", "is of no use beside ssh_host_key: keep one of them")
    return SshSettings(port=port, host_key=host_key, known_hosts=known_hosts)


def _read_key(table: TomlTable) -> str | None:
    value = table.optional_text("ssh_host_key")
    if value is None:
        return None
    pin = _PIN.fullmatch(value.strip())
    digest = pin["digest"] if pin else ""
    digits = digest.replace(":", "").lower()
    if _HEX.fullmatch(digits):
        return digits
    if _BASE64.fullmatch(digest):
        return base64.b64decode(digest.rstrip("=") + "=").hex()
    table.report("ssh_host_key", _FORM)
    return None


def _read_file(table: TomlTable, folder: Path) -> Path | None:
    value = table.optional_text("ssh_known_hosts")
    return None if value is None else find_file(table, "ssh_known_hosts", value, folder)
