"""`ports.NodeShell` in memory: scripts run in the lab's small shell, without sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab_node import BareNode
from stsfix.remediation.errors import NodeFileError
from stsfix.remediation.ports import READ_LIMIT
from stsfix.snapshot.errors import GuestLoginError, OperationError
from stsfix.snapshot.ports import OUTPUT_BYTES, GuestResult
from stsfix.snapshot.secret import Secret

if TYPE_CHECKING:
    from datetime import timedelta

    from stsfix.remediation.model import NodePlan


class MemoryShell:
    """One node for every name. *error*, while it is set, is raised by every call."""

    def __init__(self, node: BareNode | None = None) -> None:
        self.node = node or BareNode()
        self.error: OperationError | None = None
        self.is_refused = False
        self.attempts = 0

    def describe(self, node: NodePlan) -> str:
        return f"memory of {node.fqdn}"

    def run(
        self,
        node: NodePlan,
        script: str | Secret[str],
        *,
        limit: timedelta = READ_LIMIT,
        output_limit: int = OUTPUT_BYTES,
    ) -> GuestResult:
        del limit
        self._enter(node)
        text = script.reveal() if isinstance(script, Secret) else script
        code, output = self.node.sh(text)
        return GuestResult(exit_code=code, output=output[:output_limit])

    def put(
        self, node: NodePlan, path: str, content: bytes | Secret[bytes], *, mode: int = 0o600
    ) -> None:
        self._enter(node)
        raw = content.reveal() if isinstance(content, Secret) else content
        self.node.tools.files.write(path, raw, mode)

    def get(self, node: NodePlan, path: str, *, limit_bytes: int = OUTPUT_BYTES) -> bytes:
        self._enter(node)
        try:
            content = self.node.tools.files.read(path)
        except FileNotFoundError as error:
            raise NodeFileError(node.fqdn, path, "there is no such file") from error
        if len(content) > limit_bytes:
            raise NodeFileError(node.fqdn, path, f"it is larger than {limit_bytes} bytes")
        return content

    def _enter(self, node: NodePlan) -> None:
        self.attempts += 1
        if self.is_refused:
            raise GuestLoginError(node.vm, "root")
        if self.error is not None:
            raise self.error
