"""Random sequences of commands, kills, faults and people, checked by the lab's own eye after each.

`make test` plays a few; ``STSFIX_STATEFUL=100`` says how many. A failure prints the sequence.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections import Counter
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from fault_bench import FaultBench
from killable import KILLED, Death, Killable
from lab_keys import shared_keys
from run_judge import everything
from stsfix.lab import judge
from stsfix.lab.faults import Effect, Rule, When
from stsfix.lab.lab import Lab
from stsfix.lab.probe import flaw
from stsfix.remediation.journal import JournalFile
from stsfix.remediation.records import Phase as RunPhase
from stsfix.snapshot.system_clock import SystemClock

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.crash, pytest.mark.lab, pytest.mark.reliability("sequences")]

EXAMPLES = int(os.environ.get("STSFIX_STATEFUL", "5"))
STEPS = 8
OURS = "stsfix-"
VC1, VC2 = "vc1.lab.example", "vc2.lab.example"
CALLS = (
    ("soap", "ShutdownGuest"),
    ("soap", "CreateSnapshot_Task"),
    ("soap", "PowerOnVM_Task"),
    ("soap", "RevertToSnapshot_Task"),
    ("soap", "RemoveSnapshot_Task"),
    ("ldap", "ADD"),
    ("ldap", "SEARCH"),
    ("ldap", "DELETE"),
    ("sts", "issue"),
    ("guest", "start_program"),
    ("vapi", "*"),
)

nodes = st.sampled_from((VC1, VC2))


@st.composite
def _faults(draw: st.DrawFn) -> Rule:
    """Draw one call that is refused, or whose connection breaks before or after it was done."""
    protocol, call = draw(st.sampled_from(CALLS))
    effect, when = draw(
        st.sampled_from(
            (
                (Effect.REFUSE, When.BEFORE),
                (Effect.DROP, When.BEFORE),
                (Effect.DROP, When.AFTER),
            )
        )
    )
    nth = draw(st.integers(1, 4))
    return Rule(protocol=protocol, call=call, nth=nth, effect=effect, when=when)


faults = _faults()


class Operators(RuleBasedStateMachine):
    """What an operator, a dying workstation and other people do to one domain."""

    bench: ClassVar[FaultBench]
    command: ClassVar[Killable]
    folder: ClassVar[Path]
    numbers: ClassVar[Any] = itertools.count()
    tally: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.state = self.folder / f"state-{next(self.numbers)}"

    @property
    def lab(self) -> Lab:
        return self.bench.lab

    @property
    def phase(self) -> RunPhase | None:
        """What the journal says of the newest run; None if there is none."""
        if not (self.state / "journal.sqlite").exists():
            return None
        file = JournalFile(self.state, SystemClock())
        names = file.names()
        return file.read(names[-1]).phase if names else None

    @initialize(
        record=st.none() | st.integers(0, 36), durable=st.booleans(), fault=st.none() | faults
    )
    def begin(self, record: int | None, durable: bool, fault: Rule | None) -> None:  # noqa: FBT001 - a rule of hypothesis
        """A run is begun on a domain whose STS certificate has expired; its process may die, and
        one of its calls may go wrong.
        """
        self.lab.restore(self.bench.saved)
        self.before = everything(self.lab)
        self.foreign = judge.foreign_state(self.lab)
        if fault is not None:
            self.lab.faults.add(fault)
        self.carry_out("run", record, durable)

    # ------------------------------------------------------------ the operator

    @precondition(lambda self: self.phase in {RunPhase.OPEN, RunPhase.STOPPED})
    @rule(record=st.none() | st.integers(0, 36), durable=st.booleans())
    def resume(self, record: int | None, durable: bool) -> None:  # noqa: FBT001 - hypothesis
        """Go on with it."""
        self.carry_out("resume", record, durable)

    @precondition(lambda self: self.phase in set(RunPhase) - {RunPhase.RELEASED, None})
    @rule(record=st.none() | st.integers(0, 18), durable=st.booleans())
    def rollback(self, record: int | None, durable: bool) -> None:  # noqa: FBT001 - hypothesis
        """Take it back."""
        self.carry_out("rollback", record, durable)

    @precondition(lambda self: self.phase in {RunPhase.REPAIRED, RunPhase.ROLLED_BACK})
    @rule()
    def release(self) -> None:
        """Delete its snapshots."""
        self.carry_out("release", None, durable=False)

    def carry_out(self, command: Any, record: int | None, durable: bool) -> None:  # noqa: FBT001 - a rule of hypothesis
        death = None if record is None else Death(record, durable)
        code = self.command(self.bench.config, self.state, command, death)
        self.lab.faults.clear()
        self.tally[f"{command}: {'killed' if code == KILLED else code}"] += 1

    # ------------------------------------------------------------ the world

    @rule(fault=faults)
    def something_goes_wrong(self, fault: Rule) -> None:
        """One call of the next command is refused, or its connection breaks."""
        self.lab.faults.add(fault)

    # Who powers on single nodes while others are being reverted breaks the domain by himself.
    @precondition(lambda self: self.phase is not RunPhase.ROLLING_BACK)
    @rule(fqdn=nodes)
    def somebody_powers_a_node_on(self, fqdn: str) -> None:
        """Somebody in the Host Client means well."""
        if not self.lab.machines[fqdn].running:
            self.lab.set_power(fqdn, "on")

    @precondition(lambda self: self.phase is not None)
    @rule(fqdn=nodes)
    def somebody_deletes_our_snapshot(self, fqdn: str) -> None:
        """Somebody tidies up."""
        machine = self.lab.machines[fqdn]
        for snapshot in [s for s in machine.snapshots() if s.name.startswith(OURS)]:
            machine.remove_snapshot(snapshot, with_children=False)

    # ------------------------------------------------------------ what always holds

    @invariant()
    def nobody_elses_vm_is_touched(self) -> None:
        """Power, snapshots, disks and adapters of other VMs are as in the beginning."""
        assert judge.foreign_state(self.lab) == self.foreign

    @invariant()
    def every_directory_has_a_whole_credential(self) -> None:
        """The highest credential is complete, loadable and trusted; running or not."""
        for node in self.lab.topology.controllers:
            disk = self.lab.nodes[node.fqdn].disk
            assert flaw(disk.directory, disk.domain) is None

    @invariant()
    def no_part_of_the_nodes_was_reverted(self) -> None:
        """No directory has seen more of another than that other has: none was reverted alone,
        and while nodes are on they come to agree.
        """
        if set(judge.power(self.lab).values()) == {"poweredOn"}:
            assert not self.apart(), self.apart()

    def apart(self) -> list[str]:
        rounds = 60
        while (found := judge.out_of_sync(self.lab)) and rounds:
            rounds -= 1
            self.lab.clock.sleep(30)
        return found

    @invariant()
    def the_journal_says_what_is(self) -> None:
        """Repaired is repaired, taken back is as before, released leaves no snapshot."""
        phase = self.phase
        if phase is RunPhase.REPAIRED:
            refusals = [
                judge.token_refusal(self.lab, n.fqdn) for n in self.lab.topology.controllers
            ]
            assert refusals == [None, None]
        if phase is RunPhase.ROLLED_BACK:
            assert everything(self.lab) == self.before
        if phase is RunPhase.RELEASED:
            names = judge.node_snapshots(self.lab).values()
            assert not [n for several in names for n in several if n.startswith(OURS)]

    def teardown(self) -> None:
        """Leave nothing behind for the next sequence."""
        self.lab.faults.clear()
        shutil.rmtree(self.state, ignore_errors=True)


def test_whatever_happens_in_whatever_order(tmp_path_factory, record_property):
    """No invariant is violated by any sequence that was played."""
    with Lab.build("elm", "expired", speed=2000, seed=11, keys=shared_keys()) as lab:
        Operators.bench = FaultBench(lab, tmp_path_factory.mktemp("lab"))
        Operators.command = Killable()
        Operators.folder = tmp_path_factory.mktemp("states")
        Operators.bench(tmp_path_factory.mktemp("first"), "run", steps=0)
        run_state_machine_as_test(
            Operators,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
                print_blob=True,
            ),
        )
    record_property("cases", EXAMPLES)
    # Every sequence begins with a run; none of them proves anything if all of those died.
    assert sum(n for what, n in Operators.tally.items() if what.startswith("run")) >= EXAMPLES
    for what, number in sorted(Operators.tally.items()):
        print(f"stateful: {number} x {what}")  # noqa: T201 - shown by -s and with failures
