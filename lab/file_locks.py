"""Locks on files of a node, as flock(2) has them, and the program that takes one."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stsfix.lab.shell_streams import FileSink, Streams

_BUSY = 1
_BAD_DESCRIPTOR = 65
_ROUND_S = 0.2
_FOREVER_S = 1e9


class FileLocks:
    """Who holds which file; a holder is what an open put into a descriptor."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders: dict[str, FileSink] = {}

    def take(self, sink: FileSink) -> bool:
        """Let *sink* hold its file; False if another does."""
        with self._lock:
            return self._holders.setdefault(sink.path, sink) is sink

    def drop(self, sink: FileSink) -> None:
        """Let go of what *sink* holds, if anything: it is closed."""
        with self._lock:
            if self._holders.get(sink.path) is sink:
                del self._holders[sink.path]


def flock(
    locks: FileLocks, pause: Callable[[float], None], words: Sequence[str], streams: Streams
) -> int:
    """Do what util-linux's ``flock [-n | -w SECONDS] DESCRIPTOR`` does; *pause* lets field seconds
    pass. The lock ends when the descriptor is closed.

    Raises:
        ValueError: Not in this form, which is the only one that the lab knows.
    """
    *options, descriptor = words
    left = _FOREVER_S
    if options[:1] == ["-w"]:
        left = float(options[1])
    elif options == ["-n"]:
        left = 0.0
    elif options:
        raise ValueError(options)
    sink = streams.others.get(int(descriptor))
    if sink is None:
        streams.complain(f"flock: {descriptor}: Bad file descriptor")
        return _BAD_DESCRIPTOR
    while not locks.take(sink):
        if left <= 0:
            return _BUSY
        pause(_ROUND_S)
        left -= _ROUND_S
    return 0
