"""Every remote call of a run, a rollback and a release goes wrong once; nothing stays half done.

The calls are recorded from undisturbed commands, a step at a time. Normally each distinct call
meets one kind of fault; with ``STSFIX_FAULTS=all`` (``make test-all``) each recorded call meets
every kind, and each case is seen through to the end of the run and taken back, too.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from fault_bench import PROTOCOLS, Fault, FaultBench, kinds
from lab_keys import shared_keys
from recorded import Recorded
from stsfix.lab import judge
from stsfix.lab.lab import Lab
from stsfix.plugin.rehearsal.person import type_on
from stsfix.remediation.checks.renewal import NOTHING, Wish
from stsfix.remediation.errors_run import InterruptedRunError
from stsfix.remediation.plan import step_names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from killable import Command
    from recorded import Point

pytestmark = [
    pytest.mark.crash,
    pytest.mark.lab,
    pytest.mark.timeout(3600),
    pytest.mark.may_miss("who looks again until something is so may look less often"),
    pytest.mark.reliability("faults"),
]

FULL = os.environ.get("STSFIX_FAULTS") == "all"
LABS = {
    "elm": ("elm", "expired", "vmca", ()),
    "external-psc": ("external-psc", "expired", "own-ca", ()),
    "ssh": ("embedded", "ssh-only", "own-ca", ("ssh",)),
    "vami": ("embedded", "vami-only", "own-ca", ("vami",)),
    "renewal": ("embedded", "vmca-root-expired", "vmca", ()),
}
"""Topology, scenario, who signs (VMCA on nodes whose calls can go wrong, or a CA that asks
nobody), and the only protocols that are disturbed (none named: all).
"""
if not FULL:
    del LABS["vami"]  # each refused service is waited for until its limit
    del LABS["renewal"]  # killed in test_deaths.py, refused in e2e/test_renewal.py

NEW_ROOT = Wish(new_vmca_root=True)
"""What the runs of the lab "renewal" do besides."""

RENEWING = ("new-vmca-root", "renew-certificates")
"""The steps that make other calls then, the only ones that are disturbed in it."""

SEGMENTS = (*step_names(retire=True, renews=FULL, new_root=FULL), "rollback", "release")
PARTS = 8 if FULL else 1
"""Shards of a segment, so that several workers share it."""

_BOOT = re.compile(r"start .*")
_SERVICE = re.compile(r"/services/[^/]+/")
"""The part of a path of VAMI that names one of many services."""

_CHANGES = re.compile(
    r".*_Task|ADD|DELETE|BIND|Login.*|ShutdownGuest|StartProgram.*|issue|service-control.*"
    r"|start .*|shut_down|create|MODIFY"
    r"|vecs-cli (entry (create|delete)|store create|force-refresh)"
    r"|certool --(gencert|genselfcacert|rootca).*"
)
"""Calls of which every single one is disturbed; of the others the first, middle and last."""


def faults_of(point: Point) -> Iterator[Fault]:
    """Yield what *point* has to survive."""
    seen: set[tuple[str, str]] = set()
    for number, ((protocol, call, target), count) in enumerate(sorted(point.calls.items())):
        booting = bool(_BOOT.fullmatch(call))
        if protocol == "guest" and not _CHANGES.fullmatch(call):
            continue  # guest operations are disturbed as the SOAP calls that they are
        if not FULL:
            alike = (protocol, _SERVICE.sub("/services/*/", call))
            if booting or alike in seen:
                continue
            seen.add(alike)
        found = kinds(protocol)
        for nth in _numbers(call, count) if FULL else (count,):
            for kind in found if FULL else (found[number % len(found)],):
                yield Fault(protocol, call, target, nth, kind)


def _numbers(call: str, count: int) -> list[int]:
    if _CHANGES.fullmatch(call):
        return list(range(1, count + 1))
    return sorted({1, (count + 1) // 2, count})


@pytest.fixture(scope="module", params=LABS)
def recorded(request, tmp_path_factory):
    """One lab for all tests of a way to reach its nodes."""
    topology, scenario, issuer, protocols = LABS[request.param]
    with Lab.build(topology, scenario, speed=2000, seed=3, keys=shared_keys()) as lab:
        bench = FaultBench(
            lab,
            tmp_path_factory.mktemp("lab"),
            issuer=issuer,
            services_s=15 if protocols else 5,
            wish=NEW_ROOT if request.param == "renewal" else NOTHING,
        )
        bench(tmp_path_factory.mktemp("first"), "run", steps=0)
        yield Recorded(bench, tmp_path_factory.mktemp("states"), protocols or PROTOCOLS)


class Trial:
    """One fault in one segment."""

    def __init__(self, recorded: Recorded[FaultBench], point: Point, fault: Fault) -> None:
        self._recorded = recorded
        self._bench = recorded.bench
        self._point = point
        self.fault = fault
        self.problems: list[str] = []
        self.outcome = ""

    def run(self, *, whole: bool) -> None:
        """Disturb, repeat undisturbed, and compare; if *whole*, to the end and back as well."""
        bench, point = self._bench, self._point
        state = self._recorded.begin(point.start)
        error = bench.disturb(self.fault, state, point.command, steps=point.steps)
        went_on = error is None or isinstance(error, InterruptedRunError)
        self.outcome = "survived at once" if went_on else type(error).__name__
        if not bench.is_hit:
            self.outcome = "never came"
            if _CHANGES.fullmatch(self.fault.call):
                self._say("it never came")
        if self.fault.protocol == "task" and self.fault.kind == "drop-before":
            self._restart_hosts()
        if _BOOT.fullmatch(self.fault.call):
            self._start_services()
        stopped = bench.lab.checkpoint() if whole and point.steps else None
        journal = self._recorded.new_state(state) if stopped else state
        if not went_on:
            command: Command = point.command if point.steps is None else "resume"
            self._require(bench(state, command, steps=point.steps), "the next command")
        self._compare("after it", bench.judge.after_step(), point.end)
        if point.name == "release":
            self._compare("snapshots", set(judge.node_snapshots(bench.lab).values()), {()})
        elif point.name == "rollback":
            self._compare("rolled back", bench.judge.after_rollback(state), {})
        elif whole:
            self._see_through(state)
            if stopped:
                bench.lab.restore(stopped)
            self._take_back(journal)

    def _restart_hosts(self) -> None:
        """A stalled task needs a person: the host's management agents are restarted."""
        for host in self._bench.lab.hosts.values():
            host.stop()
            host.start()

    def _start_services(self) -> None:
        """A service that did not start at boot needs a person, too."""
        lab, node = self._bench.lab, self.fault.target
        if lab.machines[node].running:
            type_on(lab, node, "service-control --start --all || true")

    def _see_through(self, state: Path) -> None:
        self._require(self._bench(state, "resume"), "resume")
        self._compare("resumed", self._bench.judge.after_run(state), self._recorded.expected)

    def _take_back(self, state: Path) -> None:
        self._require(self._bench(state, "rollback"), "rollback")
        self._compare("taken back", self._bench.judge.after_rollback(state), {})

    def _require(self, error: Exception | None, what: str) -> None:
        if error is not None and not isinstance(error, InterruptedRunError):
            self._say(f"{what}: {type(error).__name__}: {error}")

    def _compare(self, what: str, found: Any, wanted: Any) -> None:
        if found == wanted:
            return
        if isinstance(found, dict) and isinstance(wanted, dict):
            names = sorted(k for k in found.keys() | wanted.keys() if found.get(k) != wanted.get(k))
            found = {name: str(found.get(name))[:300] for name in names}
        self._say(f"{what}: {found}")

    def _say(self, text: str) -> None:
        self.problems.append(f"{self._point.name}:{self.fault} ({self.outcome}): {text}")


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("segment", SEGMENTS)
def test_a_call_that_goes_wrong_leaves_nothing_half_done(recorded, segment, part, record_property):
    """The next command ends like an undisturbed one, and a rollback where the run began."""
    point = recorded.points.get(segment)
    renewing = recorded.bench.wish is NEW_ROOT
    if point is None or (renewing and segment not in RENEWING):
        pytest.skip("this lab has nothing of its own there")
    faults = [f for n, f in enumerate(faults_of(point)) if n % PARTS == part]
    if not FULL and recorded.bench.lab.topology.name == "external-psc":
        faults = faults[::3]
    if not faults:
        pytest.skip("nothing of it is asked by this protocol")
    outcomes: Counter[str] = Counter()
    problems: list[str] = []

    for number, fault in enumerate(faults):
        trial = Trial(recorded, point, fault)
        trial.run(whole=FULL or number == len(faults) - 1)
        outcomes[f"{fault.protocol} {fault.kind}: {trial.outcome}"] += 1
        problems += trial.problems

    record_property("faults", dict(outcomes))
    assert problems == []
