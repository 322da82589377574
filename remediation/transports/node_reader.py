"""What a node's guest says of itself, by one script through its ESXi host."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from stsfix.remediation import node_facts
from stsfix.remediation.discover_nodes import GuestAnswer
from stsfix.remediation.node_facts import ClockReading, Unread
from stsfix.remediation.transports.service_control import parse_status, report

if TYPE_CHECKING:
    from datetime import datetime

    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.node_facts import NodeFacts
    from stsfix.remediation.ports import NodeShell, ServiceReport
    from stsfix.snapshot.ports import Clock


class GuestNodeReader:
    """`discover_nodes.GuestReader` over guest operations."""

    def __init__(self, shell: NodeShell, clock: Clock) -> None:
        self._shell = shell
        self._clock = clock

    def read_guest(self, node: NodePlan) -> GuestAnswer:
        """Run the script once; the clock is known as well as the run was short."""
        before = self._clock.now()
        result = self._shell.run(node, node_facts.script())
        after = self._clock.now()
        facts = node_facts.parse(result.output)
        return GuestAnswer(
            facts=facts, clock=_clock(facts, before, after), services=_services(node, facts)
        )


def _clock(facts: NodeFacts, before: datetime, after: datetime) -> ClockReading | Unread:
    if isinstance(facts.clock, Unread):
        return facts.clock
    return node_facts.read_between(
        facts.clock, before, after, source="date in the guest", resolution=timedelta(0)
    )


def _services(node: NodePlan, facts: NodeFacts) -> ServiceReport | None:
    if isinstance(facts.services, Unread):
        return None
    status = parse_status(facts.services)
    return None if status.is_empty else report(node, status)
