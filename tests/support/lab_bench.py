"""A lab with what an operator would have, and the question whether anybody changed it."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from lab_keys import shared_keys
from saved_lab import SavedLab
from stsfix.lab import judge
from stsfix.lab.lab import Lab
from stsfix_command import Command

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable
    from pathlib import Path

    from stsfix_command import Ended

SPEED = 2000.0

_WRITES = {
    "soap": re.compile(
        r"ShutdownGuest|RebootGuest|StandbyGuest|ResetVM|.*_Task|Destroy|Unregister.*|Reconfig.*"
    ),
    "ldap": re.compile(r"ADD|MODIFY|DELETE|MODIFY_DN"),
    "guest": re.compile(r"service-control (?!.*status).*|start .*|shut_down"),
    "task": re.compile(r".*"),
}
"""Calls that change something. Files of a guest script are judged by `leftovers`."""


class Bench(SavedLab):
    """A running lab, its configuration in *folder*, and stsfix in that folder.

    *said* is for a fixture to keep what commands said.
    """

    def __init__(self, lab: Lab, folder: Path) -> None:
        super().__init__(lab, folder)
        self.text = self.config.read_text("utf-8")
        self.secrets = (folder / "secrets.toml").read_text("utf-8")
        self.state = folder / "state"
        self.stsfix = Command(folder, {"STSFIX_CONFIG": "domain.toml", "STSFIX_STATE_DIR": "state"})
        self.said: dict[str, Ended] = {}
        self.before = self.everything()
        self._calls = self.lab.faults.calls.copy()

    def mark(self) -> None:
        """Count calls, and compare everything, from now on."""
        self.before = self.everything()
        self._calls = self.lab.faults.calls.copy()

    def calls(self) -> Counter[tuple[str, str, str]]:
        """Return the calls of all servers since `mark`."""
        return self.lab.faults.calls - self._calls

    def count(self, protocol: str, call: str, target: str = "") -> int:
        """Return how often *call* came in since `mark`, on *target* or anywhere."""
        return sum(
            number
            for (found, name, where), number in self.calls().items()
            if found == protocol and name == call and target in {"", where}
        )

    def writes(self) -> list[str]:
        """Return every call since `mark` that changes something."""
        return [
            " ".join(key)
            for key in self.calls()
            if (pattern := _WRITES.get(key[0])) is not None and pattern.fullmatch(key[1])
        ]

    def everything(self) -> dict[str, object]:
        """Return all that a run changes, to be compared."""
        return {
            "entries": judge.all_sts_entries(self.lab),
            "power": judge.power(self.lab),
            "snapshots": judge.snapshots(self.lab),
            "foreign": judge.foreign_state(self.lab),
        }

    def assert_untouched(self) -> None:
        """Fail if anything was changed since `mark`, or a run was begun."""
        assert self.writes() == []
        assert self.everything() == self.before
        assert self.leftovers() == []

    def leftovers(self) -> list[str]:
        """Return the files below /tmp and /run of any node that are ours."""
        return [
            f"{fqdn}: {path}"
            for fqdn, node in self.lab.nodes.items()
            for path in node.disk.files
            if path.startswith(("/tmp", "/var/tmp", "/run/stsfix"))
        ]

    def delete_snapshot(self, fqdn: str, name: str) -> None:
        """Delete a node's snapshot called *name*, as somebody in the Host Client does."""
        machine = self.lab.machines[fqdn]
        (snapshot,) = [s for s in machine.snapshots() if s.name == name]
        machine.remove_snapshot(snapshot, with_children=False)

    def set_config(self, change: Callable[[str], str]) -> None:
        """Write another domain.toml.

        Raises:
            AssertionError: The change changed nothing.
        """
        changed = change(self.text)
        assert changed != self.text
        self.config.write_text(changed, encoding="utf-8")

    def set_secrets(self, change: Callable[[str], str]) -> None:
        """Write another secrets.toml, 0600.

        Raises:
            AssertionError: The change changed nothing.
        """
        changed = change(self.secrets)
        assert changed != self.secrets
        (self.folder / "secrets.toml").write_text(changed, encoding="utf-8")

    def reset(self) -> None:
        """Bring configuration, secrets and state folder back; the lab is left as it is."""
        self.config.write_text(self.text, encoding="utf-8")
        secrets = self.folder / "secrets.toml"
        secrets.write_text(self.secrets, encoding="utf-8")
        secrets.chmod(0o600)
        shutil.rmtree(self.state, ignore_errors=True)
        self.mark()


def build(scenario: str = "expired", *, topology: str = "elm") -> Lab:
    """Return a fast lab that is not started."""
    return Lab.build(topology, scenario, speed=SPEED, seed=7, keys=shared_keys())
