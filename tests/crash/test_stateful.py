"""Random sequences of commands, kills, faults and people, checked by the lab's own eye after each.

`make test` plays a few; ``STSFIX_STATEFUL=100`` says how many, in shards of `SHARD`. A failure
prints the sequence.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
from collections import Counter
from contextlib import suppress
from dataclasses import replace
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
from run_judge import everything, shape
from stsfix.lab import judge
from stsfix.lab.esx.machine import OFF, VmRefusedError
from stsfix.lab.faults import Effect, Rule, When
from stsfix.lab.lab import Lab
from stsfix.lab.probe import flaw
from stsfix.lab.scenario import SCENARIOS
from stsfix.lab.topology import HOSTS, TOPOLOGIES
from stsfix.remediation.journal import JournalFile
from stsfix.remediation.records import Phase as RunPhase
from stsfix.snapshot.system_clock import SystemClock

if TYPE_CHECKING:
    from pathlib import Path

    from run_judge import Everything

pytestmark = [pytest.mark.crash, pytest.mark.lab, pytest.mark.reliability("sequences")]

SHARD = 5
EXAMPLES = int(os.environ.get("STSFIX_STATEFUL", str(SHARD)))
STEPS = 8
OURS, THEIRS = "stsfix-", "nightly-"
VC1, VC2 = "vc1.lab.example", "vc2.lab.example"
USERS = "cn=users,dc=vsphere,dc=local"
SMART_CARDS = replace(
    SCENARIOS["expired"],
    certificates=replace(SCENARIOS["expired"].certificates, smart_card=True),
)
STS_ENTRIES = re.compile(r"cn=(tenantcredential|trustedcertchain)-")
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
hosts = st.sampled_from(HOSTS)


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

    def __init__(self) -> None:
        super().__init__()
        self.state = self.folder / f"state-{next(self.numbers)}"
        self.dead: set[str] = set()
        self.wrong_password = False
        self.nightly: dict[str, set[str]] = {VC1: set(), VC2: set()}
        self.users: set[str] = set()

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
        self.dead, self.wrong_password = set(), False
        self.lab.faults.clear()
        if self.phase in {RunPhase.ROLLING_BACK, RunPhase.ROLLED_BACK}:
            self.users = set()
        self.tally[f"{command}: {'killed' if code == KILLED else code}"] += 1

    def refused(self) -> int:
        """Return how many wrong passwords the directories have seen."""
        stores = [self.lab.nodes[n.fqdn].disk.directory for n in self.lab.topology.controllers]
        return sum(sum(store.bad_passwords.values()) for store in stores)

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

    @rule(fqdn=nodes)
    def somebody_takes_a_snapshot(self, fqdn: str) -> None:
        """A backup, or a careful colleague."""
        name = f"{THEIRS}{len(self.nightly[fqdn])}"
        self.lab.machines[fqdn].take_snapshot(
            name, "backup", now=self.lab.clock.now(), memory=False, quiesce=False
        )
        self.nightly[fqdn].add(name)

    @rule(fqdn=nodes, host=hosts)
    def somebody_moves_a_vm(self, fqdn: str, host: str) -> None:
        """HA, or a person, registers a VM that is off on another host."""
        if self.lab.machines[fqdn].power == OFF and self.lab.host_of(fqdn) != host:
            with suppress(VmRefusedError):  # a task of a dead command still works on it
                self.lab.move(fqdn, host)

    @rule(host=hosts)
    def a_host_is_dead_for_a_while(self, host: str) -> None:
        """It does not answer during the next command."""
        self.dead.add(host)

    @rule()
    def somebody_changes_the_password(self) -> None:
        """The next command has the one that was."""
        self.wrong_password = True

    @rule(fqdn=nodes)
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
        assert of_others(now) == of_others(self.before)
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
            assert without_users(everything(self.lab)) == self.before
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
    lab = Lab(TOPOLOGIES["elm"], SMART_CARDS, speed=2000, seed=11, keys=shared_keys())
    Operators.tally = Counter()
    with lab:
        Operators.bench = FaultBench(lab, tmp_path_factory.mktemp("lab"))
        Operators.command = Killable()
        Operators.folder = tmp_path_factory.mktemp("states")
        assert Operators.bench(tmp_path_factory.mktemp("first"), "run") is None
        Operators.repaired = shape(everything(lab))
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
    # Every sequence begins with a run; none of them proves anything if all of those died.
    assert sum(n for what, n in Operators.tally.items() if what.startswith("run")) >= examples
    for what, number in sorted(Operators.tally.items()):
        print(f"stateful: {number} x {what}")  # noqa: T201 - shown by -s and with failures
