"""A lab, the product's commands in this process, faults between them, and what must hold after.

In process, because nobody dies here: a command ends with success or with an `OperationError`.
Anything else it raises is a bug and comes out.
"""

from __future__ import annotations

import shutil
from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING

from killable import after_steps, execute
from run_judge import RunJudge
from saved_lab import SavedLab
from stsfix.remediation.checks.renewal import NOTHING, Wish
from stsfix.remediation.errors_run import InterruptedRunError
from stsfix.remediation.journal import JournalFile
from stsfix.snapshot.errors import OperationError
from stsfix.snapshot.system_clock import SystemClock

if TYPE_CHECKING:
    from collections import Counter
    from pathlib import Path

    from killable import Command
    from stsfix.lab.faults import Rule
    from stsfix.lab.lab import Lab

QUICK = """
poll = 0.02
silence = 0.7
busy = 2
tools = 2
doubt = 0.5
nics = 3
publish = 1
logins = 15
shutdown = 6
power_on = 4
boot = 15
snapshot = 4
revert = 4
removal = 4
replication = 5
services = 5
connect = 5
read = 10
"""
"""Limits in real seconds for a lab at thousandfold speed: faults are waited for, too."""


class FaultBench(SavedLab):
    """One lab, put back to its beginning, or to another checkpoint, for each case."""

    def __init__(
        self,
        lab: Lab,
        folder: Path,
        *,
        issuer: str = "",
        services_s: int = 5,
        wish: Wish = NOTHING,
    ) -> None:
        """Take a running lab; *issuer* is who signs, empty for the default. *services_s* is how
        long a restart of all services may take, *wish* what its runs renew besides.
        """
        super().__init__(lab, folder)
        self.wish = wish
        self.is_hit = False
        text = self.config.read_text("utf-8")
        head, _, rest = text.partition("[timeouts]\n")
        tail = rest[rest.index("[secrets]") :]
        sts = f'[sts]\nissuer = "{issuer}"\n\n' if issuer else ""
        quick = QUICK.replace("services = 5\n", f"services = {services_s}\n")
        self.config.write_text(f"{head}{sts}[timeouts]{quick}\n{tail}", "utf-8")
        self.judge = RunJudge(lab, renews=wish != NOTHING)

    def __call__(
        self,
        state: Path,
        command: Command,
        *,
        steps: int | None = None,
        ahead: timedelta = timedelta(0),
    ) -> OperationError | None:
        """Carry *command* out, or only its next *steps*, on a workstation whose clock is *ahead*;
        return what the product said.

        None is success; a command that was stopped after its steps says InterruptedRunError.
        """
        try:
            execute(
                self.config,
                state,
                command,
                stop_requested=after_steps(steps),
                ahead=ahead,
                wish=self.wish,
            )
        except OperationError as error:
            return error
        return None

    def calls(
        self, state: Path, command: Command, *, steps: int | None = None
    ) -> Counter[tuple[str, str, str]]:
        """Carry *command* out undisturbed and return the calls it made."""
        before = self.lab.faults.calls.copy()
        error = self(state, command, steps=steps)
        assert error is None or isinstance(error, InterruptedRunError), error
        return self.lab.faults.calls - before

    def disturb(
        self, rule: Rule, state: Path, command: Command, *, steps: int | None = None
    ) -> OperationError | None:
        """Carry *command* out with one fault, which is gone afterwards; *is_hit* tells whether it
        came about.
        """
        self.lab.faults.add(rule)
        try:
            return self(state, command, steps=steps)
        finally:
            self.lab.faults.clear()
            self.is_hit = rule.seen >= rule.nth


def copy_journal(source: Path, target: Path) -> None:
    """Copy the journal and the exports of a state folder that nobody has open."""
    with closing(JournalFile(source, SystemClock()).connect()) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(source / "journal.sqlite", target / "journal.sqlite")
    if (source / "exports").exists():
        shutil.copytree(source / "exports", target / "exports", dirs_exist_ok=True)
