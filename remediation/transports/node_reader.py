"""What a node's guest says of itself, by one script there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from stsfix.remediation.discovery.nodes import GuestAnswer
from stsfix.remediation.errors import NoShellError
from stsfix.remediation.model import Transport
from stsfix.remediation.nodes import node_facts, windows_scripts
from stsfix.remediation.nodes.node_facts import NOT_ASKED, ClockReading, NodeFacts, Unread
from stsfix.remediation.nodes.service_status import parse_status, report
from stsfix.remediation.ports import READ_LIMIT, UNAVAILABLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from stsfix.remediation.discovery.nodes import GuestReader
    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.nodes.node_facts import Management
    from stsfix.remediation.ports import ServiceControl, ServiceReport
    from stsfix.remediation.ports_scripts import ScriptRunner
    from stsfix.snapshot.errors import OperationError
    from stsfix.snapshot.ports import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The script of a platform, what its output is read with, and how long it may take."""

    script: str
    parse: Callable[[str], NodeFacts]
    limit: timedelta = READ_LIMIT


APPLIANCE_LOOK: Final = Look(script=node_facts.script(), parse=node_facts.parse)
WINDOWS_LOOK: Final = Look(
    script=windows_scripts.facts_script(),
    parse=windows_scripts.parse_facts,
    limit=3 * READ_LIMIT,
)
"""WMI and VMware's Python take their time on Windows (vsphere.md 9) [K]."""


class GuestNodeReader:
    """`discovery.nodes.GuestReader` by a script; *shell* runs the language of *look*."""

    def __init__(self, shell: ScriptRunner, clock: Clock, look: Look = APPLIANCE_LOOK) -> None:
        self._shell = shell
        self._clock = clock
        self._look = look

    def read_guest(self, node: NodePlan) -> GuestAnswer:
        """Run the script once; the clock is known as well as the run was short."""
        before = self._clock.now()
        result = self._shell.run(node, self._look.script, limit=self._look.limit)
        after = self._clock.now()
        facts = self._look.parse(result.output)
        return GuestAnswer(
            facts=facts, clock=_clock(facts, before, after), services=_services(node, facts)
        )


class ChosenNodeReader:
    """`discovery.nodes.GuestReader` for appliances, by the transport of each.

    Where scripts cannot be run, but services can be listed (VAMI, or SSH without a bash), these
    are read and the rest is told as not checked. *scripts* and *listing* name the transports that
    are used for either, *wanted* what domain.toml says. *management* asks the management
    interface, where that lists the services.
    """

    def __init__(
        self,
        reader: GuestReader,
        services: ServiceControl,
        *,
        wanted: Callable[[str], Transport],
        scripts: Callable[[str], Transport],
        listing: Callable[[str], Transport],
        management: Callable[[NodePlan], Management] | None = None,
    ) -> None:
        self._reader = reader
        self._services = services
        self._wanted = wanted
        self._scripts = scripts
        self._listing = listing
        self._management = management

    def read_guest(self, node: NodePlan) -> GuestAnswer:
        """See `GuestReader`."""
        try:
            answer = self._reader.read_guest(node)
        except (NoShellError, *UNAVAILABLE) as error:
            if self._wanted(node.fqdn) is Transport.AUTO or isinstance(error, NoShellError):
                return self._without_scripts(node, error)
            raise
        return replace(answer, transport=self._scripts(node.fqdn))

    def _without_scripts(self, node: NodePlan, error: OperationError) -> GuestAnswer:
        try:
            services = self._services.read_services(node)
        except (NoShellError, *UNAVAILABLE):
            raise error from None  # it says more: every way that was tried
        why = Unread(reason=str(error))
        transport = self._listing(node.fqdn)
        by_vami = transport is Transport.VAMI and self._management is not None
        return GuestAnswer(
            facts=why,
            clock=why,
            services=services,
            transport=transport,
            management=self._managed(node) if by_vami else NOT_ASKED,
        )

    def _managed(self, node: NodePlan) -> Management | Unread:
        """Ask its management interface; it listed the services, and what else it tells is extra."""
        try:
            return self._management(node) if self._management is not None else NOT_ASKED
        except UNAVAILABLE as error:
            return Unread(reason=str(error))


def _clock(facts: NodeFacts, before: datetime, after: datetime) -> ClockReading | Unread:
    if isinstance(facts.clock, Unread):
        return facts.clock
    return node_facts.read_between(
        facts.clock, before, after, source="date in the guest", resolution=timedelta(0)
    )


def _services(node: NodePlan, facts: NodeFacts) -> ServiceReport | None:
    if isinstance(facts.services, Unread):
        return None
    status = parse_status(facts.services, node.platform)
    return None if status.is_empty else report(node, status)
