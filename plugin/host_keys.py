"""Host keys that a person confirmed at the terminal, kept in the state folder."""

from __future__ import annotations

import errno
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING

from stsfix.plugin.errors import ReportFileError
from stsfix.plugin.private_file import read_plain, write_private
from stsfix.plugin.text import printable
from stsfix.remediation.state_folder import intruders

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stsfix.remediation.host_keys import HostKeyQuestion

logger = logging.getLogger(__name__)

FILE = "known_hosts"
_MODE = 0o700
_MAX_BYTES = 1024 * 1024


class ConfirmedKeys:
    """`host_keys.KeyMemory` in a file ``known_hosts`` of the state folder, mode 0600."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._lock = threading.Lock()

    def read(self) -> str:
        """See `KeyMemory`.

        Raises:
            OSError: It is no ordinary file, is too large, or cannot be read; or somebody else could
                have written it.
        """
        try:
            folder = self._path.parent
            if reason := intruders(folder):
                raise PermissionError(errno.EPERM, f"{folder}: {reason}")
            content = read_plain(self._path, _MAX_BYTES + 1)
        except FileNotFoundError:
            return ""
        if len(content) > _MAX_BYTES:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(self._path))
        return content.decode("utf-8", "replace")

    def add(self, line: str) -> None:
        """See `KeyMemory`. What cannot be kept is asked again the next time."""
        with self._lock:
            try:
                self._path.parent.mkdir(mode=_MODE, parents=True, exist_ok=True)
                before = self.read()
                if before and not before.endswith("\n"):
                    before += "\n"
                write_private(self._path, f"{before}{line}\n")
            except (OSError, ReportFileError) as error:
                logger.warning("the host key cannot be remembered: %s", error)


def terminal_confirmation(tell: Callable[[str], None]) -> Callable[[HostKeyQuestion], bool] | None:
    """Return a question to the person at the terminal, or None if nobody sits there.

    Args:
        tell: Writes a line to standard error.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None

    def confirm(question: HostKeyQuestion) -> bool:
        where = question.node
        if question.address != question.node:
            where += f" ({question.address})"
        tell(f"The SSH server of {printable(where)} is not known yet. It shows the host key")
        tell(f"  {question.key.fingerprint} ({printable(question.key.kind)})")
        tell("Compare it with what the node itself says, on its own console:")
        tell('  for k in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf "$k"; done')
        tell("Is it one of those? Type yes to go on and to remember it:")
        return sys.stdin.readline().strip().lower() == "yes"

    return confirm
