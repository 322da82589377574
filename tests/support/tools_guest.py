"""What every guest double has in common: the VMware Tools of a lab node do the work."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stsfix.lab.disk import NodeDisk
    from stsfix.lab.guest_operations import GuestTools
    from stsfix.lab.seams import GuestProgram


class ToolsGuest:
    """Satisfies `stsfix.lab.seams.Guest` by *tools* on *disk*; it is off at first."""

    def __init__(self, disk: NodeDisk, tools: GuestTools) -> None:
        self.disk = disk
        self.tools = tools
        self.tools.running = False

    @property
    def hostname(self) -> str:
        return self.disk.fqdn if self.tools_running else ""

    @property
    def addresses(self) -> Sequence[str]:
        return ()

    @property
    def tools_running(self) -> bool:
        return self.tools.running

    def boot(self) -> None:
        self.tools.running = True

    def cut(self) -> None:
        self.tools.running = False

    def shut_down(self, off: Callable[[], None]) -> None:
        self.tools.running = False
        off()

    def start_program(self, user: str, password: str, path: str, arguments: str) -> int:
        return self.tools.start_program(user, password, path, arguments)

    def list_programs(self, user: str, password: str, pids: Sequence[int]) -> list[GuestProgram]:
        return self.tools.list_programs(user, password, pids)

    def write_file(self, user: str, password: str, path: str, content: bytes, mode: int) -> None:
        self.tools.write_file(user, password, path, content, mode)

    def read_file(self, user: str, password: str, path: str) -> bytes:
        return self.tools.read_file(user, password, path)

    def delete_file(self, user: str, password: str, path: str) -> None:
        self.tools.delete_file(user, password, path)

    def make_temporary_file(self, user: str, password: str, prefix: str, suffix: str) -> str:
        return self.tools.make_temporary_file(user, password, prefix, suffix)

    def make_file_in(
        self, user: str, password: str, prefix: str, suffix: str, *, folder: str
    ) -> str:
        return self.tools.make_file_in(user, password, prefix, suffix, folder=folder)
