"""Random sequences of commands, kills, faults and people, checked by the lab's own eye after each.

`make test` plays three; ``STSFIX_STATEFUL=100`` says how many, in shards of `SHARD`. A failure
prints the sequence.
"""

from __future__ import annotations

import functools
import os
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from fault_bench import FaultBench, copy_journal
from judged_domain import OURS, THEIRS, VC1, VC2, JudgedDomain
from killable import KILLED, Death, Killable
from lab_keys import shared_keys
from run_judge import everything, shape
from stsfix.lab.esx.machine import OFF, VmRefusedError
from stsfix.lab.faults import Effect, Rule, When
from stsfix.lab.lab import Lab
from stsfix.lab.scenario import SCENARIOS
from stsfix.lab.topology import HOSTS, TOPOLOGIES
from stsfix.remediation.records import Phase as RunPhase

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stsfix.lab.checkpoint import Checkpoint

pytestmark = [pytest.mark.crash, pytest.mark.lab, pytest.mark.reliability("sequences")]

SHARD = 5
EXAMPLES = int(os.environ.get("STSFIX_STATEFUL", "3"))
STEPS = 7
RECORDS = 43
"""How many a whole run has (`test_sigkill.RECORDS`)."""
USERS = "cn=users,dc=vsphere,dc=local"
OTHERS_CHAINS = replace(
    SCENARIOS["expired"],
    certificates=replace(
        SCENARIOS["expired"].certificates, smart_card=True, external_idp=True, other_chain=True
    ),
)
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


class Operators(JudgedDomain):
    """What an operator, a dying workstation and other people do to one domain."""

    command: ClassVar[Killable]
    tally: ClassVar[Counter[str]] = Counter()
    done: ClassVar[tuple[Checkpoint, Path]]
    """The lab after a run, and the state folder with its journal."""

    def __init__(self) -> None:
        super().__init__()
        self.deeds = 0
        self.dead: set[str] = set()
        self.wrong_password = False

    @initialize(begun=beginnings, deeds=calms)
    def begin(self, begun: Begun | None, deeds: int) -> None:
        """A run is begun on a domain whose STS certificate has expired; its process may die, and
        one of its calls may go wrong. Or one was, and is done.
        """
        self.anew()
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
        if code == KILLED:
            self.remember_death()
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
