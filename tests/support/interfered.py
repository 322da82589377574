"""A run in a lab, stopped after some of its steps, while somebody or something interferes."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from stsfix.lab.faults import Effect, Rule
from stsfix.remediation.errors_run import InterruptedRunError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fault_bench import FaultBench
    from killable import Command
    from stsfix.lab.lab import Lab
VC1, VC2 = "vc1.lab.example", "vc2.lab.example"
QUIESCED, SNAPSHOTTED, STARTED, EXPORTED, REPLACED, REPLICATED, RESTARTED = 1, 2, 3, 4, 5, 6, 7
"""How many steps are done."""

_BUSY_S = 800.0
"""Seconds of the lab for which somebody's task works on a VM: less than a run waits for it."""

both_ends = pytest.mark.parametrize("end", ["resume", "rollback"])


def busy(lab: Lab, call: str) -> Rule:
    """Return a rule by which somebody's task begins on vc2 when its host is asked to *call*."""
    machine, board = lab.machines[VC2], lab.hosts[lab.host_of(VC2)].board

    def work() -> None:
        board.start(machine, "ReconfigVM_Task", "backup", lasts=_BUSY_S, work=lambda: None)

    return Rule(protocol="soap", call=call, target="vc2", effect=Effect.MEANWHILE, others=work)


@dataclass(kw_only=True)
class Deed(Rule):
    """Somebody does *deed* at the very moment of a call; the call itself goes on."""

    deed: Callable[[], object]
    done: list[object] = field(default_factory=list)

    def fires(self, protocol: str, call: str, target: str) -> bool:
        """Do it once, in a thread: the book of faults is locked now."""
        if super().fires(protocol, call, target) and not self.done:
            thread = threading.Thread(target=self.deed)
            self.done.append(thread)
            thread.start()
        return False


@dataclass(frozen=True)
class Case:
    """One run in its own state folder, and how it must end."""

    bench: FaultBench
    state: Path
    expected: dict[str, Any]

    @property
    def lab(self) -> Lab:
        return self.bench.lab

    def begin(self, steps: int) -> None:
        """Do the first *steps* of a run."""
        error = self.bench(self.state, "run", steps=steps)
        assert isinstance(error, InterruptedRunError)

    def go(self, command: Command = "resume") -> Exception | None:
        return self.bench(self.state, command)

    def resumes(self) -> None:
        """Go on, and compare with an undisturbed run."""
        assert self.go() is None
        assert self.bench.judge.after_run(self.state) == self.expected

    def goes_back(self) -> None:
        """Take the run back, and compare with what was before it."""
        assert self.go("rollback") is None
        assert self.bench.judge.after_rollback(self.state) == {}

    def ends(self, end: str) -> None:
        (self.resumes if end == "resume" else self.goes_back)()

    def power_on(self, fqdn: str) -> None:
        self.lab.set_power(fqdn, "on")

    def shut_down(self, fqdn: str) -> None:
        """Shut a node down as a person would, and wait until it is off."""
        self.lab.wait_settled()
        self.lab.set_power(fqdn, "off")
        while self.lab.machines[fqdn].running:
            self.lab.clock.sleep(5)

    def ours(self, fqdn: str) -> Any:
        """Return the run's snapshot of a node."""
        return next(s for s in self.lab.machines[fqdn].snapshots() if s.name.startswith("stsfix-"))
