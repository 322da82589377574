"""Which SSH host key a node must show: pinned, in a file of known hosts, or confirmed once.

Nothing is taken on first sight without a person, and a key that differs from a known one is
refused whatever a person says.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from stsfix.remediation.errors import HostKeyError
from stsfix.remediation.known_hosts import (
    SSH_PORT,
    HostKey,
    Known,
    known_keys,
    names_of,
    openssh_form,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class KeyMemory(Protocol):
    """Keys that a person confirmed, kept between runs in the form of ``known_hosts``."""

    def read(self) -> str:
        """Return all lines; empty if there are none yet."""

    def add(self, line: str) -> None:
        """Keep *line* as well."""


class NoMemory:
    """A `KeyMemory` of nothing: every unknown key is asked about."""

    def read(self) -> str:
        """See `KeyMemory`."""
        return ""

    def add(self, line: str) -> None:
        """See `KeyMemory`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostKeyQuestion:
    """What a person is asked: is *key* the one of *node*, reached at *address*?"""

    node: str
    address: str
    key: HostKey


@dataclass(frozen=True, slots=True, kw_only=True)
class SshPeer:
    """An SSH server and how it proves itself. *sha256* pins its key (64 lower-case hex digits),
    *known_hosts* is a file that lists it; with neither a person is asked. Timeouts in seconds.
    """

    node: str
    address: str
    port: int = SSH_PORT
    sha256: str | None = None
    known_hosts: Path | None = None
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 60.0

    @property
    def names(self) -> tuple[str, ...]:
        """What a file of known hosts may call it."""
        return names_of((self.node, self.address), self.port)


@dataclass
class HostKeys:
    """Decides about host keys. *confirm* is None where nobody sits at a terminal."""

    memory: KeyMemory
    confirm: Callable[[HostKeyQuestion], bool] | None
    _asking: threading.Lock = field(default_factory=threading.Lock)
    _denied: set[tuple[str, HostKey]] = field(default_factory=set)

    def kinds(self, peer: SshPeer) -> tuple[str, ...]:
        """Return the kinds of key that are known of *peer*, to ask it for; empty for a pin.

        Raises:
            HostKeyError: The file of known hosts cannot be read.
        """
        if peer.sha256 is not None:
            return ()
        return tuple(dict.fromkeys(key.kind for key in self._known(peer).trusted))

    def check(self, peer: SshPeer, key: HostKey) -> None:
        """Return if *key* is the one *peer* must show.

        Raises:
            HostKeyError: It is not, or nobody knows; no password was sent.
        """
        shown = f"{key.fingerprint} ({key.kind})"
        if peer.sha256 is not None:
            if key.sha256 != peer.sha256:
                reason = f"it shows {shown}, and {openssh_form(peer.sha256)} is pinned"
                raise HostKeyError(peer.node, reason, key.fingerprint, is_changed=True)
            return
        with self._asking:  # one question at a time, and never twice the same
            known = self._known(peer)
            if key in known.revoked:
                reason = f"it shows {shown}, which is revoked"
                raise HostKeyError(peer.node, reason, key.fingerprint, is_changed=True)
            if key in known.trusted:
                return
            if known.trusted:
                reason = f"it shows {shown}, which is not the known one"
                raise HostKeyError(peer.node, reason, key.fingerprint, is_changed=True)
            self._ask(peer, key)

    def _ask(self, peer: SshPeer, key: HostKey) -> None:
        shown = f"{key.fingerprint} ({key.kind})"
        if self.confirm is None:
            raise HostKeyError(peer.node, f"nobody has confirmed {shown}", key.fingerprint)
        if (peer.node, key) not in self._denied:
            if self.confirm(HostKeyQuestion(node=peer.node, address=peer.address, key=key)):
                self.memory.add(key.line(peer.names[0]))
                return
            self._denied.add((peer.node, key))
        raise HostKeyError(peer.node, f"{shown} was not confirmed", key.fingerprint)

    def _known(self, peer: SshPeer) -> Known:
        file = peer.known_hosts
        try:
            text = (
                self.memory.read()
                if file is None
                else file.read_text(encoding="utf-8", errors="replace")
            )
        except OSError as error:
            reason = f"{file or 'the keys that were confirmed'} cannot be read ({error.strerror})"
            raise HostKeyError(peer.node, reason) from error
        return known_keys(text, peer.names)
