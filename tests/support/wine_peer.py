"""Wine's cmd.exe, an implementation of batch files that nobody here wrote."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

WINE = shutil.which("wine64", path=f"{os.environ.get('PATH', '')}:/usr/lib/wine")
_SERVER = shutil.which("wineserver", path=f"{os.environ.get('PATH', '')}:/usr/lib/wine")
_SERVER = _SERVER or shutil.which("wineserver64", path="/usr/lib/wine")
_QUIET = {
    "WINEDEBUG": "-all",
    "WINEDLLOVERRIDES": "mscoree,mshtml=;winemenubuilder.exe=d",
}


class WineCmd:
    r"""A Wine with a folder of its own; scripts are in its ``C:\t``."""

    def __init__(self, prefix: Path) -> None:
        self._environment = {**os.environ, **_QUIET, "WINEPREFIX": str(prefix)}
        self.folder = prefix / "drive_c" / "t"

    def start(self) -> None:
        """Make the prefix; takes some ten seconds."""
        self._run("wineboot", "-i", limit_s=240)
        self.folder.mkdir()

    def stop(self) -> None:
        """End everything of Wine that still runs in this prefix."""
        if _SERVER is not None:
            subprocess.run(
                [_SERVER, "-k"], env=self._environment, check=False, timeout=60, capture_output=True
            )

    def batches(self, scripts: Mapping[str, str]) -> dict[str, tuple[int, str]]:
        """Run each text as the batch file ``t.cmd``, one after the other in one Wine; its lines
        are ended as Windows ends them. Exit code and output are by name.
        """
        master = ["@echo off"]
        for number, text in enumerate(scripts.values()):
            self.write(f"{number}.txt", text)
            master += [
                f"copy /y C:\\t\\{number}.txt C:\\t\\t.cmd > nul",
                f"cmd /d /c C:\\t\\t.cmd > C:\\t\\{number}.out 2>&1 < nul",
                f"> C:\\t\\{number}.rc echo %errorlevel%",
            ]
        self.write("master.cmd", "\n".join(master))
        self.cmd("/d", "/c", "C:\\t\\master.cmd")
        return {
            name: (
                int((self.folder / f"{number}.rc").read_text()),
                (self.folder / f"{number}.out").read_bytes().decode("ascii", "replace"),
            )
            for number, name in enumerate(scripts)
        }

    def write(self, name: str, text: str) -> None:
        """Write a file into the scripts' folder, its lines ended as Windows ends them."""
        (self.folder / name).write_bytes(text.replace("\n", "\r\n").encode())

    def cmd(self, *words: str) -> tuple[int, str]:
        """Run ``cmd.exe`` with *words*; exit code and output, errors included."""
        done = self._run("C:\\windows\\system32\\cmd.exe", *words, limit_s=300)
        return done.returncode, done.stdout.decode("ascii", "replace")

    def _run(self, *words: str, limit_s: float) -> subprocess.CompletedProcess[bytes]:
        if WINE is None:
            raise AssertionError("Wine is not installed")
        return subprocess.run(
            [WINE, *words],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.folder if self.folder.is_dir() else "/",
            timeout=limit_s,
            check=False,
        )


@contextmanager
def running_wine(folder: Path) -> Generator[WineCmd]:
    """Yield a Wine whose files are in *folder*; nothing of it runs afterwards."""
    wine = WineCmd(folder / "prefix")
    try:
        wine.start()
        yield wine
    finally:
        wine.stop()
