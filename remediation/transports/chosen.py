"""The transport of each node, as domain.toml says, or the first that works with ``auto``."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from stsfix.remediation.errors import NoShellError, TransportUnavailableError
from stsfix.remediation.model import Transport
from stsfix.remediation.ports import READ_LIMIT, UNAVAILABLE, Progress
from stsfix.snapshot.ports import OUTPUT_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from stsfix.remediation.model import NodePlan
    from stsfix.remediation.ports import NodeShell, ProgressHook, ServiceControl, ServiceReport
    from stsfix.remediation.transports.attempts import Attempts
    from stsfix.snapshot.ports import GuestResult
    from stsfix.snapshot.secret import Secret

T = TypeVar("T")
R = TypeVar("R")

PROBE: Final = timedelta(seconds=30)
"""How long ``auto`` waits for one transport before it tries the next: VMware Tools of a node
that has just started need some seconds.
"""

_WORDS: Final = {Transport.GUEST: "guest operations", Transport.SSH: "SSH", Transport.VAMI: "VAMI"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Way(Generic[T]):
    """One adapter, made when it is needed, and how to find out that it gets through; the probe
    changes nothing.
    """

    make: Callable[[], T]
    probe: Callable[[T, NodePlan], object]


class Choice(Generic[T]):
    """Gives each node's adapter. *ways* are in the order that ``auto`` tries them.

    ``auto`` goes on to the next way only if one does not get through. A refused login or an
    untrusted host key ends it: the next way would send the same password again, or hide that
    somebody else answers.
    """

    def __init__(
        self,
        wanted: Callable[[str], Transport],
        ways: Mapping[Transport, Way[T]],
        attempts: Attempts,
        hook: ProgressHook,
    ) -> None:
        self._wanted = wanted
        self._ways = ways
        self._attempts = attempts
        self._hook = hook
        self._chosen: dict[str, Transport] = {}
        self._lock = threading.Lock()
        self._choosing: dict[str, threading.Lock] = {}

    def used(self, node: str) -> Transport:
        """Return the transport of *node*; ``auto`` as long as nothing was done there."""
        return self._chosen.get(node, self._wanted(node))

    def adapter(self, transport: Transport) -> T:
        """Return the adapter of *transport*, which must be one of the ways."""
        return self._ways[transport].make()

    def call(self, node: NodePlan, what: str, work: Callable[[T], R]) -> R:
        """Return what *work* returns for the node's adapter.

        Raises:
            NoShellError: The node's transport cannot do *what*.
            OperationError: *work* raised it.
        """
        transport = self.used(node.fqdn)
        if transport is Transport.AUTO:
            transport = self._choose(node)
        way = self._ways.get(transport)
        if way is None:
            raise NoShellError(node.fqdn, transport.value, what)
        try:
            return self._attempts.guarded(node.fqdn, lambda: work(way.make()))
        except UNAVAILABLE:
            self._chosen.pop(node.fqdn, None)  # another one may get through the next time
            raise

    def _choose(self, node: NodePlan) -> Transport:
        with self._lock:
            lock = self._choosing.setdefault(node.fqdn, threading.Lock())
        with lock:
            chosen = self._chosen.get(node.fqdn)
            if chosen is not None:
                return chosen
            why: list[str] = []
            last: Exception | None = None
            for transport, way in self._ways.items():
                try:
                    self._attempts.guarded(node.fqdn, partial(self._probe, way, node))
                except (*UNAVAILABLE, NoShellError) as error:
                    why.append(str(error))
                    last = error
                    continue
                self._chosen[node.fqdn] = transport
                self._tell(node, transport, why)
                return transport
            raise TransportUnavailableError(node.fqdn, "every transport", "; ".join(why)) from last

    @staticmethod
    def _probe(way: Way[T], node: NodePlan) -> object:
        return way.probe(way.make(), node)

    def _tell(self, node: NodePlan, transport: Transport, why: list[str]) -> None:
        text = f"reached by {_WORDS[transport]}"
        if why:
            text += f", since {'; '.join(why)}"
        self._hook(Progress(step="", subject=node.fqdn, text=text))


class ChosenShell:
    """`ports.NodeShell` by the transport of each node."""

    def __init__(self, choice: Choice[NodeShell]) -> None:
        self._choice = choice

    def describe(self, node: NodePlan) -> str:
        """See `ports.NodeShell`."""
        used = self._choice.used(node.fqdn)
        if used in {Transport.GUEST, Transport.SSH}:
            return self._choice.adapter(used).describe(node)
        return used.value

    def run(
        self,
        node: NodePlan,
        script: str | Secret[str],
        *,
        limit: timedelta = READ_LIMIT,
        output_limit: int = OUTPUT_BYTES,
    ) -> GuestResult:
        """See `ports.NodeShell`."""
        return self._choice.call(
            node,
            "run a script",
            lambda shell: shell.run(node, script, limit=limit, output_limit=output_limit),
        )

    def put(
        self, node: NodePlan, path: str, content: bytes | Secret[bytes], *, mode: int = 0o600
    ) -> None:
        """See `ports.NodeShell`."""
        self._choice.call(
            node, "write a file", lambda shell: shell.put(node, path, content, mode=mode)
        )

    def get(self, node: NodePlan, path: str, *, limit_bytes: int = OUTPUT_BYTES) -> bytes:
        """See `ports.NodeShell`."""
        return self._choice.call(
            node, "read a file", lambda shell: shell.get(node, path, limit_bytes=limit_bytes)
        )


class ChosenServices:
    """`ports.ServiceControl` by the transport of each node."""

    def __init__(self, choice: Choice[ServiceControl]) -> None:
        self._choice = choice

    def is_by_hand(self, node: NodePlan) -> bool:
        """See `ports.ServiceControl`."""
        return self._choice.used(node.fqdn) is Transport.NONE

    def read_services(self, node: NodePlan, *, limit: timedelta = READ_LIMIT) -> ServiceReport:
        """See `ports.ServiceControl`."""
        return self._choice.call(
            node, "list services", lambda control: control.read_services(node, limit=limit)
        )

    def restart_all(
        self, node: NodePlan, *, limit: timedelta, ran: Collection[str] = ()
    ) -> ServiceReport:
        """See `ports.ServiceControl`."""
        return self._choice.call(
            node,
            "restart services",
            lambda control: control.restart_all(node, limit=limit, ran=ran),
        )


def lists_services(control: ServiceControl, node: NodePlan) -> object:
    """Probe a service control by a listing."""
    return control.read_services(node)


def runs_nothing(shell: NodeShell, node: NodePlan) -> object:
    """Probe a shell by a script that does nothing."""
    return shell.run(node, "true", limit=PROBE)
