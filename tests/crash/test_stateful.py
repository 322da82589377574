"""Random sequences of commands, kills, faults and people, checked by the lab's own eye after each.

`make test` plays three; ``STSFIX_STATEFUL=100`` says how many, in shards of `SHARD`. A failure
prints the sequence.
"""

from __future__ import annotations

import functools
import itertools
import os
import re
import shutil
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
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

from fault_bench import FaultBench, copy_journal
from killable import KILLED, Death, Killable
from lab_keys import shared_keys
from run_judge import changes, everything, shape
from stsfix.lab import judge
from stsfix.lab.esx.machine import OFF, VmRefusedError
from stsfix.lab.faults import Effect, Rule, When
from stsfix.lab.lab import Lab
from stsfix.lab.probe import flaw
from stsfix.lab.scenario import SCENARIOS
from stsfix.lab.topology import HOSTS, TOPOLOGIES
from stsfix.remediation.journal import JournalFile
from stsfix.remediation.records import Phase as RunPhase
from stsfix.remediation.records import StepRecord, StepState, step_states
from stsfix.snapshot.system_clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from run_judge import Everything
    from stsfix.lab.checkpoint import Checkpoint
    from stsfix.remediation.journal import StoredRun

pytestmark = [pytest.mark.crash, pytest.mark.lab, pytest.mark.reliability("sequences")]

SHARD = 5
EXAMPLES = int(os.environ.get("STSFIX_STATEFUL", "3"))
STEPS = 7
RECORDS = 43
"""How many a whole run has (`test_sigkill.RECORDS`)."""
OURS, THEIRS = "stsfix-", "nightly-"
VC1, VC2 = "vc1.lab.example", "vc2.lab.example"
USERS = "cn=users,dc=vsphere,dc=local"
OTHERS_CHAINS = replace(
    SCENARIOS["expired"],
    certificates=replace(
        SCENARIOS["expired"].certificates, smart_card=True, external_idp=True, other_chain=True
    ),
)
STS_ENTRIES = re.compile(
    r"cn=(tenantcredential-\d+|trustedcertchain-\d+,cn=trustedcertificatechains)"
    r",cn=vsphere\.local,cn=tenants,"
)
"""Those of the STS itself: chains of smart cards and identity providers have other places."""
WRITE, RETIRE = "replace-sts", "retire-old"
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
    ("task", "CreateSnapshot_Task"),
    ("task", "PowerOnVM_Task"),
    ("task", "RevertToSnapshot_Task"),
)
BROKEN = (
    (Effect.REFUSE, When.BEFORE),
    (Effect.DROP, When.BEFORE),
    (Effect.DROP, When.AFTER),
    (Effect.GARBAGE, When.AFTER),
)
OVERDUE_S = 4.6
"""Longer than a task is waited for (`fault_bench.QUICK`); it ends well after that."""

nodes = st.sampled_from((VC1, VC2))
hosts = st.sampled_from(HOSTS)


@dataclass(frozen=True)
class Begun:
    """How a run begins: when its process dies, and which of its calls goes wrong."""

    death: Death | None
    fault: Rule | None


@st.composite
def _faults(draw: st.DrawFn) -> Rule:
    """Draw one call that is refused, or whose answer is lost or noise before or after it was done;
    or one task that fails, or succeeds after it was given up.
    """
    protocol, call = draw(st.sampled_from(CALLS))
    if protocol == "task":
        effect, when = draw(st.sampled_from((Effect.REFUSE, Effect.DELAY))), When.BEFORE
    else:
        effect, when = draw(st.sampled_from(BROKEN))
    nth = draw(st.integers(1, 4))
    return Rule(protocol=protocol, call=call, nth=nth, effect=effect, when=when, delay_s=OVERDUE_S)


faults = _faults()
deaths = st.none() | st.builds(Death, st.integers(0, RECORDS - 1), st.booleans())
beginnings = st.none() | st.builds(Begun, deaths, st.none() | faults)
calms = st.integers(0, 2)
"""How much happens before the next command: without a limit there would be few commands."""


def meanwhile(**drawn: Any) -> Callable[[Callable[..., None]], Any]:
    """Make a rule of what is no command."""

    def made(deed: Callable[..., None]) -> Any:
        @functools.wraps(deed)
        def counted(self: Operators, **arguments: Any) -> None:
            self.deeds -= 1
            deed(self, **arguments)

        return precondition(lambda self: self.deeds > 0)(rule(**drawn)(counted))

    return made


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


