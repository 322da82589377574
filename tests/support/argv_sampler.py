"""Samples the command lines of this process's descendants, as ``ps`` would show them."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import Self

EVERY_S = 0.005


class ArgvSampler:
    """Context manager; *lines* are all command lines that were ever seen, words by blanks."""

    def __init__(self) -> None:
        self.lines: set[str] = set()
        self._kin: dict[int, bool] = {os.getpid(): True}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True, name="argv-sampler")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._over.wait(EVERY_S):
            now = {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
            for pid in self._kin.keys() - now:
                del self._kin[pid]
            for pid in sorted(now):
                # It may have ended since it was listed.
                with contextlib.suppress(OSError):
                    self._look_at(pid)

    def _look_at(self, pid: int) -> None:
        if pid not in self._kin:
            stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
            parent = int(stat.rpartition(")")[2].split()[1])
            self._kin[pid] = self._kin.get(parent, False)
        if self._kin[pid] and pid != os.getpid():
            # Each time: a process may become another program.
            raw = Path(f"/proc/{pid}/cmdline").read_bytes()
            self.lines.add(raw.replace(b"\0", b" ").decode("utf-8", "replace"))
