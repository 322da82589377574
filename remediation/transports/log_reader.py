"""A node's logs, by one script over whatever transport reaches the node."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from stsfix.remediation.nodes import log_script

if TYPE_CHECKING:
    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.nodes.log_script import LogReading
    from stsfix.remediation.ports import NodeShell


class ShellLogReader:
    """`investigate.LogReader` over `NodeShell`."""

    def __init__(self, shell: NodeShell) -> None:
        self._shell = shell

    def read_logs(self, node: NodePlan) -> LogReading:
        """Run the script once; an answer that is too long is cut, and the reading says so."""
        nonce = secrets.token_hex(8)
        result = self._shell.run(
            node,
            log_script.script(nonce),
            limit=log_script.RUN_LIMIT,
            output_limit=log_script.OUTPUT_LIMIT,
        )
        return log_script.parse(result.output, nonce)
