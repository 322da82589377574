"""What every step of a run works with."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from stsfix.remediation.ports import Progress
from stsfix.snapshot.errors import OperationError
from stsfix.snapshot.fleet import raise_worst
from stsfix.snapshot.ordering import start_waves, stop_waves

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from stsfix.remediation.model import NodePlan, RunSpec
    from stsfix.remediation.ports import (
        Directory,
        ExportStore,
        Issuer,
        Logins,
        ProgressHook,
        ServiceControl,
    )
    from stsfix.remediation.steps.tools import RenewalTools
    from stsfix.snapshot.coordinator import Coordinator
    from stsfix.snapshot.model import VmId
    from stsfix.snapshot.ordering import Waves
    from stsfix.snapshot.ports import Clock

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long the steps wait, all from domain.toml. *poll* is the pause between two looks.

    *publish* is how long a running STS gets to notice the new credential by itself before the
    restart makes sure of it (its cache is re-read about every 15 s, IdentityManager.java L250).
    """

    boot: timedelta
    replication: timedelta
    publish: timedelta
    services: timedelta
    logins: timedelta
    poll: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class StepContext:
    """Ports and settings of one run. *directory* gives the vmdir of one node by FQDN.

    *node_clock* reads a node's clock minus this workstation's, None if it does not tell.
    """

    spec: RunSpec
    coordinator: Coordinator
    directory: Callable[[str], Directory]
    logins: Logins
    services: ServiceControl
    issuer: Callable[[], Issuer]
    exports: ExportStore
    renewal: RenewalTools
    node_clock: Callable[[str], timedelta | None]
    publish_root: bool
    clock: Clock
    limits: Limits
    hook: ProgressHook

    @property
    def vms(self) -> tuple[VmId, ...]:
        """The VMs of all nodes."""
        return tuple(node.vm for node in self.spec.nodes)

    def shutdown_waves(self) -> Waves:
        """Return who stops first: vCenters on external PSCs, then every node with a directory
        (a PSC must outlive the vCenters that log in through it).
        """
        return stop_waves(self._ranks())

    def start_waves(self) -> tuple[tuple[NodePlan, ...], ...]:
        """Return who starts first: nodes with a directory, then the other vCenters."""
        nodes = {node.vm: node for node in self.spec.nodes}
        return tuple(tuple(nodes[vm] for vm in wave) for wave in start_waves(self._ranks()))

    def _ranks(self) -> dict[VmId, int]:
        return {node.vm: int(not node.role.has_directory) for node in self.spec.nodes}

    def tell(self, step: str, subject: str, text: str) -> None:
        """Show one thing that happened."""
        self.hook(Progress(step=step, subject=subject, text=text))

    def each(self, nodes: Sequence[NodePlan], work: Callable[[NodePlan], T]) -> tuple[T, ...]:
        """Do *work* for every node at the same time; the gravest error is raised after all have
        ended, so that nothing goes on behind the caller's back, with the others as its notes.
        """
        with ThreadPoolExecutor(max_workers=max(1, len(nodes))) as pool:
            pending = [pool.submit(work, node) for node in nodes]
        errors = [error for future in pending if (error := future.exception()) is not None]
        known = [error for error in errors if isinstance(error, OperationError)]
        if known == errors:
            raise_worst(known)
        return tuple(future.result() for future in pending)
