"""One death, or one lost answer, and what somebody does then.

A run dies in one of its steps, and is compared with an undisturbed one right after that step: what
is equal there ends equally. Whole runs die in test_sigkill.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deaths import Then, Way
from killable import KILLED, Death
from moments import JOURNAL
from recorded import told
from saved_lab import GONE_WELL, DeathBench, but_leftovers
from stsfix.lab import judge
from stsfix.plugin.exit_codes import EXIT_CODES
from stsfix.remediation.checks.renewal import NOTHING
from stsfix.remediation.errors_run import RunStateError
from stsfix.remediation.records import Phase, StepState
from stsfix.remediation.restarts import STEP as RESTART

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from deaths import Case
    from killable import Command
    from recorded import Recorded

_TASKS_END_S = 20.0


def play(
    recorded: Recorded[DeathBench], case: Case, record_property: Callable[[str, object], None]
) -> list[str]:
    """Play *case* and return what is not as it must be; how it went is recorded."""
    trial = Trial(recorded, case)
    ended = trial.hurt()
    record_property("deaths", {f"{trial.where}: {case.way.value}, {ended}": 1})
    return trial.mended()


def die_and_resume(recorded: Recorded[DeathBench], segment: str, *, record: int) -> dict[str, Any]:
    """Let a run die right after a *record* of *segment* (from 0) and carry it on to its end; return
    what it leaves.
    """
    bench, point = recorded.bench, recorded.points[segment]
    state = recorded.begin(point.start)
    died = bench.command(bench.config, state, point.command, Death(record, durable=True))
    code = bench.command(bench.config, state, "resume")
    assert (died, code) == (KILLED, 0)
    return bench.judge.after_run(state)


def unlike(found: Mapping[str, object], wanted: Mapping[str, object]) -> list[str]:
    """Return what is not as it was wanted, one line each."""
    return [
        f"{name}: {str(found.get(name))[:500]}, not {str(wanted.get(name))[:500]}"
        for name in {**wanted, **found}
        if found.get(name) != wanted.get(name)
    ]


class Trial:
    """One case."""

    def __init__(self, recorded: Recorded[DeathBench], case: Case) -> None:
        self._bench = recorded.bench
        self._case = case
        self._point = recorded.points[case.moment.segment]
        self._state = recorded.begin(self._point.start)
        self._before = judge.starts(self._bench.lab)
        command: Command = "run" if self._point.steps else self._point.command
        renewal = "" if self._bench.wish == NOTHING else ", renewal"
        self.where = f"{self._bench.lab.topology.name} {command}{renewal}"

    def hurt(self) -> str:
        """Let it go wrong; return how the process ended. What is repeated until something is so
        may have ended before its last time.
        """
        code = self._wounded(self._point.command, self._point.steps)
        if self._case.way is not Way.LOST and self._case.moment.is_certain:
            assert code == KILLED
        if self._case.then is Then.AGAIN:
            self._wounded(self._onward, self._left())
        if code == KILLED:
            return "killed"
        return "survived" if code in GONE_WELL else "stopped"

    def _wounded(self, command: Command, steps: int | None) -> int:
        bench, moment = self._bench, self._case.moment
        death, rule = None, None
        if moment.protocol == JOURNAL:
            death = Death(moment.nth - 1, durable=self._case.way is Way.AFTER)
        else:
            rule = bench.lab.faults.add(self._case.rule(bench.command.killer()))
        code = bench.command(bench.config, self._state, command, death, steps=steps)
        bench.lab.faults.clear()
        assert rule is None or rule.seen >= rule.nth or not moment.is_certain
        return code

    @property
    def _onward(self) -> Command:
        return "resume" if self._point.steps else self._point.command

    def _left(self) -> int | None:
        """Return how many steps are left of the segment; None if it is a command of its own."""
        done = told(self._state).get(self._point.name) is StepState.DONE
        return 0 if self._point.steps and done else self._point.steps

    def mended(self) -> list[str]:
        """Do what the case says then; return what is not as it must be."""
        if self._case.then is not Then.BACK:
            return self._carried_on()
        if told(self._state)["phase"] in {Phase.RELEASING, Phase.RELEASED}:
            return self._refused() + self._carried_on()
        return self._taken_back()

    def _carried_on(self) -> list[str]:
        point, bench = self._point, self._bench
        code = bench.command(bench.config, self._state, self._onward, steps=self._left())
        return [
            *([] if code in GONE_WELL else [f"{self._onward}: exit code {code}"]),
            *unlike(but_leftovers(bench.judge.after_step(self._state)), but_leftovers(point.end)),
            *unlike(told(self._state), point.told),
            *bench.judge.false_claims(self._state),
            *self._not_restarted(),
        ]

    def _not_restarted(self) -> list[str]:
        if self._point.name != RESTART:
            return []
        return self._bench.judge.not_restarted(self._state, self._before)

    def _taken_back(self) -> list[str]:
        bench = self._bench
        code = bench.command(bench.config, self._state, "rollback")
        found = [] if code == 0 else [f"rollback: exit code {code}"]
        found += unlike(but_leftovers(bench.judge.after_rollback(self._state)), {})
        if self._point.name == "take-snapshots" and not found:
            found += self._released()
        return found

    def _released(self) -> list[str]:
        """Whatever snapshots there were, none is left."""
        bench = self._bench
        code = bench.command(bench.config, self._state, "release")
        left = {name for name, names in judge.node_snapshots(bench.lab).items() if names}
        return [] if (code, left) == (0, set()) else [f"release: exit code {code}, left: {left}"]

    def _refused(self) -> list[str]:
        """What is being released is not taken back, and nothing is touched. Tasks that the dead
        process had begun end first: they take snapshots away.
        """
        bench = self._bench
        for host in bench.lab.hosts.values():
            host.board.join(_TASKS_END_S)
        before = judge.node_snapshots(bench.lab), judge.power(bench.lab)
        code = bench.command(bench.config, self._state, "rollback")
        after = judge.node_snapshots(bench.lab), judge.power(bench.lab)
        refused = code == EXIT_CODES[RunStateError]
        return [] if refused and after == before else [f"rollback: exit code {code}, {after}"]
