"""A guest whose programs really run: in the lab's shell, with the lab's Tools and files."""

from __future__ import annotations

from lab_node import BareNode
from tools_guest import ToolsGuest

USER = "root"
SECRET = "pa ss'\"$*wörd"


class ShellGuest(ToolsGuest):
    """Satisfies `stsfix.lab.seams.Guest` over a `BareNode`; *disk* is the node's."""

    def __init__(self) -> None:
        self.node = BareNode()
        super().__init__(self.node.disk, self.node.tools)

    @property
    def files(self) -> set[str]:
        """Paths of temporary files."""
        return {path for path in self.disk.files if path.startswith("/tmp/")}
