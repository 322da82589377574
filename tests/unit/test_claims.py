"""Two runs from two workstations: in whichever order their calls come, exactly one goes on."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from machines_bench import Bench
from memory_hypervisor import MemoryClock, MemoryHost
from stsfix.remediation.claims import LEFT_TO, Rival, claim_of, rival_of
from stsfix.remediation.errors_run import DomainLockedError
from stsfix.remediation.model import NodePlan, Role
from stsfix.remediation.ports import Observed
from stsfix.remediation.steps.machines import Quiesce, TakeSnapshots
from stsfix.snapshot.coordinator import Coordinator, task_note_key
from stsfix.snapshot.errors import (
    HypervisorFaultError,
    NoSpaceError,
    OperationError,
    TaskOverdueError,
)
from stsfix.snapshot.fleet import Limits as FleetLimits
from stsfix.snapshot.model import PowerState, SnapshotRef
from worlds import Killed

pytestmark = pytest.mark.reliability("operators")

OURS, THEIRS = "stsfix-20260101T000000Z-aaaa", "stsfix-20260101T000000Z-bbbb"
CALLS = 30
"""More remote calls than one side makes until it goes on or gives way."""


class Gated:
    """A host of which every call passes a gate first."""

    def __init__(self, host, gate):
        self._host = host
        self._gate = gate

    def __getattr__(self, name):
        found = getattr(self._host, name)
        if not callable(found):
            return found

        def called(*args, **kwargs):
            self._gate()
            return found(*args, **kwargs)

        return called


class Estate:
    """Two hosts, and the contexts of workstations that know nothing of each other.

    *like* is a bench whose directory, logins and limits serve here, too.
    """

    def __init__(self, like):
        self._like = like
        self.clock = MemoryClock()
        self.hosts = [MemoryHost(f"esx{n}.lab.example", self.clock) for n in (1, 2)]
        self.psc = self.hosts[0].add_vm("psc1")
        self.vc = self.hosts[1].add_vm("vc1")

    def side(self, run, *, nodes=2, gate=lambda: None):
        """Return a context of its own for *run*, about the first *nodes* nodes by name."""
        both = (
            NodePlan(fqdn="psc1.lab.example", role=Role.PSC, vm=self.psc),
            NodePlan(fqdn="vc1.lab.example", role=Role.VCENTER, vm=self.vc),
        )
        spec = replace(self._like.context.spec, run=run, by=f"{run[-4:]}@desk", nodes=both[:nodes])
        hosts = {host.host: Gated(host, gate) for host in self.hosts}
        coordinator = Coordinator(hosts, self.clock, FleetLimits())
        self._like.domain.is_off = self._like.logins.is_off = self._is_off
        return replace(self._like.context, spec=spec, clock=self.clock, coordinator=coordinator)

    def _is_off(self, fqdn):
        host, vm = (self.hosts[0], self.psc) if fqdn[:3] == "psc" else (self.hosts[1], self.vc)
        return host.vm(vm).power is not PowerState.ON

    def names(self):
        """Return the names of all snapshots of nodes."""
        return sorted(
            snapshot.name
            for host, vm in zip(self.hosts, (self.psc, self.vc), strict=True)
            for snapshot in host.vm(vm).snapshots
        )


@dataclass
class Side:
    """One workstation's run until its nodes may be powered on; each remote call is a turn."""

    context: Any
    ended: str = ""
    notes: dict[str, str] = field(default_factory=dict)

    def go(self):
        """Shut down, snapshot, and say how it ended."""
        try:
            for step in (Quiesce(self.context), TakeSnapshots(self.context)):
                step.do(dict(self.notes), self.notes.__setitem__)
        except DomainLockedError as error:
            self.ended = f"gave way to {error.holder}"
            return
        except OperationError as error:
            self.ended = f"stopped: {type(error).__name__}"
            return
        self.ended = "went on"
        self.context.coordinator.power_on((self.context.vms,), {})


