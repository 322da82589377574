"""Programs of a node that are about logins: stty, chsh and the tallies of failed logins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stsfix.lab.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stsfix.lab.disk import NodeDisk
    from stsfix.lab.shell import Streams

_SHELLS = ("/bin/bash", "/bin/appliancesh")


class LoginCommands:
    """What can be run on the node of *disk*."""

    def __init__(self, disk: NodeDisk) -> None:
        self._disk = disk

    def table(self) -> dict[str, Callable[[Sequence[str], Streams], int]]:
        """Return the programs by name."""
        tally = "pam_tally2" if self._disk.release < (8,) else "faillock"
        return {"stty": self._stty, "chsh": self._chsh, tally: self._tally}

    @staticmethod
    def _stty(words: Sequence[str], streams: Streams) -> int:
        """``stty`` with ``echo``, ``opost`` and their opposites; others change nothing."""
        terminal = streams.source
        if not isinstance(terminal, Terminal):
            streams.complain("stty: 'standard input': Inappropriate ioctl for device")
            return 1
        for word in words:
            if word in ("echo", "-echo"):
                terminal.echo = word == "echo"
            if word in ("opost", "-opost"):
                terminal.processed = word == "opost"
        return 0

    def _chsh(self, words: Sequence[str], streams: Streams) -> int:
        """``chsh -s SHELL root``."""
        option, shell, user = words
        if (option, user) != ("-s", "root"):
            raise ValueError(words)
        if shell not in _SHELLS:
            streams.complain(f"chsh: {shell} does not exist")
            return 1
        self._disk.login_shell = shell
        return 0

    def _tally(self, words: Sequence[str], streams: Streams) -> int:
        """``pam_tally2 --user root`` or ``faillock --user root``, with ``--reset``."""
        if "--reset" in words or "-r" in words:
            self._disk.failed_logins = 0
        streams.say(f"root {self._disk.failed_logins}")
        return 0
