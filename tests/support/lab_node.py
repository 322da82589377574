"""Builds a node's disk, services and Tools without certificates, sockets or hosts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from stsfix.lab.clock import LabClock
from stsfix.lab.commands import Commands
from stsfix.lab.disk import NodeDisk, Role
from stsfix.lab.faults import FaultBook
from stsfix.lab.guest_operations import ArgvLog, GuestTools
from stsfix.lab.services import Board
from stsfix.lab.shell import Buffer, Shell, Streams

if TYPE_CHECKING:
    from collections.abc import Callable

    from stsfix.lab.services import Verdict
    from stsfix.lab.vmware_tools import Reach

NOW = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)


def bare_disk(role: Role = Role.EMBEDDED, version: str = "7.0") -> NodeDisk:
    """Return a disk with no directory and an empty certificate."""
    return NodeDisk(
        fqdn="vc1.lab.example",
        role=role,
        domain="vsphere.local",
        site="Default-First-Site",
        version=version,
        age="D",
        psc="vc1.lab.example",
        machine_id="564d0001-0000-0000-0000-000000000001",
        root_password="pa ss'\"$*wörd",
    )


class BareNode:
    """A node whose services serve nothing, at a speed where nothing takes time."""

    def __init__(
        self,
        disk: NodeDisk | None = None,
        gates: dict[str, Callable[[], Verdict]] | None = None,
        speed: float = 1e5,
        reach: Reach | None = None,
        now: Callable[[], datetime] = lambda: NOW,
    ) -> None:
        self.disk = disk or bare_disk()
        self.faults = FaultBook()
        self.argv = ArgvLog()
        self.board = Board(
            self.disk,
            clock=LabClock(speed),
            faults=self.faults,
            programs={},
            gates=gates or {},
        )
        self.tools = GuestTools(
            self.disk,
            self.board,
            faults=self.faults,
            now=now,
            argv_log=self.argv,
            kept_s=5.0,
        )
        self.tools.commands = Commands(
            self.disk,
            self.board,
            faults=self.faults,
            environment=self.tools,
            now=now,
            reach=reach,
        )
        self.tools.running = True

    def sh(self, text: str) -> tuple[int, str]:
        """Run *text* and return exit code and output, standard error included."""
        both = Buffer()
        code = Shell(self.tools).run(text, Streams(out=both, err=both))
        return code, both.content.decode("utf-8", "replace")

    def input(self, text: str) -> tuple[int, str]:
        """Run bash with *text* as standard input; as `sh`."""
        both = Buffer()
        code = Shell(self.tools).run_input(Streams(stdin=text.encode(), out=both, err=both))
        return code, both.content.decode()
