"""Who runs scripts on nodes, in the language of each platform; bash's port is `ports.NodeShell`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from stsfix.remediation.ports import READ_LIMIT
from stsfix.snapshot.ports import OUTPUT_BYTES

if TYPE_CHECKING:
    from datetime import timedelta

    from stsfix.remediation.model import NodePlan
    from stsfix.snapshot.ports import GuestResult
    from stsfix.snapshot.secret import Secret


class ScriptRunner(Protocol):
    """Runs scripts on nodes in one language: bash on appliances, batch on Windows."""

    def run(
        self,
        node: NodePlan,
        script: str | Secret[str],
        *,
        limit: timedelta = READ_LIMIT,
        output_limit: int = OUTPUT_BYTES,
    ) -> GuestResult:
        """Run *script* and wait for its end; what is raised says the runner's own port."""


class BatchShell(Protocol):
    """Batch scripts on a Windows node as its configured administrator, by guest operations.

    A script holds ASCII only. It may raise one of `LOGIN_REFUSED`, one of `UNAVAILABLE`,
    `HostTlsError`, and `WindowsNodeError` (configured like an appliance: nothing was sent).
    """

    def run(
        self,
        node: NodePlan,
        script: str | Secret[str],
        *,
        limit: timedelta = READ_LIMIT,
        output_limit: int = OUTPUT_BYTES,
    ) -> GuestResult:
        """Run *script* with cmd.exe and wait for its end; no file is left behind.

        Returns:
            Exit code, and standard output with standard error with LF line ends, cut.

        Raises:
            GuestRightsError: The user has not the rights of an administrator.
            TaskOverdueError: Still running after *limit*; the line that runs is still done.
            AnswerLostError: It was started, and its end could not be seen.
        """
