"""A domain in memory that a run has repaired, or stopped in, with the run's journal."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from machines_bench import Bench, powering_on
from stsfix.plugin.runs import Runs
from stsfix.remediation.journal import JournalFile
from stsfix.remediation.plan import step_names
from stsfix.remediation.records import StepRecord, StepState
from stsfix.remediation.steps.machines import Quiesce, TakeSnapshots
from stsfix.snapshot.model import PowerState
from stsfix.snapshot.tls import Trust

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from memory_hypervisor import MemoryHost
    from stsfix.plugin.wiring import Wiring

PLAN = step_names(retire=True)
THEIRS = "stsfix-20260101T000000Z-bbbb"
WRITTEN = PLAN
"""Every step is done."""
STOPPED = PLAN[: PLAN.index("export-sts")]
"""Nothing is written yet."""


class Repaired:
    """A domain with snapshots that was changed since, and a journal in which *done* is done."""

    def __init__(self, folder: Path, done: Sequence[str] = WRITTEN) -> None:
        self.bench = Bench()
        for step in (Quiesce, TakeSnapshots, powering_on):
            self.bench.do(step(self.bench.context))
        self.disk["certificate"] = "new"
        self.file = JournalFile(folder, self.bench.clock)
        self.spec = self.bench.context.spec
        self.file.create(
            self.spec,
            PLAN,
            version="0",
            inventory="{}",
            records=[
                StepRecord(step=name, state=state)
                for name in done
                for state in (StepState.STARTED, StepState.DONE)
            ],
        ).close()
        self.records = self.file.read(self.spec.run).records
        self.pins: dict[str, str] = {}
        self.told: list[str] = []
        self.stopped = False
        """Whether the operator has asked to stop."""

    @property
    def disk(self) -> dict[str, str]:
        """What the PSC's disk holds."""
        disk: dict[str, str] = self.bench.hosts[0].vm(self.bench.psc).disk
        return disk

    def runs(self, hosts: Sequence[MemoryHost] | None = None) -> Runs:
        """Return the runs as a configuration of *hosts* has them."""
        hosts = self.bench.hosts if hosts is None else hosts
        wiring = SimpleNamespace(
            clock=self.bench.clock,
            hypervisors={host.host: host for host in hosts},
            hook=lambda event: self.told.append(f"{event.subject} {event.text}".strip()),
            coordinator=self.bench.context.coordinator,
            believe=lambda shown: None,
            settings=SimpleNamespace(trusts=lambda fqdn: (Trust(sha256=self.pins.get(fqdn)),)),
            step_context=lambda spec, folder: replace(self.bench.context, spec=spec),
        )
        return Runs(self.file, cast("Wiring", wiring), stop_requested=lambda: self.stopped)

    def asked_to_stop(self) -> int:
        """Return how many guests were asked to shut down since the snapshots."""
        made = sum(host.count("start_guest_shutdown") for host in self.bench.hosts)
        return made - len(self.spec.nodes)

    def is_untouched(self) -> bool:
        """True if nothing was recorded, and every node is on as it was."""
        same = self.file.read(self.spec.run).records == self.records
        on = set(self.bench.power().values()) == {PowerState.ON}
        return same and on and self.disk["certificate"] == "new"
