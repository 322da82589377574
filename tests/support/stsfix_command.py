"""The command line of stsfix in processes of its own.

`Command.run` forks each from a server that has the adapters imported already: the process is
real (own descriptors, environment, folder, signals), only the half second of imports is saved.
`Command.start` starts the interpreter anew, as a person's shell does.
"""

from __future__ import annotations

import faulthandler
import json
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from typing import TYPE_CHECKING, Any

from killable import PRELOAD

if TYPE_CHECKING:
    from collections.abc import Mapping

LIMIT_S = 60.0
_PRELOAD = [*PRELOAD, "stsfix_command", "stsfix.plugin.cli.run", "stsfix.plugin.cli.verify"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended and what it said; *peak_mib* is the most memory that it had."""

    code: int
    out: str
    err: str
    peak_mib: int = 0

    @property
    def said(self) -> str:
        """Both streams, with runs of white space as one blank: wrapping does not matter."""
        return " ".join(f"{self.err} {self.out}".split())

    def json(self) -> Any:
        """The one document on standard output."""
        return json.loads(self.out)


def _carry_out(words: list[str], environment: dict[str, str], folder: str) -> None:
    from stsfix.plugin.cli import run_cli

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, name, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, "stdout", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        (2, "stderr", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        descriptor = os.open(name, flags, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    faulthandler.enable(file=2)  # who hangs is asked by SIGABRT where
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", closefd=False)
    code = run_cli(words)
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    Path("peak").write_text(str(peak_kib // 1024), "ascii")
    sys.exit(code)


class Command:
    """Runs ``stsfix`` in *folder* without a terminal, with nothing of our own environment."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
            **(environment or {}),
        }
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(_PRELOAD)
        # The server imports with Python's own path, not with this process's (CPython 3.11).
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = self.environment["PYTHONPATH"]
        try:
            forkserver.ensure_running()
        finally:
            if before is None:
                del os.environ["PYTHONPATH"]
            else:
                os.environ["PYTHONPATH"] = before

    def run(self, *words: str, limit_s: float = LIMIT_S) -> Ended:
        """Run one command to its end; one that takes longer than *limit_s* hangs."""
        process = self._context.Process(
            target=_carry_out, args=(list(words), self.environment, str(self.folder))
        )
        process.start()
        process.join(limit_s)
        if process.exitcode is None:
            os.kill(process.pid or 0, signal.SIGABRT)
            process.join()
            said = (self.folder / "stderr").read_text("utf-8", "replace")
            raise AssertionError(f"stsfix {' '.join(words)} hangs: {said}")
        out, err, peak = (self.folder / name for name in ("stdout", "stderr", "peak"))
        return Ended(
            code=process.exitcode,
            out=out.read_text("utf-8"),
            err=err.read_text("utf-8"),
            peak_mib=int(peak.read_text("ascii")) if peak.exists() else 0,
        )

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start one command; the caller waits for it (`ended`)."""
        return subprocess.Popen(
            [sys.executable, "-m", "stsfix.plugin", *words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )


def ended(process: subprocess.Popen[str]) -> Ended:
    """Wait for a process of `Command.start`; kill it if it does not end."""
    try:
        out, err = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Ended(code=process.returncode, out=out, err=err)