class Turns:
    """Lets two threads run one remote call at a time, in the order that a schedule tells.

    A schedule is how many calls one side makes before the other has its turn, alternately; when
    it is used up, or a side has ended, the other one goes on to its end.
    """

    def __init__(self, schedule):
        self._changed = threading.Condition()
        self._left = list(schedule)
        self._turn = 0
        self._over = [False, False]
        self._who = {}

    def wait(self):
        """Return when the calling thread may make a call; the call belongs to its turn."""
        me = self._who[threading.get_ident()]
        with self._changed:
            if self._turn == me and self._left and not self._over[1 - me]:
                if self._left[0] == 0:
                    self._left.pop(0)
                    self._turn = 1 - me
                    self._changed.notify_all()
                else:
                    self._left[0] -= 1
            assert self._changed.wait_for(lambda: self._turn == me, timeout=20)

    def play(self, works):
        """Run both *works* to their end."""
        threads = [
            threading.Thread(target=self._run, args=(me, work)) for me, work in enumerate(works)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()

    def _run(self, me, work):
        self._who[threading.get_ident()] = me
        with self._changed:
            assert self._changed.wait_for(lambda: self._turn == me, timeout=20)
        work()
        with self._changed:
            self._over[me] = True
            self._turn = 1 - me
            self._changed.notify_all()


def played(schedule, like, *, nodes):
    """Let two sides begin by *schedule*; return the estate and the sides."""
    estate = Estate(like)
    turns = Turns(schedule)
    sides = [Side(estate.side(run, nodes=nodes, gate=turns.wait)) for run in (OURS, THEIRS)]
    turns.play([side.go for side in sides])
    return estate, sides


@pytest.fixture(scope="module")
def like():
    """A context to copy from; making one takes a while."""
    return Bench()


ONCE = {(calls,) for calls in range(CALLS)}
TWICE = {(first, then) for first in range(0, CALLS, 3) for then in range(1, CALLS, 3)}
OFTEN = {(first, 1, second, 2) for first in range(0, CALLS, 4) for second in range(0, 12, 3)}


def test_of_two_claims_the_older_one_has_no_rival(like):
    """It goes on although it sees the other's; the other one sees it, and names it."""
    estate = Estate(like)
    context = estate.side(OURS, nodes=1, gate=lambda: None)
    claimed = context.coordinator.observe(context.vms)[context.vms[0]]
    first, second = (
        SnapshotRef(
            vm=context.vms[0],
            moref=name,
            name=name,
            description="",
            created=claimed_at,
            taken_off=True,
        )
        for name, claimed_at in ((OURS, estate.clock.now()), (THEIRS, estate.clock.now()))
    )
    seen = replace(claimed, snapshots=(first, second))

    assert rival_of(OURS, seen, [seen]) is None
    assert rival_of(THEIRS, seen, [seen]) == Rival(run=OURS, by="")


@pytest.mark.parametrize("nodes", [1, 2])
def test_whatever_the_order_one_run_goes_on_and_the_other_leaves_nothing(
    nodes, like, record_property
):
    """A change of turn at every call, and at many pairs of calls."""
    problems, winners = [], set()
    for schedule in sorted(ONCE | TWICE | OFTEN):
        estate, sides = played(schedule, like, nodes=nodes)
        ended = sorted(side.ended.split(" to ")[0] for side in sides)
        winner = next((s for s in sides if s.ended == "went on"), None)
        name = winner.context.spec.run if winner else ""
        winners.add(name)
        if ended != ["gave way", "went on"] or estate.names() != [name] * nodes:
            problems.append((schedule, ended, estate.names()))

    record_property("cases", len(ONCE | TWICE | OFTEN))
    assert problems == []
    assert winners == {OURS, THEIRS}


class Dying:
    """A gate at which a process dies at call number *calls*, before it is made."""

    def __init__(self, calls):
        self.left = calls

    def __call__(self):
        if self.left == 0:
            raise Killed
        self.left -= 1


def settled(step, notes):
    """Do what the engine does with a step in doubt."""
    if step.probe(dict(notes)) is Observed.REPEATABLE:
        step.do(dict(notes), notes.__setitem__)


@pytest.mark.parametrize("nodes", [1, 2])
def test_a_run_that_died_before_its_look_does_not_go_on_behind_another(
    nodes, like, record_property
):
    """Killed at any call, resumed when the other one has ended: still only one goes on."""
    problems, resumed = [], set()
    for calls in range(CALLS):
        estate = Estate(like)
        dying = Side(estate.side(OURS, nodes=nodes, gate=Dying(calls)))
        with suppress(Killed):
            dying.go()
        other = Side(estate.side(THEIRS, nodes=nodes))
        other.go()
        context = estate.side(OURS, nodes=nodes)
        try:
            if dying.ended != "went on":  # else both steps are recorded as done
                settled(Quiesce(context), dying.notes)
                settled(TakeSnapshots(context), dying.notes)
            ended = "went on"
        except DomainLockedError:
            ended = "gave way"
        resumed.add(ended)
        if {ended, other.ended.split(" to ")[0]} != {"went on", "gave way"}:
            problems.append((calls, ended, other.ended))

    record_property("cases", CALLS)
    assert problems == []
    assert resumed == {"went on", "gave way"}


def test_a_rollback_of_the_run_that_gave_way_powers_nobody_on(like):
    """The nodes may be off because the other run reverts them; its own snapshot goes."""
    estate = Estate(like)
    first, second = estate.side(OURS), estate.side(THEIRS)
    for step in (Quiesce(first), TakeSnapshots(first)):
        step.do({}, lambda *_: None)
    estate.hosts[0].vm(estate.psc).snapshots.append(
        replace(estate.hosts[0].vm(estate.psc).snapshots[0], name=THEIRS, moref="left-over")
    )
    estate.hosts[0].vm(estate.psc).disks["left-over"] = None

    notes: dict[str, str] = {}
    for step in (TakeSnapshots(second), Quiesce(second)):
        step.undo({}, notes.__setitem__)

    assert notes == {LEFT_TO: f"{OURS}, begun by aaaa@desk"}
    assert estate.names() == [OURS, OURS]
    assert estate.hosts[0].vm(estate.psc).power is PowerState.OFF
    assert estate.hosts[0].count("start_power_on") == 0


def test_a_resumed_run_looks_although_its_only_snapshot_is_there(like):
    """It died between its claim and its look, and the one that was first died, too, with the
    node off: a whole set, all off, and still not ours.
    """
    estate = Estate(like)
    host = estate.hosts[0]
    others = [estate.side(OURS, nodes=1)]
    second = estate.side(THEIRS, nodes=1)
    Quiesce(second).do({}, lambda *_: None)

    def before(call, _):
        if call == "start_snapshot" and others:
            others.pop().coordinator.take(OURS, lambda _: "", (estate.psc,), lambda *_: None)
        if call == "observe_vms" and THEIRS in estate.names():
            raise Killed

    host.before = before
    with pytest.raises(Killed):
        TakeSnapshots(second).do({}, lambda *_: None)
    host.before = None

    observed = TakeSnapshots(second).probe({})

    assert estate.names() == [OURS, THEIRS]
    assert observed is Observed.REPEATABLE


def test_a_claim_that_cannot_be_removed_is_told(like):
    """The error is about the other run, with a note about what is left; a rollback removes it."""
    estate = Estate(like)
    host = estate.hosts[0]
    others = [Side(estate.side(OURS))]
    second = estate.side(THEIRS)
    host.fail("start_removal", HypervisorFaultError("esx1", "Busy", ""))

    def before(call, _):
        if call == "start_snapshot" and others:
            others.pop().context.coordinator.take(
                OURS, lambda _: "", (estate.psc,), lambda *_: None
            )

    Quiesce(second).do({}, lambda *_: None)
    host.before = before

    with pytest.raises(DomainLockedError, match=OURS) as caught:
        TakeSnapshots(second).do({}, lambda *_: None)
    left = estate.names()
    TakeSnapshots(second).undo({}, lambda *_: None)

    assert caught.value.elsewhere
    assert any(THEIRS in note and "Busy" in note for note in caught.value.__notes__)
    assert left == [OURS, THEIRS]
    assert estate.names() == [OURS]


def test_a_full_datastore_is_no_rival(like):
    """What went wrong is said as it is."""
    estate = Estate(like)
    side = estate.side(OURS)
    Quiesce(side).do({}, lambda *_: None)
    estate.hosts[0].fail_task(NoSpaceError("esx1", "datastore1"))

    with pytest.raises(NoSpaceError):
        TakeSnapshots(side).do({}, lambda *_: None)

    assert estate.names() == []


def test_the_rival_is_named_with_who_began_it(like):
    """As its snapshot tells, if it does; anybody else's snapshot is none."""
    estate = Estate(like)
    first, second = estate.side(OURS), estate.side(THEIRS)
    machine = estate.hosts[0].vm(estate.psc)
    machine.power = PowerState.OFF
    first.coordinator.take("nightly", lambda _: "", (estate.psc,), lambda *_: None)
    facts = first.coordinator.observe(first.vms)
    assert rival_of(THEIRS, facts[estate.psc], facts.values()) is None

    estate.hosts[1].vm(estate.vc).power = PowerState.OFF
    TakeSnapshots(first).do({}, lambda *_: None)
    facts = first.coordinator.observe(first.vms)

    assert claim_of(second.spec).vm == estate.psc
    assert rival_of(OURS, facts[estate.psc], facts.values()) is None
    assert rival_of(THEIRS, facts[estate.psc], facts.values()) == Rival(run=OURS, by="aaaa@desk")
    assert str(Rival(run=OURS, by="")) == OURS


def test_a_rival_that_is_seen_on_another_node_only_is_one(like):
    """Its snapshot of the claim's VM was deleted by somebody: it works on the others still."""
    estate = Estate(like)
    first, second = estate.side(OURS), estate.side(THEIRS)
    for step in (Quiesce(first), TakeSnapshots(first)):
        step.do({}, lambda *_: None)
    first.coordinator.release(OURS, (claim_of(first.spec).vm,))
    facts = first.coordinator.observe(first.vms)

    rival = rival_of(THEIRS, facts[claim_of(second.spec).vm], facts.values())

    assert estate.names() == [OURS]
    assert rival is not None
    assert rival.run == OURS


def test_nobody_is_shut_down_who_belongs_to_another_run(like):
    """A run that begins, or is resumed, when another has its snapshots touches no node."""
    estate = Estate(like)
    first, second = estate.side(OURS), estate.side(THEIRS)
    for step in (Quiesce(first), TakeSnapshots(first)):
        step.do({}, lambda *_: None)
    first.coordinator.power_on((first.vms,), {})
    asked = [host.count("start_guest_shutdown") for host in estate.hosts]

    with pytest.raises(DomainLockedError, match="aaaa@desk"):
        Quiesce(second).do({}, lambda *_: None)

    assert [host.count("start_guest_shutdown") for host in estate.hosts] == asked


def test_a_claim_that_is_still_being_made_is_waited_for_before_the_run_is_closed(like):
    """Its task was overdue when the run gave way: a snapshot that nobody knew of would stay."""
    estate = Estate(like)
    first, second = estate.side(OURS), estate.side(THEIRS)
    for step in (Quiesce(first), TakeSnapshots(first)):
        step.do({}, lambda *_: None)
    claim = second.vms[[n.fqdn for n in second.spec.nodes].index(claim_of(second.spec).fqdn)]
    host = next(host for host in estate.hosts if host.host == claim.host)
    host.task_s = 1500
    key = host.start_snapshot(claim, name=THEIRS, description="")

    notes = {task_note_key(claim): key}
    with pytest.raises(TaskOverdueError):
        TakeSnapshots(second).undo(notes, lambda *_: None)
    TakeSnapshots(second).undo(notes, lambda *_: None)
    estate.clock.sleep(1500)

    assert set(estate.names()) == {OURS}
