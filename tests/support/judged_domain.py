"""A lab's domain while commands, faults and people are at it: what holds of it at any moment.

Everything is seen by the lab's own eye; the product's journal is the claim that is judged.
"""

from __future__ import annotations

import itertools
import shutil
from typing import TYPE_CHECKING, Any, ClassVar

from hypothesis.stateful import RuleBasedStateMachine, invariant

from early_claims import STS_ENTRIES, early_claims
from run_judge import changes, everything, shape
from stsfix.lab import judge
from stsfix.lab.probe import flaw
from stsfix.remediation.journal import JournalFile
from stsfix.remediation.records import (
    QUIESCE,
    REPLACE_STS,
    RETIRE_OLD,
    TAKE_SNAPSHOTS,
    Phase,
    StepRecord,
    StepState,
    step_states,
)
from stsfix.snapshot.system_clock import SystemClock

if TYPE_CHECKING:
    from pathlib import Path

    from fault_bench import FaultBench
    from run_judge import Everything
    from stsfix.lab.lab import Lab
    from stsfix.remediation.journal import StoredRun

OURS, THEIRS = "stsfix-", "nightly-"
VC1, VC2 = "vc1.lab.example", "vc2.lab.example"


def without_users(found: Everything) -> Everything:
    """Return *found* without users whom somebody added meanwhile."""
    return {
        node: {dn: a for dn, a in entries.items() if not dn.startswith(f"cn={THEIRS}")}
        for node, entries in found.items()
    }


def of_others(found: Everything) -> Everything:
    """Return what no run may change: of the rest, all but STS credentials and their chains."""
    return {
        node: {dn: a for dn, a in entries.items() if not STS_ENTRIES.match(dn)}
        for node, entries in without_users(found).items()
    }


def steps_of(stored: StoredRun) -> list[StepRecord]:
    """Return the records of steps."""
    return [record for record in stored.records if isinstance(record, StepRecord)]


def says_why_nodes_are_off(stored: StoredRun, died_after: int | None) -> bool:
    """Tell whether the run says that it shut nodes down, and what it ended for, in the direction
    that it has; or its process died after *died_after* records of steps, which are its last.
    """
    steps = steps_of(stored)
    if not any(record.step == QUIESCE for record in steps):
        return False
    ends = {Phase.STOPPED: StepState.FAILED, Phase.ROLLING_BACK: StepState.UNDO_FAILED}
    if len(steps) == died_after:
        return stored.phase in {*ends, Phase.OPEN}
    return steps[-1].state is ends.get(stored.phase) and bool(steps[-1].facts.get("error"))


