"""What a node's system commands print: chage, df, ip and /proc/uptime."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from stsfix.lab.disk import NodeDisk
    from stsfix.lab.shell import Streams

_DF_HEAD = "Filesystem     1024-blocks     Used Available Capacity Mounted on"
_SIZE_KIB = 10_932_232
_DEVICES = {
    "/": "/dev/sda3",
    "/storage/db": "/dev/mapper/db_vg-db",
    "/storage/log": "/dev/mapper/log_vg-log",
}


class NodeStatus:
    """Answers of one boot; *now* is the node's own clock.

    Source: formats of shadow's chage (English), coreutils' ``df -P`` and iproute2's ``ip -o``.
    """

    def __init__(self, disk: NodeDisk, now: Callable[[], datetime]) -> None:
        self._disk = disk
        self._now = now
        self._booted = now()

    def chage(self, words: Sequence[str], streams: Streams) -> int:
        """``chage -l root``."""
        option, user = words
        if (option, user) != ("-l", "root"):
            raise ValueError(words)
        days = self._disk.password_days
        if self._disk.root_password_expired:
            days = -1.0
        # These dates are on the disk: a clock that went wrong later does not move them.
        true = self._now() - timedelta(seconds=self._disk.clock_offset_s)
        ends = "never" if days is None else f"{true + timedelta(days=days):%b %d, %Y}"
        changed = f"{true - timedelta(days=60):%b %d, %Y}"
        streams.say(f"Last password change\t\t\t\t\t: {changed}")
        streams.say(f"Password expires\t\t\t\t\t: {ends}")
        streams.say("Password inactive\t\t\t\t\t: never")
        streams.say("Account expires\t\t\t\t\t\t: never")
        streams.say("Minimum number of days between password change\t\t: 0")
        streams.say("Maximum number of days between password change\t\t: 90")
        streams.say("Number of days of warning before password expires\t: 7")
        return 0

    def df(self, words: Sequence[str], streams: Streams) -> int:
        """``df -P -k PATH...`` of mount points."""
        mounts = [word for word in words if not word.startswith("-")]
        code = 0
        streams.say(_DF_HEAD)
        for mount in mounts:
            free = self._disk.free_kib.get(mount)
            if free is None:
                streams.complain(f"df: {mount}: No such file or directory")
                code = 1
                continue
            used = _SIZE_KIB - free
            share = -(-used * 100 // _SIZE_KIB)
            device = _DEVICES.get(mount, "/dev/sdb1")
            streams.say(f"{device:<14} {_SIZE_KIB:>11} {used:>8} {free:>9} {share:>7}% {mount}")
        return code

    def ip(self, words: Sequence[str], streams: Streams) -> int:
        """``ip -o addr show ...``: one address, the loopback one of the lab."""
        if "addr" not in words:
            raise ValueError(words)
        streams.say("2: eth0    inet 127.0.0.1/24 brd 127.0.0.255 scope global eth0\\       ")
        return 0

    def uptime(self) -> str:
        """Return the text of /proc/uptime."""
        seconds = (self._now() - self._booted).total_seconds()
        return f"{seconds:.2f} {seconds * 2:.2f}"
