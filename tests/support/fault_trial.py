"""One call that goes wrong, and what somebody does then.

As of deaths (docs/adr/0047), what is like an undisturbed run right after a step, in the lab and in
the journal, ends like one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from death_trial import unlike
from recorded import told
from run_judge import stored_run
from stsfix.lab import judge
from stsfix.lab.vecs import BACKUP
from stsfix.plugin.rehearsal.person import type_on
from stsfix.plugin.renewal_view import renewal_of
from stsfix.remediation.errors_run import InterruptedRunError
from stsfix.remediation.restarts import STEP as RESTART

if TYPE_CHECKING:
    from pathlib import Path

    from fault_bench import FaultBench
    from killable import Command
    from recorded import Recorded
    from wrong_calls import WrongCall


_OLD = f" {BACKUP} bkp_"
"""Where the certificate is that an entry had before."""


class Trial:
    """One case: `play` it once."""

    def __init__(self, recorded: Recorded[FaultBench], case: WrongCall) -> None:
        self._recorded = recorded
        self._bench = recorded.bench
        self._case = case
        self._point = recorded.points[case.moment.segment]
        self.outcome = ""

    def play(self) -> list[str]:
        """Disturb, repeat undisturbed, and compare; if the case says so, take it back from where it
        went wrong, too. Return what is not as it must be; *outcome* is how the command ended.
        """
        bench, point, moment = self._bench, self._point, self._case.moment
        state = self._recorded.begin(point.start)
        before = judge.starts(bench.lab)
        error = bench.disturb(self._case.rule(), state, point.command, steps=point.steps)
        went_on = error is None or isinstance(error, InterruptedRunError)
        self.outcome = "survived at once" if went_on else type(error).__name__
        found = []
        if not bench.is_hit:
            self.outcome = "never came"
            found = ["it never came"] if moment.is_certain else []
        self._help()
        stopped = bench.lab.checkpoint() if self._case.back and point.steps else None
        journal = self._recorded.new_state(state) if stopped else state
        if not went_on:
            onward: Command = "resume" if point.steps else point.command
            found += self._gone_well(onward, bench(state, onward, steps=point.steps))
        found += self._unlike_the_end(state)
        found += unlike(told(state), point.told) + bench.judge.false_claims(state)
        if point.name == RESTART:
            found += bench.judge.not_restarted(state, before)
        if point.command == "rollback":
            found += unlike(bench.judge.after_rollback(state), {})
        elif stopped:
            bench.lab.restore(stopped)
            found += self._taken_back(journal)
        return found

    def _unlike_the_end(self, state: Path) -> list[str]:
        """Return what is not as after an undisturbed step, but for extensions that are known by the
        old certificate still, of which the run says that it could not tell them the new one.
        """
        found, wanted = self._bench.judge.after_step(state), self._point.end
        view = renewal_of(stored_run(state))
        if view is not None and view.stale_extensions:
            known = dict(wanted["extensions"])
            old = {
                name: at
                for name, at in found["extensions"].items()
                if _OLD in at and name.partition(" ")[0] in view.stale_extensions
            }
            wanted = {**wanted, "extensions": {**known, **old}}
        if self._point.command == "release":
            wanted = {**wanted, "snapshots": dict.fromkeys(wanted["snapshots"], 0)}
        return unlike(found, wanted)

    def _help(self) -> None:
        """Do what a person does: a task that hangs needs the host's management agents restarted, a
        service that did not start when its node booted has to be started.
        """
        lab, moment = self._bench.lab, self._case.moment
        if moment.protocol == "task" and self._case.kind == "drop-before":
            for host in lab.hosts.values():
                host.stop()
                host.start()
        if moment.is_boot and lab.machines[moment.target].running:
            type_on(lab, moment.target, "service-control --start --all || true")

    def _taken_back(self, state: Path) -> list[str]:
        bench = self._bench
        found = self._gone_well("rollback", bench(state, "rollback"))
        found += unlike(bench.judge.after_rollback(state), {})
        if self._point.name == "take-snapshots" and not found:
            found += self._gone_well("release", bench(state, "release"))
            left = {fqdn for fqdn, names in judge.node_snapshots(bench.lab).items() if names}
            found += [f"snapshots left: {left}"] if left else []
        return [f"taken back: {line}" for line in found]

    def _gone_well(self, what: str, error: Exception | None) -> list[str]:
        if error is None or isinstance(error, InterruptedRunError):
            return []
        return [f"{what}: {type(error).__name__}: {error}"]