class JudgedDomain(RuleBasedStateMachine):
    """A domain of two linked nodes. *nightly* are the snapshots that others took of each node,
    *deleted* the nodes of which somebody deleted ours, *users* what others added. *died_after* is
    how many records of steps there were when a process died last.
    """

    bench: ClassVar[FaultBench]
    folder: ClassVar[Path]
    numbers: ClassVar[Any] = itertools.count()
    repaired: ClassVar[dict[str, Any]]
    """What every directory holds after a run."""

    def __init__(self) -> None:
        super().__init__()
        self.state = self.folder / "none"

    def anew(self) -> None:
        """The lab is as in the beginning, and no run was ever begun."""
        self.lab.restore(self.bench.saved)
        self.state = self.folder / f"state-{next(self.numbers)}"
        self.nightly: dict[str, set[str]] = {VC1: set(), VC2: set()}
        self.deleted: set[str] = set()
        self.users: set[str] = set()
        self.died_after: int | None = None
        self.before = everything(self.lab)
        self.foreign = judge.foreign_state(self.lab)

    @property
    def lab(self) -> Lab:
        return self.bench.lab

    @property
    def stored(self) -> StoredRun | None:
        """What the journal says of the newest run; None if there is none."""
        if not (self.state / "journal.sqlite").exists():
            return None
        file = JournalFile(self.state, SystemClock())
        names = file.names()
        return file.read(names[-1]) if names else None

    @property
    def phase(self) -> Phase | None:
        """What it says that the run is."""
        stored = self.stored
        return None if stored is None else stored.phase

    @invariant()
    def nobody_elses_snapshot_is_deleted(self) -> None:
        """What somebody took of a node stays."""
        for fqdn, names in judge.node_snapshots(self.lab).items():
            assert self.nightly[fqdn] <= set(names)

    @invariant()
    def nobody_elses_entry_is_touched(self) -> None:
        """Chains of smart cards, users and all the rest are as in the beginning; users that were
        added stay, if nobody took the run back.
        """
        now = everything(self.lab)
        assert changes(of_others(self.before), of_others(now)) == []
        for dn in self.users:
            assert any(dn in entries for entries in now.values()), dn

    @invariant()
    def no_secret_is_anywhere(self) -> None:
        """Neither on a node nor in the state folder."""
        assert judge.exposed(self.lab) == []
        for path in self.state.rglob("*"):
            content = path.read_bytes() if path.is_file() else b""
            assert not [p for p in self.lab.passwords.everything() if p.encode() in content], path

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
        and while nodes are on they come to agree; where the journal says that they do, at once.
        """
        stored = self.stored
        assert stored is None or early_claims(self.lab, stored) == []
        if set(judge.power(self.lab).values()) == {"poweredOn"}:
            assert not self.apart(), self.apart()

    def apart(self) -> list[str]:
        rounds = 60
        while (found := judge.out_of_sync(self.lab)) and rounds:
            rounds -= 1
            self.lab.clock.sleep(30)
        return found

    @invariant()
    def no_node_is_left_off_in_silence(self) -> None:
        """Where a node is off, the run says that it shut it down, and what it stopped for, unless
        its process died and nobody has gone on since.
        """
        stored = self.stored
        if "poweredOff" not in judge.power(self.lab).values():
            return
        assert stored is not None
        assert stored.nodes_may_be_off
        assert says_why_nodes_are_off(stored, self.died_after)

    def remember_death(self) -> None:
        """The process of the last command died: what it had recorded is all that it could say."""
        self.died_after = 0 if self.stored is None else len(steps_of(self.stored))

    @invariant()
    def nothing_is_done_that_is_not_recorded(self) -> None:
        """What the journal has not begun is as before it, and nothing is there twice."""
        stored = self.stored
        states = {} if stored is None else step_states(stored.plan, stored.records)
        begun = {name for name, state in states.items() if state is not StepState.PENDING}
        ours = {
            fqdn: [name for name in names if name.startswith(OURS)]
            for fqdn, names in judge.node_snapshots(self.lab).items()
        }
        assert all(len(names) <= 1 for names in ours.values()), ours
        if QUIESCE not in begun:
            assert set(judge.power(self.lab).values()) == {"poweredOn"}
        if TAKE_SNAPSHOTS not in begun:
            assert not any(ours.values()), ours
        if states.get(TAKE_SNAPSHOTS) is StepState.DONE and not self.is_released:
            assert {fqdn for fqdn, names in ours.items() if not names} <= self.deleted, ours
        now = without_users(everything(self.lab))
        if REPLACE_STS not in begun:
            assert changes(self.before, now) == []
        if RETIRE_OLD not in begun:
            gone = [
                dn
                for node, entries in self.before.items()
                for dn, entry in entries.items()
                if STS_ENTRIES.match(dn) and now[node].get(dn) != entry
            ]
            assert not gone, gone

    @property
    def is_released(self) -> bool:
        """True once snapshots were begun to be deleted."""
        return self.phase in {Phase.RELEASING, Phase.RELEASED}

    @invariant()
    def the_journal_says_what_is(self) -> None:
        """Repaired is repaired, taken back is as before, released leaves no snapshot."""
        phase = self.phase
        if phase in {Phase.REPAIRED, Phase.ROLLED_BACK, Phase.RELEASED}:
            assert set(judge.power(self.lab).values()) == {"poweredOn"}
        if phase is Phase.REPAIRED:
            assert shape(without_users(everything(self.lab))) == self.repaired
            refusals = [
                judge.token_refusal(self.lab, n.fqdn) for n in self.lab.topology.controllers
            ]
            assert refusals == [None, None]
        if phase is Phase.ROLLED_BACK:
            assert changes(self.before, without_users(everything(self.lab))) == []
        if phase is Phase.RELEASED:
            names = judge.node_snapshots(self.lab).values()
            assert not [n for several in names for n in several if n.startswith(OURS)]

    def teardown(self) -> None:
        """Leave nothing behind for the next sequence."""
        self.lab.faults.clear()
        shutil.rmtree(self.state, ignore_errors=True)
