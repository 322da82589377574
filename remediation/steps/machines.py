"""Steps that stop, snapshot and start the nodes' VMs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from stsfix.remediation.adoption import describe
from stsfix.remediation.claims import LEFT_TO, claim_of, rival_of
from stsfix.remediation.errors import NodeNotReadyError, ProofError
from stsfix.remediation.errors_run import DomainLockedError, InterruptedRunError
from stsfix.remediation.newcomers import require_unchanged
from stsfix.remediation.ports import UNAVAILABLE, Observed
from stsfix.remediation.records import POWER_ON, QUIESCE, TAKE_SNAPSHOTS
from stsfix.remediation.steps import adapters
from stsfix.remediation.steps.clocks import SLEPT, Moment
from stsfix.remediation.steps.older_journal import require_no_snapshot
from stsfix.remediation.steps.reversion import prove_reverted
from stsfix.remediation.steps.strangers import require_silence
from stsfix.remediation.steps.way_back import require_snapshots
from stsfix.snapshot.errors import (
    OperationError,
    TransientError,
)
from stsfix.snapshot.model import PowerState
from stsfix.snapshot.polling import poll_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stsfix.remediation.claims import Rival
    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.ports import Facts, Note
    from stsfix.remediation.steps.context import StepContext
    from stsfix.snapshot.model import VmFacts, VmId


OFF_AGAIN = "power (it was shut down again)"


def start_domain(context: StepContext, step: str, noted: Facts) -> None:
    """Power on all nodes, PSCs first, and wait until each can be worked with.

    A node with a directory is ready when its vmdir answers and its STS publishes a certificate
    (it does so even when that has expired, vmdir.md 4.3); then the other vCenters follow, which
    are ready when their guest takes orders, through its host or by the node's transport. Safe to
    repeat. *noted* are the notes of ``quiesce``: adapters have to be connected as they were before.

    Raises:
        NicDisconnectedError: An adapter is not, which it was; the node is left running.
        NodeNotReadyError: A node did not get so far in time; it is left running. Or somebody, or
            another run that is about to give way, has shut it down again: said at once.
    """
    for wave in context.start_waves():
        vms = tuple(node.vm for node in wave)
        facts = context.coordinator.observe(vms)
        nics = {node.vm: adapters.expected(node, facts[node.vm], noted) for node in wave}
        context.coordinator.power_on((vms,), nics)
        context.each(wave, lambda node: _await_ready(context, step, node))


def _await_ready(context: StepContext, step: str, node: NodePlan) -> None:
    started = context.clock.monotonic()
    if node.role.has_directory:
        _await_answer(context, step, node, started)
    else:
        _await_guest(context, step, node, started)
    context.tell(step, node.fqdn, "ready")


def _await_answer(context: StepContext, step: str, node: NodePlan, started: float) -> None:
    """Wait for vmdir and the STS. An STS that answers and publishes nothing for the time it
    needs to load its tenant never will: that may be the very thing to repair.
    """
    first_refusal: list[float] = []

    def answers() -> bool:
        try:
            context.directory(node.fqdn).read_root_dse()
        except TransientError:
            _require_on(context, node, started)
            raise
        try:
            context.logins.read_published_leaf(node.fqdn)
        except ProofError as error:
            now = context.clock.monotonic()
            first_refusal.append(now)
            if now - first_refusal[0] < context.limits.publish.total_seconds():
                raise
            context.tell(step, node.fqdn, f"the STS publishes no certificate ({error})")
        return True

    context.tell(step, node.fqdn, "waiting for vmdir and STS")
    limits = context.limits
    passing = (TransientError, ProofError)
    try:
        poll_until(
            answers, clock=context.clock, limit=limits.boot, every=limits.poll, transient=passing
        )
    except passing as error:
        waited = context.clock.monotonic() - started
        raise NodeNotReadyError(node.fqdn, f"answer ({error})", waited) from error


def _await_guest(context: StepContext, step: str, node: NodePlan, started: float) -> None:
    def ready() -> bool | None:
        facts = _require_on(context, node, started)
        if facts.guest_operations_ready:
            return True
        return (facts.tools_running and _is_reached(context, node)) or None

    context.tell(step, node.fqdn, "waiting for VMware Tools")
    limits = context.limits
    if not poll_until(ready, clock=context.clock, limit=limits.boot, every=limits.poll):
        raise NodeNotReadyError(node.fqdn, "VMware Tools", context.clock.monotonic() - started)


def _require_on(context: StepContext, node: NodePlan, started: float) -> VmFacts:
    """Return the facts of *node*, which was powered on.

    Raises:
        NodeNotReadyError: It is off again: waiting does not help.
    """
    facts = context.coordinator.observe([node.vm])[node.vm]
    if facts.summary.power is PowerState.OFF:
        waited = context.clock.monotonic() - started
        raise NodeNotReadyError(node.fqdn, OFF_AGAIN, waited)
    return facts


def _is_reached(context: StepContext, node: NodePlan) -> bool:
    """Tell whether *node* can be worked with although guest operations are off, maybe for good.

    A refused login, or a transport that cannot do more, is not mended by waiting.
    """
    if context.services.is_by_hand(node):
        return True
    try:
        context.services.read_services(node)
    except (*UNAVAILABLE, TransientError):
        return False
    except InterruptedRunError:
        raise
    except OperationError:
        return True
    return True


def find_rival(context: StepContext) -> Rival | None:
    """Return the run of another workstation that the nodes belong to, if any (see `claims`)."""
    return _rival_in(context, context.coordinator.observe(context.vms))


def _rival_in(context: StepContext, facts: Mapping[VmId, VmFacts]) -> Rival | None:
    return rival_of(context.spec.run, facts[claim_of(context.spec).vm], facts.values())


def require_no_rival(context: StepContext) -> Mapping[VmId, VmFacts]:
    """Return what was seen of the nodes if no other run came first.

    Raises:
        DomainLockedError: One did; it is named.
    """
    facts = context.coordinator.observe(context.vms)
    rival = _rival_in(context, facts)
    if rival is not None:
        raise DomainLockedError(context.spec.domain, str(rival), elsewhere=True)
    return facts


@dataclass(frozen=True, slots=True)
class Quiesce:
    """Every node is shut down by its guest; nobody is ever forced off.

    Before each wave it looks whether another workstation's run came first: that one may have
    powered the nodes on again. *reverted* tells whether the nodes went back to their snapshots:
    then the directories have to show it once they are on.
    """

    context: StepContext
    reverted: Callable[[], bool] = lambda: False
    name: ClassVar[str] = QUIESCE

    def probe(self, noted: Facts) -> Observed:
        """Every node off is complete."""
        del noted
        facts = self.context.coordinator.observe(self.context.vms).values()
        off = all(fact.summary.power is PowerState.OFF for fact in facts)
        return Observed.COMPLETE if off else Observed.REPEATABLE

    def do(self, noted: Facts, note: Note) -> None:
        """Note every adapter, then shut down wave by wave."""
        known = adapters.ADAPTERS in noted
        for wave in self.context.shutdown_waves():
            facts = require_no_rival(self.context)
            require_no_snapshot(self.context.spec, facts)
            if not known:
                note(adapters.ADAPTERS, adapters.as_note(self.context.spec.nodes, facts))
                known = True
            try:
                self.context.coordinator.shut_down((wave,))
            except OperationError:
                require_no_rival(self.context)  # it may have powered on whom we wait for
                raise

    def undo(self, noted: Facts, note: Note) -> None:
        """Power on in order and wait for the services; not what another run works on."""
        rival = find_rival(self.context)
        if rival is not None:
            note(LEFT_TO, str(rival))
            self.context.tell(self.name, "", f"all nodes are left to {rival}")
            return
        start_domain(self.context, self.name, noted)
        if self.reverted():
            prove_reverted(self.context, self.name, note)


@dataclass(frozen=True, slots=True)
class TakeSnapshots:
    """Every node has one snapshot named after the run, taken while all were off.

    One attempt takes all of them, or none counts: nobody knows who was on between two attempts,
    and nodes that go back to different times break replication for good (KB 313886). The first
    snapshot is the run's claim on the domain (`claims`): if another workstation's is older, this
    run gives way before it touches any other node.
    """

    context: StepContext
    name: ClassVar[str] = TAKE_SNAPSHOTS

    def probe(self, noted: Facts) -> Observed:
        """Never complete: an attempt that did not end did not see that nobody was on meanwhile,
        and nothing is written before one did.
        """
        del noted
        return Observed.REPEATABLE

    def do(self, noted: Facts, note: Note) -> None:
        """Drop an earlier attempt's set, claim, then take the others; each task key is noted
        before its task is awaited. A set in the middle of which this workstation slept is dropped,
        too: nobody saw who was on meanwhile.
        """
        clock = self.context.clock
        while True:
            begun = Moment.of(clock)
            self._attempt(noted, note)
            slept = begun.slept(clock)
            if slept < SLEPT:
                return
            told = f"this workstation slept for {slept.total_seconds():.0f} s in between"
            self.context.tell(self.name, "", f"{told}: all snapshots are taken anew")

    def _attempt(self, noted: Facts, note: Note) -> None:
        context = self.context
        require_no_rival(context)
        try:
            context.coordinator.require_off(context.vms)
            require_silence(context)
            self._drop_earlier(noted)
            self._take((claim_of(context.spec).vm,), note)
            require_no_rival(context)
        except OperationError:
            # Also when the claim went wrong: its task may succeed yet, and whoever came first
            # may have powered nodes on.
            self._give_way()
            raise
        self._take(context.vms, note)

    def _drop_earlier(self, noted: Facts) -> None:
        context = self.context
        removed = context.coordinator.discard(context.spec.run, context.vms, noted).removed
        if removed:
            told = f"{len(removed)} of an earlier attempt removed, all nodes are snapshotted anew"
            context.tell(self.name, "", told)

    def _take(self, vms: Sequence[VmId], note: Note) -> None:
        spec = self.context.spec
        nodes = {node.vm: node for node in spec.nodes}
        self.context.coordinator.take(spec.run, lambda vm: describe(spec, nodes[vm]), vms, note)

    def _give_way(self) -> None:
        """Remove our snapshots if another run came first.

        Raises:
            DomainLockedError: It did; what could not be removed is told with it.
        """
        context = self.context
        rival = find_rival(context)
        if rival is None:
            return
        error = DomainLockedError(context.spec.domain, str(rival), elsewhere=True)
        try:
            context.coordinator.release(context.spec.run, context.vms)
        except OperationError as left:
            error.add_note(f"the snapshot {context.spec.run} could not be removed: {left}")
        raise error

    def undo(self, noted: Facts, note: Note) -> None:
        """Keep the snapshots, only ``release`` deletes; but none where another run came first, nor
        one that a noted task still makes.
        """
        del note
        if find_rival(self.context) is not None:
            self.context.coordinator.discard(self.context.spec.run, self.context.vms, noted)


@dataclass(frozen=True, slots=True)
class PowerOn:
    """Every node is on again, with its network, and its directory and STS answer.

    *before* gives the notes of ``quiesce``, *known* are all nodes that the domain had when the run
    began.
    """

    context: StepContext
    known: frozenset[str]
    before: Callable[[], Facts] = dict
    name: ClassVar[str] = POWER_ON

    def probe(self, noted: Facts) -> Observed:
        """Doing it again converges, whatever was done."""
        del noted
        return Observed.REPEATABLE

    def do(self, noted: Facts, note: Note) -> None:
        """Power on, PSCs first, wait, and see once more that the way back is there, for all: the
        next steps write.

        Raises:
            NoWayBackError: Somebody deleted a snapshot meanwhile; every node is on.
            NodesJoinedError: A node joined meanwhile, which has none; every node is on.
        """
        del noted, note
        context, spec = self.context, self.context.spec
        start_domain(context, self.name, self.before())
        require_snapshots(context)
        require_unchanged(spec, self.known, context.directory(spec.writer))

    def undo(self, noted: Facts, note: Note) -> None:
        """Nothing: who is reverted was shut down for that, everybody else stays on. Another run may
        work on the nodes by now.
        """
