"""Builds a Windows node's disk, services and Tools without certificates, sockets or hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab_node import NOW, bare_disk
from stsfix.lab.clock import LabClock
from stsfix.lab.disk import Role, WindowsSetup
from stsfix.lab.faults import FaultBook
from stsfix.lab.guest_operations import ArgvLog
from stsfix.lab.services import Board
from stsfix.lab.shell_streams import Buffer
from stsfix.lab.windows.batch import Cmd, DosStreams
from stsfix.lab.windows.expansion import Variables
from stsfix.lab.windows.files import WindowsFiles
from stsfix.lab.windows.plan import ENVIRONMENT, to_windows
from stsfix.lab.windows.tools import WindowsTools
from tools_guest import ToolsGuest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stsfix.lab.disk import NodeDisk

FOLDER = "C:\\t"
"""Where scripts of tests are; also in Wine."""


def windows_disk(role: Role = Role.EMBEDDED, setup: WindowsSetup | None = None) -> NodeDisk:
    """Return the disk of a Windows node of 6.7."""
    disk = bare_disk(role, "6.7")
    to_windows(disk, setup or WindowsSetup(database_password="db-pass"), build="6.7.0.40000")
    return disk


class BareWindows:
    """A Windows node whose services serve nothing, at a speed where nothing takes time."""

    def __init__(self, disk: NodeDisk | None = None, speed: float = 1e5) -> None:
        self.disk = disk or windows_disk()
        setup = self.disk.windows
        if setup is None:
            raise AssertionError("not the disk of a Windows node")
        self.faults = FaultBook()
        self.argv = ArgvLog()
        self.board = Board(
            self.disk, clock=LabClock(speed), faults=self.faults, programs={}, gates={}
        )
        self.tools = WindowsTools(
            self.disk,
            self.board,
            setup,
            faults=self.faults,
            now=lambda: NOW,
            argv_log=self.argv,
            kept_s=5.0,
        )
        self.tools.running = True
        self.files = WindowsFiles(self.disk)
        self.files.make_folder(FOLDER)

    def cmd(self, line: str, *, delayed: bool = False) -> tuple[int, str]:
        """Run *line* as ``cmd /c`` does; exit code and output, errors included."""
        both = Buffer()
        cmd = Cmd(self.tools.programs, self.files, Variables(dict(ENVIRONMENT)), delayed=delayed)
        cmd.folder = FOLDER
        code = cmd.run_line(line, DosStreams(out=both, err=both))
        return code, both.content.decode()

    def batch(self, text: str) -> tuple[int, str]:
        """Run *text* as a batch file, its lines ended as Windows ends them."""
        self.files.write(f"{FOLDER}\\t.cmd", text.replace("\n", "\r\n").encode())
        return self.cmd(f"{FOLDER}\\t.cmd")


class WindowsGuest(ToolsGuest):
    """Satisfies `stsfix.lab.seams.Guest` and `FolderGuest` over a `BareWindows`."""

    def __init__(self, setup: WindowsSetup | None = None) -> None:
        self.node = BareWindows(windows_disk(setup=setup))
        super().__init__(self.node.disk, self.node.tools)

    @property
    def left(self) -> set[str]:
        """Files and folders of ours."""
        return {p for p in (*self.disk.files, *self.disk.windows_folders) if "\\stsfix-" in p}

    def make_file_in(
        self, user: str, password: str, prefix: str, suffix: str, *, folder: str
    ) -> str:
        return self.node.tools.make_file_in(user, password, prefix, suffix, folder=folder)

    def make_temporary_folder(
        self, user: str, password: str, prefix: str, suffix: str, *, folder: str
    ) -> str:
        return self.node.tools.make_temporary_folder(user, password, prefix, suffix, folder=folder)

    def delete_folder(self, user: str, password: str, path: str, *, recursive: bool) -> None:
        self.node.tools.delete_folder(user, password, path, recursive=recursive)

    def read_environment(self, user: str, password: str, names: Sequence[str]) -> list[str]:
        return self.node.tools.read_environment(user, password, names)
