"""The seams between the lab's parts: what a host knows of a guest, and an STS of a directory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime


class GuestRefusedError(Exception):
    """A guest operation the guest says no to; *fault* is the vim fault's name
    (InvalidGuestLogin, FileNotFound, GuestPermissionDenied, GuestOperationsUnavailable).
    """

    def __init__(self, fault: str) -> None:
        super().__init__(fault)
        self.fault = fault


@dataclass(kw_only=True)
class GuestProgram:
    """A program started in a guest. *ended* and *exit_code* are None while it runs."""

    pid: int
    name: str
    cmd_line: str
    owner: str
    started: datetime
    ended: datetime | None = None
    exit_code: int | None = None


class Guest(Protocol):
    """What runs inside a VM. The VM calls it; it never calls vSphere.

    `disk` is everything that survives power off: a snapshot deep-copies it, a revert puts a
    deep copy back (only ever while the VM is off).
    """

    disk: Any

    @property
    def hostname(self) -> str:
        """Guest host name as VMware Tools reports it; empty when Tools does not run."""

    @property
    def addresses(self) -> Sequence[str]:
        """Guest IP addresses as VMware Tools reports them."""

    @property
    def tools_running(self) -> bool:
        """True while VMware Tools runs: some time after boot, until shutdown."""

    def boot(self) -> None:
        """Power was applied. Returns at once; services come up in the background."""

    def cut(self) -> None:
        """Power was cut: every service is gone on return, nothing is saved orderly."""

    def shut_down(self, off: Callable[[], None]) -> None:
        """Begin an orderly shutdown and return at once; call *off* when it is complete."""

    def start_program(self, user: str, password: str, path: str, arguments: str) -> int:
        """Start a program and return its pid, or raise GuestRefusedError."""

    def list_programs(self, user: str, password: str, pids: Sequence[int]) -> list[GuestProgram]:
        """Return the programs of *pids* (all if empty), or raise GuestRefusedError."""

    def write_file(self, user: str, password: str, path: str, content: bytes, mode: int) -> None:
        """Write a file, or raise GuestRefusedError."""

    def read_file(self, user: str, password: str, path: str) -> bytes:
        """Read a file, or raise GuestRefusedError (FileNotFound)."""

    def delete_file(self, user: str, password: str, path: str) -> None:
        """Delete a file, or raise GuestRefusedError (FileNotFound)."""

    def make_temporary_file(self, user: str, password: str, prefix: str, suffix: str) -> str:
        """Create an empty file where the user's temporary ones are, and return its path."""


@runtime_checkable
class PlacingGuest(Protocol):
    """A guest that puts new files where it is told."""

    def make_file_in(
        self, user: str, password: str, prefix: str, suffix: str, *, folder: str
    ) -> str:
        """Create an empty file in *folder* and return its path.

        Raises:
            GuestRefusedError: It is refused.
        """


@runtime_checkable
class FolderGuest(Protocol):
    """What some guests can do besides; all of it raises GuestRefusedError."""

    def make_temporary_folder(
        self, user: str, password: str, prefix: str, suffix: str, *, folder: str
    ) -> str:
        """Create an empty folder in *folder* (if empty: where the user's are); its path."""

    def delete_folder(self, user: str, password: str, path: str, *, recursive: bool) -> None:
        """Delete a folder, and with *recursive* what is in it."""

    def read_environment(self, user: str, password: str, names: Sequence[str]) -> list[str]:
        """Return the user's variables *names* (all if empty) as ``NAME=value``."""


@dataclass(frozen=True, kw_only=True)
class DirectoryEntry:
    """An entry as a service on the node sees it; attribute names are lower case."""

    dn: str
    attributes: dict[str, list[bytes]]


class DirectoryReader(Protocol):
    """What the STS and vCenter of a node read from the node's own vmdir, in process."""

    def children(self, base_dn: str, object_class: str) -> list[DirectoryEntry]:
        """Return direct children of *base_dn* with that class; empty if the base is missing.

        Raises:
            ConnectionError: vmdird does not run on the node.
        """

    def password_matches(self, upn: str, password: str) -> bool:
        """Tell whether *upn* (user@domain, case-insensitive) has *password*.

        Raises:
            ConnectionError: vmdird does not run on the node.
        """


@dataclass(frozen=True, kw_only=True)
class KeyPair:
    """A private key with its certificate chain, leaf first. PEM both."""

    certificates_pem: bytes
    key_pem: bytes


TlsSource = KeyPair | Callable[[], KeyPair]
"""A certificate for a TLS server, or where it is read from at each start."""


def read_tls(source: TlsSource) -> KeyPair:
    """Return the certificate that a server which starts now shows."""
    return source if isinstance(source, KeyPair) else source()
