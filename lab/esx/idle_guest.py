"""The guest of somebody else's VM: it boots, runs VMware Tools or not, and shuts down."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from stsfix.lab.seams import GuestProgram, GuestRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stsfix.lab.clock import LabClock


class IdleGuest:
    """A guest whose disk is bytes and whose services nobody asks for.

    Args:
        hostname: What its tools report.
        clock: Durations are divided by its speed.
        addresses: What its tools report.
        tools: False: VMware Tools are not installed.
        boot_s: Field seconds from power on until tools run.
        shutdown_s: Field seconds an orderly shutdown takes.
        disk: The content of its disk.
    """

    def __init__(
        self,
        hostname: str,
        *,
        clock: LabClock,
        addresses: Sequence[str] = (),
        tools: bool = True,
        boot_s: float = 30.0,
        shutdown_s: float = 20.0,
        disk: bytes = b"",
    ) -> None:
        self.disk: bytes = disk
        self._hostname = hostname
        self._addresses = tuple(addresses)
        self._clock = clock
        self._tools = tools
        self._boot_s = boot_s
        self._shutdown_s = shutdown_s
        self._tools_up = False
        self._timer: threading.Timer | None = None

    @property
    def hostname(self) -> str:
        """The host name while tools run."""
        return self._hostname if self._tools_up else ""

    @property
    def addresses(self) -> Sequence[str]:
        """The addresses while tools run."""
        return self._addresses if self._tools_up else ()

    @property
    def tools_running(self) -> bool:
        """True some time after boot, if tools are installed."""
        return self._tools_up

    def boot(self) -> None:
        """Boot; tools run after a while."""
        self._later(self._boot_s, self._booted)

    def _booted(self) -> None:
        self._tools_up = self._tools

    def cut(self) -> None:
        """Stop at once."""
        if self._timer is not None:
            self._timer.cancel()
        self._tools_up = False

    def shut_down(self, off: Callable[[], None]) -> None:
        """Stop in order, then call *off*."""

        def stopped() -> None:
            self._tools_up = False
            off()

        self._later(self._shutdown_s, stopped)

    def _later(self, field_seconds: float, action: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(self._clock.real(field_seconds), action)
        self._timer.daemon = True
        self._timer.start()

    # -- guest operations: it has none --------------------------------------------------

    def start_program(self, user: str, password: str, path: str, arguments: str) -> int:  # noqa: ARG002 - the port's signature
        """Refuse."""
        raise GuestRefusedError("InvalidGuestLogin")

    def list_programs(self, user: str, password: str, pids: Sequence[int]) -> list[GuestProgram]:  # noqa: ARG002 - the port's signature
        """Refuse."""
        raise GuestRefusedError("InvalidGuestLogin")

    def write_file(self, user: str, password: str, path: str, content: bytes, mode: int) -> None:  # noqa: ARG002 - the port's signature
        """Refuse."""
        raise GuestRefusedError("InvalidGuestLogin")

    def read_file(self, user: str, password: str, path: str) -> bytes:  # noqa: ARG002 - the port's signature
        """Refuse."""
        raise GuestRefusedError("InvalidGuestLogin")

    def delete_file(self, user: str, password: str, path: str) -> None:  # noqa: ARG002 - the port's signature
        """Refuse."""
        raise GuestRefusedError("InvalidGuestLogin")

    def make_temporary_file(self, user: str, password: str, prefix: str, suffix: str) -> str:  # noqa: ARG002 - the port's signature
        """Refuse."""
        raise GuestRefusedError("InvalidGuestLogin")
