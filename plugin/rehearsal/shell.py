"""Types commands of stsfix in a rehearsal, as an operator would."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stsfix.lab.scenario import Scenario


class Shell:
    """Types commands of stsfix as an operator would, with the lab's configuration.

    *repair* are the words that the scenario's operator adds to ``stsfix run``, *accepting* those
    that one adds to it and to ``stsfix preflight``.
    """

    def __init__(
        self,
        config: Path,
        state: Path,
        tell: Callable[[str, str], None],
        scenario: Scenario,
    ) -> None:
        self.repair = scenario.repair
        self.accepting = tuple(w for risk in scenario.accepted for w in ("--accept", risk))
        self._config = config
        self._state = state
        self._tell = tell

    def type(self, *words: str) -> int:
        """Run one command to its end, show what it prints, and return its exit code."""
        self._tell("command", "stsfix " + " ".join(words))
        with subprocess.Popen(  # noqa: S603 - our own program with fixed words
            [sys.executable, "-m", "stsfix.plugin", *words],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            self._show(process)
        return process.returncode

    def read(self, *words: str) -> str:
        """Run one command that only reads, and return its standard output."""
        return subprocess.run(  # noqa: S603 - our own program with fixed words
            [sys.executable, "-m", "stsfix.plugin", *words],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    @property
    def _environment(self) -> dict[str, str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("STSFIX_")}
        return environment | {
            "STSFIX_CONFIG": str(self._config),
            "STSFIX_STATE_DIR": str(self._state),
        }

    def _show(self, process: subprocess.Popen[str]) -> None:
        if process.stdout is None:
            raise AssertionError("the output was asked for")
        for line in process.stdout:
            self._tell("output", line.rstrip("\n"))