class Operators(RuleBasedStateMachine):
    """What an operator, a dying workstation and other people do to one domain."""

    bench: ClassVar[FaultBench]
    command: ClassVar[Killable]
    folder: ClassVar[Path]
    numbers: ClassVar[Any] = itertools.count()
    tally: ClassVar[Counter[str]] = Counter()
    repaired: ClassVar[dict[str, Any]]
    done: ClassVar[tuple[Checkpoint, Path]]
    """The lab after a run, and the state folder with its journal."""

    def __init__(self) -> None:
        super().__init__()
        self.deeds = 0
        self.dead: set[str] = set()
        self.wrong_password = False
        self.state = self.folder / "none"

    def _anew(self) -> None:
        """The lab is as in the beginning, and no run was ever begun."""
        self.lab.restore(self.bench.saved)
        self.state = self.folder / f"state-{next(self.numbers)}"
        self.nightly: dict[str, set[str]] = {VC1: set(), VC2: set()}
        self.deleted: set[str] = set()
        self.users: set[str] = set()
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
    def phase(self) -> RunPhase | None:
        """What it says that the run is."""
        stored = self.stored
        return None if stored is None else stored.phase

    @initialize(begun=beginnings, deeds=calms)
    def begin(self, begun: Begun | None, deeds: int) -> None:
        """A run is begun on a domain whose STS certificate has expired; its process may die, and
        one of its calls may go wrong. Or one was, and is done.
        """
        self._anew()
        if begun is None:
            checkpoint, journal = self.done
            self.lab.restore(checkpoint)
            copy_journal(journal, self.state)
            self.deeds = deeds
            return
        if begun.fault is not None:
            self.lab.faults.add(begun.fault)
        self.carry_out("run", begun.death, deeds)

    @precondition(lambda self: self.phase in {RunPhase.RELEASED, None})
    @rule(begun=beginnings, deeds=calms)
    def another_domain(self, begun: Begun | None, deeds: int) -> None:
        """Nothing is left to do here: the same is done elsewhere."""
        self.begin(begun, deeds)

    # ------------------------------------------------------------ the operator

    @precondition(lambda self: self.phase in {RunPhase.OPEN, RunPhase.STOPPED})
    @rule(death=deaths, deeds=calms)
    def resume(self, death: Death | None, deeds: int) -> None:
        """Go on with it."""
        self.carry_out("resume", death, deeds)

    @precondition(lambda self: self.phase in set(RunPhase) - {RunPhase.RELEASED, None})
    @rule(death=deaths, deeds=calms)
    def rollback(self, death: Death | None, deeds: int) -> None:
        """Take it back."""
        self.carry_out("rollback", death, deeds)

    @precondition(
        lambda self: self.phase in {RunPhase.REPAIRED, RunPhase.ROLLED_BACK, RunPhase.RELEASING}
    )
    @rule(death=deaths, deeds=calms)
    def release(self, death: Death | None, deeds: int) -> None:
        """Delete its snapshots."""
        self.carry_out("release", death, deeds)

    def carry_out(self, command: Any, death: Death | None, deeds: int) -> None:
        """Carry *command* out, in a process that may die; then *deeds* of others may follow."""
        secrets = self.bench.config.with_name("secrets.toml")
        good = secrets.read_text("utf-8")
        if self.wrong_password:
            secrets.write_text(re.sub("(?m)^sso = .*$", 'sso = "Not-The-One-1!"', good), "utf-8")
        for host in self.dead:
            self.lab.hosts[host].stop()
        refused = self.refused()
        try:
            code = self.command(self.bench.config, self.state, command, death)
        finally:
            for host in self.dead:
                self.lab.hosts[host].start()
            secrets.write_text(good, "utf-8")
        assert self.refused() - refused <= self.wrong_password, "a password was tried twice"
        self.dead, self.wrong_password, self.deeds = set(), False, deeds
        self.lab.faults.clear()
        if self.phase in {RunPhase.ROLLING_BACK, RunPhase.ROLLED_BACK}:
            self.users = set()
        self.tally[f"{command}: {'killed' if code == KILLED else code}"] += 1

    def refused(self) -> int:
        """Return how many wrong passwords the directories have seen."""
        stores = [self.lab.nodes[n.fqdn].disk.directory for n in self.lab.topology.controllers]
        return sum(sum(store.bad_passwords.values()) for store in stores)

    # ------------------------------------------------------------ the world

    @meanwhile(fault=faults)
    def something_goes_wrong(self, fault: Rule) -> None:
        """One call of the next command is refused, or its connection breaks."""
        self.lab.faults.add(fault)

    # Who powers on single nodes while others are being reverted breaks the domain by himself.
    @precondition(lambda self: self.phase is not RunPhase.ROLLING_BACK)
    @meanwhile(fqdn=nodes)
    def somebody_powers_a_node_on(self, fqdn: str) -> None:
        """Somebody in the Host Client means well."""
        if not self.lab.machines[fqdn].running:
            self.lab.set_power(fqdn, "on")

    @precondition(lambda self: self.phase is not None)
    @meanwhile(fqdn=nodes)
    def somebody_deletes_our_snapshot(self, fqdn: str) -> None:
        """Somebody tidies up."""
        machine = self.lab.machines[fqdn]
        for snapshot in [s for s in machine.snapshots() if s.name.startswith(OURS)]:
            machine.remove_snapshot(snapshot, with_children=False)
            self.deleted.add(fqdn)

    @meanwhile(fqdn=nodes)
    def somebody_takes_a_snapshot(self, fqdn: str) -> None:
        """A backup, or a careful colleague."""
        name = f"{THEIRS}{len(self.nightly[fqdn])}"
        self.lab.machines[fqdn].take_snapshot(
            name, "backup", now=self.lab.clock.now(), memory=False, quiesce=False
        )
        self.nightly[fqdn].add(name)

    @meanwhile(fqdn=nodes, host=hosts)
    def somebody_moves_a_vm(self, fqdn: str, host: str) -> None:
        """HA, or a person, registers a VM that is off on another host."""
        if self.lab.machines[fqdn].power == OFF and self.lab.host_of(fqdn) != host:
            with suppress(VmRefusedError):  # a task of a dead command still works on it
                self.lab.move(fqdn, host)

    @meanwhile(host=hosts)
    def a_host_is_dead_for_a_while(self, host: str) -> None:
        """It does not answer during the next command."""
        self.dead.add(host)

    @meanwhile()
    def somebody_changes_the_password(self) -> None:
        """The next command has the one that was."""
        self.wrong_password = True

    @meanwhile(fqdn=nodes)
    def somebody_edits_the_directory(self, fqdn: str) -> None:
        """A user is added on a node that runs."""
        if self.lab.nodes[fqdn].parts is None:
            return
        store = self.lab.nodes[fqdn].disk.directory
        with store.lock:
            name = f"{THEIRS}{next(self.numbers)}"
            like = store.find(f"cn=Administrator,{USERS}")
            made = {n: v for n, v in like.attributes.items() if n in {"objectClass", "sn"}}
            made["cn"] = [name.encode()]
            store.add(f"cn={name},{USERS}", made, like.dn, self.lab.clock.now())
        self.users.add(f"cn={name},{USERS}")

    # ------------------------------------------------------------ what always holds

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
    def no_node_is_left_off_in_silence(self) -> None:
        """Where a node is off, the run says that it shut it down, and what it stopped for."""
        stored = self.stored
        if "poweredOff" not in judge.power(self.lab).values():
            return
        assert stored is not None
        assert stored.nodes_may_be_off
        if stored.phase is RunPhase.STOPPED:
            failed = [r for r in stored.records if isinstance(r, StepRecord)][-1]
            assert failed.facts.get("error")

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
        if "quiesce" not in begun:
            assert set(judge.power(self.lab).values()) == {"poweredOn"}
        if "take-snapshots" not in begun:
            assert not any(ours.values()), ours
        if states.get("take-snapshots") is StepState.DONE and not self.is_released:
            assert {fqdn for fqdn, names in ours.items() if not names} <= self.deleted, ours
        now = without_users(everything(self.lab))
        if WRITE not in begun:
            assert changes(self.before, now) == []
        if RETIRE not in begun:
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
        return self.phase in {RunPhase.RELEASING, RunPhase.RELEASED}

    @invariant()
    def the_journal_says_what_is(self) -> None:
        """Repaired is repaired, taken back is as before, released leaves no snapshot."""
        phase = self.phase
        if phase in {RunPhase.REPAIRED, RunPhase.ROLLED_BACK, RunPhase.RELEASED}:
            assert set(judge.power(self.lab).values()) == {"poweredOn"}
        if phase is RunPhase.REPAIRED:
            assert shape(without_users(everything(self.lab))) == self.repaired
            refusals = [
                judge.token_refusal(self.lab, n.fqdn) for n in self.lab.topology.controllers
            ]
            assert refusals == [None, None]
        if phase is RunPhase.ROLLED_BACK:
            assert changes(self.before, without_users(everything(self.lab))) == []
        if phase is RunPhase.RELEASED:
            names = judge.node_snapshots(self.lab).values()
            assert not [n for several in names for n in several if n.startswith(OURS)]

    def teardown(self) -> None:
        """Leave nothing behind for the next sequence."""
        self.lab.faults.clear()
        shutil.rmtree(self.state, ignore_errors=True)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("shard", range(-(-EXAMPLES // SHARD)))
def test_whatever_happens_in_whatever_order(tmp_path_factory, record_property, shard):
    """No invariant is violated by any sequence that was played."""
    examples = min(SHARD, EXAMPLES - shard * SHARD)
    lab = Lab(TOPOLOGIES["elm"], OTHERS_CHAINS, speed=2000, seed=11, keys=shared_keys())
    Operators.tally = Counter()
    with lab:
        Operators.bench = FaultBench(lab, tmp_path_factory.mktemp("lab"))
        Operators.command = Killable()
        Operators.folder = tmp_path_factory.mktemp("states")
        first = tmp_path_factory.mktemp("first")
        assert Operators.bench(first, "run") is None
        Operators.repaired = shape(everything(lab))
        Operators.done = (lab.checkpoint(), first)
        run_state_machine_as_test(
            Operators,
            settings=settings(
                max_examples=examples,
                stateful_step_count=STEPS,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
                print_blob=True,
            ),
        )
    record_property("cases", examples)
    # A sequence without a command proves nothing.
    assert Operators.tally.total() >= examples
    for what, number in sorted(Operators.tally.items()):
        print(f"stateful: {number} x {what}")  # noqa: T201 - shown by -s and with failures
