"""An undisturbed run, rollback and release of one lab, in pieces: what each calls and leaves."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from fault_bench import copy_journal
from run_judge import stored_run
from stsfix.plugin.renewal_view import renewal_of
from stsfix.remediation.plan import step_names
from stsfix.remediation.records import REPLACE_STS, step_states

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from killable import Command
    from run_judge import RunJudge
    from stsfix.lab.checkpoint import Checkpoint
    from stsfix.lab.lab import Lab
    from stsfix.remediation.checks.renewal import Wish

Calls = Counter[tuple[str, str, str]]
"""How often each call came in: protocol, call, target."""


class Bench(Protocol):
    """What carries a command out in a lab."""

    lab: Lab
    judge: RunJudge
    wish: Wish

    def calls(self, state: Path, command: Command, *, steps: int | None = None) -> Calls:
        """Carry *command* out undisturbed and return the calls it made."""
        ...


@dataclass(frozen=True)
class Start:
    """A lab some steps before a segment, and the journal then.

    A lab that is restored has booted, so what is to be restarted has been: the restart of services
    begins with the *prelude* steps before it, in which what has to be restarted runs.
    """

    checkpoint: Checkpoint
    journal: Path
    prelude: int = 0


@dataclass(frozen=True)
class Point:
    """Where a segment begins, what it calls, and its end.

    *records* is how many the segment appends, *steps* how many steps it is, None for a command of
    its own. *told* is what the journal says at its end.
    """

    name: str
    start: Start
    command: Command
    steps: int | None
    calls: Calls
    records: int
    end: dict[str, Any]
    told: dict[str, str]


FIRST: Command = "run"
WRITES = {False: REPLACE_STS, True: "new-vmca-root"}
"""The first step that services have to be restarted for, without and with a new root of VMCA."""

B = TypeVar("B", bound=Bench)


class Recorded(Generic[B]):
    """The points of a run step by step, and of its rollback and its release as a whole.

    Calls count by *protocols*. *more* are rollbacks and releases at other times: after which
    segment, and which command; the name of such a segment is ``rollback after quiesce``.
    """

    def __init__(
        self,
        bench: B,
        folder: Path,
        protocols: Collection[str],
        more: tuple[tuple[str, Command], ...] = (),
    ) -> None:
        self.bench = bench
        self._protocols = protocols
        self._folder = folder
        self._made = 0
        self.points: dict[str, Point] = {}
        self._after: dict[str, Start] = {}
        self._record()
        for name, command in more:
            self._segment(f"{command} after {name}", self._after[name], command, None)

    def new_state(self, source: Path | None = None) -> Path:
        """Return a new state folder, with the journal of *source*."""
        self._made += 1
        state = self._folder / str(self._made)
        state.mkdir()
        if source is not None and (source / "journal.sqlite").exists():
            copy_journal(source, state)
        return state

    def begin(self, start: Start) -> Path:
        """Bring the lab to where a segment begins; return a state folder of then."""
        self.bench.lab.restore(start.checkpoint)
        state = self.new_state(start.journal)
        if start.prelude:
            self.bench.calls(state, "resume", steps=start.prelude)
        return state

    def _record(self) -> None:
        new = self.bench.wish.new_vmca_root
        state = self.new_state()
        start, command = Start(self.bench.lab.checkpoint(), state), FIRST
        written = start
        names = step_names(retire=True, renews=new, new_root=new)
        ago = names.index("restart-services") - names.index(WRITES[new])
        for name in names:
            if name == WRITES[new]:
                written = start
            if name == "restart-services":
                start = replace(written, prelude=ago)
            state = self._segment(name, start, command, 1)
            start, command = self._after[name], "resume"
        self.expected = self.bench.judge.after_run(state)
        ends: tuple[Command, ...] = ("rollback", "release")
        for each in ends:
            self._segment(each, self._after[names[-1]], each, None)

    def _segment(self, name: str, start: Start, command: Command, steps: int | None) -> Path:
        bench, state = self.bench, self.begin(start)
        before = _records(state)
        calls = bench.calls(state, command, steps=steps)
        ours = Counter({key: n for key, n in calls.items() if key[0] in self._protocols})
        end = bench.judge.after_step(state)
        records = _records(state) - before
        self.points[name] = Point(name, start, command, steps, ours, records, end, told(state))
        self._after[name] = Start(bench.lab.checkpoint(), self.new_state(state))
        return state


def told(state: Path) -> dict[str, str]:
    """Return what the journal says the run and each of its steps are, and what it renewed."""
    stored = stored_run(state)
    view = renewal_of(stored)
    entries = [f"{e.node} {e.store}" for e in view.entries] if view is not None else []
    return {
        "phase": stored.phase,
        **step_states(stored.plan, stored.records),
        "renewed": ", ".join(sorted(entries)),
    }


def _records(state: Path) -> int:
    return len(stored_run(state).records) if (state / "journal.sqlite").exists() else 0
