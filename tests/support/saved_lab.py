"""A running lab as an operator has it, in a folder, which is put back for each case."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from killable import Killable
from run_judge import RunJudge
from stsfix.plugin.exit_codes import EXIT_CODES
from stsfix.remediation.checks.renewal import NOTHING
from stsfix.remediation.errors_run import InterruptedRunError

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable
    from pathlib import Path

    from killable import Command
    from stsfix.lab.lab import Lab
    from stsfix.remediation.checks.renewal import Wish


GONE_WELL = (0, EXIT_CODES[InterruptedRunError])
"""How a command ends that nothing stood in the way of; also one that was to stop after a step."""


class SavedLab:
    """A lab, its configuration in *folder*, and a checkpoint of how it was then."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.lab = lab
        self.folder = folder
        self.config = lab.write_config(folder)
        self.saved = lab.checkpoint()

    def rewrite(self, change: Callable[[str], str]) -> None:
        """Change domain.toml.

        Raises:
            AssertionError: The change changed nothing.
        """
        text = self.config.read_text("utf-8")
        changed = change(text)
        assert changed != text
        self.config.write_text(changed, "utf-8")

    def restore(self) -> None:
        """Bring the lab back to its beginning."""
        self.lab.restore(self.saved)


class DeathBench(SavedLab):
    """A lab, processes that die in it, and what must hold after; *wish* is what runs renew
    besides the STS credential.
    """

    def __init__(self, lab: Lab, folder: Path, wish: Wish = NOTHING) -> None:
        super().__init__(lab, folder)
        self.rewrite(lambda text: re.sub(r"(?m)^poll = .*$", "poll = 0.02", text))
        self.wish = wish
        self.judge = RunJudge(lab, renews=wish != NOTHING)
        self.command = Killable(wish)

    def calls(
        self, state: Path, command: Command, *, steps: int | None = None
    ) -> Counter[tuple[str, str, str]]:
        """Carry *command* out undisturbed, or only its next *steps*, and return the calls that came
        in.
        """
        before = self.lab.faults.calls.copy()
        code = self.command(self.config, state, command, steps=steps)
        assert code in GONE_WELL, f"{command}: {code}"
        return self.lab.faults.calls - before


def but_leftovers(found: dict[str, Any]) -> dict[str, Any]:
    """Return *found* without files in guests: what is dead cannot delete its script there."""
    return {name: value for name, value in found.items() if name != "leftovers"}
