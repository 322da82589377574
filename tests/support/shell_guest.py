"""A guest whose programs really run: in the lab's shell, with the lab's Tools and files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab_node import BareNode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stsfix.lab.seams import GuestProgram

USER = "root"
SECRET = "pa ss'\"$*wörd"


class ShellGuest:
    """Satisfies `stsfix.lab.seams.Guest` over a `BareNode`; *disk* is the node's."""

    def __init__(self) -> None:
        self.node = BareNode()
        self.node.tools.running = False
        self.disk = self.node.disk

    @property
    def hostname(self) -> str:
        return self.node.disk.fqdn if self.tools_running else ""

    @property
    def addresses(self) -> Sequence[str]:
        return ()

    @property
    def tools_running(self) -> bool:
        return self.node.tools.running

    @property
    def files(self) -> set[str]:
        """Paths of temporary files."""
        return {path for path in self.disk.files if path.startswith("/tmp/")}

    def boot(self) -> None:
        self.node.tools.running = True

    def cut(self) -> None:
        self.node.tools.running = False

    def shut_down(self, off: Callable[[], None]) -> None:
        self.node.tools.running = False
        off()

    def start_program(self, user: str, password: str, path: str, arguments: str) -> int:
        return self.node.tools.start_program(user, password, path, arguments)

    def list_programs(self, user: str, password: str, pids: Sequence[int]) -> list[GuestProgram]:
        return self.node.tools.list_programs(user, password, pids)

    def write_file(self, user: str, password: str, path: str, content: bytes, mode: int) -> None:
        self.node.tools.write_file(user, password, path, content, mode)

    def read_file(self, user: str, password: str, path: str) -> bytes:
        return self.node.tools.read_file(user, password, path)

    def delete_file(self, user: str, password: str, path: str) -> None:
        self.node.tools.delete_file(user, password, path)

    def make_temporary_file(self, user: str, password: str, prefix: str, suffix: str) -> str:
        return self.node.tools.make_temporary_file(user, password, prefix, suffix)
