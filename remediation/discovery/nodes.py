"""Read what nodes say of themselves: over HTTPS without a login, and in their guests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from stsfix.remediation.directory.replication import lags, stalled
from stsfix.remediation.model import Platform, Role, Transport
from stsfix.remediation.nodes.node_facts import (
    NOT_ASKED,
    ClockReading,
    Management,
    NodeFacts,
    Unread,
    VCenterAbout,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import timedelta

    from stsfix.remediation.inventory import NodeInventory
    from stsfix.remediation.model import NodePlan, ReplicationStatus
    from stsfix.remediation.ports import ServiceReport
    from stsfix.snapshot.ports import Clock

NODE_TYPES = {
    "embedded": Role.EMBEDDED,
    "infrastructure": Role.PSC,
    "management": Role.VCENTER,
}
"""/etc/vmware/deployment.node.type (seen in VMware's own fixsts and vCert scripts)."""

NO_TRANSPORT = Unread(reason='it has no transport (transport = "none")')

_LOOKS = 3
"""How often directories that lag are looked at before they count as stalled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontAnswer:
    """What a node said over HTTPS."""

    clock: ClockReading | Unread
    about: VCenterAbout | Unread


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestAnswer:
    """What a node's guest said. *services* is None if it listed none, *facts* is the reason where
    no script can be run; *transport* is how it was asked. *management* is from its management
    interface, where that is the transport.
    """

    facts: NodeFacts | Unread
    clock: ClockReading | Unread
    services: ServiceReport | None
    transport: Transport = Transport.GUEST
    management: Management | Unread = NOT_ASKED


class FrontReader(Protocol):
    """Asks a node's HTTPS front, without a login."""

    def read_front(self, fqdn: str, *, vcenter: bool) -> FrontAnswer:
        """Read clock and, if *vcenter*, version. Never raises: what failed is `Unread`."""


class GuestReader(Protocol):
    """Asks a node itself, by its transport."""

    def read_guest(self, node: NodePlan) -> GuestAnswer:
        """Read everything in one run of one script, or what there is without one; raises what
        `NodeShell` and `ServiceControl` do.
        """


def with_front(node: NodeInventory, reader: FrontReader | None) -> NodeInventory:
    """Return *node* with what its front said."""
    if reader is None:
        return node
    answer = reader.read_front(node.fqdn, vcenter=node.role.has_vcenter)
    return replace(node, clock=answer.clock, about=answer.about)


def guest_refusal(node: NodeInventory, transport: Transport) -> Unread | None:
    """Return why nothing can be asked of the node itself, None if it can."""
    if transport is Transport.NONE:
        return NO_TRANSPORT
    if node.vm is None:
        return Unread(reason="its VM was not found")
    by_guest = transport is Transport.GUEST or node.platform is Platform.WINDOWS
    if by_guest and not node.vm.guest_operations_ready:
        return Unread(reason="VMware Tools is not ready for guest operations")
    return None


def with_guest(
    node: NodeInventory,
    reader: GuestReader | None,
    tried: Callable[[str, Callable[[], GuestAnswer]], GuestAnswer | None],
    transport: Transport = Transport.GUEST,
) -> NodeInventory:
    """Return *node* with what its guest said; *tried* turns errors into problems and None."""
    refusal = guest_refusal(node, transport) if reader is not None else NOT_ASKED
    plan = node.plan
    if refusal is not None or reader is None or plan is None:
        used = transport if transport is Transport.NONE else None
        return replace(node, facts=refusal or NOT_ASKED, transport=used)
    answer = tried(node.fqdn, lambda: reader.read_guest(plan))
    if answer is None:
        return replace(node, facts=Unread(reason="no script could be run in its guest"))
    kind = answer.facts.node_type if isinstance(answer.facts, NodeFacts) else answer.facts
    role = NODE_TYPES.get(kind) if isinstance(kind, str) else None
    return replace(
        node,
        role=role or node.role,
        role_verified=role is not None,
        services=answer.services,
        facts=answer.facts,
        clock=better_clock(node.clock, answer.clock),
        transport=answer.transport,
        management=answer.management,
    )


def better_clock(one: ClockReading | Unread, other: ClockReading | Unread) -> ClockReading | Unread:
    """Return the more precise of two readings; the first if neither is one."""
    if isinstance(other, Unread):
        return one
    if isinstance(one, Unread) or other.uncertainty < one.uncertainty:
        return other
    return one


def find_at_rest(
    nodes: Sequence[NodeInventory], has_news: Callable[[str, int, str], bool | None]
) -> frozenset[tuple[str, str]]:
    """Return (consumer, supplier) of directories that only seem to lag: the supplier has made no
    change that it sends. *has_news* asks a node for changes after a USN that bear its invocation
    id; nobody is asked while no directory is late.
    """
    statuses = _statuses(nodes)
    return frozenset(
        (lag.consumer, lag.supplier)
        for lag in lags(statuses)
        if lag.is_late
        and has_news(lag.supplier, lag.seen, statuses[lag.supplier].invocation_id) is False
    )


def find_stalled(
    nodes: Sequence[NodeInventory],
    read_again: Callable[[str], ReplicationStatus | None],
    clock: Clock,
    *,
    patience: timedelta,
    at_rest: frozenset[tuple[str, str]] = frozenset(),
) -> frozenset[tuple[str, str]]:
    """Return (consumer, supplier) of directories that lag and catch up nothing in *patience*.

    Nothing is waited for, and nobody is asked, while no directory is late. Pairs *at_rest* are
    not.
    """
    first = _statuses(nodes)
    standing = _late(first) - at_rest
    for _ in range(_LOOKS):
        if not standing:
            break
        clock.sleep(patience.total_seconds() / _LOOKS)
        names = {name for pair in standing for name in pair}
        fresh = {name: read_again(name) for name in sorted(names)}
        now = first | {name: status for name, status in fresh.items() if status is not None}
        standing &= stalled(lags(first), lags(now))
    return standing


def _statuses(nodes: Sequence[NodeInventory]) -> dict[str, ReplicationStatus]:
    return {n.fqdn: n.replication for n in nodes if n.replication is not None}


def _late(statuses: Mapping[str, ReplicationStatus]) -> frozenset[tuple[str, str]]:
    return frozenset((lag.consumer, lag.supplier) for lag in lags(statuses) if lag.is_late)
